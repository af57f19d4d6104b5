"""How close the note's meaning is to the question's: the cosine of the query and the note's best passage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "dense"
WEIGHT = 1.0  # the unit of all other weights
STANDARDIZED = True

_CLOSE = 0.3  # two unrelated turns of a chat have a lower cosine with MiniLM


def values(scan: Scan) -> NDArray[np.float64]:
    """Cosines in [-1, 1]."""
    return scan.cosines


def reason(scan: Scan, row: int) -> str | None:
    """Given from a cosine of 0.3 on."""
    cosine = scan.cosines[row]
    return f"its meaning is close to the question's ({cosine:.2f})" if cosine >= _CLOSE else None
