"""Whether the note's speaker is named in the question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan
from zettel.text import words

NAME = "speaker"
WEIGHT = 1.5  # see docs/retrieval.md
STANDARDIZED = False


def values(scan: Scan) -> NDArray[np.float64]:
    """1 for the notes of a speaker with a name in the question, the first or the last one, else 0."""
    asked = frozenset(words(scan.query.text))
    named = [float(_is_named(speaker, asked)) for speaker in scan.columns.speakers]
    return np.array([*named, 0.0])[scan.columns.speaker]  # -1, for no speaker, reads the last element


def reason(scan: Scan, row: int) -> str | None:
    """Names the speaker."""
    code = scan.columns.speaker[row]
    speaker = scan.columns.speakers[code] if code >= 0 else ""
    return f"{speaker} says it" if _is_named(speaker, frozenset(words(scan.query.text))) else None


def _is_named(speaker: str, asked: frozenset[str]) -> bool:
    return not asked.isdisjoint(words(speaker))
