"""A tiny memory of pure values, to grow valid journals with: numbering, a state, a ledger, and rows for a store.

Changes are collected by verbs (``add``, ``revise``, ``link`` ...) and become a commit by ``commit``, or go to a real
store by ``draft`` and come back by ``accept``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from zettel.journal import Ledger, State, Target, apply, redact
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Change,
    Commit,
    Erasure,
    LinkChange,
    Note,
    NoteChange,
    Placement,
    Revision,
    Source,
    TopicChange,
    Use,
    day_of,
)
from zettel.protocols import Draft, Passages

BLANK = NOTE_FIELDS.blank

START = datetime(2025, 3, 4, 18, 30, tzinfo=UTC)


class World:
    """A memory of pure values: what was committed, what is pending, and the state after each commit."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.states = [State()]  # after each commit
        self.now = State()  # with the changes that are not committed yet
        self.ledger = Ledger()
        self.rows: dict[int, tuple[Note, str]] = {}
        self.passages: dict[str, Passages] = {}
        self.erased: set[str] = set()
        self.days = {"1999-01-01"}  # on which notes happened, those of erased ones included
        self._pending: list[Change] = []
        self._arrivals: list[tuple[Note, str]] = []
        self._rewrites: list[Commit] = []

    # ------------------------------------------------------------------ reading

    @property
    def head(self) -> int:
        """The number of the newest commit."""
        return len(self.commits)

    @property
    def ids(self) -> dict[int, str]:
        """Every ordinal ever given, erased ones included."""
        changes = [c for commit in self.commits for c in commit.changes] + self._pending
        return {c.ordinal: c.note_id for c in changes if isinstance(c, NoteChange)}

    @property
    def ordinals(self) -> dict[str, int]:
        """Every id's ordinal; that of the later arrival, if it came twice."""
        return {note_id: ordinal for ordinal, note_id in sorted(self.ids.items())}

    @property
    def rewrites(self) -> dict[str, Counter[str]]:
        """By day, how often each note was revised for a trigger of it; erased notes neither count nor are counted."""
        counts: dict[str, Counter[str]] = {}
        ordinals: dict[str, int] = {}
        for change in (c for commit in self.commits for c in commit.changes):
            if isinstance(change, NoteChange):
                ordinals[change.note_id] = max(change.ordinal, ordinals.get(change.note_id, 0))
            if isinstance(change, Revision) and change.trigger and not change.undoes:
                row = self.rows.get(ordinals[change.trigger])
                if row is not None and change.note_id not in self.erased:
                    day = day_of(row[0].time, ordinals[change.trigger])
                    counts.setdefault(day, Counter())[change.note_id] += 1
        return counts

    def address(self, topic: int | None) -> str:
        """Where a topic is in the tree, from the top down."""
        if topic is None:
            return ""
        fields = self.now.topics[topic]
        return f"{self.address(fields['parent'])}.{fields['number']}".lstrip(".")

    # ------------------------------------------------------------------- verbs

    def add(
        self,
        note_id: str,
        *,
        derived_from: Sequence[str] = (),
        session: str | None = "s",
        text: str | None = None,
        own: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """A note arrives: its change, its row and its vectors."""
        ordinal = max(self.ids, default=0) + 1
        after = {**BLANK, **fields}
        note = Note.model_validate(
            {
                **after, "id": note_id, "ordinal": ordinal, "text": text or f"words of {note_id}, told {ordinal}",
                "speaker": "Maren" if ordinal % 2 else None, "created_at": START,
                "time": START + timedelta(days=ordinal) if ordinal % 3 else None,
                "time_precision": "minute" if ordinal % 3 else None,
                "sources": () if session is None else (Source(conversation_id="c", session_id=session),),
            }
        )  # fmt: skip
        self.days.add(day_of(note.time, ordinal))
        key = f"key {note.text}"
        self._arrivals.append((note, key))
        self.rows[ordinal] = note, key
        length, middle = len(note.text), len(note.text) // 2
        spans = ((0, length),) if ordinal % 4 else ((0, middle + 1), (middle, length))
        self.passages[key] = Passages(spans, np.linspace(-1, 1, 8 * len(spans), dtype=np.float32).reshape(-1, 8))
        self.do(
            NoteChange(
                id="", note_id=note_id, ordinal=ordinal, after=after, derived_from=tuple(derived_from),
                own=dict(own or {}),
            )
        )  # fmt: skip

    def revise(
        self, note_id: str, *, trigger: str | None = None, derived_from: Sequence[str] = (), **after: Any
    ) -> None:
        """Change fields of a note."""
        fields = self.now.notes[note_id][1]
        before = {name: fields[name] for name in after}
        self.do(
            Revision(
                id="", note_id=note_id, before=before, after=after, trigger=trigger, reason="why", created_by="me",
                derived_from=tuple(derived_from),
            )
        )  # fmt: skip

    def link(self, a: str, b: str, kind: Any = "similar", weight: float = 0.5, *, evident: bool = False) -> None:
        """Link two notes, with evidence or without."""
        after: dict[str, Any] = {"weight": weight, "reason": f"{a} and {b}", "created_by": "me"}
        if evident:
            after["evidence"] = {"terms": [a, f"“{b}”"], "cosine": weight if kind == "similar" else None, "quote": b}
        self._relink(a, b, kind, after)

    def unlink(self, a: str, b: str, kind: Any = "similar") -> None:
        """Take a link out."""
        self._relink(a, b, kind, None)

    def _relink(self, a: str, b: str, kind: Any, after: dict[str, Any] | None) -> None:
        before = self.now.links.get((a, b, kind))
        after = None if after is None else LINK_FIELDS.whole(after)
        self.do(LinkChange(id="", source_id=a, target_id=b, kind=kind, before=before, after=after))

    def grow(self, topic: int, **after: Any) -> None:
        """Make a topic, or change some of its fields."""
        before = self.now.topics.get(topic)
        new = {"parent": None, "number": 1, "name": f"topic {topic}", "named_at": 1, **(before or {}), **after}
        self.do(TopicChange(id="", topic_id=topic, before=before, after=new))

    def remove_topic(self, topic: int) -> None:
        """Take a topic out."""
        self.do(TopicChange(id="", topic_id=topic, before=self.now.topics[topic]))

    def place(self, note_id: str, topic: int | None) -> None:
        """Put a note into a topic, or out of all."""
        self.do(Placement(id="", note_id=note_id, before=self.now.places.get(note_id), after=topic))

    def use(self, note_id: str) -> None:
        """Say that a note was used."""
        self.do(Use(id="", note_id=note_id))

    def erase(self, note_id: str, names: Set[str] = frozenset()) -> None:
        """Erase a note, and blank its values and ``names`` in the journal, as a memory does; a commit of its own."""
        assert not self._pending
        rewrites = redact(self.commits, note_id, set(), names)
        self.rewrite(rewrites)
        self.do(Erasure(id="", note_id=note_id, ordinal=self.now.notes[note_id][0]))
        for topic, fields in sorted(self.now.topics.items()):
            if not fields["name"]:
                self.grow(topic, name="unnamed")
        self.tidy()
        self._rewrites = rewrites

    def do(self, *changes: Change) -> None:
        """Do changes, under the numbers that they will have."""
        for change in changes:
            placed = change.model_copy(update={"id": f"{self.head + 1}.{len(self._pending) + 1}"})
            self.now = apply(self.now, [placed])
            self._pending.append(placed)

    def undo(self, target: Target, *, cascade: bool = False) -> list[Change]:
        """Plan an undo and make it a commit of its own; returns its changes, none if there was nothing to undo."""
        assert not self._pending
        changes = self.take_back(target, cascade=cascade)
        if changes:
            self.commit("undo")
        return changes

    def take_back(self, target: Target, *, cascade: bool = False) -> list[Change]:
        """Do what an undo does, the changes of the tree behind the others, as a memory puts them together."""
        changes = self.ledger.undo(target, cascade=cascade)
        tree: Sequence[Change] | None = self.ledger.tree_inverse(target)
        if tree is None:
            gone = [c.note_id for c in changes if isinstance(c, NoteChange) and c.after is None]
            places = self.now.places
            tree = [Placement(id="", note_id=i, before=places[i]) for i in gone if i in places]
        self.do(*changes, *tree)
        self.tidy()
        return list(self._pending)

    def tidy(self) -> None:
        """Remove topics that are left without notes, as a tree that is kept would."""
        topics, places = self.now.topics, self.now.places
        above = {fields["parent"] for fields in topics.values()}
        for topic in sorted(topics.keys() - above - set(places.values())):
            self.remove_topic(topic)
            self.tidy()
            return

    # ------------------------------------------------------------------ commits

    def draft(self, cause: Any = "update") -> Draft:
        """What is pending, for a store to append."""
        changes = tuple(change.model_copy(update={"id": ""}) for change in self._pending)
        passages = {key: self.passages[key] for _, key in self._arrivals}
        return Draft(cause, changes, tuple(self._arrivals), passages, tuple(self._rewrites))

    def commit(self, cause: Any = "update") -> Commit:
        """Commit what is pending, without a store."""
        at = START + timedelta(minutes=self.head)
        return self.accept(Commit(id=self.head + 1, at=at, cause=cause, changes=tuple(self._pending)))

    def accept(self, commit: Commit) -> Commit:
        """Take the draft as committed so."""
        assert [c.model_dump() for c in commit.changes] == [c.model_dump() for c in self._pending]
        gone = {c.note_id for c in commit.changes if isinstance(c, Erasure)}
        self.erased |= gone
        for note, key in self._arrivals:
            self.rows[note.ordinal] = note.model_copy(update={"created_at": commit.at}), key
        self.rows = {n: row for n, row in self.rows.items() if row[0].id not in self.erased}
        self.rewrite(self._rewrites)
        self.commits.append(commit)
        self.now = apply(self.states[-1], commit.changes)
        self.states.append(self.now)
        self.ledger.extend([commit])
        self._pending, self._arrivals, self._rewrites = [], [], []
        return commit

    def rewrite(self, commits: Sequence[Commit]) -> None:
        """Have these in place of the commits of their numbers."""
        if commits:
            rewritten = {c.id: c for c in commits}
            self.commits = [rewritten.get(c.id, c) for c in self.commits]
            self.ledger = Ledger(self.commits)  # what it was made from is no longer there
            self.states = replayed(self.commits)
            self.now = self.states[-1]

    def drop(self) -> None:
        """Forget what was not committed."""
        for note, _ in self._arrivals:
            del self.rows[note.ordinal]
        self.now = self.states[-1]
        self._pending, self._arrivals, self._rewrites = [], [], []


def replayed(commits: Sequence[Commit]) -> list[State]:
    """The states before the first commit and after each."""
    states = [State()]
    for commit in commits:
        states.append(apply(states[-1], commit.changes))
    return states


# -------------------------------------------------------------- random changes

IDS = "abcd"
LESSON = {
    "kind": "later", "note_id": "b", "time": "2025-03-04T18:30:00+01:00", "time_precision": "minute",
    "speaker": "Maren", "text": "“so” it was",
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "context": ["", "x", "y"], "keywords": [[], ["k"], ["k", "l"]], "status": ["active", "archived"],
    "trust": [1.0, 0.5], "learned": [[], [LESSON], [LESSON, {**LESSON, "kind": "answered", "time": None}]],
}  # fmt: skip
KINDS = ("similar", "causes")


def act(world: World, draw: Callable[[Any], Any]) -> None:
    """One valid change at random."""
    present, links = sorted(world.now.notes), sorted(world.now.links)
    absent = sorted(set(IDS) - set(present) - world.erased)
    verbs = (["add"] if absent else []) + (["revise", "revise", "revise", "link", "link", "use"] if present else [])
    verbs += ["tree"] * 3 if present else []
    match draw(st.sampled_from(verbs + (["unlink"] if links else []))):
        case "add":
            derived = draw(st.lists(st.sampled_from(present), max_size=2)) if present else ()
            own = {"context": "alone"} if derived else None
            name, context = draw(st.sampled_from(absent)), draw(st.sampled_from(["", "x"]))
            world.add(name, derived_from=derived, context=context, own=own)
        case "revise":
            note = draw(st.sampled_from(present))
            names = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3, unique=True))
            fields = world.now.notes[note][1]
            after = {n: draw(st.sampled_from([v for v in VALUES[n] if v != fields[n]])) for n in names}
            trigger = draw(st.sampled_from([None, *present]))
            world.revise(note, trigger=trigger, **after)
        case "link":
            a, b, kind = (draw(st.sampled_from(x)) for x in (present, present, KINDS))
            world.link(a, b, kind, weight=draw(st.sampled_from([0.25, 0.5, 1.0])), evident=draw(st.booleans()))
        case "unlink":
            world.unlink(*draw(st.sampled_from(links)))
        case "use":
            world.use(draw(st.sampled_from(present)))
        case "tree":
            draw(st.sampled_from(tree_verbs(world, draw)))()


