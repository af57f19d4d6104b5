"""The index: every note's vectors and terms in memory, as rows of a table that grows.

The exact cosine of every row can be computed. In a large memory this is done only for the rows whose codes, see
``lsh``, say that they may matter. A note is *searched* if a search without filters can show it: if it is present, and
active or superseded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from zettel.config import DEFAULT
from zettel.filters import SEARCHED, UTC, interval
from zettel.index._near import Nearest, best, sample_key, spread
from zettel.index._table import Table, grown
from zettel.index.lsh import Codes, mark
from zettel.index.postings import Postings
from zettel.index.sessions import Session, Sessions
from zettel.model import STATUSES, Note
from zettel.protocols import Column, Columns, Passages, Posting, Vector
from zettel.text import annotation_terms, terms

_NEVER = float("nan")
_BLOCK = 4096  # the norms of so many rows are computed at once
_CANDIDATES = 400, 0.08  # cosines are computed of the rows with the nearest codes: at most so many, and such a share
_SAMPLE = 400, 0.04  # the size of the sample of rows that calibrates the estimates: at most so many, and such a share


class Packed(NamedTuple):
    """An index as arrays by name, and as texts that JSON can hold."""

    arrays: dict[str, NDArray[Any]]
    texts: dict[str, Any]


class Document(NamedTuple):
    """The terms by which a note is indexed: those of its text, and those of its annotations."""

    text: list[str]
    annotations: list[str]

    @classmethod
    def of(cls, note: Note) -> Document:
        """The terms of a note."""
        return cls(terms(note.text), _annotation_terms(note))


class ExactIndex:
    """Notes as rows. Notes can be put and removed in any order; ``columns`` is the table that signals read.

    The row of a removed note stays, but is dead. ``ids``, ``tags`` and ``metadata`` are lists by row; filters read the
    latter two. ``own`` are the columns that signals declare.
    """

    def __init__(
        self, window: int, zone: ZoneInfo = UTC, *, bits: int = DEFAULT.lsh_bits,
        exact_below: int = DEFAULT.exact_below, own: Sequence[Column] = (),
    ) -> None:  # fmt: skip
        self.ids: list[str] = []
        self.tags: list[frozenset[str]] = []
        self.metadata: list[Mapping[str, Any]] = []
        self.is_ordered = True  # whether rows stand in the order their notes arrived, as sums over them depend on it
        self._window = window
        self._zone = zone
        self._row: dict[str, int] = {}
        self._own = tuple(own)
        self._table = Table(window, own)
        self._vectors = np.empty((0, 0), np.float32)
        self._n_passages = 0
        self._several = np.empty(0, np.int64)
        self._n_several = 0
        self._codes = Codes(bits)
        self._exact_below = exact_below
        self._speakers: dict[str, int] = {}
        self._postings = Postings()
        self._sessions = Sessions(self._table, window)
        self._columns: Columns | None = None
        self._newest: float | None = None  # None: not computed; NaN: no note has a time

    def __len__(self) -> int:
        """The number of notes; dead rows are not counted."""
        return len(self._row)

    @property
    def is_mostly_dead(self) -> bool:
        """Whether most rows are left over from removed notes, so that the index should be packed again."""
        return len(self.ids) > 2 * len(self._row) + 1000

    def empty(self) -> ExactIndex:
        """An index without notes, with the same settings as this one."""
        return ExactIndex(
            self._window, self._zone, bits=self._codes.bits, exact_below=self._exact_below, own=self._own
        )  # fmt: skip

    @property
    def dimension(self) -> int | None:
        """The length of the vectors; None if there are none yet."""
        return self._vectors.shape[1] or None

    def row(self, note_id: str) -> int | None:
        """A note's row; None if it is not in the index."""
        return self._row.get(note_id)

    # ---------------------------------------------------------------- changes

    def put(
        self, notes: Iterable[Note], passages: Mapping[str, Passages], documents: Mapping[str, Document] | None = None
    ) -> None:
        """Add new notes, and bring the annotations of the others up to date; a text never changes.

        ``passages`` holds the vectors of the new notes by note id, and ``documents`` the terms of those notes whose
        terms are known already.
        """
        for note in notes:
            document = (documents or {}).get(note.id) or Document.of(note)
            row = self._row.get(note.id)
            if row is None:
                row = self._append(note, passages[note.id].vectors, document)
            else:
                self._postings.annotate(row, document.annotations)
            self._table.status[row] = STATUSES.index(note.status)
            self._table.searched[row] = note.status in SEARCHED
            for column in self._own:
                self._table.column(column)[row] = column.value_of(note)
            self._sessions.place(row, searched=note.status in SEARCHED)
            self.tags[row], self.metadata[row] = frozenset(note.tags), note.metadata
        self._columns = None

    def place(self, places: Iterable[tuple[str, int | None]]) -> None:
        """Set the topics of notes; notes that are not in the index are skipped."""
        for note_id, topic_id in places:
            row = self._row.get(note_id)
            if row is not None:
                self._table.topics[row] = -1 if topic_id is None else topic_id

    def remove(self, ids: Iterable[str]) -> None:
        """Remove notes; notes that are not in the index are skipped."""
        for note_id in ids:
            row = self._row.pop(note_id, None)
            if row is not None:
                self._table.alive[row] = self._table.searched[row] = False
                self._postings.remove(row)
                self._sessions.place(row, searched=False)
                self._wipe(row)
        self._columns = None

    def _wipe(self, row: int) -> None:
        """Leave nothing of a note in its row, since it may have been erased."""
        self.ids[row] = ""
        self.tags[row], self.metadata[row] = frozenset(), {}
        self._vectors[self._passages_of(row)] = 0
        self._codes.wipe(self._passages_of(row))
        self._table.times[row] = self._table.until[row] = _NEVER
        self._table.topics[row] = -1
        self._sessions.of[row] = None

    def _append(self, note: Note, vectors: Vector, document: Document) -> int:
        row = self._row[note.id] = len(self.ids)
        self.is_ordered = self.is_ordered and (not row or bool(self._table.ordinals[row - 1] < note.ordinal))
        self.ids.append(note.id)
        self.tags.append(frozenset())
        self.metadata.append({})
        self._postings.put(row, document.text, document.annotations)
        happened = interval(note, self._zone)
        start, end = (happened[0].timestamp(), happened[1].timestamp()) if happened else (_NEVER, _NEVER)
        table = self._table
        table.reserve(row + 1)
        table.alive[row], table.ordinals[row], table.lengths[row] = True, note.ordinal, len(document.text)
        table.topics[row] = -1
        table.first[row] = self._append_passages(row, vectors)
        table.times[row], table.until[row] = start, end
        code = -1 if note.speaker is None else self._speakers.setdefault(note.speaker, len(self._speakers))
        table.speaker[row] = code
        table.sample_keys[row] = sample_key(note.ordinal)
        self._sessions.append(note.conversation)
        return row

    def _append_passages(self, row: int, vectors: Vector) -> int:
        """Append a note's passages; returns the number of the first one."""
        if len(vectors) > 1:
            if self._n_several == len(self._several):
                self._several = grown(self._several, self._n_several + 1)
            self._several[self._n_several] = row
            self._n_several += 1
        first, end = self._n_passages, self._n_passages + len(vectors)
        if end > len(self._vectors):
            stored = self._vectors if first else np.empty((0, vectors.shape[1]), np.float32)
            self._vectors = grown(stored, end)
        self._vectors[first:end] = vectors
        self._n_passages = end
        return first

    # --------------------------------------------------------- saving, loading

    def repacked(self) -> ExactIndex:
        """An index of the same notes in the order they arrived, without dead rows, as a fresh process builds it."""
        index = self.empty()
        index.unpack(self.packed())
        return index

    def settings(self) -> list[str]:
        """The settings by which the same notes and vectors become a different index."""
        own = [f"{column.name}/{column.version}/{np.dtype(column.dtype).str}" for column in self._own]
        return [str(self._window), self._zone.key, *sorted(vars(self._table)), *own]

    def packed(self) -> Packed:
        """Everything that the index has of its notes, and nothing of removed notes."""
        columns = self.columns()
        rows = np.flatnonzero(columns.alive)
        rows = rows[np.argsort(columns.ordinals[rows], kind="stable")]
        passages, starts = columns.passages(rows)
        renumbered = np.full(columns.n + 1, -1)  # the last element, index -1, stands for no row
        renumbered[rows] = np.arange(len(rows))
        arrays = {name: column[: columns.n][rows] for name, column in vars(self._table).items()}
        arrays["first"], arrays["windows"] = starts, renumbered[arrays["windows"]]
        named = [*self._speakers, None]  # the last element, index -1, stands for no speaker
        speakers, arrays["speaker"] = _numbered([named[code] for code in arrays["speaker"].tolist()])
        sessions, arrays["sessions"] = _numbered([self._sessions.of[row] for row in rows])
        names, arrays["lengths_of_terms"], arrays["entries"] = self._postings.packed(renumbered)
        arrays["vectors"] = columns.vectors[passages]
        codes = self._codes.covering(self._n_passages)
        if codes is not None:
            arrays["codes"] = codes[:, passages]
        texts = {
            "ids": [self.ids[row] for row in rows], "tags": [sorted(self.tags[row]) for row in rows],
            "metadata": {str(n): value for n, row in enumerate(rows) if (value := self.metadata[row])},
            "speakers": speakers, "sessions": sessions, "terms": names,
            "planes": None if codes is None else mark(self._codes.bits, self._vectors.shape[1]),
        }  # fmt: skip
        return Packed(arrays, texts)

    def unpack(self, packed: Packed) -> None:
        """Fill this index, which must be empty, with the result of ``packed``."""
        arrays, texts = packed
        self.ids = texts["ids"]
        self._row = {note_id: row for row, note_id in enumerate(self.ids)}
        self.tags = [frozenset(tags) for tags in texts["tags"]]
        self.metadata = [{} for _ in self.ids]
        for row, value in texts["metadata"].items():
            self.metadata[int(row)] = value
        for name in vars(self._table):
            setattr(self._table, name, arrays[name])
        self._speakers = {speaker: code for code, speaker in enumerate(texts["speakers"])}
        named = [(conversation, session) for conversation, session in texts["sessions"]]
        self._sessions.resume([named[number] if number >= 0 else None for number in arrays["sessions"].tolist()])
        self._postings.unpack(texts["terms"], arrays["lengths_of_terms"], arrays["entries"])
        self._vectors, self._n_passages = arrays["vectors"], len(arrays["vectors"])
        self._several = np.flatnonzero(np.diff(arrays["first"], append=self._n_passages) > 1)
        self._n_several = len(self._several)
        if texts["planes"] and texts["planes"] == mark(self._codes.bits, self._vectors.shape[1]):
            self._codes.resume(arrays["codes"])

    # ---------------------------------------------------------------- reading

    def columns(self) -> Columns:
        """The table of all rows, as array views that are valid until the next change."""
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
                sample_keys=table.sample_keys[:n],
                topics=table.topics[:n],
                own={column.name: table.column(column)[:n] for column in self._own},
                speakers=tuple(self._speakers),
                posting=self._postings.get,
                estimates=self._estimates,
            )
        return self._columns

    def newest(self) -> float | None:
        """The latest time of a searched note, in seconds since 1970; None if no time is known."""
        columns = self.columns()  # after a change this makes new columns, and forgets the newest time
        if self._newest is None:
            times = columns.times[self._searched()]
            self._newest = float(np.nanmax(times)) if np.isfinite(times).any() else _NEVER
        return None if isnan(self._newest) else self._newest

    def posting(self, term: str) -> Posting:
        """The rows that have a stem, ascending; archived notes are included."""
        return self._postings.get(term)

    @property
    def n_searched(self) -> int:
        """The number of searched notes."""
        return int(np.count_nonzero(self._searched()))

    def searched(self) -> list[str]:
        """The searched notes, in the order they arrived."""
        rows = np.flatnonzero(self._searched())
        return [self.ids[row] for row in rows[np.argsort(self._table.ordinals[rows], kind="stable")]]

    def _searched(self) -> NDArray[np.bool_]:
        return self._table.searched[: len(self.ids)]

    def n_with(self, term: str) -> int:
        """The number of searched notes with a stem in their text or their annotations."""
        return int(np.count_nonzero(self._table.searched[self._postings.get(term).rows]))

    def rows_saying(self, stems: Iterable[str]) -> list[int]:
        """The searched rows whose text has all of some stems, in the order their notes arrived."""
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
        """The rows of the messages before a note in its session that are in its window, nearest first."""
        row = self._row.get(note_id)
        windows = [] if row is None else self._table.windows[row, : self._window].tolist()
        return [other for other in windows if other >= 0]

    def unit(self, row: int) -> Vector:
        """The direction of a note's whole text, shape ``(d,)``."""
        return self.passages(row).unit()

    def cosines(self, rows: Sequence[int] | NDArray[np.int64], vector: Vector) -> Vector:
        """The cosines of a vector with each note's best passage, in the order of ``rows``."""
        wanted = np.asarray(rows, np.int64)
        if not len(wanted):
            return np.empty(0, np.float32)
        first = self._table.first
        counts = self._behind(wanted) - first[wanted]
        starts = np.cumsum(counts) - counts
        passages = np.repeat(first[wanted] - starts, counts) + np.arange(counts.sum())
        # One product for each passage: in `@`, the last bit of a product depends on the number of passages.
        best: Vector = np.maximum.reduceat(np.vecdot(self._vectors[passages], vector), starts)
        return best

    def nearest(self, vector: Vector, k: int) -> Nearest:
        """The ``k`` searched rows nearest to a unit vector, by their best passage; see ``nearest_of``."""
        return nearest_of([(self, np.flatnonzero(self._searched()))], vector, k, coded=self.is_coded(len(self)))

    def is_coded(self, n: int) -> bool:
        """Whether a memory of ``n`` notes is so large that the notes nearest to a vector are found by codes."""
        return n >= self._exact_below

    def all_cosines(self, vector: Vector) -> Vector:
        """The cosines of a vector with each row's best passage, shape ``(n,)``."""
        products = np.vecdot(self._vectors[: self._n_passages], vector)
        return cast("Vector", np.maximum.reduceat(products, self._table.first[: len(self.ids)]))

    def all_differences(self, vector: Vector) -> NDArray[np.uint16]:
        """The number of bits in which the code of each row's best passage differs from a vector's, shape ``(n,)``."""
        self._codes.cover(self._vectors[: self._n_passages])
        differences = self._codes.differences(vector)
        return cast("NDArray[np.uint16]", np.minimum.reduceat(differences, self._table.first[: len(self.ids)]))

    def estimated(self, differences: NDArray[np.uint16]) -> NDArray[np.float64]:
        """The cosines that follow from numbers of differing bits."""
        return self._codes.cosines(differences)

    def ordinals(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ordinals of rows."""
        return self._table.ordinals[rows]

    def sample_keys(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The sample keys of rows; see ``protocols.Columns``."""
        return self._table.sample_keys[rows]

    def searched_rows(self) -> NDArray[np.bool_]:
        """Which rows are searched, as a copy."""
        return self._searched().copy()

    def session_rows(self, session: Session | None) -> Sequence[int]:
        """The searched rows of a session's messages, in the order they arrived."""
        return self._sessions.rows(session)

    def speakers(self) -> set[str]:
        """The speakers of the notes; the table also has those of removed notes."""
        codes = self._table.speaker[: len(self.ids)][self._table.alive[: len(self.ids)]]
        counts = np.bincount(codes + 1, minlength=len(self._speakers) + 1)
        return {name for name, n in zip(self._speakers, counts[1:].tolist(), strict=True) if n}

    def passages(self, row: int) -> Passages:
        """A row's vectors, without their spans."""
        return Passages((), self._vectors[self._passages_of(row)])

    def _estimates(self, vector: Vector, passages: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        self._codes.cover(self._vectors[: self._n_passages])
        return self._codes.cosines(self._codes.differences(vector, passages))

    def _refresh_norms(self) -> None:
        stale = np.fromiter(self._sessions.stale, np.int64, len(self._sessions.stale))
        for start in range(0, len(stale), _BLOCK):
            rows = stale[start : start + _BLOCK]
            around = np.zeros((len(rows), self._vectors.shape[1]), np.float32)
            for others in self._table.windows[rows].T:
                there = others >= 0
                around[there] += self._means(others[there])
            total = self._means(rows) + around
            self._table.norms[rows] = np.maximum(np.sqrt(np.vecdot(total, total)), 1e-6)
        self._sessions.stale.clear()

    def _means(self, rows: NDArray[np.int64]) -> Vector:
        """The means of the notes' passages, shape ``(len(rows), d)``; they count in the context of other messages."""
        first, behind = self._table.first[rows], self._behind(rows)
        means: Vector = self._vectors[first]
        for i in np.flatnonzero(behind - first > 1).tolist():
            means[i] = self._vectors[first[i] : behind[i]].mean(axis=0)
        return means

    def _behind(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number behind the last passage of each row."""
        last = len(self.ids) - 1
        return np.where(rows < last, self._table.first[np.minimum(rows + 1, last)], self._n_passages)

    def _passages_of(self, row: int) -> slice:
        first = self._table.first
        return slice(first[row], first[row + 1] if row + 1 < len(self.ids) else self._n_passages)


def nearest_of(
    parts: Sequence[tuple[ExactIndex, NDArray[np.int64]]], vector: Vector, k: int, *, coded: bool
) -> Nearest:
    """The ``k`` rows nearest to a unit vector, by their best passage, among the given rows of each index.

    The rows of the second index are numbered on from those of the first. Equally near rows are in the order in which
    their notes arrived. The result follows from the notes alone, to the last bit, however they are divided between the
    indexes, since decisions in the journal rest on it. If ``coded``, only the rows with the nearest codes are
    compared, and mean and deviation are estimates.
    """
    parts = [(index, rows) for index, rows in parts if len(index.ids)]
    n = sum(len(rows) for _, rows in parts)
    if not n:
        return Nearest(np.empty(0, np.int64), np.empty(0, np.float32), 0, 0.0, 0.0)
    if coded:
        near, (mean, deviation) = _near(parts, n, vector, k)
        cosines = np.concatenate([index.cosines(rows, vector) for index, rows in near])
    else:
        near = parts
        cosines = np.concatenate([index.all_cosines(vector)[rows] for index, rows in near])
        mean, deviation = spread(cosines)
    first = best(cosines, np.concatenate([index.ordinals(rows) for index, rows in near]), k)
    starts = np.cumsum([0, *(len(index.ids) for index, _ in near[:-1])])
    counted = np.concatenate([rows + start for (_, rows), start in zip(near, starts, strict=True)])
    return Nearest(counted[first], cosines[first], n, mean, deviation)


def _near(
    parts: Sequence[tuple[ExactIndex, NDArray[np.int64]]], n: int, vector: Vector, k: int
) -> tuple[list[tuple[ExactIndex, NDArray[np.int64]]], tuple[float, float]]:
    """The rows whose codes are nearest to a vector's, with all that are equally near, and the spread of all cosines."""
    differences = [index.all_differences(vector)[rows] for index, rows in parts]
    wanted = max(min(_CANDIDATES[0], int(n * _CANDIDATES[1])), 4 * k)
    border = np.searchsorted(np.bincount(np.concatenate(differences)).cumsum(), wanted)
    estimates = np.concatenate([index.estimated(d) for (index, _), d in zip(parts, differences, strict=True)])
    share = min(_SAMPLE[0] / n, _SAMPLE[1])
    sampled = [index.sample_keys(rows) < share for index, rows in parts]
    mean, deviation = spread(estimates)
    sample = np.concatenate(sampled)
    if sample.any():
        true = np.concatenate([index.cosines(rows[d], vector) for (index, rows), d in zip(parts, sampled, strict=True)])
        (guessed_mean, guessed), (true_mean, deviating) = spread(estimates[sample]), spread(true)
        mean += true_mean - guessed_mean
        deviation *= deviating / guessed if guessed else 1.0
    near = [(index, rows[d <= border]) for (index, rows), d in zip(parts, differences, strict=True)]
    return near, (mean, deviation)


def _annotation_terms(note: Note) -> list[str]:
    return annotation_terms(note.context, (*note.keywords, *note.tags, *note.entities))


def _numbered(values: Sequence[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The different values except None, and for each value its number among them, or -1 for None."""
    different = {value: number for number, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return list(different), np.array([-1 if value is None else different[value] for value in values], np.int64)
