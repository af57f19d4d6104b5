"""Whether the note says enough to hold a fact: "Thanks!" rarely answers a question, however well it is placed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "substance"
WEIGHT = 0.3  # see docs/retrieval.md
STANDARDIZED = True

_ENOUGH = 8  # terms; a note with more is not preferred further, or an assistant's long answers would win everywhere


def values(scan: Scan) -> NDArray[np.float64]:
    """The logarithm of a note's number of terms, up to 8, less its speaker's mean: people differ in how much they say.

    The mean is over the notes that are there still, so that one that went bears on nothing.
    """
    length = np.log1p(np.minimum(scan.columns.lengths, _ENOUGH).astype(np.float64))
    speaker = scan.columns.speaker + 1  # none, -1, is a speaker like any other
    alive = scan.columns.alive.astype(np.float64)
    mean = np.bincount(speaker, length * alive) / np.maximum(np.bincount(speaker, alive), 1)
    result: NDArray[np.float64] = length - mean[speaker]
    return result


def reason(scan: Scan, row: int) -> str | None:
    """Never named: most notes have enough."""
    del scan, row
    return None
