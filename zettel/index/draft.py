"""A draft of the index: it keeps what a plan adds or changes, apart from the index, until the commit is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from zettel.embedding import check_dimension
from zettel.errors import NotFoundError
from zettel.index.exact import Document, ExactIndex, nearest_of
from zettel.index.naming import Material, material_of
from zettel.index.tree import TopicTree
from zettel.model import Change, Commit, Erasure, Note, NoteChange, Revision
from zettel.protocols import Passages, Vector


@dataclass(frozen=True, slots=True)
class NearNotes:
    """The notes nearest to a vector, best first; mean and standard deviation of the cosines of all ``n`` notes."""

    ids: Sequence[str]
    cosines: Sequence[float]
    n: int
    mean: float
    deviation: float


class IndexDraft:
    """The index at a head with the notes that a plan has added or changed since, and a draft of the topic tree.

    New and changed notes are rows of a second index; the rows of the first index that they replace are skipped. So the
    first index is not changed, and if the commit is not written, the draft is simply dropped. Every answer equals, to
    the last bit, that of a single index of all the notes.
    """

    def __init__(self, base: ExactIndex, tree: TopicTree, material: Callable[[str], Material]) -> None:
        self.tree = tree.draft(self.unit, self._material)
        self.notes: dict[str, Note] = {}
        self.passages: dict[str, Passages] = {}
        self.documents: dict[str, Document] = {}
        self._base = base
        self._fresh = base.empty()
        self._visible = base.searched_rows()  # rows of the first index that are searched, and not replaced
        self._n_covered = 0
        self._base_material = material
        self._speakers = base.speakers()

    def __len__(self) -> int:
        """The number of notes."""
        return len(self._base) + len(self._fresh) - self._n_covered

    # ------------------------------------------------------------------ changes

    def enter(self, note: Note, passages: Passages) -> None:
        """Add a new note.

        Raises:
            EmbedderError: its vectors can't be compared with those of the index.
        """
        check_dimension(passages.vectors.shape[1], self._base.dimension or self._fresh.dimension)
        self._put(note, passages)
        if note.speaker is not None:
            self._speakers.add(note.speaker)

    def revise(self, note: Note) -> None:
        """Bring a note's annotations up to date, also for the naming of topics."""
        row = self._base.row(note.id)
        if self._fresh.row(note.id) is None and row is not None:
            self._put(note, self._base.passages(row))
            self._visible[row] = False
            self._n_covered += 1
        else:
            self._put(note, None)
        self.tree.refresh([note.id])

    def _put(self, note: Note, passages: Passages | None) -> None:
        self.notes[note.id] = note
        self.documents[note.id] = Document.of(note)
        if passages is not None:
            self.passages[note.id] = passages
        self._fresh.put([note], self.passages, self.documents)

    # ------------------------------------------------------------------ reading

    def covers(self, commit: Commit) -> bool:
        """Whether the draft has all notes whose rows a commit changes, as the commit leaves them."""
        ids = reindexed(commit.changes)
        return self.notes.keys() >= set(ids)

    def has(self, note_id: str) -> bool:
        """Whether a note is in the index."""
        return self._fresh.row(note_id) is not None or self._base.row(note_id) is not None

    def unit(self, note_id: str) -> Vector:
        """The direction of a note's whole text, shape ``(d,)``.

        Raises:
            NotFoundError: there is no such note.
        """
        index, row = self._row(note_id)
        return index.unit(row)

    def nearest(self, vector: Vector, k: int) -> NearNotes:
        """The ``k`` searched notes nearest to a unit vector; see ``index.exact.nearest_of``.

        Raises:
            EmbedderError: the vector can't be compared with those of the index.
        """
        check_dimension(len(vector), self._base.dimension or self._fresh.dimension)
        coded = self._base.is_coded(len(self))
        found = nearest_of(self._parts(), vector, k, coded=coded)
        n = len(self._base.ids)
        ids = [self._base.ids[row] if row < n else self._fresh.ids[row - n] for row in found.rows.tolist()]
        return NearNotes(ids, found.cosines.tolist(), found.n, found.mean, found.deviation)

    def _parts(self) -> list[tuple[ExactIndex, NDArray[np.int64]]]:
        """Both indexes, each with its searched rows."""
        fresh = np.flatnonzero(self._fresh.searched_rows())
        return [(self._base, np.flatnonzero(self._visible)), (self._fresh, fresh)]

    def before(self, note: Note, k: int) -> list[str]:
        """The ``k`` messages before a note in its session, nearest first."""
        found = []
        for row in reversed(self._base.session_rows(note.conversation)):
            if self._visible[row] and (ordinal := self._ordinal(self._base, row)) < note.ordinal:
                found.append((ordinal, self._base.ids[row]))
                if len(found) == k:
                    break
        fresh = self._fresh.session_rows(note.conversation)
        found += [(self._ordinal(self._fresh, row), self._fresh.ids[row]) for row in fresh]
        return [note_id for ordinal, note_id in sorted(found, reverse=True) if ordinal < note.ordinal][:k]

    def cosines(self, ids: Iterable[str], vector: Vector) -> list[float]:
        """The cosines of a vector with each note's best passage."""
        return [float(index.cosines([row], vector)[0]) for index, row in map(self._row, ids)]

    def n_with(self, term: str) -> int:
        """The number of searched notes with a stem in their text or their annotations."""
        return int(np.count_nonzero(self._visible[self._base.posting(term).rows])) + self._fresh.n_with(term)

    def saying(self, stems: Sequence[str]) -> list[str]:
        """The searched notes whose text has all of some stems, in the order they arrived."""
        if not stems:
            return []
        postings = [self._base.posting(stem) for stem in stems]
        rows = reduce(_common, [posting.rows[posting.text > 0] for posting in postings])
        found = [(self._ordinal(self._base, row), self._base.ids[row]) for row in rows[self._visible[rows]].tolist()]
        fresh = self._fresh.rows_saying(stems)
        found += [(self._ordinal(self._fresh, row), self._fresh.ids[row]) for row in fresh]
        return [note_id for _, note_id in sorted(found)]

    def speakers(self) -> frozenset[str]:
        """The names of the speakers of the notes."""
        return frozenset(self._speakers)

    def unplaced(self) -> list[str]:
        """The searched notes that are in no topic, in the order they arrived."""
        found = [(self._ordinal(index, row), index.ids[row]) for index, rows in self._parts() for row in rows.tolist()]
        return [note_id for _, note_id in sorted(found) if self.tree.place(note_id) is None]

    @property
    def n_searched(self) -> int:
        """The number of searched notes."""
        return int(np.count_nonzero(self._visible)) + self._fresh.n_searched

    def _row(self, note_id: str) -> tuple[ExactIndex, int]:
        for index in (self._fresh, self._base):
            if (row := index.row(note_id)) is not None:
                return index, row
        raise NotFoundError(f"no note {note_id!r} is in the index")

    @staticmethod
    def _ordinal(index: ExactIndex, row: int) -> int:
        return int(index.ordinals(np.array([row]))[0])

    def _material(self, note_id: str) -> Material:
        note = self.notes.get(note_id)
        return self._base_material(note_id) if note is None else material_of(note)


def reindexed(changes: Iterable[Change]) -> list[str]:
    """The notes whose rows the changes affect; a link or a use affects no row."""
    return list(dict.fromkeys(c.note_id for c in changes if isinstance(c, NoteChange | Revision | Erasure)))


def _common(rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.intersect1d(rows, others, assume_unique=True)
