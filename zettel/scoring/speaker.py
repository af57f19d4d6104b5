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
    """1 for notes of a speaker whose first or last name the question has, else 0."""
    named = [float(_named(scan, speaker)) for speaker in scan.columns.speakers]
    return np.array([*named, 0.0])[scan.columns.speaker]  # speaker -1, none, reads the last


def reason(scan: Scan, row: int) -> str | None:
    """Names the speaker."""
    code = scan.columns.speaker[row]
    return f"{scan.columns.speakers[code]} says it" if code >= 0 and _named(scan, scan.columns.speakers[code]) else None


def _named(scan: Scan, speaker: str) -> bool:
    return not set(words(scan.query.text)).isdisjoint(words(speaker))
