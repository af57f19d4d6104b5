"""The rules of the journal, as pure functions: apply, invert, depend.

A commit's changes write *cells*: a note's presence, a field of its annotations, a link, a use. Each cell keeps the
stack of the changes that stand on it, bottom first. Taking a change back needs it on top of its cells; what stands
above it depends on it. An undo is written as changes too, each naming in ``undoes`` the change it takes back, so an
undo can be undone: the change it took out is put back.

Changes of the topic tree stand on no cell: many notes share a topic, and what one of them did to it must not keep
another from being undone. They are inverted all together where what they made still stands, else left as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zettel.errors import Call, ConflictError, InputError, Remedy, StoreDamagedError
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Change,
    Commit,
    Erasure,
    FieldDiff,
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
LinkKey: TypeAlias = tuple[str, str, str]
Target: TypeAlias = str | int | Sequence[str]  # what is undone: a change, by id; a commit, by number; several changes

_CASCADE = Remedy("undo those first, or pass {} to take them along", (Call("undo", "cascade", value=True),))


# ---------------------------------------------------------------------- apply


@dataclass(slots=True)
class State:
    """What a journal amounts to: notes by id (ordinal and revised fields), links by key, number of uses by note.

    ``topics`` are the topics present, by id, as their last change left them; ``places`` the topic of each note that is
    in the tree. ``last_topic`` is the highest id that a topic ever had.
    """

    notes: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    links: dict[LinkKey, dict[str, Any]] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    topics: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    last_topic: int = field(default=0, compare=False)  # which no undo takes back

    def copy(self) -> State:
        """A copy that ``apply`` may write to; the field dictionaries inside are never written to in place."""
        return State(
            dict(self.notes), dict(self.links), dict(self.uses), dict(self.topics), dict(self.places), self.last_topic
        )


def apply(state: State, changes: Iterable[Change], erased: Set[str] = frozenset()) -> State:
    """The state after ``changes``; ``state`` itself stays as it is. Changes of ``erased`` notes are passed over.

    Raises:
        StoreDamagedError: a change does not fit the state before it.
    """
    after = state.copy()
    _steps(after, changes, erased)
    return after


def replay(commits: Iterable[Commit], erased: Set[str] = frozenset()) -> Iterator[tuple[Commit, State]]:
    """Each commit of a journal with the state after it: one and the same object, which going on changes.

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
            pass  # an undo tells of the notes that go before it tells of their places, which go with them
        case TopicChange() | Placement():
            _expect(change, _fits(state, change))
            _grow(state, change)
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


def _fits(tree: State, change: TreeChange) -> bool:
    """Whether a change of the tree can follow on what stands.

    A topic goes when nothing is in it any more, so that the changes of a commit can be taken back in reverse order.
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


def _grow(tree: State, change: TreeChange) -> None:
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


def _deserted(tree: State) -> set[int]:
    """The topics that have neither notes nor topics beneath them."""
    return tree.topics.keys() - {topic["parent"] for topic in tree.topics.values()} - set(tree.places.values())


def tree_faults(state: State) -> Iterator[tuple[str, str]]:
    """What is wrong with a tree that no one change is to blame for: the place, and the reason."""
    parents = {topic["parent"] for topic in state.topics.values()}
    for topic_id in sorted(parents.intersection(state.places.values())):
        yield f"topic {topic_id}", "it holds notes beside the topics beneath it"
    numbers = Counter((topic["parent"], topic["number"]) for topic in state.topics.values())
    for topic_id, topic in sorted(state.topics.items()):
        if numbers[topic["parent"], topic["number"]] > 1:
            yield f"topic {topic_id}", f"a topic beside it has number {topic['number']} too"


# --------------------------------------------------------------------- invert


def invert(change: Change, undoes: str) -> Change:
    """The change that takes ``change`` back; ``undoes`` is the id of the change now in effect.

    Raises:
        InputError: an erasure, which nothing takes back.
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


