"""Reproducible samples of notes: which notes a sample holds follows from their ordinals alone."""

from __future__ import annotations

_RUN = 4  # consecutive notes with one key: they share most of their neighbors, so reading them together costs less


def sample_key(ordinal: int) -> float:
    """A number in [0, 1) for a note, the same on every machine: Fibonacci hashing (Knuth 1998, section 6.4).

    Keys are spread evenly, so the notes with keys below 0.1 are a sample of a tenth.
    """
    return (ordinal // _RUN * 0x9E3779B1 & 0xFFFFFFFF) / 2**32
