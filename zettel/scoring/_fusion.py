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


class Fusion:
    """Signals added up over the rows that a mask lets through.

    Measures are standardized over those rows only, so what a filter shuts out cannot bear on what it lets in; term
    statistics are the whole memory's. ``standing`` tells for how many notes each row stands there, shape ``(n,)``; for
    one, where it is not given. Of a routed scan, all rows are scored by its estimates first. Then those that may be
    among the best are computed, and the signals that read cosines say anew what they think; the other rows are left at
    -inf, as if the mask shut them out.
    """

    def __init__(
        self, scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_],
        weights: Mapping[str, float] | None = None, standing: Values | None = None,
    ) -> None:  # fmt: skip
        self._scan = scan
        self._weights = weights or {}
        self._allowed = mask
        self._rows = np.flatnonzero(mask)
        self._standing = None if standing is None else standing[self._rows]
        self._values: dict[str, Values] = {}
        self._parts: dict[str, Values] = {}
        routed = scan if isinstance(scan, RoutedScan) else None
        self._estimated: list[Signal] = []  # signals that a rescored row changes
        for signal in signals:
            if routed:
                routed.asked = False
            self._add(signal)
            if routed and routed.asked:
                self._estimated.append(signal)
        if routed and not routed.exact[self._rows].all():
            scores = self._total()[self._rows]
            border = np.partition(scores, -routed.n_wanted)[-routed.n_wanted]
            self.include(self._rows[scores >= border])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The rows that have a score: all that are let through, or of a routed scan those computed exactly."""
        return self._allowed & self._scan.exact if isinstance(self._scan, RoutedScan) else self._allowed

    def include(self, rows: NDArray[np.int64]) -> None:
        """See to it that rows have a score, if they are let through."""
        if isinstance(self._scan, RoutedScan) and not self._scan.exact[rows].all():
            self._scan.rescore(rows)
            for signal in self._estimated:
                self._add(signal)

    def fused(self) -> Fused:
        """What has come out."""
        scores = self._total()
        scores[~self.mask] = -np.inf
        return Fused(scores, self._values, self._parts)

    def _add(self, signal: Signal) -> None:
        self._values[signal.NAME] = own = signal.values(self._scan)
        weight = self._weights.get(signal.NAME, signal.WEIGHT)
        self._parts[signal.NAME] = weight * (self._standardized(own) if signal.STANDARDIZED else own)

    def _total(self) -> Values:
        total = np.zeros(self._scan.columns.n)
        for part in self._parts.values():
            total += part
        return total

    def _standardized(self, values: Values) -> Values:
        searched = values[self._rows] if len(self._rows) < len(values) else values.copy()
        if not len(searched):
            return np.zeros_like(values)
        mean, spread = _moments(searched) if self._standing is None else _weighted(searched, self._standing)
        if spread < _FLAT:
            return np.zeros_like(values)
        result: Values = values - mean
        result /= spread
        return result


def fuse(
    scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_], weights: Mapping[str, float] | None = None
) -> Fused:
    """Score the rows that ``mask`` lets through; see ``Fusion``."""
    return Fusion(scan, signals, mask, weights).fused()


def _moments(values: Values) -> tuple[float, float]:
    """Mean and standard deviation; the mean is taken off ``values``."""
    mean = float(values.sum()) / len(values)
    values -= mean
    return mean, sqrt(sum(float(part @ part) for part in _pieces(values)) / len(values))


def _weighted(values: Values, weights: Values) -> tuple[float, float]:
    """Mean and standard deviation of values that stand for ``weights`` each."""
    total = max(float(weights.sum()), 1.0)
    mean = float((values * weights).sum()) / total
    return mean, sqrt(float(((values - mean) ** 2 * weights).sum()) / total)


def _pieces(values: Values) -> Iterator[Values]:
    """Pieces that BLAS multiplies in one thread each: with more it waits for those that a busy machine delays."""
    return (values[start : start + _ONE_THREAD] for start in range(0, len(values), _ONE_THREAD))
