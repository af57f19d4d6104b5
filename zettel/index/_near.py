"""The nearest notes and the spread of cosines; both follow from the notes alone, not from the order of arrival."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Vector
from zettel.sampling import sample_key

__all__ = ["Nearest", "best", "sample_key", "spread"]

_STEPS = 1 << 20  # cosines are rounded to multiples of its inverse, so that their sum does not depend on its order


@dataclass(frozen=True, slots=True)
class Nearest:
    """The rows nearest to a vector, best first; mean and standard deviation of the cosines of all ``n`` rows."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n: int
    mean: float
    deviation: float


def best(scores: Vector, ordinals: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The places of the ``k`` highest scores, best first; equal scores are ordered by ordinal."""
    among = np.arange(len(scores))
    if k < len(scores):
        among = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    return among[np.lexsort((ordinals[among], -scores[among]))][:k]


def spread(cosines: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Mean and standard deviation, summed as whole numbers, so that the order of the rows doesn't matter."""
    counted = np.rint(cosines.astype(np.float64) * _STEPS).astype(np.int64)
    mean = int(counted.sum()) / len(counted) / _STEPS
    square = int(counted @ counted) / len(counted) / _STEPS**2
    return mean, sqrt(max(square - mean * mean, 0.0))