# --------------------------------------------------------------------- depend


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
    """Whether a change goes along with its note unasked.

    Links and uses do, and what another note's arrival wrote on its card; any other revision is somebody's work.
    """
    return isinstance(change, LinkChange | Use) or (isinstance(change, Revision) and change.trigger is not None)


class Ledger:
    """Which changes of a journal stand, and on what: its fold, extended commit by commit.

    Only changes that take nothing back are kept on the cells' stacks; a change with ``undoes`` moves its *root*, the
    change at the end of that chain, out or back in. For each root, ``_latest`` is the change that last moved it.
    """

    def __init__(self, commits: Iterable[Commit] = ()) -> None:
        self.head = 0
        self._changes: dict[str, Change] = {}
        self._of_commit: dict[int, list[str]] = {}
        self._root: dict[str, str] = {}
        self._latest: dict[str, str] = {}
        self._took_out: set[str] = set()
        self._base: dict[str, dict[Cell, str | None]] = {}
        self._stacks: dict[Cell, list[str]] = {}
        self._dependents: dict[str, dict[str, None]] = {}  # of a note: what needs its presence, oldest first
        self._erased: set[str] = set()
        self._triggered: dict[str, list[str]] = {}
        self._tree = State()  # its topics and places only
        self._reverted: set[str] = set()  # roots of changes of the tree that do not stand
        self.extend(commits)

    def extend(self, commits: Iterable[Commit]) -> None:
        """Take in the commits that follow."""
        for commit in commits:
            self._of_commit[commit.id] = [c.id for c in commit.changes]
            for change in commit.changes:
                self._take(change)
            self.head = commit.id

    def _take(self, change: Change) -> None:
        self._changes[change.id] = change
        if isinstance(change, NoteChange | Erasure) and getattr(change, "after", None) is None:
            self._tree.places.pop(change.note_id, None)
        if isinstance(change, Revision) and change.trigger is not None and change.undoes is None:
            self._triggered.setdefault(change.trigger, []).append(change.id)
        if isinstance(change, TopicChange | Placement):
            self._take_of_tree(change)
            return
        if change.undoes is None:
            self._root[change.id] = change.id
            self._base[change.id] = {c: self._top(c) for c in (*writes(change), *needs(change))}
            self._push(change.id)
        else:
            root = self._root[change.id] = self._root[change.undoes]
            if self.stands(root):
                self._pop(root)
                self._took_out.add(change.id)
            else:
                self._push(root)
        self._latest[self._root[change.id]] = change.id
        if isinstance(change, Erasure):
            self._erase(change)

    def _take_of_tree(self, change: TreeChange) -> None:
        root = self._root[change.id] = self._root[change.undoes] if change.undoes else change.id
        if change.undoes:
            self._reverted ^= {root}
            if root in self._reverted:
                self._took_out.add(change.id)
        self._latest[root] = change.id
        _grow(self._tree, change)

    def stands(self, root: str) -> bool:
        """Whether a change that takes nothing back is in effect."""
        change = self._changes[root]
        if isinstance(change, TopicChange | Placement):
            return root not in self._reverted
        return root in self._stacks.get(writes(change)[0], ())

    def _top(self, cell: Cell) -> str | None:
        stack = self._stacks.get(cell)
        return stack[-1] if stack else None

    def _push(self, root: str) -> None:
        change = self._changes[root]
        for cell in writes(change):
            self._stacks.setdefault(cell, []).append(root)
        for _, note_id in needs(change):
            self._dependents.setdefault(note_id, {})[root] = None

    def _pop(self, root: str) -> None:
        change = self._changes[root]
        for cell in writes(change):
            self._stacks[cell].remove(root)
        for _, note_id in needs(change):
            self._dependents[note_id].pop(root, None)

    def _erase(self, change: Erasure) -> None:
        """Nothing of an erased note stands any more, nor can be put back."""
        self._erased.add(change.note_id)
        for root in [*self._dependents.get(change.note_id, ()), *self._stacks.get(("note", change.note_id), ())]:
            self._pop(root)
            self._latest[root] = change.id

    # ------------------------------------------------------------------- undo

    def undo(self, target: Target, *, cascade: bool = False) -> list[Change]:
        """The changes, ids still empty, that take back a commit (by number), one change (by id) or several.

        Empty where nothing of it stands any more. Links and uses of a removed note go along. Changes of the tree are
        not among them, see ``tree_inverse``; those come behind these in a commit.

        Raises:
            ConflictError: later changes build on it, and ``cascade`` is False.
            InputError: it is an erasure.
        """
        targets = [t for t in self._targets(target) if not isinstance(self._changes[t], TopicChange | Placement)]
        for erasure in (c for t in targets if isinstance(c := self._changes[t], Erasure)):
            invert(erasure, "")  # raises, and says why
        undoing = _Undoing(self, {self._root[t] for t in targets})
        for change_id in reversed(targets):
            undoing.take_back(change_id)
        blocking = undoing.blocking()
        if blocking and not cascade:
            raise ConflictError(
                f"{_named(target)} can't be undone alone: {len(blocking)} later change(s) build on it"
                f" ({', '.join(blocking[:5])}{' ...' if len(blocking) > 5 else ''});",
                blocking,
                remedy=_CASCADE,
            )
        return undoing.changes

    def tree_inverse(self, target: Target) -> list[TreeChange] | None:
        """The changes, ids still empty, that take back what the target's changes did to the topic tree.

        None where that is no longer possible: what one of them made was changed since, or what would be left is no
        sound tree, or has a topic without notes. Then the tree stays, and only the notes that come and go by the undo
        are seated and unseated.
        """
        undone = [change for change in self.undo(target, cascade=True) if isinstance(change, NoteChange)]
        leaving = {change.note_id for change in undone if change.after is None}
        coming = {change.note_id for change in undone if change.after is not None}
        again = leaving & coming & self._tree.places.keys()
        tree = State(topics=dict(self._tree.topics), places=dict(self._tree.places))
        inverses = list(self._tree_inverses(target))
        for inverse in inverses:
            # A note that comes again has lost its place when it left: it can't be moved on from there.
            moved_on = isinstance(inverse, Placement) and inverse.note_id in again and inverse.after is not None
            if moved_on or not _fits(tree, inverse):
                return None
            _grow(tree, inverse)
        return inverses if self._can_become(tree, leaving, coming) else None

    def _tree_inverses(self, target: Target) -> Iterator[TreeChange]:
        """What takes back, change by change, what is in effect; an erased note never has a place again."""
        for change_id in reversed(self._targets(target)):
            latest = self._changes[self._latest[self._root[change_id]]]
            if isinstance(latest, TopicChange | Placement) and self._erased.isdisjoint(touched(latest)):
                inverse = invert(latest, latest.id)
                if self.in_effect(change_id) and isinstance(inverse, TopicChange | Placement):
                    yield inverse

    def _can_become(self, tree: State, leaving: Set[str], coming: Set[str]) -> bool:
        """Whether a tree is sound, without notes that will not be there, and no emptier than it is now."""
        placed = self._tree.places.keys()
        seated = tree.places.keys() - placed
        present = {i for i in seated - leaving if self._top(("note", i)) is not None} | coming
        settled = seated <= present and tree.places.keys().isdisjoint(leaving & placed)
        return settled and _deserted(tree) <= _deserted(self._tree) and not any(tree_faults(tree))

    def triggered_by(self, note_id: str) -> list[str]:
        """The ids of the revisions that the arrival of a note caused, oldest first, whether they stand or not."""
        return list(self._triggered.get(note_id, ()))

    def _targets(self, target: Target) -> list[str]:
        if isinstance(target, int):
            return self._of_commit[target]
        return [target] if isinstance(target, str) else list(target)

    def undone_by(self, target: Target) -> int | None:
        """The commit that last took back a change, or any change of a commit; None where nothing did."""
        movers = [self._latest[self._root[t]] for t in self._targets(target) if not self.in_effect(t)]
        return max((commit_of(m) for m in movers), default=None)

    def in_effect(self, change_id: str) -> bool:
        """Whether taking a change back would do anything: what it brought stands, what it took out is out."""
        root = self._root[change_id]
        if change_id in self._took_out:
            return not self.stands(root) and self._erased.isdisjoint(touched(self._changes[root]))
        return self.stands(root)

    def commit(self, number: int) -> list[str] | None:
        """The ids of a commit's changes; None where there is no such commit."""
        return self._of_commit.get(number)

    def knows(self, change_id: str) -> bool:
        """Whether the journal holds a change of this id."""
        return change_id in self._changes


