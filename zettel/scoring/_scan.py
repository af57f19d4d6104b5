"""A query compared with the notes: cosines and BM25, computed once for all signals that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.protocols import Columns, Posting, Query
from zettel.text import surface

Values = NDArray[np.float64]


def reduced(passages: Values, starts: NDArray[np.int64]) -> tuple[Values, Values]:
    """The best and the mean of each note's passages; ``starts`` are the places of the first ones."""
    counts = np.diff(np.append(starts, len(passages)))
    return np.maximum.reduceat(passages, starts), np.add.reduceat(passages, starts) / counts


@dataclass(frozen=True, slots=True)
class Census:
    """What BM25 needs to know of a whole memory.

    These are the number of notes, the number of terms in their texts, and the number of notes that have each term.
    """

    n_notes: int
    n_terms: int
    frequencies: Mapping[str, int]


class ExactScan:
    """A scan that computes all cosines; see ``protocols.Scan``. ``census`` is needed if some notes have no row."""

    def __init__(self, query: Query, columns: Columns, config: Config, census: Census | None = None) -> None:
        self.query = query
        self.columns = columns
        self.n_rescored = len(columns.vectors)  # passages whose cosine was computed, rather than estimated
        self._config = config
        self._census = census
        self._bm25: dict[bool, Values] = {}
        self._said: dict[int, list[str]] = {}

    # ------------------------------------------------------------------ dense

    @cached_property
    def _passages(self) -> Values:
        # Not `@`: BLAS splits even such a small product over threads, and waits for those that a busy machine delays.
        products: Values = np.vecdot(self.columns.vectors, self.query.vector).astype(np.float64)
        return products

    @cached_property
    def cosines(self) -> Values:
        """See ``protocols.Scan``."""
        return self._notes[0]

    @cached_property
    def context_cosines(self) -> Values:
        """See ``protocols.Scan``. The sum's cosine is the sum of the cosines over the sum's length."""
        return self._with_windows(self._notes[1])

    @cached_property
    def _notes(self) -> tuple[Values, Values]:
        return self._by_note(self._passages)

    def _by_note(self, passages: Values) -> tuple[Values, Values]:
        """For each note, the best value of its passages, and their mean, which counts in the context of neighbors."""
        best = passages[self.columns.first]
        mean = best.copy()
        several = self.columns.several
        if len(several):
            places, starts = self.columns.passages(several)
            best[several], mean[several] = reduced(passages[places], starts)
        return best, mean

    def _with_windows(self, own: Values) -> Values:
        """The cosines of the sums of vectors, from each note's own product, shape ``(n,)``."""
        padded = np.append(own, 0.0)  # the last element, index -1, is for missing neighbors
        around = np.zeros_like(own)
        for others in self.columns.windows.T:
            around += padded[others]
        return (own + around) / self.columns.norms

    # ---------------------------------------------------------------- lexical

    @cached_property
    def _words(self) -> list[tuple[str, str]]:
        """The terms of the query, each with the word that has it in the query."""
        return list(surface(self.query.text).items())

    @cached_property
    def _postings(self) -> list[tuple[str, Posting]]:
        return [(term, self.columns.posting(term)) for term in dict.fromkeys(self.query.terms)]

    def bm25(self, *, context: bool) -> Values:
        """See ``protocols.Scan``. BM25 with k1 and b of the config (Robertson & Zaragoza 2009).

        Length and document frequency are those of the notes' own terms, with or without context: the messages around a
        note don't make it longer.
        """
        if context not in self._bm25:
            self._bm25[context] = self._score_terms(context=context)
        return self._bm25[context]

    @cached_property
    def _saturation(self) -> NDArray[np.float32]:
        """The term frequency that counts half in each note, which depends on its length: ``(n,)``."""
        k1, b, lengths = self._config.k1, self._config.b, self.columns.lengths
        n_terms = self._census.n_terms if self._census else float(lengths[self.columns.alive].sum())
        mean = max(n_terms / self._n_notes, 1e-9)
        saturation: NDArray[np.float32] = k1 * (1 - b + b * lengths / mean)
        return np.maximum(saturation, np.finfo(np.float32).tiny)  # so that a missing term counts 0, and not 0 / 0

    @cached_property
    def _n_notes(self) -> int:
        return max(self._census.n_notes if self._census else int(np.count_nonzero(self.columns.alive)), 1)

    def _frequency(self, term: str, posting: Posting) -> int:
        return self._census.frequencies.get(term, 0) if self._census else len(posting.rows)

    def _score_terms(self, *, context: bool) -> Values:
        n, saturation = self._n_notes, self._saturation
        score = np.zeros(self.columns.n)
        for term, posting in self._postings:
            df = self._frequency(term, posting)
            if df:
                idf = np.log(1 + (n - df + 0.5) / (df + 0.5))
                if context:
                    tf = self._spoken_around(posting)
                    score += idf * tf / (tf + saturation)
                else:
                    tf = posting.text + self._config.annotation_tf * posting.annotations
                    score[posting.rows] += idf * tf / (tf + saturation[posting.rows])
        return score

    def _spoken_around(self, posting: Posting) -> Values:
        """How often a term occurs in the text of each note and in those of its window, shape ``(n,)``."""
        spoken = posting.text > 0
        rows, counts = posting.rows[spoken], posting.text[spoken]
        around = np.concatenate([rows[:, None], self.columns.windows[rows]], axis=1)
        weights = np.repeat(counts, around.shape[1])
        counted = np.bincount(around.ravel() + 1, weights, self.columns.n + 1)  # element 0 is for missing neighbors
        return counted[1:].astype(np.float64, copy=False)

    def said(self, row: int) -> list[str]:
        """See ``protocols.Scan``."""
        if row not in self._said:  # the notes around it ask for it again
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
        """Whether each word occurs in each text, shape ``(len(words), n)``."""
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