def tree_verbs(world: World, draw: Callable[[Any], Any]) -> list[Callable[[], None]]:
    """What may be done to the tree so that it stays sound."""
    topics, places = world.now.topics, world.now.places
    above = {fields["parent"] for fields in topics.values()}
    leaves = [t for t in sorted(topics) if t not in above]
    empty = [t for t in leaves if t not in places.values()]
    inner: list[int | None] = [None, *(t for t in sorted(topics) if t not in places.values())]

    def found() -> None:
        parent, topic = draw(st.sampled_from(inner)), world.now.last_topic + 1
        world.grow(topic, parent=parent, number=free_number(world, parent))
        world.place(draw(st.sampled_from(sorted(world.now.notes))), topic)

    def rename() -> None:
        topic = draw(st.sampled_from(sorted(topics)))
        world.grow(topic, name=draw(st.sampled_from(["x", "y"])), named_at=draw(st.integers(1, 3)))

    def attach() -> None:
        topic = draw(st.sampled_from(sorted(topics)))
        parents = [p for p in inner if topic not in chain(topics, p)]
        parent = draw(st.sampled_from(parents))
        world.grow(topic, parent=parent, number=free_number(world, parent))

    def place() -> None:
        note = draw(st.sampled_from(sorted(world.now.notes)))
        world.place(note, draw(st.sampled_from([t for t in [None, *leaves] if t != places.get(note)])))

    verbs: list[Callable[[], None]] = [found, found]
    verbs += [rename, attach] if topics else []
    verbs += [lambda: world.remove_topic(draw(st.sampled_from(empty)))] if empty else []
    verbs += [place] * 4 if world.now.notes and leaves else []
    return verbs


