"""How close the note, together with the messages around it, is to the question in meaning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "dense_context"
WEIGHT = 0.7  # measured best between 0.5 and 1 on four datasets, see docs/retrieval.md
STANDARDIZED = True

_CLOSE = 0.3


def values(scan: Scan) -> NDArray[np.float64]:
    """Cosines in [-1, 1] of the query and the sum of the note's vector and those of its window."""
    return scan.context_cosines


def reason(scan: Scan, row: int) -> str | None:
    """Given if the note with the messages around it is close, and closer than the note alone."""
    around = scan.context_cosines[row]
    alone = scan.cosines[row]
    return f"what is said around it is on the question ({around:.2f})" if around >= max(_CLOSE, alone) else None
