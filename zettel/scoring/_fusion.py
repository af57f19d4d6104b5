"""The one place where signals become a score: a weighted sum, measures standardized first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Scan, Signal
from zettel.scoring._routed import RoutedScan

_ONE_THREAD = 10_000  # OpenBLAS, interface/dot.c
_FLAT = 1e-9  # a spread below this is rounding: such a signal tells the notes apart no more

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores by row (-inf outside the mask), each signal's own values, and its weighted part of the score."""

    scores: Values
    values: Mapping[str, Values]
    parts: Mapping[str, Values]


class _Sum:
    """Signals added up over the rows that a mask lets through."""

    def __init__(self, scan: Scan, mask: NDArray[np.bool_], weights: Mapping[str, float] | None) -> None:
        self._scan = scan
        self._weights = weights or {}
        self.rows = np.flatnonzero(mask)
        self.values: dict[str, Values] = {}
        self.parts: dict[str, Values] = {}

    def add(self, signal: Signal) -> None:
        """Enter a signal, or what it has become."""
        self.values[signal.NAME] = own = signal.values(self._scan)
        weight = self._weights.get(signal.NAME, signal.WEIGHT)
        self.parts[signal.NAME] = weight * (self._standardized(own) if signal.STANDARDIZED else own)

    def total(self) -> Values:
        """The score of every row."""
        total = np.zeros(self._scan.columns.n)
        for part in self.parts.values():
            total += part
        return total

    def _standardized(self, values: Values) -> Values:
        searched = values[self.rows] if len(self.rows) < len(values) else values.copy()
        if not len(searched):
            return np.zeros_like(values)
        mean = searched.sum() / len(searched)
        searched -= mean
        spread = sqrt(sum(float(part @ part) for part in _parts(searched)) / len(searched))
        if spread < _FLAT:
            return np.zeros_like(values)
        result: Values = values - mean
        result /= spread
        return result


def fuse(
    scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_], weights: Mapping[str, float] | None = None
) -> Fused:
    """Score the rows that ``mask`` lets through.

    Measures are standardized over those rows only, so what a filter shuts out cannot bear on what it lets in; term
    statistics are the whole memory's.
    """
    added = _Sum(scan, mask, weights)
    for signal in signals:
        added.add(signal)
    return _fused(added, mask)


def fuse_routed(
    scan: RoutedScan, signals: Sequence[Signal], mask: NDArray[np.bool_], weights: Mapping[str, float] | None = None
) -> Fused:
    """Score the rows that may be among the best, exactly; the others are at -inf, as if ``mask`` shut them out.

    All rows are scored by the estimates, and of the best ones the cosines are computed. Those signals that read cosines
    then say anew what they think.
    """
    added = _Sum(scan, mask, weights)
    estimated = []
    for signal in signals:
        scan.asked = False
        added.add(signal)
        if scan.asked:
            estimated.append(signal)
    if not scan.exact[added.rows].all():
        scores = added.total()[added.rows]
        border = np.partition(scores, -scan.n_wanted)[-scan.n_wanted]
        scan.rescore(added.rows[scores >= border])
        for signal in estimated:
            added.add(signal)
    return _fused(added, mask & scan.exact)


def _parts(values: Values) -> Iterator[Values]:
    """Parts of a length that BLAS multiplies in one thread: with more it waits for those that a busy machine delays."""
    return (values[start : start + _ONE_THREAD] for start in range(0, len(values), _ONE_THREAD))


def _fused(added: _Sum, mask: NDArray[np.bool_]) -> Fused:
    scores = added.total()
    scores[~mask] = -np.inf
    return Fused(scores, added.values, added.parts)