def free_number(world: World, parent: int | None) -> int:
    """The number that a new topic beneath ``parent`` gets."""
    return max((t["number"] for t in world.now.topics.values() if t["parent"] == parent), default=0) + 1


def chain(topics: dict[int, dict[str, Any]], topic: int | None) -> list[int]:
    """A topic and all above it."""
    return [] if topic is None else [topic, *chain(topics, topics[topic]["parent"])]


def can_act(world: World) -> bool:
    """Whether there is a note that something may happen to, or an id for a new one."""
    return bool(world.now.notes) or bool(set(IDS) - world.erased)


def step(world: World, draw: Callable[[Any], Any]) -> str:
    """A commit at random, still to be made of ``world.draft(cause)``: returns its cause, "" if it has no changes."""
    kinds = (["change"] * 3 if can_act(world) else []) + (["undo"] * 2 if world.head else [])
    match draw(st.sampled_from(kinds + (["erase"] if world.now.notes and not world.erased else []))):
        case "change":
            for _ in range(draw(st.integers(1, 3))):
                act(world, draw)
            world.tidy()
            return "update"
        case "undo":
            number = draw(st.integers(1, world.head))
            if any(isinstance(c, Erasure) for c in world.commits[number - 1].changes):
                return ""
            return "undo" if world.take_back(number, cascade=True) else ""
    world.erase(draw(st.sampled_from(sorted(world.now.notes))))
    return "forget"
