"""A scan of a large memory: cosines are estimated, and computed only where they may matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.protocols import Columns, Query
from zettel.scoring._scan import Scan, Values, reduced

_SHORTLIST = 100, 0.02  # rows computed because their estimated scores are best: the most, also as a part of all
_SAMPLE = 400, 0.035  # rows computed by lot, to calibrate the estimates: the most, also as a part of all
_FEW = 2000  # rows that are all computed: a sample of so few would say too little
_LEAST = 10  # rows below which a sample says nothing


@dataclass(frozen=True, slots=True)
class Route:
    """Where the topic tree leads a query: ``rows`` of its topics, and each row's cosine of query and topic."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.floating]


class RoutedScan(Scan):
    """A scan that computes few cosines; ``exact`` marks the rows whose cosines, with and without context, are.

    The others are estimated from their codes, or where a ``route`` is given and leaves them out, from their topic. A
    sample of the rows that ``mask`` lets through is computed exactly, and the estimates are moved and stretched to its
    mean and its deviation: by those, measures become scores, and the noise of codes makes them spread too far.
    """

    def __init__(
        self, query: Query, columns: Columns, config: Config, mask: NDArray[np.bool_], k: int,
        route: Route | None = None,
    ) -> None:  # fmt: skip
        super().__init__(query, columns, config)
        self.n_rescored = 0
        self.n_wanted = max(_SHORTLIST[0], 4 * k)
        self.asked = False  # whether cosines were read since this was last set
        self.exact = np.zeros(columns.n, np.bool_)
        self._best = np.zeros(columns.n)
        self._own = np.zeros(columns.n)  # by the mean of the passages, as lent to neighbors
        self._context = np.zeros(columns.n)
        self._known = np.zeros(columns.n, np.bool_)  # rows of `_best` and `_own` that are computed
        rows = np.flatnonzero(mask)
        if len(rows) <= max(_FEW, self.n_wanted):
            self.rescore(rows)
            return
        self.n_wanted = max(min(_SHORTLIST[0], int(len(rows) * _SHORTLIST[1])), 4 * k)
        self._estimate(route)
        self._calibrate(rows[columns.lots[rows] < min(_SAMPLE[0] / len(rows), _SAMPLE[1])])

    @property
    def cosines(self) -> Values:
        """See ``protocols.Scan``; estimates but for the rows that were rescored."""
        self.asked = True
        return self._best

    @property
    def context_cosines(self) -> Values:
        """See ``protocols.Scan``; estimates but for the rows marked ``exact``."""
        self.asked = True
        return self._context

    def rescore(self, rows: NDArray[np.int64]) -> None:
        """Compute the cosines of rows exactly, with and without context; the very numbers that a whole scan gives."""
        windows = self.columns.windows[rows]
        wanted = np.zeros(self.columns.n + 1, np.bool_)  # the last, read as -1, is for places without a neighbor
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
        """Move and stretch the estimates to the mean and the deviation that they should have, by a sample."""
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

