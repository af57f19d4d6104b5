"""Pure functions of changes: applying them, inverting them, and finding what they depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zettel.errors import InputError, StoreDamagedError
from zettel.model import (
    Change,
    Commit,
    Erasure,
    LinkChange,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    TreeChange,
    Use,
    touched,
)

Cell: TypeAlias = tuple[str, ...]
"""What changes write to: a note's presence, a field of its annotations, a link, a use."""
LinkKey: TypeAlias = tuple[str, str, str]

# ---------------------------------------------------------------------- apply


@dataclass(slots=True)
class State:
    """What a journal amounts to: notes by id (ordinal and revised fields), links by key, number of uses by note.

    ``topics`` holds the present topics by id, as their last change left them, and ``places`` the leaf of each note that
    is in the tree. ``last_topic`` is the highest id that a topic ever had.
    """

    notes: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    links: dict[LinkKey, dict[str, Any]] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    topics: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    last_topic: int = field(default=0, compare=False)  # an undo does not lower it

    def copy(self) -> State:
        """A copy that ``apply`` may write to; the field dictionaries inside are never written to in place."""
        return State(
            dict(self.notes), dict(self.links), dict(self.uses), dict(self.topics), dict(self.places), self.last_topic
        )


def apply(state: State, changes: Iterable[Change], erased: Set[str] = frozenset()) -> State:
    """The state after ``changes``; ``state`` itself is not changed. Changes of ``erased`` notes are skipped.

    Raises:
        StoreDamagedError: a change does not fit the state before it.
    """
    after = state.copy()
    _steps(after, changes, erased)
    return after


def replay(commits: Iterable[Commit], erased: Set[str] = frozenset()) -> Iterator[tuple[Commit, State]]:
    """Each commit of a journal with the state after it. The state is one object, which the next step changes.

    Raises:
        StoreDamagedError: a change does not fit the state before it.
    """
    state = State()
    for commit in commits:
        _steps(state, commit.changes, erased)
        yield commit, state


def _steps(state: State, changes: Iterable[Change], erased: Set[str]) -> None:
    for change in changes:
        if erased.isdisjoint(touched(change)):
            _step(state, change)


def _step(state: State, change: Change) -> None:
    match change:
        case NoteChange(after=None):
            _expect(change, state.notes.get(change.note_id) == (change.ordinal, change.before))
            del state.notes[change.note_id]
            state.places.pop(change.note_id, None)
        case NoteChange(after=fields):
            _expect(change, change.note_id not in state.notes)
            state.notes[change.note_id] = change.ordinal, dict(fields or {})
        case Revision():
            _expect(change, change.note_id in state.notes)
            ordinal, fields = state.notes[change.note_id]
            _expect(change, all(fields.get(k) == v for k, v in change.before.items()))
            state.notes[change.note_id] = ordinal, {**fields, **change.after}
        case LinkChange():
            key = change.source_id, change.target_id, change.kind
            _expect(change, state.links.get(key) == change.before)
            if change.after is None:
                state.links.pop(key, None)
            else:
                _expect(change, change.source_id in state.notes and change.target_id in state.notes)
                state.links[key] = dict(change.after)
        case Placement() if change.note_id not in (state.places if change.after is None else state.notes):
            pass  # in an undo, a note is removed before its place, which went with the note
        case TopicChange() | Placement():
            _expect(change, fits(state, change))
            grow(state, change)
        case Use():
            _expect(change, change.note_id in state.notes)
            n_uses = state.uses.get(change.note_id, 0) + change.count
            state.uses[change.note_id] = n_uses
            if not n_uses:
                del state.uses[change.note_id]
        case Erasure():
            state.notes.pop(change.note_id, None)
            state.uses.pop(change.note_id, None)
            state.places.pop(change.note_id, None)
            state.links = {k: v for k, v in state.links.items() if change.note_id not in k[:2]}


def _expect(change: Change, holds: bool) -> None:
    if not holds:
        raise StoreDamagedError(
            f"change {change.id} ({change.type} of {_subject(change)}) does not fit what stands before it; the"
            " journal is damaged: restore a copy, or export what can be read and load it into a new memory"
        )


