"""The effects of commits: their changes added up to the result that a store has to write. All functions are pure.

All stores write by these effects, and a replica's journal is read by them. Two other modules interpret changes too,
since they answer other questions. ``journal.rules`` checks each change against the state before it, so it needs that
state; here only the commits are known, and their values of before are trusted. ``journal.undo`` keeps every change
that is in effect, cell by cell, so that an undo can take one out from below others; a sum has lost them.
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
    """A note that the commits add or remove, under one ordinal.

    ``fields`` are as the commits leave them; None if the note is removed. It is ``new`` if it comes for the first time;
    ``was_there`` says whether it was present before the commits. ``commit`` is the last one that added or removed it.
    """

    note_id: str
    ordinal: int
    new: bool
    was_there: bool
    fields: dict[str, Any] | None
    commit: int


@dataclass(slots=True)
class Linked:
    """A link before the commits and after them; None if there is no such link."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    commit: int


@dataclass(slots=True)
class Effects:
    """The effects of consecutive commits, mostly by the ids of notes."""

    commits: Sequence[Commit] = ()
    ordinals: dict[int, str] = field(default_factory=dict)  # all ordinals in the commits, with the notes' ids
    notes: dict[int, Presence] = field(default_factory=dict)  # the notes that are added or removed, by ordinal
    newest: dict[str, Presence] = field(default_factory=dict)  # the same by id: the last one of each id
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # the revised fields of the other notes
    before: dict[str, dict[str, Any]] = field(default_factory=dict)  # the values of ``fields`` before the commits
    links: dict[LinkKey, Linked] = field(default_factory=dict)
    topics: dict[int, TopicRow | None] = field(default_factory=dict)
    added_topics: set[int] = field(default_factory=set)  # topics that were not there before
    places: dict[str, int | None] = field(default_factory=dict)  # the leaves of present notes
    revisions: list[tuple[Revision, datetime, int]] = field(default_factory=list)
    erasures: dict[str, tuple[Erasure, int]] = field(default_factory=dict)  # with their commits
    mentions: dict[str, list[int]] = field(default_factory=dict)  # the commits that speak of each note

    @property
    def created(self) -> list[Presence]:
        """The notes that are added for the first time, even if they are removed again."""
        return [note for note in self.notes.values() if note.new]

    @property
    def gone(self) -> list[Presence]:
        """The notes to be removed after all new ones are created, even if they come back."""
        return [note for note in self.notes.values() if note.was_there or (note.new and note.fields is None)]

    @property
    def returned(self) -> list[Presence]:
        """The notes that come back, to be added after the others are removed."""
        return [note for note in self.notes.values() if not note.new and note.fields is not None]

    def are_new(self, ids: Iterable[str]) -> bool:
        """Whether any of the notes is added for the first time."""
        return any(note_id in self.newest and self.newest[note_id].new for note_id in ids)

    def add(self, change: Change, commit: int, arrivals: Arrivals) -> None:
        """Add the effect of one more change; ``arrivals`` are the rows of all notes that are added for the first time.

        Raises:
            StoreDamagedError: a note is removed or revised that is gone, or added though it is present.
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
                # In an undo, a note is removed before its place, which went with the note.
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
    """Add up ``commits``. Of the changes of ``erased`` notes, only the erasures count: the rest is gone already.

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
    """Groups of commits to be added up, each with the rows of the notes that are added for the first time in it.

    A group has at most ``at_most`` changes, unless it is a single commit. A commit that removes notes or brings some
    back is a group by itself.
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
    """The notes by which a commit with this change is found: those it is about, and those whose text it quotes."""
    match change:  # not by getattr: pydantic takes long to say that there is no such field
        case Revision(note_id=note_id, derived_from=derived, trigger=trigger):
            return (note_id, *derived, trigger) if trigger else (note_id, *derived)
        case NoteChange(note_id=note_id, derived_from=derived):
            return (note_id, *derived)
    return touched(change)
