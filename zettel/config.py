"""The numbers zettel runs on, each with its unit and where it comes from, and the plug-ins at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from zettel.errors import InputError


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one open memory; pass it as ``open_memory(..., config=Config(batch=64))``."""

    batch: int = 128
    """Messages an ingestion puts into one commit: what a kill can cost, against what a commit costs on disk."""

    busy_timeout_s: float = 30.0
    """How long, in seconds, to wait for a store that another process holds."""

    max_text: int = 2_000_000
    """Longest text of a note, in characters; a longer one is refused rather than cut."""

    query_cache: int = 1024
    """Vectors of queries kept in memory."""

    k1: float = 1.2
    """BM25's saturation of repeated terms (Robertson & Zaragoza 2009, section 3.5)."""

    b: float = 0.5
    """BM25's normalization by length: chat turns differ in length for reasons other than verbosity."""

    window: int = 2
    """Messages before, and messages after, that lend a note their context."""

    annotation_tf: float = 0.3
    """How much a term counts that stands only in a note's annotations; a term of its text counts 1."""

    exact_below: int = 50_000
    """Notes from which on a search is routed through topics and codes instead of scoring every vector.

    On a server with indexes of its own, it is then these that name the notes to be read. Measured: below about 20,000
    routing costs more than it saves (docs/measurements.md).
    """

    lsh_bits: int = 384
    """Length of a vector's code, in bits; a multiple of 64."""

    beam_share: float = 0.5
    """Share of the notes that the topics searched should hold; more are searched if the choice is close."""

    beam_margin: float = 0.02
    """Cosine by which a topic may be farther from the question than the last one chosen, and still be searched."""

    expansion: float = 0.3
    """What the links of the best notes lend to the notes they lead to: a part of the score by which these stand out."""

    rewrites_per_add: int = 4
    """Neighbors that an arriving note may rewrite."""

    rewrites_per_day: int = 4
    """Times that notes of one day may rewrite the same note."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of a signal by its name, in place of the one its own file gives."""

    rules: Sequence[str] | None = None
    """Link rules at work, by name, in the order in which they propose; None for those that zettel brings.

    In this and the next two, "built-in" stands for all that zettel brings, by name: ("built-in", "places"). What other
    packages bring is at work only if it is named. An empty list turns linking off.
    """

    policies: Sequence[str] | None = None
    """Policies of evolution at work, in order: each sees what those before it have written. See ``rules``."""

    signals: Sequence[str] | None = None
    """Signals that score notes, in the order in which they are summed; at least one. See ``rules``."""

    def __post_init__(self) -> None:
        for name, least in (
            ("batch", 1), ("max_text", 1), ("query_cache", 0), ("window", 0), ("rewrites_per_add", 0),
            ("rewrites_per_day", 0), ("exact_below", 0), ("lsh_bits", 64),
        ):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"Config.{name} is {value!r}: it must be a whole number of at least {least}")
        for name, most in (
            ("busy_timeout_s", 1e6), ("k1", 100.0), ("b", 1.0), ("annotation_tf", 100.0), ("expansion", 100.0),
            ("beam_share", 1.0), ("beam_margin", 2.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise InputError(f"Config.{name} is {value!r}: it must be a number from 0 to {most:g}")
        if not isinstance(self.weights, Mapping) or not all(map(_is_finite, self.weights.values())):
            raise InputError(f"Config.weights is {self.weights!r}: it must map names of signals to finite numbers")
        for name in ("rules", "policies", "signals"):
            value = getattr(self, name)
            if value is not None and not _is_names(value):
                raise InputError(f"Config.{name} is {value!r}: it must be a list of names, or None")
        if self.signals is not None and not self.signals:
            raise InputError("Config.signals is empty: name one at least, or leave it out for the built-in ones")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


DEFAULT = Config()