class _Undoing:
    """One undo being planned: moves roots on copies of the ledger's stacks, and writes down the inverse changes."""

    def __init__(self, ledger: Ledger, targets: set[str]) -> None:
        self.changes: list[Change] = []
        self._ledger = ledger
        self._targets = targets
        self._stacks: dict[Cell, list[str]] = {}
        self._moved: dict[str, bool] = {}  # root: whether it stood, and so is taken out

    def take_back(self, change_id: str) -> None:
        """Plan the inverse of a change in effect, after those of everything that stands on it."""
        root = self._ledger._root[change_id]
        if root in self._moved or not self._ledger.in_effect(change_id):
            return
        stands = self._moved[root] = self._ledger.stands(root)
        if stands:
            self._take_back_dependents(root)
        for blocker in self._above(root) if stands else self._in_the_way(root):
            self.take_back(self._ledger._latest[blocker])
        for cell in writes(self._ledger._changes[root]):
            if stands:
                self._stack(cell).remove(root)
            else:
                self._stack(cell).append(root)
        latest = self._ledger._latest[root]
        self.changes.append(invert(self._ledger._changes[latest], latest))

    def blocking(self) -> list[str]:
        """What moves though nobody asked, newest first; what goes along with a note that goes is none of it."""
        changes = self._ledger._changes
        gone = (changes[root] for root, stood in self._moved.items() if stood)
        leaving = {change.note_id for change in gone if isinstance(change, NoteChange)}
        unasked = (
            self._ledger._latest[root]
            for root, stood in self._moved.items()
            if root not in self._targets
            and not (stood and follows(changes[root]) and not leaving.isdisjoint(touched(changes[root])))
        )
        return sorted(unasked, key=_place, reverse=True)

    def _take_back_dependents(self, root: str) -> None:
        """Take back what needs the note that ``root`` brought, newest first."""
        change = self._ledger._changes[root]
        if isinstance(change, NoteChange):
            for dependent in reversed(self._ledger._dependents.get(change.note_id, {})):
                self.take_back(self._ledger._latest[dependent])

    def _stack(self, cell: Cell) -> list[str]:
        if cell not in self._stacks:
            self._stacks[cell] = list(self._ledger._stacks.get(cell, ()))
        return self._stacks[cell]

    def _above(self, root: str) -> Iterator[str]:
        """The later changes of the cells ``root`` writes, newest first."""
        for cell in writes(self._ledger._changes[root]):
            stack = self._stack(cell)
            yield from reversed(stack[stack.index(root) + 1 :])

    def _in_the_way(self, root: str) -> Iterator[str]:
        """What must move before ``root`` can be put back: what it stood on must stand, with nothing above it."""
        change = self._ledger._changes[root]
        written = set(writes(change))
        for cell, base in self._ledger._base[root].items():
            if base is not None and base not in self._stack(cell):
                yield base
            if cell in written:
                stack = self._stack(cell)
                yield from reversed(stack[stack.index(base) + 1 if base in stack else 0 :])


