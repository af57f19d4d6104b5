"""The ledger of a journal: which changes are in effect, and which depend on which; planning an undo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TypeAlias

from zettel.errors import Call, ConflictError, Remedy
from zettel.journal.rules import Cell, State, deserted, fits, follows, grow, invert, needs, tree_faults, writes
from zettel.model import Change, Commit, Erasure, NoteChange, Placement, Revision, TopicChange, TreeChange, touched

Target: TypeAlias = str | int | Sequence[str]  # what to undo: a change (by id), a commit (by number), several changes

_CASCADE = Remedy("undo those first, or pass {} to take them along", (Call("undo", "cascade", value=True),))


class Ledger:
    """Which changes of a journal are in effect, and which depend on which. It is extended commit by commit.

    The stacks of the cells hold only changes that take nothing back, the *roots*. A change with ``undoes`` takes the
    root at the end of that chain out of its stacks, or puts it back. For each root, ``_latest`` is the change that
    last did so.
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
        self._dependents: dict[str, dict[str, None]] = {}  # by note: the changes that need its presence, oldest first
        self._erased: set[str] = set()
        self._triggered: dict[str, list[str]] = {}
        self._tree = State()  # only its topics and places are used
        self._reverted: set[str] = set()  # changes of the tree that are taken back, by root
        self.extend(commits)

    def extend(self, commits: Iterable[Commit]) -> None:
        """Take in the next commits."""
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
        grow(self._tree, change)

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
        """Take all changes of an erased note out for good."""
        self._erased.add(change.note_id)
        for root in [*self._dependents.get(change.note_id, ()), *self._stacks.get(("note", change.note_id), ())]:
            self._pop(root)
            self._latest[root] = change.id

    # ------------------------------------------------------------------- undo

    def undo(self, target: Target, *, cascade: bool = False) -> list[Change]:
        """The changes that take back a commit (by number), one change (by id) or several; their ids are empty.

        None of the changes is returned if nothing of the target is in effect. If a note is removed, its links and uses
        are removed too. Changes of the tree are not among these: see ``tree_inverse``; they come last in a commit.

        Raises:
            ConflictError: later changes build on the target, and ``cascade`` is False.
            InputError: the target is an erasure.
        """
        targets = [t for t in self._targets(target) if not isinstance(self._changes[t], TopicChange | Placement)]
        for erasure in (c for t in targets if isinstance(c := self._changes[t], Erasure)):
            invert(erasure, "")  # raises an error that says why
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
        """The changes that take back what the target's changes did to the topic tree; their ids are empty.

        None if that is no longer possible: something that they made was changed since, or the result would be no sound
        tree, or would have a topic without notes. Then the tree keeps its shape: only the notes that the undo brings
        back or removes get a place or lose it.
        """
        undone = [change for change in self.undo(target, cascade=True) if isinstance(change, NoteChange)]
        leaving = {change.note_id for change in undone if change.after is None}
        coming = {change.note_id for change in undone if change.after is not None}
        again = leaving & coming & self._tree.places.keys()
        tree = State(topics=dict(self._tree.topics), places=dict(self._tree.places))
        inverses = list(self._tree_inverses(target))
        for inverse in inverses:
            # A note that comes back lost its place when it left, so it can't be moved on from there.
            moved_on = isinstance(inverse, Placement) and inverse.note_id in again and inverse.after is not None
            if moved_on or not fits(tree, inverse):
                return None
            grow(tree, inverse)
        return inverses if self._can_become(tree, leaving, coming) else None

    def _tree_inverses(self, target: Target) -> Iterator[TreeChange]:
        """The inverse of each change that is in effect; an erased note never has a place again."""
        for change_id in reversed(self._targets(target)):
            latest = self._changes[self._latest[self._root[change_id]]]
            if isinstance(latest, TopicChange | Placement) and self._erased.isdisjoint(touched(latest)):
                inverse = invert(latest, latest.id)
                if self.in_effect(change_id) and isinstance(inverse, TopicChange | Placement):
                    yield inverse

    def _can_become(self, tree: State, leaving: Set[str], coming: Set[str]) -> bool:
        """Whether a tree is sound, holds no note that will be missing, and has no topic that becomes empty."""
        placed = self._tree.places.keys()
        arriving = tree.places.keys() - placed
        present = {i for i in arriving - leaving if self._top(("note", i)) is not None} | coming
        whole = arriving <= present and tree.places.keys().isdisjoint(leaving & placed)
        return whole and deserted(tree) <= deserted(self._tree) and not any(tree_faults(tree))

    def triggered_by(self, note_id: str) -> list[str]:
        """The ids of the revisions that a note's arrival caused, oldest first, whether they are in effect or not."""
        return list(self._triggered.get(note_id, ()))

    def _targets(self, target: Target) -> list[str]:
        if isinstance(target, int):
            return self._of_commit[target]
        return [target] if isinstance(target, str) else list(target)

    def undone_by(self, target: Target) -> int | None:
        """The commit that last took back a change, or any change of a commit; None if no commit did."""
        movers = [self._latest[self._root[t]] for t in self._targets(target) if not self.in_effect(t)]
        return max((commit_of(m) for m in movers), default=None)

    def in_effect(self, change_id: str) -> bool:
        """Whether taking a change back would do anything: its root is in effect, or, if it is an undo, taken out."""
        root = self._root[change_id]
        if change_id in self._took_out:
            return not self.stands(root) and self._erased.isdisjoint(touched(self._changes[root]))
        return self.stands(root)

    def commit(self, number: int) -> list[str] | None:
        """The ids of a commit's changes; None if there is no such commit."""
        return self._of_commit.get(number)

    def knows(self, change_id: str) -> bool:
        """Whether the journal holds a change of this id."""
        return change_id in self._changes


class _Undoing:
    """Plans one undo: it moves roots on copies of the ledger's stacks, and collects the inverse changes."""

    def __init__(self, ledger: Ledger, targets: set[str]) -> None:
        self.changes: list[Change] = []
        self._ledger = ledger
        self._targets = targets
        self._stacks: dict[Cell, list[str]] = {}
        self._moved: dict[str, bool] = {}  # by root: whether it was in effect, and so is taken out

    def take_back(self, change_id: str) -> None:
        """Plan the inverse of a change that is in effect, after the inverses of all changes that depend on it."""
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
        """The changes that the undo moves without being asked to, newest first.

        Changes that always go with a removed note are not among them.
        """
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
        """Take back the changes that need the note that ``root`` added, newest first."""
        change = self._ledger._changes[root]
        if isinstance(change, NoteChange):
            for dependent in reversed(self._ledger._dependents.get(change.note_id, {})):
                self.take_back(self._ledger._latest[dependent])

    def _stack(self, cell: Cell) -> list[str]:
        if cell not in self._stacks:
            self._stacks[cell] = list(self._ledger._stacks.get(cell, ()))
        return self._stacks[cell]

    def _above(self, root: str) -> Iterator[str]:
        """The later changes of the cells that ``root`` writes, newest first."""
        for cell in writes(self._ledger._changes[root]):
            stack = self._stack(cell)
            yield from reversed(stack[stack.index(root) + 1 :])

    def _in_the_way(self, root: str) -> Iterator[str]:
        """The changes to move before ``root`` can be put back: what it was built on must be on top of its stacks."""
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
