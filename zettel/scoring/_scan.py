"""A query laid against the notes: cosines and BM25, computed once for all signals that read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.protocols import Columns, Posting, Query
from zettel.text import surface

Values = NDArray[np.float64]


class Scan:
    """See ``protocols.Scan``."""

    def __init__(self, query: Query, columns: Columns, config: Config) -> None:
        self.query = query
        self.columns = columns
        self.n_rescored = len(columns.vectors)  # passages whose cosine was computed, rather than estimated
        self._config = config
        self._bm25: dict[bool, Values] = {}
        self._said: dict[int, list[str]] = {}

    # ------------------------------------------------------------------ dense

    @cached_property
    def _passages(self) -> Values:
        # Not `@`: BLAS splits so small a product over threads, and waits for one that a busy machine has put to sleep.
        products: Values = np.vecdot(self.columns.vectors, self.query.vector).astype(np.float64)
        return products

    @cached_property
    def cosines(self) -> Values:
        """See ``protocols.Scan``."""
        if len(self._passages) == self.columns.n:
            return self._passages
        return np.maximum.reduceat(self._passages, self.columns.first)

    @cached_property
    def context_cosines(self) -> Values:
        """See ``protocols.Scan``. The sum's cosine is the sum of the cosines over the sum's length."""
        own = self._passages
        if len(own) != self.columns.n:  # a long note lends the mean of its passages
            counts = np.diff(np.append(self.columns.first, len(own)))
            own = np.add.reduceat(own, self.columns.first) / counts
        return self._with_windows(own)

    def _with_windows(self, own: Values) -> Values:
        """The cosines of the sums of vectors, from each note's own product, shape ``(n,)``."""
        padded = np.append(own, 0.0)  # row -1, for places without a neighbor
        around = np.zeros_like(own)
        for others in self.columns.windows.T:
            around += padded[others]
        return (own + around) / self.columns.norms

    # ---------------------------------------------------------------- lexical

    @cached_property
    def _words(self) -> list[tuple[str, str]]:
        """The query's terms, each with the word that stands for it in the query."""
        return list(surface(self.query.text).items())

    @cached_property
    def _postings(self) -> list[tuple[str, Posting]]:
        return [(term, self.columns.posting(term)) for term in dict.fromkeys(self.query.terms)]

    def bm25(self, *, context: bool) -> Values:
        """See ``protocols.Scan``. BM25 with k1 and b of the config (Robertson & Zaragoza 2009).

        Length and document frequency are those of the notes' own terms, with or without context: a note is not longer
        for what others said.
        """
        if context not in self._bm25:
            self._bm25[context] = self._score_terms(context=context)
        return self._bm25[context]

    @cached_property
    def _saturation(self) -> NDArray[np.float32]:
        """What a term's frequency is weighed against in each note, by its length: ``(n,)``."""
        k1, b, lengths = self._config.k1, self._config.b, self.columns.lengths
        mean = max(float(lengths[self.columns.alive].sum()) / self._n_alive, 1e-9)
        saturation: NDArray[np.float32] = k1 * (1 - b + b * lengths / mean)
        return saturation

    @cached_property
    def _n_alive(self) -> int:
        return max(int(np.count_nonzero(self.columns.alive)), 1)

    def _score_terms(self, *, context: bool) -> Values:
        n, saturation = self._n_alive, self._saturation
        score = np.zeros(self.columns.n)
        for _, posting in self._postings:
            df = len(posting.rows)
            if df:
                idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
                rows, tf = self._frequencies(posting, context=context)
                score[rows] += idf * tf / (tf + saturation[rows])
        return score

    def _frequencies(self, posting: Posting, *, context: bool) -> tuple[NDArray[np.int64], Values]:
        """The rows where a term counts, and how much."""
        if not context:
            return posting.rows, posting.text + self._config.annotation_tf * posting.annotations
        spoken = posting.text > 0
        rows, counts = posting.rows[spoken], posting.text[spoken]
        around = np.concatenate([rows[:, None], self.columns.windows[rows]], axis=1)
        weights = np.repeat(counts, around.shape[1])
        total = np.bincount(around.ravel() + 1, weights, self.columns.n + 1)[1:]  # at 0, places without a neighbor
        found = np.flatnonzero(total)
        return found, total[found].astype(np.float64)

    def said(self, row: int) -> list[str]:
        """See ``protocols.Scan``."""
        if row not in self._said:  # asked again by the notes around it
            self._said[row] = self._among(self._in_text[:, row])
        return self._said[row]

    def noted(self, row: int) -> list[str]:
        """See ``protocols.Scan``."""
        return self._among(self._in_annotations[:, row] & ~self._in_text[:, row])

    def said_around(self, row: int) -> list[str]:
        """See ``protocols.Scan``."""
        around = {word for r in self.columns.windows[row].tolist() if r >= 0 for word in self.said(r)}
        around.difference_update(self.said(row))
        return [word for _, word in self._words if word in around]

    def _among(self, marks: NDArray[np.bool_]) -> list[str]:
        return [word for (_, word), mark in zip(self._words, marks.tolist(), strict=True) if mark]

    @cached_property
    def _in_text(self) -> NDArray[np.bool_]:
        """Which of the words stand in which texts, shape ``(len(words), n)``."""
        return self._marked(lambda posting: posting.text)

    @cached_property
    def _in_annotations(self) -> NDArray[np.bool_]:
        return self._marked(lambda posting: posting.annotations)

    def _marked(self, column: Callable[[Posting], NDArray[np.float32]]) -> NDArray[np.bool_]:
        marks = np.zeros((len(self._words), self.columns.n), np.bool_)
        for mark, (term, _) in zip(marks, self._words, strict=True):
            posting = self.columns.posting(term)
            mark[posting.rows] = column(posting) > 0
        return marks
