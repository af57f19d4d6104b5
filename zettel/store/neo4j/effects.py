"""What commits amount to: their changes added up to the nodes and relationships they leave behind. Pure."""

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
from zettel.store._shared import spoken_of

LinkKey: TypeAlias = tuple[str, str, str]
Arrivals: TypeAlias = Mapping[int, tuple[Note, str]]
"""The rows of notes by ordinal, each with the key of its vectors."""


@dataclass(slots=True)
class Seen:
    """A note that the commits bring: for the first time, or back. ``field_table`` are as they leave it."""

    ordinal: int
    fields: dict[str, Any]
    commit: int


@dataclass(slots=True)
class Linked:
    """What becomes of a link: as what it was there before, and as what it is left (None: not at all)."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    commit: int


@dataclass(slots=True)
class Effects:
    """What commits in a row leave behind, by the ids of notes."""

    commits: Sequence[Commit]
    created: dict[str, Seen] = field(default_factory=dict)
    returned: dict[str, Seen] = field(default_factory=dict)
    gone: dict[str, Seen] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)  # what ``field_table`` were before the first commit
    links: dict[LinkKey, Linked] = field(default_factory=dict)
    topics: dict[int, TopicRow | None] = field(default_factory=dict)
    added_topics: set[int] = field(default_factory=set)  # topics that were not there before
    places: dict[str, int | None] = field(default_factory=dict)
    revisions: list[tuple[Revision, datetime, int]] = field(default_factory=list)
    erasures: list[tuple[Erasure, int]] = field(default_factory=list)
    mentions: dict[str, list[int]] = field(default_factory=dict)  # the commits that speak of each note

    def place_of(self, note_id: str) -> int | None:
        """The topic in which the commits leave a note that they bring."""
        return self.places.get(note_id)


def batches(
    commits: Iterable[Commit], arrivals: Arrivals, at_most: int
) -> Iterator[tuple[list[Commit], Arrivals]]:
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


def effects(commits: Sequence[Commit], arrivals: Arrivals, erased: Set[str] = frozenset()) -> Effects:
    """Add up ``commits``. Of ``erased`` notes only the erasure counts: what they were is gone already."""
    sum_ = Effects(commits)
    for commit in commits:
        for change in commit.changes:
            for note_id in dict.fromkeys(spoken_of(change)):
                mentioned = sum_.mentions.setdefault(note_id, [])
                if mentioned[-1:] != [commit.id]:
                    mentioned.append(commit.id)
            if isinstance(change, Revision):
                sum_.revisions.append((change, commit.at, commit.id))
            if isinstance(change, Erasure) or erased.isdisjoint(touched(change)):
                _add(sum_, change, commit.id, arrivals)
    return sum_


def _add(sum_: Effects, change: Change, commit: int, arrivals: Arrivals) -> None:
    match change:
        case NoteChange(note_id=note_id, ordinal=ordinal, after=after):
            sum_.fields.pop(note_id, None)
            sum_.places.pop(note_id, None)
            if after is None:
                sum_.gone[note_id] = Seen(ordinal, {}, commit)
                return
            new = ordinal in arrivals and arrivals[ordinal][0].id == note_id
            (sum_.created if new else sum_.returned)[note_id] = Seen(ordinal, dict(after), commit)
        case Revision(note_id=note_id, before=before, after=after):
            _fields_of(sum_, note_id).update(after)
            sum_.before[note_id] = {**before, **sum_.before.get(note_id, {})}
        case LinkChange(before=before, after=after):
            key = change.source_id, change.target_id, change.kind
            known = sum_.links.get(key)
            first = known.before if known else before
            sum_.links[key] = Linked(first, None if after is None else dict(after), commit)
        case TopicChange(topic_id=topic_id, before=before, after=after):
            if before is None and topic_id not in sum_.topics:
                sum_.added_topics.add(topic_id)
            sum_.topics[topic_id] = None if after is None else TopicRow(**after)  # type: ignore[arg-type]  # as journalled
        case Placement(note_id=note_id, after=topic):
            sum_.places[note_id] = topic
        case Erasure():
            sum_.erasures.append((change, commit))


def _fields_of(sum_: Effects, note_id: str) -> dict[str, Any]:
    for seen in (sum_.returned.get(note_id), sum_.created.get(note_id)):
        if seen is not None:
            return seen.fields
    if note_id in sum_.gone:
        raise StoreDamagedError(f"a commit revises note {note_id!r} after it was taken out: run zettel verify")
    return sum_.fields.setdefault(note_id, {})
