"""A scan of a large memory: cosines are estimated, and computed only for the rows that may be among the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.protocols import Columns, Query
from zettel.scoring._scan import ExactScan, Values, reduced

_BEST = 100, 0.02  # rows computed because their estimated scores are best: at most so many, and such a share of all
_SAMPLE = 400, 0.035  # rows computed as a sample, to calibrate the estimates: at most so many, and such a share of all
_FEW = 2000  # up to so many rows are all computed, since a sample of them would be too small
_LEAST = 10  # a sample of fewer rows calibrates nothing


@dataclass(frozen=True, slots=True)
class Route:
    """The result of routing: the ``rows`` of the nearest topics, and for every row the cosine of query and topic."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.floating]


class RoutedScan(ExactScan):
    """A scan that computes few cosines; ``exact`` marks the rows whose cosines are computed, with and without context.

    All other cosines are estimated from codes; those of rows outside a ``route`` are estimated from their topics. A
    sample of the rows in ``mask`` is computed exactly, and the estimates are shifted and scaled to its mean and its
    standard deviation. Otherwise the noise of the codes would spread the estimates too far, and scores are standardized
    by mean and deviation.
    """

    def __init__(
        self, query: Query, columns: Columns, config: Config, mask: NDArray[np.bool_], k: int,
        route: Route | None = None,
    ) -> None:  # fmt: skip
        super().__init__(query, columns, config)
        self.n_rescored = 0
        self.n_wanted = max(_BEST[0], 4 * k)
        self.asked = False  # whether cosines have been read since this was set to False
        self.exact = np.zeros(columns.n, np.bool_)
        self._best = np.zeros(columns.n)
        self._own = np.zeros(columns.n)  # from the mean of the passages, for the context of neighbors
        self._context = np.zeros(columns.n)
        self._known = np.zeros(columns.n, np.bool_)  # the rows whose `_best` and `_own` are computed
        rows = np.flatnonzero(mask)
        if len(rows) <= max(_FEW, self.n_wanted):
            self.rescore(rows)
            return
        self.n_wanted = max(min(_BEST[0], int(len(rows) * _BEST[1])), 4 * k)
        self._estimate(route)
        self._calibrate(rows[columns.sample_keys[rows] < min(_SAMPLE[0] / len(rows), _SAMPLE[1])])

    @property
    def cosines(self) -> Values:
        """See ``protocols.Scan``; estimates, except for the rows that were rescored."""
        self.asked = True
        return self._best

    @property
    def context_cosines(self) -> Values:
        """See ``protocols.Scan``; estimates, except for the rows marked ``exact``."""
        self.asked = True
        return self._context

    def rescore(self, rows: NDArray[np.int64]) -> None:
        """Compute the cosines of rows, with and without context: exactly the numbers that an `ExactScan` gives."""
        windows = self.columns.windows[rows]
        wanted = np.zeros(self.columns.n + 1, np.bool_)  # the last element, index -1, is for missing neighbors
        wanted[rows] = wanted[windows] = True
        unknown = np.flatnonzero(wanted[:-1] & ~self._known)
        if len(unknown):
            passages, starts = self.columns.passages(unknown)
            products = np.vecdot(self.columns.vectors[passages], self.query.vector).astype(np.float64)
            self.n_rescored += len(passages)
            self._best[unknown], self._own[unknown] = reduced(products, starts)
            self._known[unknown] = True
        padded = np.append(self._own, 0.0)
        around = np.zeros(len(rows))
        for others in windows.T:
            around += padded[others]
        self._context[rows] = (self._own[rows] + around) / self.columns.norms[rows]
        self.exact[rows] = True

    def _estimate(self, route: Route | None) -> None:
        columns, asked = self.columns, self.query.vector
        if route is None:
            self._best, self._own = self._by_note(columns.estimates(asked, None))
        else:
            self._best[:] = self._own[:] = route.cosines
            passages, starts = columns.passages(route.rows)
            self._best[route.rows], self._own[route.rows] = reduced(columns.estimates(asked, passages), starts)
        self._context = self._with_windows(self._own)

    def _calibrate(self, sample: NDArray[np.int64]) -> None:
        """Shift and scale the estimates so that those of a sample have the right mean and deviation."""
        guessed = self._best[sample], self._context[sample]
        self.rescore(sample)
        if len(sample) < _LEAST:
            return
        for column, guesses, known in zip((self._best, self._context), guessed, (self._known, self.exact), strict=True):
            true, computed = column[sample], np.flatnonzero(known)
            kept = column[computed]
            np.subtract(column, guesses.mean(), out=column)
            np.multiply(column, true.std() / max(guesses.std(), 1e-9), out=column)
            np.add(column, true.mean(), out=column)
            column[computed] = kept

