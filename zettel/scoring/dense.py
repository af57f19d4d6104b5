"""How close the note's meaning is to the question's: the cosine of the query and the note's best passage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "dense"
WEIGHT = 1.0  # the unit in which the others are measured
STANDARDIZED = True

_CLOSE = 0.3  # below it, MiniLM's cosine of two unrelated chat turns


def values(scan: Scan) -> NDArray[np.float64]:
    """Cosines in [-1, 1]."""
    return scan.cosines


def reason(scan: Scan, row: int) -> str | None:
    """Named from a cosine of 0.3 on."""
    cosine = scan.cosines[row]
    return f"its meaning is close to the question's ({cosine:.2f})" if cosine >= _CLOSE else None
