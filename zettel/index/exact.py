"""The index: every note's vectors and terms in memory, as rows of a table that grows.

Every row's exact cosine is always to be had. In a large memory it is asked for only where the codes of ``lsh`` say that
it may matter.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from zettel.filters import SEARCHED, UTC, interval
from zettel.index.lsh import Codes
from zettel.index.postings import Postings
from zettel.model import STATUSES, Note
from zettel.protocols import Columns, Passages, Posting, Vector
from zettel.text import terms

_NEVER = float("nan")
_BLOCK = 4096  # rows whose norms are computed at once
_STEPS = 1 << 20  # in which cosines are counted where their sum must not depend on its order
_SHORTLIST = 400  # rows by their codes, of which the nearest are sought: on real notes they hold 99.8 % of the top ten
_SAMPLE = 400  # rows by lot, on which the estimates of all are calibrated
_RUN = 4  # rows one after the other that draw the same lot: they share most of their neighbors


@dataclass(frozen=True, slots=True)
class Nearest:
    """The rows nearest to a vector, best first, and mean and standard deviation of all ``n`` searched rows' cosines."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n: int
    mean: float
    deviation: float


class _Table:
    """Columns with room to grow, of which the first rows are in use; see ``protocols.Columns``."""

    def __init__(self, window: int) -> None:
        self.alive = np.empty(0, np.bool_)
        self.searched = np.empty(0, np.bool_)  # alive, and shown unasked
        self.ordinals = np.empty(0, np.int64)
        self.status = np.empty(0, np.int64)
        self.first = np.empty(0, np.int64)
        self.windows = np.empty((0, 2 * window), np.int64)
        self.norms = np.empty(0, np.float32)
        self.lengths = np.empty(0, np.float32)
        self.times = np.empty(0, np.float64)
        self.until = np.empty(0, np.float64)
        self.speaker = np.empty(0, np.int64)
        self.lots = np.empty(0, np.float32)

    def reserve(self, n: int) -> None:
        """Make room for ``n`` rows."""
        if n > len(self.alive):
            for name, column in vars(self).items():
                setattr(self, name, _grown(column, n))


