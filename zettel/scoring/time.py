"""Whether the note happened in the time that the question speaks of ("last May", "on 8 May 2023", "since March")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan

NAME = "time"
WEIGHT = 2.0  # see docs/retrieval.md
STANDARDIZED = False


def values(scan: Scan) -> NDArray[np.float64]:
    """1 for notes that overlap with the question in time, else 0; all 0 if the question speaks of no time."""
    query, columns = scan.query, scan.columns
    if query.since is None and query.until is None:
        return np.zeros(columns.n)
    since = query.since.timestamp() if query.since else -np.inf
    until = query.until.timestamp() if query.until else np.inf
    return ((columns.until > since) & (columns.times < until)).astype(np.float64)  # NaN compares False


def reason(scan: Scan, row: int) -> str | None:
    """Says that the time fits."""
    return "it falls into the time asked about" if values(scan)[row] else None
