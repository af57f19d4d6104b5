"""Searching a memory too large to be held here: its store names the notes that may answer, and only these are read.

They are scored as in any other search, by the same signals. Which notes they are follows from the question and the
memory alone: what is kept of them between searches saves time, and changes nothing.
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

_CANDIDATES = 200  # notes scored because their vectors are nearest, and as many because of their words: the fewest
_BEST = 50  # best notes whose neighbors are scored too: the fewest
_FEW = 2000  # notes that are all scored where a filter lets no more through
_LISTED = 2000  # notes listed by their words, of which those beyond the candidates are only sampled: the fewest
_EVENLY = 50  # notes taken evenly from that rest
_SAMPLE = 400  # notes taken by lot from all that a filter lets through
_STEP = 16  # by which that lot is at most widened at once, where a filter lets through so few that it finds too few
_HELD = 20_000  # rows kept for later searches


class Part:
    """The rows of an index that one question is asked of, as a table of their own; see ``ranking.Table``.

    ``scored`` tells which rows may be found: those given; the others are the messages around them. Nothing shows what
    else the index holds: rows stand in the order the notes arrived.
    """

    def __init__(self, index: ExactIndex, found: NDArray[np.int64]) -> None:
        columns = index.columns()
        windows = columns.windows[found]
        rows = np.union1d(found, windows[windows >= 0])
        rows = rows[np.argsort(columns.ordinals[rows])]
        self._place = np.full(columns.n + 1, -1)  # of each row of the index; the last is for none
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
        """Number of rows."""
        return len(self.ids)

    def row(self, note_id: str) -> int | None:
        """A note's row; None where it is not in the table."""
        row = self._index.row(note_id)
        place = -1 if row is None else int(self._place[row])
        return place if place >= 0 else None

    def rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of those of some notes that are in the table."""
        rows = map(self.row, ids)
        return np.array([row for row in rows if row is not None], np.int64)

    def columns(self) -> Columns:
        """What signals read of all rows."""
        return self._columns

    def posting(self, term: str) -> Posting:
        """The rows a stem stands in, ascending."""
        posting = self._index.posting(term)
        places = self._place[posting.rows]
        there = np.flatnonzero(places >= 0)
        there = there[np.argsort(places[there])]
        return Posting(places[there], posting.text[there], posting.annotations[there])


@dataclass(frozen=True, slots=True)
class _Let:
    """What a filter lets through: all of it where that is little, else a sample by lot, and its share."""

    ids: Sequence[str]
    share: float

    @property
    def is_all(self) -> bool:
        return self.share == 1


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The notes by which a question's measures are standardized; most of its hits are among them.

    ``standing`` tells for how many notes each of those stands that have one of its words.
    """

    ids: frozenset[str]
    near: Sequence[str]
    standing: Mapping[str, float]
    let: _Let


