"""What follows from a store at one head: the rows of the index, the tree of topics, and what topics are named by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from zettel.embedding import vector_key
from zettel.errors import NotFoundError, StoreDamagedError
from zettel.index.draft import IndexDraft, reindexed
from zettel.index.exact import Document, ExactIndex
from zettel.index.naming import Material, material_of
from zettel.index.tree import TopicTree
from zettel.model import Commit, Note, NoteChange, Placement, TopicChange
from zettel.protocols import Passages, Reader, Vector


@dataclass(frozen=True, slots=True)
class Known:
    """Notes as a commit left them, and what else is known of them, all by note id; see ``IndexState.gathered``."""

    notes: Mapping[str, Note] = field(default_factory=dict)
    passages: Mapping[str, Passages] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Following:
    """What brings an ``IndexState`` to another head: all that has to be read for it, so that going on can't fail.

    ``again`` are notes that went and came again since, ``gone`` those that are there no longer.
    """

    head: int
    again: Sequence[str]
    notes: Sequence[Note]
    gone: Sequence[str]
    passages: Mapping[str, Passages]
    documents: Mapping[str, Document]
    tree: Sequence[TopicChange | Placement]


class IndexState:
    """Index, tree and materials, all of commit ``head`` and of nothing else.

    The index is there from the beginning; the tree and the materials are read from the store when they are first
    needed, which must be while the store is at this head.
    """

    def __init__(self, index: ExactIndex, head: int, reader: Reader, fingerprint: str) -> None:
        self.index = index
        self.head = head
        self._reader = reader
        self._fingerprint = fingerprint
        self._tree: TopicTree | None = None
        self._materials: dict[str, Material] | None = None

    @classmethod
    def built(cls, empty: ExactIndex, reader: Reader, fingerprint: str) -> IndexState:
        """The state at the head of a store, from all its notes."""
        state = cls(empty, reader.head(), reader, fingerprint)
        notes = reader.notes()
        state._enter(notes, state._passages(notes), {})
        state._materials = {note.id: material_of(note) for note in notes}
        state.index.place(reader.places().items())
        return state

    # ------------------------------------------------------------------ reading

    @property
    def tree(self) -> TopicTree:
        """The tree of topics.

        Raises:
            StoreDamagedError: the rows in the store are no tree.
        """
        if self._tree is None:
            tree = TopicTree(self.unit, self.material)
            tree.load(self._reader.topics(), self._reader.places(), self._reader.last_topic())
            self._tree = tree
        return self._tree

    def unit(self, note_id: str) -> Vector:
        """The direction of a note's whole text.

        Raises:
            NotFoundError: it is not in the index.
        """
        row = self.index.row(note_id)
        if row is None:
            raise NotFoundError(f"no note {note_id!r} is in the index")
        return self.index.unit(row)

    def material(self, note_id: str) -> Material:
        """What topics may be named by of a note; nothing if it is not there."""
        if self._materials is None:
            self._materials = {note.id: material_of(note) for note in self._reader.notes()}
        return self._materials.get(note_id) or Material()

    def draft(self) -> IndexDraft:
        """What a plan grows on; this state stays as it is. Only the newest draft may be used."""
        return IndexDraft(self.index, self.tree, self.material)

    # ---------------------------------------------------------------- following

    def gathered(self, commits: Sequence[Commit], known: Known) -> Following:
        """What it takes to go on to the last of the commits that follow on this head; this state stays as it is.

        ``known`` holds notes as the last of them left them; what it lacks is read from the store.

        Raises:
            StoreError: the store could not be read.
        """
        changes = [change for commit in commits for change in commit.changes]
        ids = reindexed(changes)
        notes = {note_id: note for note_id in ids if (note := known.notes.get(note_id)) is not None}
        missing = [note_id for note_id in ids if note_id not in notes]
        notes |= {note.id: note for note in self._reader.notes(missing)} if missing else {}
        arrived = {change.note_id for change in changes if isinstance(change, NoteChange)}
        again = [note_id for note_id in ids if note_id in arrived and self.index.row(note_id) is not None]
        new = [note for note in notes.values() if self.index.row(note.id) is None or note.id in again]
        passages = self._passages([note for note in new if note.id not in known.passages])
        return Following(
            head=commits[-1].id,
            again=again,
            notes=sorted(notes.values(), key=lambda note: note.ordinal),
            gone=[note_id for note_id in ids if note_id not in notes],
            passages={**known.passages, **passages},
            documents=known.documents,
            tree=[change for change in changes if isinstance(change, TopicChange | Placement)],
        )

    def follow(self, step: Following) -> None:
        """Go on by what ``gathered`` gave; if that is broken off, this state is broken, too."""
        if step.again:  # they may have come with another text
            self._tree = None
            self.index.remove(step.again)
        self._enter(step.notes, step.passages, step.documents)
        self._grow(step.tree, [note.id for note in step.notes])
        self.index.remove(step.gone)
        if self._materials is not None:
            self._materials.update((note.id, material_of(note)) for note in step.notes)
            for note_id in step.gone:
                self._materials.pop(note_id, None)
        self.head = step.head

    def _enter(
        self, notes: Sequence[Note], passages: Mapping[str, Passages], documents: Mapping[str, Document]
    ) -> None:
        # Vectors that are missing were erased by another process since the notes were read: the next look sees why.
        there = [note for note in notes if note.id in passages or self.index.row(note.id) is not None]
        self.index.put(there, passages, documents)

    def _passages(self, notes: Iterable[Note]) -> dict[str, Passages]:
        """The vectors of notes, by note id, of those that the store has."""
        keys = {note.id: vector_key(self._fingerprint, note) for note in notes}
        stored = self._reader.passages(keys.values()) if keys else {}
        return {note_id: stored[key] for note_id, key in keys.items() if key in stored}

    def pack_anew(self) -> None:
        """Bring the rows into the order in which notes arrived, without those of notes that went."""
        self.index = self.index.packed_anew()

    def drop_tree(self) -> None:
        """Have the tree read again: what it was last read or followed from may be of two heads."""
        self._tree = None

    def _grow(self, changes: Sequence[TopicChange | Placement], notes: Iterable[str]) -> None:
        """Bring the tree up to changes of it, and to the annotations of ``notes``."""
        self.index.place((c.note_id, c.after) for c in changes if isinstance(c, Placement))
        if self._tree is None:
            return
        tree, self._tree = self._tree, None
        with suppress(StoreDamagedError, NotFoundError):  # it speaks of notes that have gone meanwhile
            for change in changes:
                tree.apply(change)
            tree.refresh(notes)
            self._tree = tree

