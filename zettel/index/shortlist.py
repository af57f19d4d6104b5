"""Searching a memory that is too large to be read: its store names the candidates, and only these are read.

The candidates are scored by the same signals as in any other search. They follow from the question and the memory
alone; rows are kept between searches only to save time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.embedding import vector_key
from zettel.filters import Filter
from zettel.index.exact import ExactIndex
from zettel.index.ranking import Ranking, Sampled, allowed_rows, rank
from zettel.model import Link, LinkKind
from zettel.protocols import CandidateSource, Columns, Posting, Query, Signal
from zettel.scoring import Census

_CANDIDATES = 200  # at least so many notes are scored for their vectors, and as many for their words
_BEST = 50  # the messages around at least so many of the best notes are scored, too
_FEW = 2000  # if no more notes than these meet a filter, all are scored
_LISTED = 2000  # at least so many notes are listed by their words; those that are no candidates are sampled
_EVENLY = 50  # the size of that sample, taken evenly from the list
_SAMPLE = 400  # the size of the sample of all notes that meet a filter
_STEP = 16  # if too few notes of a sample meet the filter, its share grows by at most this factor at once
_KEPT = 20_000  # the number of rows that are kept for later searches


class CandidateRows:
    """The candidates of one question and the messages around them, as rows; see ``ranking.NoteRows``.

    ``scored`` says which rows may be found: the candidates. What else the index has makes no difference, since the rows
    are in the order in which the notes arrived.
    """

    def __init__(self, index: ExactIndex, found: NDArray[np.int64]) -> None:
        columns = index.columns()
        windows = columns.windows[found]
        rows = np.union1d(found, windows[windows >= 0])
        rows = rows[np.argsort(columns.ordinals[rows])]
        self._place = np.full(columns.n + 1, -1)  # by row of the index; the last element, index -1, is for no row
        self._place[rows] = np.arange(len(rows))
        self._index = index
        self.ids = [index.ids[row] for row in rows]
        self.tags = [index.tags[row] for row in rows]
        self.metadata: list[Mapping[str, Any]] = [index.metadata[row] for row in rows]
        self.scored = np.zeros(len(rows), np.bool_)
        self.scored[self._place[found]] = True
        passages, first = columns.passages(rows)
        vectors = columns.vectors[passages]
        self._columns = Columns(
            alive=columns.alive[rows],
            ordinals=columns.ordinals[rows],
            status=columns.status[rows],
            vectors=vectors,
            first=first,
            several=np.flatnonzero(np.diff(first, append=len(passages)) > 1),
            windows=self._place[columns.windows[rows]],
            norms=columns.norms[rows],
            lengths=columns.lengths[rows],
            times=columns.times[rows],
            until=columns.until[rows],
            speaker=columns.speaker[rows],
            sample_keys=columns.sample_keys[rows],
            topics=columns.topics[rows],
            own={name: values[rows] for name, values in columns.own.items()},
            speakers=columns.speakers,
            posting=self.posting,
            estimates=lambda vector, some: np.vecdot(vectors if some is None else vectors[some], vector).astype(float),
        )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.ids)

    def row(self, note_id: str) -> int | None:
        """A note's row; None if it is not in the table."""
        row = self._index.row(note_id)
        place = -1 if row is None else int(self._place[row])
        return place if place >= 0 else None

    def rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of the given notes; notes that are not in the table are skipped."""
        rows = map(self.row, ids)
        return np.array([row for row in rows if row is not None], np.int64)

    def columns(self) -> Columns:
        """The columns that signals read."""
        return self._columns

    def posting(self, term: str) -> Posting:
        """The rows that have a stem, ascending."""
        posting = self._index.posting(term)
        places = self._place[posting.rows]
        there = np.flatnonzero(places >= 0)
        there = there[np.argsort(places[there])]
        return Posting(places[there], posting.text[there], posting.annotations[there])


@dataclass(frozen=True, slots=True)
class _Let:
    """The notes that meet a filter: all of them if they are few, else a sample, which is a ``share`` of them."""

    ids: Sequence[str]
    share: float

    @property
    def is_all(self) -> bool:
        return self.share == 1


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The notes by which measures are standardized; most of the hits are among them.

    ``weights`` has, for each listed note with a word of the question, the number of notes that it represents.
    """

    ids: frozenset[str]
    near: Sequence[str]
    weights: Mapping[str, float]
    let: _Let