def _subject(change: Change) -> str:
    return f"topic {change.topic_id}" if isinstance(change, TopicChange) else touched(change)[0]


# ----------------------------------------------------------------------- tree


def fits(tree: State, change: TreeChange) -> bool:
    """Whether a change of the tree can follow on this state.

    A topic is removed only when it is empty, so that the changes of a commit can be taken back in reverse order.
    """
    if isinstance(change, Placement):
        stands = tree.places.get(change.note_id) == change.before
        return stands and (change.after is None or change.after in tree.topics)
    nothing = change.before is None and change.after is None
    if nothing or tree.topics.get(change.topic_id) != change.before:
        return False
    if change.after is None:
        above = (topic["parent"] for topic in tree.topics.values())
        return change.topic_id not in above and change.topic_id not in tree.places.values()
    parent: Any = change.after["parent"]
    while parent in tree.topics and parent != change.topic_id:
        parent = tree.topics[parent]["parent"]
    return parent is None


def grow(tree: State, change: TreeChange) -> None:
    """Apply a change of the tree, which ``fits``."""
    if isinstance(change, Placement):
        if change.after is None:
            tree.places.pop(change.note_id, None)
        else:
            tree.places[change.note_id] = change.after
    elif change.after is None:
        tree.topics.pop(change.topic_id, None)
    else:
        tree.topics[change.topic_id] = dict(change.after)
        tree.last_topic = max(tree.last_topic, change.topic_id)


def deserted(tree: State) -> set[int]:
    """The topics that have neither notes nor topics beneath them."""
    return tree.topics.keys() - {topic["parent"] for topic in tree.topics.values()} - set(tree.places.values())


def tree_faults(state: State) -> Iterator[tuple[str, str]]:
    """The faults of a tree that no single change shows: each with its place and the reason."""
    parents = {topic["parent"] for topic in state.topics.values()}
    for topic_id in sorted(parents.intersection(state.places.values())):
        yield f"topic {topic_id}", "it holds notes beside the topics beneath it"
    numbers = Counter((topic["parent"], topic["number"]) for topic in state.topics.values())
    for topic_id, topic in sorted(state.topics.items()):
        if numbers[topic["parent"], topic["number"]] > 1:
            yield f"topic {topic_id}", f"a topic beside it has number {topic['number']} too"


# ---------------------------------------------------------- invert and depend


def invert(change: Change, undoes: str) -> Change:
    """The change that takes ``change`` back; ``undoes`` is the id of the change that is in effect now.

    Raises:
        InputError: it is an erasure, which can't be taken back.
    """
    if isinstance(change, Erasure):
        raise InputError(
            f"change {change.id} erased note {change.note_id}: what was erased is gone and can't be undone"
        )
    if isinstance(change, Use):
        return change.model_copy(update={"id": "", "undoes": undoes, "count": -change.count})
    update: dict[str, Any] = {"id": "", "undoes": undoes, "before": change.after, "after": change.before}
    if isinstance(change, Revision):
        update["reason"] = f"takes back change {undoes}"
    return change.model_copy(update=update)


def writes(change: Change) -> tuple[Cell, ...]:
    """The cells that a change writes."""
    match change:
        case NoteChange() | Erasure():
            return (("note", change.note_id),)
        case Revision():
            return tuple(("field", change.note_id, name) for name in change.after)
        case LinkChange():
            return (("link", change.source_id, change.target_id, change.kind),)
        case Use():
            return (("use", change.id),)
        case TopicChange() | Placement():
            return ()


def needs(change: Change) -> tuple[Cell, ...]:
    """The cells that a change reads: the presence of the notes it is about."""
    if isinstance(change, NoteChange | Erasure | TopicChange | Placement):
        return ()
    return tuple(("note", n) for n in touched(change))


def follows(change: Change) -> bool:
    """Whether a change is taken back with its note without being asked for.

    Links and uses are, and revisions that another note's arrival caused; any other revision is somebody's work.
    """
    return isinstance(change, LinkChange | Use) or (isinstance(change, Revision) and change.trigger is not None)
