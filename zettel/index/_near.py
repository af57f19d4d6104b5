"""What nearness is decided by: always the same from the same notes, in whatever order they came."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Vector
from zettel.sampling import sample_key

__all__ = ["Nearest", "best", "sample_key", "spread"]

_STEPS = 1 << 20  # in which cosines are counted where their sum must not depend on its order


@dataclass(frozen=True, slots=True)
class Nearest:
    """The rows nearest to a vector, best first, and mean and standard deviation of all ``n`` searched rows' cosines."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n: int
    mean: float
    deviation: float


def best(scores: Vector, ordinals: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The places of the ``k`` highest scores, best first; equal ones by ordinal."""
    among = np.arange(len(scores))
    if k < len(scores):
        among = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    return among[np.lexsort((ordinals[among], -scores[among]))][:k]


def spread(cosines: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Mean and standard deviation, summed in whole numbers: the same in whatever order the rows stand."""
    counted = np.rint(cosines.astype(np.float64) * _STEPS).astype(np.int64)
    mean = int(counted.sum()) / len(counted) / _STEPS
    square = int(counted @ counted) / len(counted) / _STEPS**2
    return mean, sqrt(max(square - mean * mean, 0.0))
