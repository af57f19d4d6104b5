"""Which words of the question the note has: BM25 over its text and, with less weight, its annotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "lexical"
WEIGHT = 0.5  # less than dense, since a note's own words count again in lexical_context
STANDARDIZED = True


def values(scan: Scan) -> NDArray[np.float64]:
    """BM25 scores, 0 and above."""
    return scan.bm25(context=False)


def reason(scan: Scan, row: int) -> str | None:
    """Names the words: first those of the text, then those of the annotations."""
    parts = [
        verb + " " + ", ".join(f"“{w}”" for w in words)
        for verb, words in (("says", scan.said(row)), ("is noted with", scan.noted(row)))
        if words
    ]
    return "it " + " and ".join(parts) if parts else None