def commit_of(change_id: str) -> int:
    """The number of the commit that a change id ("12.3") belongs to."""
    return _place(change_id)[0]


def _place(change_id: str) -> tuple[int, int]:
    commit, _, number = change_id.partition(".")
    return int(commit), int(number)


def _named(target: Target) -> str:
    if isinstance(target, int):
        return f"commit {target}"
    return f"change {target}" if isinstance(target, str) else f"what changes {', '.join(target)} did"


# ----------------------------------------------------------------------- show


def field_diffs(change: Change, texts: Mapping[int, str]) -> list[FieldDiff]:
    """What a change did, field by field; ``texts`` are those of the notes that came or went, by ordinal."""
    common: dict[str, Any] = {"change_id": change.id, "note_id": next(iter(touched(change)), "")}
    match change:
        case NoteChange():
            text = texts.get(change.ordinal, "(erased)")
            before, after = (text, None) if change.after is None else (None, text)
            return [FieldDiff(field="text", before=before, after=after, **common)]
        case Revision():
            return [
                FieldDiff(field=k, before=change.before[k], after=change.after[k], reason=change.reason, **common)
                for k in change.after
            ]
        case LinkChange():
            sides: dict[str, Any] = {
                k: side and {"to": change.target_id, "kind": change.kind, **LINK_FIELDS.slim(side)}
                for k, side in (("before", change.before), ("after", change.after))
            }
            return [FieldDiff(field="link", **sides, **common)]
        case TopicChange():
            was, now = change.before or {}, change.after or {}
            if all(was.get(k) == now.get(k) for k in ("parent", "number", "name")):
                return []  # it was only counted anew
            return [FieldDiff(field="topic", before=was.get("name"), after=now.get("name"), **common)]
        case Placement():
            return [FieldDiff(field="place", before=change.before, after=change.after, **common)]
        case Use():
            return [FieldDiff(field="uses", after=change.count, **common)]
        case Erasure():
            return [FieldDiff(field="text", before="(erased)", **common)]


