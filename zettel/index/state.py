"""What is derived from a store at one head: the index, the topic tree, and the words that topics are named by."""

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
    """Notes as a commit left them, and what else is known about them, all by note id; see ``IndexState.gathered``."""

    notes: Mapping[str, Note] = field(default_factory=dict)
    passages: Mapping[str, Passages] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Following:
    """What brings an ``IndexState`` to another head: everything is read beforehand, so that following can't fail.

    ``again`` are notes that were removed and came back since, ``gone`` notes that are not there any more.
    """

    head: int
    again: Sequence[str]
    notes: Sequence[Note]
    gone: Sequence[str]
    passages: Mapping[str, Passages]
    documents: Mapping[str, Document]
    tree: Sequence[TopicChange | Placement]


class IndexState:
    """Index, tree and materials, all at commit ``head``.

    The index exists from the beginning. The tree and the materials are read from the store when they are first needed;
    the store must be at this head then.
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
            StoreDamagedError: the rows in the store do not form a tree.
        """
        if self._tree is None:
            tree = TopicTree(self.unit, self.material)
            tree.load(self._reader.topics(), self._reader.places(), self._reader.last_topic())
            self._tree = tree
        return self._tree

    def unit(self, note_id: str) -> Vector:
        """The direction of a note's whole text.

        Raises:
            NotFoundError: the note is not in the index.
        """
        row = self.index.row(note_id)
        if row is None:
            raise NotFoundError(f"no note {note_id!r} is in the index")
        return self.index.unit(row)

    def material(self, note_id: str) -> Material:
        """The words of a note that topics may be named by; none if there is no such note."""
        if self._materials is None:
            self._materials = {note.id: material_of(note) for note in self._reader.notes()}
        return self._materials.get(note_id) or Material()

    def draft(self) -> IndexDraft:
        """A draft for a plan, over this state, which it does not change. Only the newest draft may be used."""
        return IndexDraft(self.index, self.tree, self.material)

    # ---------------------------------------------------------------- following

    def gathered(self, commits: Sequence[Commit], known: Known) -> Following:
        """Read what it takes to follow the commits after this head; this state is not changed.

        ``known`` has notes as the last commit left them; the others are read from the store.

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
        """Move to another head by the result of ``gathered``. If this is interrupted, the state can't be used."""
        if step.again:  # they may have come back with another text
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
        # A note without vectors was erased by another process since it was read; the next commits say so.
        there = [note for note in notes if note.id in passages or self.index.row(note.id) is not None]
        self.index.put(there, passages, documents)

    def _passages(self, notes: Iterable[Note]) -> dict[str, Passages]:
        """The vectors of notes by note id, as far as the store has them."""
        keys = {note.id: vector_key(self._fingerprint, note) for note in notes}
        stored = self._reader.passages(keys.values()) if keys else {}
        return {note_id: stored[key] for note_id, key in keys.items() if key in stored}

    def repack(self) -> None:
        """Bring the rows into the order in which notes arrived, and drop those of removed notes."""
        self.index = self.index.repacked()

    def drop_tree(self) -> None:
        """Forget the tree, so that it is read again: it may be of two heads."""
        self._tree = None

    def _grow(self, changes: Sequence[TopicChange | Placement], notes: Iterable[str]) -> None:
        """Bring the tree up to date with changes of it, and with the annotations of ``notes``."""
        self.index.place((c.note_id, c.after) for c in changes if isinstance(c, Placement))
        if self._tree is None:
            return
        tree, self._tree = self._tree, None
        with suppress(StoreDamagedError, NotFoundError):  # a change may name a note that was removed meanwhile
            for change in changes:
                tree.apply(change)
            tree.refresh(notes)
            self._tree = tree

