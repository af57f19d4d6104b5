"""Whether the note says enough to hold a fact: "Thanks!" rarely answers a question, whatever is said around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "substance"
WEIGHT = 0.3  # see docs/retrieval.md
STANDARDIZED = True

_ENOUGH = 8  # more terms than these count no more, since an assistant's long answers would always win


def values(scan: Scan) -> NDArray[np.float64]:
    """The logarithm of the number of terms, up to 8, minus the mean of the speaker: some people always say more.

    The mean is over the notes present, so that a removed note has no influence.
    """
    length = np.log1p(np.minimum(scan.columns.lengths, _ENOUGH).astype(np.float64))
    speaker = scan.columns.speaker + 1  # no speaker, which is -1, counts as one speaker
    alive = scan.columns.alive.astype(np.float64)
    mean = np.bincount(speaker, length * alive) / np.maximum(np.bincount(speaker, alive), 1)
    result: NDArray[np.float64] = length - mean[speaker]
    return result


def reason(scan: Scan, row: int) -> str | None:
    """None: most notes have enough."""
    del scan, row
    return None
