"""What commits amount to: their changes added up to what they leave behind, which is what a store has to write. Pure.

All stores write by this, and a replica's journal is read by it. Two other modules read changes as well, because they
answer other questions. ``journal.rules`` checks each change against the state that it meets, so it needs the whole
state before the commits; here only the commits are known, and what they say of before is believed. ``journal.ledger``
keeps all changes that stand, cell by cell, so that an undo can take one out from beneath others; a sum has forgotten
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from zettel.errors import StoreDamagedError
from zettel.model import (
    Change,
    Commit,
    Erasure,
    LinkChange,
    Note,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    touched,
)
from zettel.protocols import TopicRow

LinkKey: TypeAlias = tuple[str, str, str]
Arrivals: TypeAlias = Mapping[int, tuple[Note, str]]
"""The rows of notes by ordinal, each with the key of its vectors."""


@dataclass(slots=True)
class Presence:
    """A note that comes or goes, under one ordinal.

    ``fields`` are as the commits leave them, None if the note is gone then. It is ``new`` if it comes for the first
    time; ``was_there`` says whether it was present before the commits. ``commit`` is the last that brought it or took
    it out.
    """

    note_id: str
    ordinal: int
    new: bool
    was_there: bool
    fields: dict[str, Any] | None
    commit: int


@dataclass(slots=True)
class Linked:
    """What becomes of a link: what it was before, and what it is after; None if it is not there."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    commit: int


@dataclass(slots=True)
class Effects:
    """What commits in a row leave behind, by the ids of notes."""

    commits: Sequence[Commit] = ()
    ordinals: dict[int, str] = field(default_factory=dict)  # all that the commits name, with the notes' ids
    notes: dict[int, Presence] = field(default_factory=dict)  # those that come or go, by ordinal
    newest: dict[str, Presence] = field(default_factory=dict)  # the same, as each id was last spoken of
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # what is revised of the notes that stay
    before: dict[str, dict[str, Any]] = field(default_factory=dict)  # what ``fields`` were before the first commit
    links: dict[LinkKey, Linked] = field(default_factory=dict)
    topics: dict[int, TopicRow | None] = field(default_factory=dict)
    added_topics: set[int] = field(default_factory=set)  # topics that were not there before
    places: dict[str, int | None] = field(default_factory=dict)  # of notes that are there
    revisions: list[tuple[Revision, datetime, int]] = field(default_factory=list)
    erasures: dict[str, tuple[Erasure, int]] = field(default_factory=dict)  # with their commits
    mentions: dict[str, list[int]] = field(default_factory=dict)  # the commits that speak of each note

    @property
    def created(self) -> list[Presence]:
        """The notes that come for the first time, even if they go again."""
        return [note for note in self.notes.values() if note.new]

    @property
    def gone(self) -> list[Presence]:
        """The notes that go, once all are created, even if they come back."""
        return [note for note in self.notes.values() if note.was_there or (note.new and note.fields is None)]

    @property
    def returned(self) -> list[Presence]:
        """The notes that come back, once all that go are gone."""
        return [note for note in self.notes.values() if not note.new and note.fields is not None]

    def are_new(self, ids: Iterable[str]) -> bool:
        """Whether any of the notes comes for the first time."""
        return any(note_id in self.newest and self.newest[note_id].new for note_id in ids)

    def add(self, change: Change, commit: int, arrivals: Arrivals) -> None:
        """Add what one more change leaves behind; ``arrivals`` are the rows of all notes that come for the first time.

        Raises:
            StoreDamagedError: a note goes that is gone, comes though it is there, or is revised when it is gone.
        """
        match change:
            case NoteChange():
                self._come_or_go(change, commit, arrivals)
            case Revision(note_id=note_id, before=before, after=after):
                self._fields_of(note_id).update(after)
                self.before[note_id] = {**before, **self.before.get(note_id, {})}
            case LinkChange(before=before, after=after):
                key = change.source_id, change.target_id, change.kind
                known = self.links.get(key)
                first = known.before if known else before
                self.links[key] = Linked(first, None if after is None else dict(after), commit)
            case TopicChange(topic_id=topic_id, before=before, after=after):
                if before is None and topic_id not in self.topics:
                    self.added_topics.add(topic_id)
                self.topics[topic_id] = None if after is None else TopicRow(**after)  # type: ignore[arg-type]  # as journalled
            case Placement(note_id=note_id, after=topic):
                # An undo tells of the notes that go before it tells of their places, which go with them.
                if note_id not in self.newest or self.newest[note_id].fields is not None:
                    self.places[note_id] = topic
            case Erasure():
                self.erasures[change.note_id] = change, commit

    def _come_or_go(self, change: NoteChange, commit: int, arrivals: Arrivals) -> None:
        note_id, ordinal, after = change.note_id, change.ordinal, change.after
        known = self.newest.get(note_id)
        there = known.ordinal if known is not None and known.fields is not None else None
        if known is not None and there != (ordinal if after is None else None):
            raise StoreDamagedError(
                f"change {change.id} takes out note {note_id!r}, which is gone: run zettel verify"
                if after is None
                else f"change {change.id} brings note {note_id!r}, which is there: run zettel verify"
            )
        self.fields.pop(note_id, None)
        self.places.pop(note_id, None)
        note = self.notes.get(ordinal)
        if note is None or note.note_id != note_id:
            new = ordinal in arrivals and arrivals[ordinal][0].id == note_id
            note = self.notes[ordinal] = Presence(note_id, ordinal, new, after is None, None, commit)
        note.fields, note.commit = None if after is None else dict(after), commit
        self.newest[note_id] = note

    def _fields_of(self, note_id: str) -> dict[str, Any]:
        known = self.newest.get(note_id)
        gone = known is not None and known.fields is None
        if gone or note_id in self.erasures:
            raise StoreDamagedError(f"a commit revises note {note_id!r} after it was taken out: run zettel verify")
        if known is not None and known.fields is not None:
            return known.fields
        return self.fields.setdefault(note_id, {})


