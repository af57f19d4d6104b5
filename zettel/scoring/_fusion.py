"""The one place where signals become a score: a weighted sum, measures standardized first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan, Signal

_FLAT = 1e-9  # a spread below this is rounding: such a signal tells the notes apart no more


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores by row (-inf outside the mask), each signal's own values, and its weighted part of the score."""

    scores: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    parts: Mapping[str, NDArray[np.float64]]


def fuse(
    scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_], weights: Mapping[str, float] | None = None
) -> Fused:
    """Score the rows that ``mask`` lets through.

    Measures are standardized over those rows only, so what a filter shuts out cannot bear on what it lets in; term
    statistics are the whole memory's.
    """
    total = np.zeros(scan.columns.n)
    values: dict[str, NDArray[np.float64]] = {}
    parts: dict[str, NDArray[np.float64]] = {}
    for signal in signals:
        values[signal.NAME] = own = signal.values(scan)
        weight = (weights or {}).get(signal.NAME, signal.WEIGHT)
        parts[signal.NAME] = weight * (_standardized(own, mask) if signal.STANDARDIZED else own)
        total += parts[signal.NAME]
    total[~mask] = -np.inf
    return Fused(total, values, parts)


def _standardized(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    searched = values[mask]
    if not len(searched):
        return np.zeros_like(values)
    mean = searched.sum() / len(searched)
    searched -= mean  # a copy: what a mask picks out is one
    spread = float(np.sqrt(searched @ searched / len(searched)))
    if spread < _FLAT:
        return np.zeros_like(values)
    result: NDArray[np.float64] = (values - mean) / spread
    return result
