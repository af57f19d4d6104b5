"""Lists of words: a folder for each language, a file for each list, whose comments (#) say where it comes from."""

from __future__ import annotations

from pathlib import Path


def entries(name: str, language: str = "en") -> str:
    """The text of a list without its comments, on one line.

    ``language`` is the name of a folder here; so far there is "en".
    """
    lines = Path(__file__).with_name(language).joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return " ".join(line.strip() for line in lines if not line.startswith("#"))


def words(name: str, language: str = "en") -> frozenset[str]:
    """A list of single words, which are separated by white space."""
    return frozenset(entries(name, language).split())


def phrases(name: str, language: str = "en") -> frozenset[str]:
    """A list of words and phrases, which are separated by commas."""
    return frozenset(phrase.strip() for phrase in entries(name, language).split(","))