# --------------------------------------------------------------------- redact


def redact(
    commits: Iterable[Commit], erased_id: str, quoted: Set[tuple[str, str, str]], names: Set[str] = frozenset()
) -> list[Commit]:
    """The commits rewritten so that nothing of an erased note's text is left in them.

    The note's own values are blanked; so are values of other notes that were made from its text, wherever they stand as
    a before or an after: ``quoted`` names them as (note id, field, ``repr`` of the value). Reasons that speak of the
    erased note go too, and those names of topics that are among ``names``.
    """
    return [
        c.model_copy(update={"changes": (*without_names((_blanked(x, erased_id, quoted) for x in c.changes), names),)})
        for c in commits
    ]


def without_names(changes: Iterable[Change], names: Set[str]) -> list[Change]:
    """The changes with those names of topics blanked that are among ``names``."""
    return [_nameless(change, names) if isinstance(change, TopicChange) else change for change in changes]


def _nameless(change: TopicChange, names: Set[str]) -> TopicChange:
    named = {k: side for k in ("before", "after") if (side := getattr(change, k)) and side["name"] in names}
    return change.model_copy(update={k: {**side, "name": ""} for k, side in named.items()})


def _blanked(change: Change, erased_id: str, quoted: Set[tuple[str, str, str]]) -> Change:
    match change:
        case NoteChange() | Revision():
            sides = {k: _unquoted(change.note_id, getattr(change, k), erased_id, quoted) for k in ("before", "after")}
            update: dict[str, Any] = dict(sides)
            if isinstance(change, NoteChange):
                update["own"] = _unquoted(change.note_id, change.own, erased_id, quoted)
            elif erased_id in (change.note_id, change.trigger, *change.derived_from):
                update["reason"] = ""
            return change.model_copy(update=update)
        case LinkChange() if erased_id in touched(change):
            return change.model_copy(update={k: _untold(getattr(change, k)) for k in ("before", "after")})
    return change


def _unquoted(
    note_id: str, side: dict[str, Any] | None, erased_id: str, quoted: Set[tuple[str, str, str]]
) -> dict[str, Any] | None:
    """A note's fields without what they have of an erased note's text."""
    if side is None:
        return None
    telling = NOTE_FIELDS.telling if note_id == erased_id else frozenset()
    return {
        name: NOTE_FIELDS.blanked(name) if name in telling or (note_id, name, repr(value)) in quoted else value
        for name, value in side.items()
    }


def _untold(side: dict[str, Any] | None) -> dict[str, Any] | None:
    """A link's fields without what they tell of its notes."""
    if side is None:
        return None
    return {name: LINK_FIELDS.blanked(name) if name in LINK_FIELDS.telling else value for name, value in side.items()}
