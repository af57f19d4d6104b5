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
_FLAT = 1e-9  # a spread below this is rounding: the signal has the same value for all notes

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fused:
    """The score of each row (-inf outside the mask), the values of each signal, and its weighted part of the score."""

    scores: Values
    values: Mapping[str, Values]
    parts: Mapping[str, Values]


class Fusion:
    """The weighted sum of the signals over the rows in a mask.

    Measures are standardized over these rows only, so that rows outside the mask have no influence; term statistics are
    those of the whole memory. ``row_weights`` are the numbers of notes that the rows represent, shape ``(n,)``; by
    default each row is one note.

    In a routed scan, all rows are first scored with its estimates. Then the cosines of the rows that may be among the
    best are computed, and the signals that read cosines are evaluated again. All other rows keep the score -inf, as if
    they were outside the mask.
    """

    def __init__(
        self, scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_],
        weights: Mapping[str, float] | None = None, row_weights: Values | None = None,
    ) -> None:  # fmt: skip
        self._scan = scan
        self._weights = weights or {}
        self._allowed = mask
        self._rows = np.flatnonzero(mask)
        self._row_weights = None if row_weights is None else row_weights[self._rows]
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
        """The rows that have a score: all rows of the mask; in a routed scan those that are computed exactly."""
        return self._allowed & self._scan.exact if isinstance(self._scan, RoutedScan) else self._allowed

    def include(self, rows: NDArray[np.int64]) -> None:
        """Compute the scores of rows, if the mask has them."""
        if isinstance(self._scan, RoutedScan) and not self._scan.exact[rows].all():
            self._scan.rescore(rows)
            for signal in self._estimated:
                self._add(signal)

    def fused(self) -> Fused:
        """The result so far."""
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
        weights = self._row_weights
        mean, spread = _centered(searched) if weights is None else _weighted(searched, weights)
        if spread < _FLAT:
            return np.zeros_like(values)
        result: Values = values - mean
        result /= spread
        return result


def fuse(
    scan: Scan, signals: Sequence[Signal], mask: NDArray[np.bool_], weights: Mapping[str, float] | None = None
) -> Fused:
    """Score the rows in ``mask``; see ``Fusion``."""
    return Fusion(scan, signals, mask, weights).fused()


def _centered(values: Values) -> tuple[float, float]:
    """Mean and standard deviation; the mean is subtracted from ``values`` in place."""
    mean = float(values.sum()) / len(values)
    values -= mean
    return mean, sqrt(sum(float(part @ part) for part in _pieces(values)) / len(values))


def _weighted(values: Values, weights: Values) -> tuple[float, float]:
    """Mean and standard deviation of values, each of which counts ``weights`` times."""
    total = max(float(weights.sum()), 1.0)
    mean = float((values * weights).sum()) / total
    return mean, sqrt(float(((values - mean) ** 2 * weights).sum()) / total)


def _pieces(values: Values) -> Iterator[Values]:
    """Pieces that BLAS multiplies in one thread each: with more, it waits for threads that a busy machine delays."""
    return (values[start : start + _ONE_THREAD] for start in range(0, len(values), _ONE_THREAD))