def effects(commits: Sequence[Commit], arrivals: Arrivals, erased: Set[str] = frozenset()) -> Effects:
    """Add up ``commits``. Of ``erased`` notes only the erasure counts: what they were is gone already.

    Raises:
        StoreDamagedError: the commits contradict each other.
    """
    sum_ = Effects(commits)
    for commit in commits:
        for change in commit.changes:
            for note_id in spoken_of(change):
                mentioned = sum_.mentions.get(note_id)
                if mentioned is None:
                    sum_.mentions[note_id] = [commit.id]
                elif mentioned[-1] != commit.id:
                    mentioned.append(commit.id)
            if isinstance(change, NoteChange):
                sum_.ordinals[change.ordinal] = change.note_id
            elif isinstance(change, Revision):
                sum_.revisions.append((change, commit.at, commit.id))
            if not erased or isinstance(change, Erasure) or erased.isdisjoint(touched(change)):
                sum_.add(change, commit.id, arrivals)
    return sum_


def batches(commits: Iterable[Commit], arrivals: Arrivals, at_most: int) -> Iterator[tuple[list[Commit], Arrivals]]:
    """Commits in groups that can be added up, each with the rows of the notes that come for the first time in it.

    A group has ``at_most`` changes or so. A commit that takes out notes, or brings some back, is one by itself.
    """
    batch: list[Commit] = []
    size = 0
    left = dict(arrivals)
    own: dict[int, tuple[Note, str]] = {}
    for commit in commits:
        alone = any(_is_special(change, left) for change in commit.changes)
        if batch and (alone or size + len(commit.changes) > at_most):
            yield batch, own
            batch, size, own = [], 0, {}
        batch.append(commit)
        size += len(commit.changes)
        ordinals = [change.ordinal for change in commit.changes if isinstance(change, NoteChange)]
        own |= {ordinal: left.pop(ordinal) for ordinal in ordinals if ordinal in left}
        if alone:
            yield batch, own
            batch, size, own = [], 0, {}
    if batch:
        yield batch, own


def _is_special(change: Change, left: Arrivals) -> bool:
    if isinstance(change, NoteChange):
        return change.after is None or change.ordinal not in left
    return isinstance(change, Erasure)


def spoken_of(change: Change) -> tuple[str, ...]:
    """The notes under which a commit is found again: those it is about, and those whose text it quotes."""
    match change:  # not by getattr: pydantic takes long to say that there is no such field
        case Revision(note_id=note_id, derived_from=derived, trigger=trigger):
            return (note_id, *derived, trigger) if trigger else (note_id, *derived)
        case NoteChange(note_id=note_id, derived_from=derived):
            return (note_id, *derived)
    return touched(change)
