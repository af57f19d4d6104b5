"""Whether the note's speaker is named in the question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan
from zettel.text import words

NAME = "speaker"
WEIGHT = 1.0  # see docs/retrieval.md
STANDARDIZED = False


def values(scan: Scan) -> NDArray[np.float64]:
    """1 for notes of a speaker whose first or last name the question has, else 0."""
    asked = set(words(scan.query.text))
    named = [not asked.isdisjoint(words(speaker)) for speaker in scan.columns.speakers]
    return np.append(np.array(named, np.float64), 0.0)[scan.columns.speaker]  # speaker -1, none, reads the last


def reason(scan: Scan, row: int) -> str | None:
    """Names the speaker."""
    return f"{scan.columns.speakers[scan.columns.speaker[row]]} says it" if values(scan)[row] else None