class ExactIndex:
    """Notes as rows. Put and remove notes in any order; ``columns`` is the table that signals read.

    A removed note's row stays behind, dead. By row: ``ids``, and what filters read beside the columns: ``tags`` and
    ``metadata``. ``head`` is the commit that the index covers, kept by its owner.
    """

    def __init__(self, window: int, zone: ZoneInfo = UTC, *, bits: int = 384, exact_below: int = 20_000) -> None:
        self.head = 0
        self.ids: list[str] = []
        self.tags: list[frozenset[str]] = []
        self.metadata: list[Mapping[str, Any]] = []
        self._window = window
        self._zone = zone
        self._row: dict[str, int] = {}
        self._table = _Table(window)
        self._vectors = np.empty((0, 0), np.float32)
        self._n_passages = 0
        self._several = np.empty(0, np.int64)
        self._n_several = 0
        self._codes = Codes(bits)
        self._exact_below = exact_below
        self._speakers: dict[str, int] = {}
        self._postings = Postings()
        self._session_of: list[tuple[str, str] | None] = []
        self._sessions: dict[tuple[str, str], list[int]] = {}
        self._stale: set[int] = set()  # rows whose window changed since its norm was computed
        self._columns: Columns | None = None
        self._newest: float | None = None  # NaN: no time is known

    def __len__(self) -> int:
        """Number of notes, dead rows not counted."""
        return len(self._row)

    @property
    def is_mostly_dead(self) -> bool:
        """Whether it is time to build it anew, since most rows are left over from notes that went."""
        return len(self.ids) > 2 * len(self._row) + 1000

    def row(self, note_id: str) -> int | None:
        """A note's row; None where it is not in the index."""
        return self._row.get(note_id)

    # ---------------------------------------------------------------- changes

    def put(self, notes: Iterable[Note], passages: Mapping[str, Passages]) -> None:
        """Enter notes, or bring the annotations of those already there up to date; their text never changes.

        ``passages`` holds the vectors of the notes that are new, by note id.
        """
        for note in notes:
            row = self._row.get(note.id)
            if row is None:
                row = self._append(note, passages[note.id].vectors)
            else:
                self._postings.annotate(row, _annotation_terms(note))
            self._table.status[row] = STATUSES.index(note.status)
            self._table.searched[row] = note.status in SEARCHED
            self._seat(row, lends=note.status in SEARCHED)
            self.tags[row], self.metadata[row] = frozenset(note.tags), note.metadata
        self._columns = None

    def remove(self, ids: Iterable[str]) -> None:
        """Take notes out; those not in the index are passed over."""
        for note_id in ids:
            row = self._row.pop(note_id, None)
            if row is not None:
                self._table.alive[row] = self._table.searched[row] = False
                self._postings.remove(row)
                self._seat(row, lends=False)
                self._wipe(row)
        self._columns = None

    def _wipe(self, row: int) -> None:
        """Leave nothing of a note in its row: it may have been erased."""
        self.ids[row] = ""
        self.tags[row], self.metadata[row] = frozenset(), {}
        self._vectors[self._passages_of(row)] = 0
        self._codes.wipe(self._passages_of(row))
        self._table.times[row] = self._table.until[row] = _NEVER
        self._session_of[row] = None

    def _append(self, note: Note, vectors: Vector) -> int:
        row = self._row[note.id] = len(self.ids)
        self.ids.append(note.id)
        self.tags.append(frozenset())
        self.metadata.append({})
        self._session_of.append(note.conversation)
        text = terms(note.text)
        self._postings.put(row, text, _annotation_terms(note))
        happened = interval(note, self._zone)
        start, end = (happened[0].timestamp(), happened[1].timestamp()) if happened else (_NEVER, _NEVER)
        table = self._table
        table.reserve(row + 1)
        table.alive[row], table.ordinals[row], table.lengths[row] = True, note.ordinal, len(text)
        table.first[row] = self._append_passages(row, vectors)
        table.times[row], table.until[row] = start, end
        code = -1 if note.speaker is None else self._speakers.setdefault(note.speaker, len(self._speakers))
        table.speaker[row] = code
        table.windows[row] = -1
        table.lots[row] = _lot(note.ordinal)
        self._stale.add(row)
        return row

    def _append_passages(self, row: int, vectors: Vector) -> int:
        """Put a note's passages behind all others; returns where they begin."""
        if len(vectors) > 1:
            if self._n_several == len(self._several):
                self._several = _grown(self._several, self._n_several + 1)
            self._several[self._n_several] = row
            self._n_several += 1
        first, end = self._n_passages, self._n_passages + len(vectors)
        if end > len(self._vectors):
            held = self._vectors if first else np.empty((0, vectors.shape[1]), np.float32)
            self._vectors = _grown(held, end)
        self._vectors[first:end] = vectors
        self._n_passages = end
        return first

    def _seat(self, row: int, *, lends: bool) -> None:
        """Place a row among the messages of its session, or take it out: what was put away lends no context."""
        conversation = self._session_of[row]
        if conversation is None:
            return
        session = self._sessions.setdefault(conversation, [])
        ordinals = self._table.ordinals
        place = bisect_left(session, ordinals[row], key=ordinals.__getitem__)  # nearly always at the end
        seated = place < len(session) and session[place] == row
        if lends and not seated:
            session.insert(place, row)
            self._slide(session, place)
        elif seated and not lends:
            del session[place]
            self._slide(session, place)
            self._table.windows[row] = -1
            self._stale.add(row)
        if not session:
            del self._sessions[conversation]

    def _slide(self, session: list[int], place: int) -> None:
        """Set the windows of the rows near ``place`` anew, where a row came or went."""
        w = self._window
        for i in range(max(place - w, 0), min(place + w + 1, len(session))):
            before = [session[i - d] if i >= d else -1 for d in range(1, w + 1)]
            after = [session[i + d] if i + d < len(session) else -1 for d in range(1, w + 1)]
            self._table.windows[session[i]] = before + after
            self._stale.add(session[i])

    # ---------------------------------------------------------------- reading

    def columns(self) -> Columns:
        """The table of all rows, as views that hold until the next change."""
        if self._columns is None:
            self._newest = None
            self._refresh_norms()
            n, table = len(self.ids), self._table
            self._columns = Columns(
                alive=table.alive[:n],
                ordinals=table.ordinals[:n],
                status=table.status[:n],
                vectors=self._vectors[: self._n_passages],
                first=table.first[:n],
                several=self._several[: self._n_several],
                windows=table.windows[:n],
                norms=table.norms[:n],
                lengths=table.lengths[:n],
                times=table.times[:n],
                until=table.until[:n],
                speaker=table.speaker[:n],
                lots=table.lots[:n],
                speakers=tuple(self._speakers),
                posting=self._postings.get,
                estimates=self._estimates,
            )
        return self._columns

    def newest(self) -> float | None:
        """When the newest thing happened that a search shows unasked, in seconds since 1970; None where unknown."""
        columns = self.columns()  # made anew after a change, which makes this unknown again
        if self._newest is None:
            times = columns.times[self._searched()]
            self._newest = float(np.nanmax(times)) if np.isfinite(times).any() else _NEVER
        return None if isnan(self._newest) else self._newest

    def posting(self, term: str) -> Posting:
        """The rows a stem stands in, ascending; archived notes included."""
        return self._postings.get(term)

    @property
    def n_searched(self) -> int:
        """Number of notes that a search shows unasked."""
        return int(np.count_nonzero(self._searched()))

    def searched(self) -> list[str]:
        """The notes that a search shows unasked, in the order they arrived."""
        rows = np.flatnonzero(self._searched())
        return [self.ids[row] for row in rows[np.argsort(self._table.ordinals[rows], kind="stable")]]

    def _searched(self) -> NDArray[np.bool_]:
        return self._table.searched[: len(self.ids)]

    def n_with(self, term: str) -> int:
        """The number of notes, of those a search shows unasked, with a stem in their text or their annotations."""
        return int(np.count_nonzero(self._table.searched[self._postings.get(term).rows]))

    def rows_saying(self, stems: Iterable[str]) -> list[int]:
        """The rows, of those a search shows unasked, whose text has all of some stems, by the order they arrived."""
        found: NDArray[np.int64] | None = None
        for stem in stems:
            posting = self._postings.get(stem)
            rows = posting.rows[posting.text > 0]
            found = rows if found is None else np.intersect1d(found, rows, assume_unique=True)
        if found is None:
            return []
        found = found[self._table.searched[found]]
        return list(found[np.argsort(self._table.ordinals[found])].tolist())

    def before(self, note_id: str) -> list[int]:
        """The rows of the messages before a note in its session, nearest first, as many as lend it context."""
        row = self._row.get(note_id)
        windows = [] if row is None else self._table.windows[row, : self._window].tolist()
        return [other for other in windows if other >= 0]

    def unit(self, row: int) -> Vector:
        """The direction of a note's whole text, shape ``(d,)``."""
        return Passages((), self._vectors[self._passages_of(row)]).unit()

    def cosines(self, rows: Sequence[int] | NDArray[np.int64], vector: Vector) -> Vector:
        """The cosines of a vector and each note's best passage, in the order of ``rows``."""
        passages, starts = self.columns().passages(np.asarray(rows, np.int64))
        if not len(passages):
            return np.empty(0, np.float32)
        # A product a passage: in `@`, what one passage gets depends on how many there are.
        best: Vector = np.maximum.reduceat(np.vecdot(self._vectors[passages], vector), starts)
        return best

    def nearest(self, vector: Vector, k: int) -> Nearest:
        """The ``k`` rows nearest to a unit vector, by their best passage, of those a search shows unasked.

        Rows at the same distance stand in the order of their notes. What comes back follows from the notes alone, to
        the last bit, however they came here: decisions that are journalled rest on it. In a memory of ``exact_below``
        notes or more, only the rows whose codes are nearest are looked at, and mean and deviation are estimates.
        """
        columns, rows = self.columns(), np.flatnonzero(self._searched())
        if not len(rows):
            return Nearest(rows, np.empty(0, np.float32), 0, 0.0, 0.0)
        if len(self) < self._exact_below:
            products = np.vecdot(columns.vectors, vector)
            near, cosines = rows, np.maximum.reduceat(products, columns.first)[rows]
            spread = _spread(cosines)
        else:
            near, spread = self._near(rows, vector, k)
            cosines = self.cosines(near, vector)
        best = _best(cosines, columns.ordinals[near], k)
        return Nearest(near[best], cosines[best], len(rows), *spread)

    def _near(self, rows: NDArray[np.int64], vector: Vector, k: int) -> tuple[NDArray[np.int64], tuple[float, float]]:
        """The rows whose codes are nearest to a vector's, all of those equally near, and the spread of all cosines."""
        columns = self.columns()
        self._codes.cover(columns.vectors)
        differences = np.minimum.reduceat(self._codes.differences(vector), columns.first)[rows]
        border = np.searchsorted(np.bincount(differences).cumsum(), max(_SHORTLIST, 4 * k))
        estimates = self._codes.cosines(differences)
        drawn = columns.lots[rows] < _SAMPLE / len(rows)
        mean, deviation = _spread(estimates)
        if drawn.any():
            guessed, true = _spread(estimates[drawn]), _spread(self.cosines(rows[drawn], vector))
            mean += true[0] - guessed[0]
            deviation *= true[1] / guessed[1] if guessed[1] else 1.0
        return rows[differences <= border], (mean, deviation)

    def _estimates(self, vector: Vector, passages: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        self._codes.cover(self._vectors[: self._n_passages])
        return self._codes.cosines(self._codes.differences(vector, passages))

    def _refresh_norms(self) -> None:
        stale = np.fromiter(self._stale, np.int64, len(self._stale))
        for start in range(0, len(stale), _BLOCK):
            rows = stale[start : start + _BLOCK]
            around = np.zeros((len(rows), self._vectors.shape[1]), np.float32)
            for others in self._table.windows[rows].T:
                there = others >= 0
                around[there] += self._means(others[there])
            total = self._means(rows) + around
            self._table.norms[rows] = np.maximum(np.sqrt(np.vecdot(total, total)), 1e-6)
        self._stale.clear()

    def _means(self, rows: NDArray[np.int64]) -> Vector:
        """The means of the notes' passages, shape ``(len(rows), d)``: what each lends to its neighbors."""
        first = self._table.first[rows]
        means: Vector = self._vectors[first]
        last = len(self.ids) - 1
        behind = np.where(rows < last, self._table.first[np.minimum(rows + 1, last)], self._n_passages)
        for i in np.flatnonzero(behind - first > 1).tolist():
            means[i] = self._vectors[first[i] : behind[i]].mean(axis=0)
        return means

    def _passages_of(self, row: int) -> slice:
        first = self._table.first
        return slice(first[row], first[row + 1] if row + 1 < len(self.ids) else self._n_passages)


def _grown(array: NDArray[Any], n: int) -> NDArray[Any]:
    """The array with room for ``n`` rows, doubled, so that rows that come one by one cost constant time each."""
    room = np.empty((max(n, 2 * len(array), 64), *array.shape[1:]), array.dtype)
    room[: len(array)] = array
    return room


def _lot(ordinal: int) -> float:
    """A number in [0, 1), the same on every machine: Fibonacci hashing (Knuth 1998, section 6.4)."""
    return (ordinal // _RUN * 0x9E3779B1 & 0xFFFFFFFF) / 2**32


def _best(scores: Vector, ordinals: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The places of the ``k`` highest scores, best first; equal ones by ordinal."""
    among = np.arange(len(scores))
    if k < len(scores):
        among = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    return among[np.lexsort((ordinals[among], -scores[among]))][:k]


def _spread(cosines: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Mean and standard deviation, summed in whole numbers: the same in whatever order the rows stand."""
    counted = np.rint(cosines.astype(np.float64) * _STEPS).astype(np.int64)
    mean = int(counted.sum()) / len(counted) / _STEPS
    square = int(counted @ counted) / len(counted) / _STEPS**2
    return mean, sqrt(max(square - mean * mean, 0.0))


_PLACE = re.compile(r"\((?:session|conversation)\b[^)]*\)")  # its number would be found by the day of a month


def _annotation_terms(note: Note) -> list[str]:
    # Of the context its first line: what evolution adds below it is for readers, and found nothing more when measured.
    context = _PLACE.sub("", note.context.split("\n")[0])
    return terms(" ".join((context, *note.keywords, *note.tags, *note.entities)))