class Shortlist:
    """Searches a store by the shortlists it gives; what it has read is kept until the store's head moves.

    Scored are the notes nearest to the question, those that have most to do with its words, and the notes around the
    latter; then those around the best, and those that links of the best lead to. By how much a value stands out among
    all notes is estimated from three samples: the best notes of either kind, each standing for itself; some of the
    other notes that have a word of the question, evenly from the list of them; and a sample of all notes by lot.
    """

    def __init__(self, store: CandidateSource, fingerprint: str, config: Config, empty: ExactIndex) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._config = config
        self._head = 0
        self._index = empty
        self._whole: set[str] = set()  # notes that are held with all messages around them
        self._last: tuple[Filter, _Let] | None = None

    def present(self) -> datetime:
        """The memory's own present; see ``query.present``."""
        return self._store.newest_time() or datetime.now(UTC)

    def rank(
        self, query: Query, allowed: Filter, signals: Sequence[Signal], k: int, forced: Collection[str] = ()
    ) -> Ranking | None:
        """Score the notes that a question may find, and those ``forced``, if the filter lets them through.

        None where there is nothing to be looked at.
        To be called inside ``at_one_head`` of the store.
        """
        head = self._store.head()
        if head != self._head or len(self._index) > _HELD:
            self._head, self._index, self._last = head, self._index.empty(), None
            self._whole.clear()
        n_notes, n_terms = self._store.census()
        census = Census(n_notes, n_terms, self._store.frequencies(query.terms))
        chosen = self._choose(query, allowed, k, n_notes)
        walked: list[Link] = []

        def links_of(ids: Sequence[str], kinds: Sequence[LinkKind]) -> Iterable[Link]:
            found = self._store.links(ids, kinds)
            walked.extend(found)
            return found

        def ranked(ids: frozenset[str]) -> Ranking:
            part = Part(self._index, self._hold(ids))
            standing = _standing(part, chosen, query, allowed)
            sampled = Sampled(census, part.scored, standing)
            return rank(part, query, allowed, signals, self._config, links_of, k=k, sampled=sampled)

        scored = chosen.ids.union(forced)
        if not len(self._hold(scored)):
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
        standing = dict.fromkeys(saying[:wanted], 1.0) | dict.fromkeys(some, len(rest) / max(len(some), 1))
        self._hold({*near, *standing, *let.ids})
        if len(saying) >= listed:  # there are more, for which the sample speaks
            unlisted = self._saying(query.terms, let.ids).difference(saying)
            standing |= dict.fromkeys(unlisted, 1 / let.share)
        return _Chosen(frozenset({*near, *standing, *let.ids, *self._around(standing)}), near, standing, let)

    def _let_through(self, allowed: Filter, n_notes: int) -> _Let:
        """What a filter lets through; asked of the store again only where it is not the filter of the last search."""
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
        """Those of some notes held that have a stem."""
        found = {self._index.ids[row] for stem in stems for row in self._index.posting(stem).rows.tolist()}
        return found.intersection(ids)

    def _around(self, ids: Iterable[str]) -> set[str]:
        """The messages around notes that are held."""
        windows = self._index.columns().windows[self._rows(ids)]
        return {self._index.ids[row] for row in np.unique(windows[windows >= 0]).tolist()}

    def _rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        rows = (self._index.row(note_id) for note_id in ids)
        return np.array([row for row in rows if row is not None], np.int64)

    # ------------------------------------------------------------------ what is held

    def _hold(self, ids: set[str] | frozenset[str]) -> NDArray[np.int64]:
        """The rows of notes, which are read where they, or the messages around them, are not held."""
        fresh = sorted(ids.difference(self._whole))
        if fresh:
            around = self._store.around(fresh, self._config.window)
            missing = [note_id for note_id in dict.fromkeys((*fresh, *around)) if self._index.row(note_id) is None]
            notes = self._store.notes(missing)
            keys = {note.id: vector_key(self._fingerprint, note) for note in notes}
            stored = self._store.passages(keys.values())
            there = [note for note in notes if keys[note.id] in stored]
            self._index.put(there, {note.id: stored[keys[note.id]] for note in there})
            self._whole.update(fresh)
        return self._rows(ids)


def _standing(part: Part, chosen: _Chosen, query: Query, allowed: Filter) -> NDArray[np.float64]:
    """For how many notes each row stands where measures are standardized, shape ``(n,)``.

    A note that has a word of the question, or has it near, is met by way of each note around it that has one, and by
    itself: it stands for the mean of those that such notes stand for (a multiplicity estimator, Sirken 1970).
    """
    columns, let = part.columns(), chosen.let
    standing = np.zeros(columns.n)
    standing[part.rows(let.ids)] = 1 / let.share
    standing[part.rows(chosen.near)] = 1
    if chosen.standing:
        says = np.zeros(columns.n + 1, np.bool_)  # the last, read as -1, is for places without a neighbor
        for stem in query.terms:
            says[columns.posting(stem).rows] = True
        says[:-1] &= allowed_rows(part, allowed)
        own = np.zeros(columns.n + 1)
        for note_id, stands_for in chosen.standing.items():
            row = part.row(note_id)
            if row is not None:  # a store's indexes may be behind its notes
                own[row] = stands_for
        met = np.column_stack([np.arange(columns.n), columns.windows])
        ways = says[met].sum(axis=1)
        by_words = np.intersect1d(np.flatnonzero(ways), part.rows(chosen.ids))
        standing[by_words] = (own * says)[met[by_words]].sum(axis=1) / ways[by_words]
    return standing