class Shortlist:
    """Searches a store by the candidates that it names; what was read is kept until the store's head moves.

    The notes nearest to the question, the notes with most of its words and the messages around the latter are scored;
    then the messages around the best notes, and the notes that their links lead to. Mean and spread over all notes are
    estimated from three samples: the nearest notes and those with most words, which count once each; some of the
    other notes with a word of the question, taken evenly from a list; and a sample of all notes.
    """

    def __init__(self, store: CandidateSource, fingerprint: str, config: Config, empty: ExactIndex) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._config = config
        self._head = 0
        self._index = empty
        self._complete: set[str] = set()  # notes that were read together with all messages around them
        self._last: tuple[Filter, _Let] | None = None

    def present(self) -> datetime:
        """The memory's own present; see ``query.present``."""
        return self._store.newest_time() or datetime.now(UTC)

    def rank(
        self, query: Query, allowed: Filter, signals: Sequence[Signal], k: int, forced: Collection[str] = ()
    ) -> Ranking | None:
        """Score the candidates of a question, and the notes in ``forced``, if they meet the filter.

        Returns None if there is no note to score. It is called inside ``at_one_head`` of the store.
        """
        head = self._store.head()
        if head != self._head or len(self._index) > _KEPT:
            self._head, self._index, self._last = head, self._index.empty(), None
            self._complete.clear()
        n_notes, n_terms = self._store.census()
        census = Census(n_notes, n_terms, self._store.frequencies(query.terms))
        chosen = self._choose(query, allowed, k, n_notes)
        walked: list[Link] = []

        def links_of(ids: Sequence[str], kinds: Sequence[LinkKind]) -> Iterable[Link]:
            found = self._store.links(ids, kinds)
            walked.extend(found)
            return found

        def ranked(ids: frozenset[str]) -> Ranking:
            part = CandidateRows(self._index, self._read(ids))
            sampled = Sampled(census, part.scored, _row_weights(part, chosen, query, allowed))
            return rank(part, query, allowed, signals, self._config, links_of, k=k, sampled=sampled)

        scored = chosen.ids.union(forced)
        if not len(self._read(scored)):
            return None
        first = ranked(scored)
        if chosen.let.is_all:
            return first
        wider = scored.union(
            self._around([first.index.ids[row] for row in first.top(max(_BEST, 2 * k))]),
            *((link.source_id, link.target_id) for link in walked),
        )
        return first if wider == scored else ranked(wider)

    def _choose(self, query: Query, allowed: Filter, k: int, n_notes: int) -> _Chosen:
        let = self._let_through(allowed, n_notes)
        if let.is_all:
            return _Chosen(frozenset(let.ids), let.ids, {}, let)
        wanted, listed = max(_CANDIDATES, 4 * k), max(_LISTED, 8 * k)
        near = self._store.nearest_notes(query.vector, allowed, wanted)
        saying = self._store.notes_saying(query.terms, allowed, listed) if query.terms else []
        rest = saying[wanted:]
        step = max(1, ceil(len(rest) / _EVENLY))
        some = rest[step // 2 :: step]
        weights = dict.fromkeys(saying[:wanted], 1.0) | dict.fromkeys(some, len(rest) / max(len(some), 1))
        self._read({*near, *weights, *let.ids})
        if len(saying) >= listed:  # there may be more, which the sample represents
            unlisted = self._saying(query.terms, let.ids).difference(saying)
            weights |= dict.fromkeys(unlisted, 1 / let.share)
        return _Chosen(frozenset({*near, *weights, *let.ids, *self._around(weights)}), near, weights, let)

    def _let_through(self, allowed: Filter, n_notes: int) -> _Let:
        """The notes that meet a filter; the store is asked only if the last search had another filter."""
        if self._last is not None and self._last[0] == allowed:
            return self._last[1]
        few = self._store.passing(allowed, _FEW)
        if few is not None:
            let = _Let(few, 1.0)
        else:
            share, most = _SAMPLE / n_notes, _SAMPLE / _FEW
            ids = self._store.sampled(allowed, share)
            while len(ids) < _SAMPLE / 2 and share < most:
                share = min(share * min(_SAMPLE / max(len(ids), 1), _STEP), most)
                ids = self._store.sampled(allowed, share)
            let = _Let(ids, share)
        self._last = allowed, let
        return let

    def _saying(self, stems: Iterable[str], ids: Iterable[str]) -> set[str]:
        """Those of the given notes, which must have been read, that have one of the stems."""
        found = {self._index.ids[row] for stem in stems for row in self._index.posting(stem).rows.tolist()}
        return found.intersection(ids)

    def _around(self, ids: Iterable[str]) -> set[str]:
        """The messages around notes; the notes must have been read."""
        windows = self._index.columns().windows[self._rows(ids)]
        return {self._index.ids[row] for row in np.unique(windows[windows >= 0]).tolist()}

    def _rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        rows = (self._index.row(note_id) for note_id in ids)
        return np.array([row for row in rows if row is not None], np.int64)

    # ---------------------------------------------------------------- reading notes

    def _read(self, ids: set[str] | frozenset[str]) -> NDArray[np.int64]:
        """The rows of notes; notes without a row, and the messages around them, are read from the store."""
        fresh = sorted(ids.difference(self._complete))
        if fresh:
            around = self._store.around(fresh, self._config.window)
            missing = [note_id for note_id in dict.fromkeys((*fresh, *around)) if self._index.row(note_id) is None]
            notes = self._store.notes(missing)
            keys = {note.id: vector_key(self._fingerprint, note) for note in notes}
            stored = self._store.passages(keys.values())
            there = [note for note in notes if keys[note.id] in stored]
            self._index.put(there, {note.id: stored[keys[note.id]] for note in there})
            self._complete.update(fresh)
        return self._rows(ids)


def _row_weights(part: CandidateRows, chosen: _Chosen, query: Query, allowed: Filter) -> NDArray[np.float64]:
    """The number of notes that each row represents when measures are standardized, shape ``(n,)``.

    A note is reached by itself if it has a word of the question, and by each note around it that has one. Its weight
    is the mean of the weights of these notes (a multiplicity estimator, Sirken 1970).
    """
    columns, let = part.columns(), chosen.let
    weights = np.zeros(columns.n)
    weights[part.rows(let.ids)] = 1 / let.share
    weights[part.rows(chosen.near)] = 1
    if chosen.weights:
        says = np.zeros(columns.n + 1, np.bool_)  # the last element, index -1, is for missing neighbors
        for stem in query.terms:
            says[columns.posting(stem).rows] = True
        says[:-1] &= allowed_rows(part, allowed)
        own = np.zeros(columns.n + 1)
        for note_id, weight in chosen.weights.items():
            row = part.row(note_id)
            if row is not None:  # a store's indexes may be behind its notes
                own[row] = weight
        reached_by = np.column_stack([np.arange(columns.n), columns.windows])
        ways = says[reached_by].sum(axis=1)
        by_words = np.intersect1d(np.flatnonzero(ways), part.rows(chosen.ids))
        weights[by_words] = (own * says)[reached_by[by_words]].sum(axis=1) / ways[by_words]
    return weights
