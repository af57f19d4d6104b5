"""The rules of the journal, as pure functions: apply, invert, depend.

A commit's changes write *cells*: a note's presence, a field of its annotations, a link, a use. Each cell keeps the
stack of the changes that stand on it, bottom first. Taking a change back needs it on top of its cells; what stands
above it depends on it. An undo is written as changes too, each naming in ``undoes`` the change it takes back, so an
undo can be undone: the change it took out is put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zettel.errors import ConflictError, InputError, StoreDamagedError
from zettel.model import Change, Commit, Erasure, FieldDiff, LinkChange, NoteChange, Revision, Use, touched

Cell: TypeAlias = tuple[str, ...]
LinkKey: TypeAlias = tuple[str, str, str]


# ---------------------------------------------------------------------- apply


@dataclass(slots=True)
class State:
    """What a journal amounts to: notes by id (ordinal and revised fields), links by key, number of uses by note."""

    notes: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    links: dict[LinkKey, dict[str, Any]] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)

    def copy(self) -> State:
        """A copy that ``apply`` may write to; the field dictionaries inside are never written to in place."""
        return State(dict(self.notes), dict(self.links), dict(self.uses))


def apply(state: State, changes: Iterable[Change], erased: Set[str] = frozenset()) -> State:
    """The state after ``changes``; ``state`` itself stays as it is. Changes of ``erased`` notes are passed over.

    Raises:
        StoreDamagedError: a change does not fit the state before it.
    """
    after = state.copy()
    for change in changes:
        if erased.isdisjoint(touched(change)):
            _step(after, change)
    return after


def _step(state: State, change: Change) -> None:
    match change:
        case NoteChange(after=None):
            _expect(change, state.notes.get(change.note_id) == (change.ordinal, change.before))
            del state.notes[change.note_id]
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
        case Use():
            _expect(change, change.note_id in state.notes)
            n_uses = state.uses.get(change.note_id, 0) + change.count
            state.uses[change.note_id] = n_uses
            if not n_uses:
                del state.uses[change.note_id]
        case Erasure():
            state.notes.pop(change.note_id, None)
            state.uses.pop(change.note_id, None)
            state.links = {k: v for k, v in state.links.items() if change.note_id not in k[:2]}


def _expect(change: Change, holds: bool) -> None:
    if not holds:
        raise StoreDamagedError(
            f"change {change.id} ({change.type} of {touched(change)[0]}) does not fit what stands before it; the"
            " journal is damaged: restore a copy, or export what can be read and load it into a new memory"
        )


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


def needs(change: Change) -> tuple[Cell, ...]:
    """The cells that a change reads: the presence of the notes it is about."""
    return () if isinstance(change, NoteChange | Erasure) else tuple(("note", n) for n in touched(change))


def follows(change: Change) -> bool:
    """Whether a change goes along with its note unasked: links and uses do, a revision is somebody's work."""
    return isinstance(change, LinkChange | Use)


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

    def stands(self, root: str) -> bool:
        """Whether a change that takes nothing back is in effect."""
        return root in self._stacks.get(writes(self._changes[root])[0], ())

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

    def undo(self, target: str | int, *, cascade: bool = False) -> list[Change]:
        """The changes, ids still empty, that take back a commit (by number) or one change (by id).

        Empty where nothing of it stands any more. Links and uses of a removed note go along.

        Raises:
            ConflictError: later changes build on it, and ``cascade`` is False.
            InputError: it is an erasure.
        """
        targets = [target] if isinstance(target, str) else self._of_commit[target]
        for erasure in (c for t in targets if isinstance(c := self._changes[t], Erasure)):
            invert(erasure, "")  # raises, and says why
        undoing = _Undoing(self, {self._root[t] for t in targets})
        for change_id in reversed(targets):
            undoing.take_back(change_id)
        blocking = undoing.blocking()
        if blocking and not cascade:
            raise ConflictError(
                f"{_named(target)} can't be undone alone: {len(blocking)} later change(s) build on it"
                f" ({', '.join(blocking[:5])}{' ...' if len(blocking) > 5 else ''}); undo those first, or"
                " pass cascade=True to take them along",
                blocking,
            )
        return undoing.changes

    def undone_by(self, target: str | int) -> int | None:
        """The commit that last took back a change, or any change of a commit; None where nothing did."""
        targets = [target] if isinstance(target, str) else self._of_commit[target]
        movers = [self._latest[self._root[t]] for t in targets if not self.in_effect(t)]
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


def _named(target: str | int) -> str:
    return f"change {target}" if isinstance(target, str) else f"commit {target}"


# ----------------------------------------------------------------------- show


def field_diffs(change: Change, texts: Mapping[int, str]) -> list[FieldDiff]:
    """What a change did, field by field; ``texts`` are those of the notes that came or went, by ordinal."""
    common: dict[str, Any] = {"change_id": change.id, "note_id": touched(change)[0]}
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
                k: side and {"to": change.target_id, "kind": change.kind, **side}
                for k, side in (("before", change.before), ("after", change.after))
            }
            return [FieldDiff(field="link", **sides, **common)]
        case Use():
            return [FieldDiff(field="uses", after=change.count, **common)]
        case Erasure():
            return [FieldDiff(field="text", before="(erased)", **common)]


# --------------------------------------------------------------------- redact


BLANK: dict[str, Any] = {
    "context": "", "keywords": [], "tags": [], "entities": [], "status": "active", "valid_until": None, "trust": 1.0,
    "metadata": {}, "analyzed_by": "",
}  # fmt: skip


_TELLING = frozenset({"context", "keywords", "tags", "entities", "metadata"})  # fields that may hold words of the text


def redact(commits: Iterable[Commit], erased_id: str, quoted: Set[tuple[str, str, str]]) -> list[Commit]:
    """The commits rewritten so that nothing of an erased note's text is left in them.

    The note's own values are blanked; so are values of other notes that were made from its text, wherever they stand as
    a before or an after: ``quoted`` names them as (note id, field, ``repr`` of the value). Reasons that speak of the
    erased note go too.
    """
    return [c.model_copy(update={"changes": tuple(_blanked(x, erased_id, quoted) for x in c.changes)}) for c in commits]


def _blanked(change: Change, erased_id: str, quoted: Set[tuple[str, str, str]]) -> Change:
    def blank(note_id: str, side: dict[str, Any] | None) -> dict[str, Any] | None:
        if side is None:
            return None
        gone = note_id == erased_id
        return {
            k: BLANK[k] if (gone and k in _TELLING) or (note_id, k, repr(v)) in quoted else v for k, v in side.items()
        }

    match change:
        case NoteChange() | Revision():
            update: dict[str, Any] = {k: blank(change.note_id, getattr(change, k)) for k in ("before", "after")}
            if isinstance(change, Revision) and erased_id in (change.note_id, change.trigger, *change.derived_from):
                update["reason"] = ""
            return change.model_copy(update=update)
        case LinkChange() if erased_id in touched(change):
            sides = {k: side and {**side, "reason": ""} for k in ("before", "after") if (side := getattr(change, k))}
            return change.model_copy(update=sides)
    return change
