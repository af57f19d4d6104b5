"""Which words of the question the note or the messages around it have: BM25 over the texts of the window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "lexical_context"
WEIGHT = 0.7  # measured best between 0.5 and 1 on four datasets, see docs/retrieval.md
STANDARDIZED = True


def values(scan: Scan) -> NDArray[np.float64]:
    """BM25 scores, 0 and above."""
    return scan.bm25(context=True)


def reason(scan: Scan, row: int) -> str | None:
    """Names the words that only the messages around the note have."""
    words = scan.said_around(row)
    return "the messages around it have " + ", ".join(f"“{w}”" for w in words) if words else None
