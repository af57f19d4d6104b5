"""The rules of the journal, against bookkeeping of the test's own."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal_world import World, act, can_act, replayed

from zettel import codec
from zettel.errors import ConflictError, InputError, StoreDamagedError, StoreVersionError
from zettel.journal import Ledger, State, apply, field_diffs, invert
from zettel.model import Change, Commit, Erasure, LinkChange, NoteChange, Revision, Use, touched

# ---------------------------------------------------------------- small cases


def test_a_note_that_arrived_is_gone_after_the_undo() -> None:
    world = World()
    world.add("a")
    world.commit()
    (removal,) = world.undo(1)
    assert isinstance(removal, NoteChange) and removal.after is None and removal.undoes == "1.1"
    assert world.now == State()


def test_links_and_uses_of_a_note_go_with_it_unasked() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("use", "a"))
    world.undo(1)
    assert list(world.now.notes) == ["b"] and not world.now.links and not world.now.uses


def test_a_link_revised_later_goes_unasked_with_the_commit_that_brought_note_and_link() -> None:
    world = World()
    world.add("a")
    world.add("b")
    world.link("a", "b")
    world.commit()
    world.link("a", "b", weight=0.9)
    world.commit()
    world.undo(1)
    assert world.now == State()


def test_a_revision_of_a_note_blocks_the_undo_of_its_arrival() -> None:
    world = grown(("add", "a"), ("revise", "a", "context", "x"))
    with pytest.raises(ConflictError, match="cascade=True") as caught:
        world.undo(1)
    assert caught.value.blocking == ("2.1",)
    world.undo(1, cascade=True)
    assert world.now == State()


def test_the_last_revision_of_a_field_can_be_undone_and_the_first_not_alone() -> None:
    world = grown(("add", "a"), ("revise", "a", "context", "x"), ("revise", "a", "context", "y"))
    with pytest.raises(ConflictError) as caught:
        world.undo("2.1")
    assert caught.value.blocking == ("3.1",)
    world.undo("3.1")
    assert world.now.notes["a"][1]["context"] == "x"


def test_revisions_of_other_fields_do_not_block() -> None:
    world = grown(("add", "a"), ("revise", "a", "context", "x"), ("revise", "a", "tags", ["t"]))
    world.undo(2)
    assert world.now.notes["a"][1]["context"] == "" and world.now.notes["a"][1]["tags"] == ["t"]


def test_what_blocks_is_listed_newest_first_over_several_fields_and_notes() -> None:
    world = World()
    world.add("a")
    world.add("b")
    world.commit()
    for note, name in (("b", "context"), ("a", "context"), ("b", "status"), ("a", "status")):
        world.revise(note, **{name: "archived"})
        world.commit()
    with pytest.raises(ConflictError) as caught:
        world.undo(1)
    assert caught.value.blocking == ("5.1", "4.1", "3.1", "2.1")


def test_a_cascade_takes_only_what_builds_on_it() -> None:
    world = grown(
        ("add", "a"),
        ("revise", "a", "context", "x"),
        ("revise", "a", "context", "y"),
        ("revise", "a", "status", "archived"),
    )
    world.undo(2, cascade=True)
    assert world.now.notes["a"][1]["context"] == "" and world.now.notes["a"][1]["status"] == "archived"


def test_an_undo_is_undone_by_its_commit() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("use", "a"), ("use", "a"))
    before = world.now
    world.undo(1)
    world.undo(world.head)
    assert world.now == before and before.uses == {"a": 2}


def test_undone_twice_is_undone_once() -> None:
    world = grown(("add", "a"))
    world.undo(1)
    assert world.undo(1) == [] and world.ledger.undone_by(1) == 2


def test_undoing_an_undone_undo_does_nothing() -> None:
    world = grown(("add", "a"))
    world.undo(1)
    world.undo(2)
    assert world.undo(2) == [] and world.ledger.undone_by(2) == 3
    assert world.ledger.undone_by(1) is None


def test_an_undo_that_stands_again_can_be_undone_again() -> None:
    world = grown(("add", "a"))
    for number in (1, 2, 3):
        world.undo(number)
    assert not world.now.notes
    world.undo(2)  # what it took out is out
    assert list(world.now.notes) == ["a"]
    assert world.undo(4) == [] and world.ledger.undone_by(4) == 5


def test_a_note_come_again_stands_in_the_way_of_the_first_one() -> None:
    world = grown(("add", "a"))
    world.undo(1)
    world.add("a")
    world.commit()
    assert world.now.notes["a"][0] == 2
    with pytest.raises(ConflictError) as caught:
        world.undo(2)
    assert caught.value.blocking == ("3.1",)
    world.undo(2, cascade=True)
    assert world.now.notes["a"][0] == 1


def test_putting_back_a_revision_takes_the_one_made_in_its_place_along() -> None:
    world = grown(("add", "a"), ("revise", "a", "context", "x"))
    world.undo(2)
    world.revise("a", context="y")
    world.commit()
    with pytest.raises(ConflictError) as caught:
        world.undo(3)
    assert caught.value.blocking == ("4.1",)
    world.undo(3, cascade=True)
    assert world.now.notes["a"][1]["context"] == "x"


def test_putting_back_a_link_needs_its_notes_back() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"))
    world.undo(3)
    world.undo(1)
    with pytest.raises(ConflictError) as caught:
        world.undo(4)
    assert caught.value.blocking == ("5.1",)
    world.undo(4, cascade=True)
    assert ("a", "b", "similar") in world.now.links


def test_an_erasure_is_final() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("revise", "a", "context", "secret"))
    world.erase("a")
    world.commit("forget")
    with pytest.raises(InputError, match="can't be undone"):
        world.undo(5)
    for number in (1, 3, 4):
        assert world.undo(number) == []
        assert world.ledger.undone_by(number) == 5  # that is where it went
    assert list(world.now.notes) == ["b"]


def test_what_was_undone_before_its_note_was_erased_does_not_come_back() -> None:
    world = grown(("add", "a"), ("revise", "a", "context", "x"))
    world.undo(2)
    world.erase("a")
    world.commit("forget")
    assert world.undo(3) == []
    assert world.ledger.undone_by(2) == 3


def test_redacting_leaves_nothing_of_an_erased_note_and_the_journal_whole() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("revise", "a", "context", "secret"))
    world.revise("b", trigger="a", context="after a came")
    world.commit()
    world.undo(4)
    world.erase("a")
    world.commit("forget")
    assert "secret" not in repr(world.commits) and "a and b" not in repr(world.commits)
    assert {c.reason for x in world.commits for c in x.changes if isinstance(c, Revision)} == {""}
    assert replayed(world.commits)[-1].notes["b"][1]["context"] == "after a came"


@pytest.mark.parametrize(
    "change",
    [
        NoteChange(id="9.1", note_id="a", ordinal=9, after={}),
        NoteChange(id="9.1", note_id="a", ordinal=1, before={"context": "not this"}),
        NoteChange(id="9.1", note_id="z", ordinal=1, before={}),
        Revision(id="9.1", note_id="a", before={"context": "not this"}, after={"context": "x"}),
        Revision(id="9.1", note_id="z", before={}, after={}),
        LinkChange(id="9.1", source_id="a", target_id="b", kind="next", before={}, after=None),
        LinkChange(id="9.1", source_id="a", target_id="b", kind="similar", after={}),
        LinkChange(id="9.1", source_id="a", target_id="z", kind="similar", after={}),
        Use(id="9.1", note_id="z"),
    ],
    ids=lambda c: f"{c.type}-{'-'.join(touched(c))}",
)
def test_a_change_that_does_not_fit_is_damage(change: Change) -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"))
    with pytest.raises(StoreDamagedError, match=r"change 9\.1"):
        apply(world.now, [change])


def test_apply_leaves_the_state_it_was_given() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("use", "a"))
    before = copy.deepcopy(world.now)
    apply(world.now, invert_all(world.commits))
    assert world.now == before


def test_a_diff_tells_what_came_went_and_changed() -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"), ("revise", "a", "context", "x"), ("use", "b"))
    world.undo(1, cascade=True)
    shown = [
        (d.field, d.note_id, d.before, d.after)
        for commit in world.commits for change in commit.changes for d in field_diffs(change, {1: "A", 2: "B"})
    ]  # fmt: skip
    link = {"to": "b", "kind": "similar", "weight": 0.5, "reason": "a and b", "created_by": "me"}
    assert shown == [
        ("text", "a", None, "A"), ("text", "b", None, "B"), ("link", "a", None, link), ("context", "a", "", "x"),
        ("uses", "b", None, 1), ("context", "a", "x", ""), ("link", "a", link, None), ("text", "a", "A", None),
    ]  # fmt: skip


# ----------------------------------------------------------------- the oracle


@dataclass
class Step:
    """A change that took nothing back, with the versions it was made on, by the thing it wrote."""

    change: Change
    place: int
    on: dict[tuple[str, ...], str | None]
    needs: set[str]


@dataclass
class Books:
    """Which steps stand. Kept from the commits alone, by closure over all steps: slow, short and nothing but sets."""

    steps: dict[str, Step] = field(default_factory=dict)
    standing: set[str] = field(default_factory=set)
    root: dict[str, str] = field(default_factory=dict)
    mover: dict[str, str] = field(default_factory=dict)
    brought: dict[str, bool] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def enter(self, commit: Commit) -> None:
        for change in commit.changes:
            if change.undoes is not None:
                root = self.root[change.undoes]
                self.standing ^= {root}
            elif isinstance(change, Erasure):
                root = change.id
                self.erased.add(change.note_id)
                lost = {s for s in self.standing if change.note_id in touched(self.steps[s].change)}
                self.standing -= lost
                self.mover.update(dict.fromkeys(lost, change.id))
            else:
                root = change.id
                needed = () if isinstance(change, NoteChange) else touched(change)
                on = {thing: self.top(thing) for thing in written(change)}
                needs = {arrival for n in needed if (arrival := self.top(("note", n)))}
                self.steps[root] = Step(change, len(self.steps), on, needs)
                self.standing.add(root)
            self.root[change.id] = root
            self.mover[root] = change.id
            self.brought[change.id] = root in self.standing

    def top(self, thing: tuple[str, ...]) -> str | None:
        here = [s for s in self.standing if thing in self.steps[s].on]
        return max(here, key=lambda s: self.steps[s].place, default=None)

    def in_effect(self, change: Change) -> bool:
        if isinstance(change, Erasure):
            return False
        stands = self.root[change.id] in self.standing
        return stands == self.brought[change.id] and self.erased.isdisjoint(touched(change))

    def undone(self, changes: Iterable[Change]) -> tuple[set[str], list[str]]:
        """The steps that stand after an undo with cascade, and what blocks it without, newest first."""
        targets = {self.root[c.id] for c in changes if self.in_effect(c)}
        back = targets - self.standing
        while more := {b for s in back for b in self.beneath(s)} - self.standing - back:
            back |= more
        rivals = {
            s
            for s in self.standing
            for b in back
            for thing, base in self.steps[b].on.items()
            if self.steps[s].on.get(thing, "other thing") == base
        }
        out = (targets & self.standing) | rivals
        while more := {s for s in self.standing if out & self.beneath(s)} - out:
            out |= more
        assert not out & back
        leaving = {self.steps[s].change.note_id for s in out if isinstance(self.steps[s].change, NoteChange)}
        along = {
            s
            for s in out
            if isinstance(c := self.steps[s].change, LinkChange | Use) and not leaving.isdisjoint(touched(c))
        }
        blocking = [self.mover[s] for s in (out | back) - targets - along]
        return (self.standing - out) | back, sorted(blocking, key=place, reverse=True)

    def beneath(self, step: str) -> set[str]:
        return {b for b in self.steps[step].on.values() if b is not None} | self.steps[step].needs

    def amounts_to(self, standing: set[str]) -> State:
        """The journal replayed as if there had never been any but these steps."""
        state = State()
        for step in sorted((self.steps[s] for s in standing), key=lambda s: s.place):
            match change := step.change:
                case NoteChange():
                    state.notes[change.note_id] = change.ordinal, change.after or {}
                case Revision():
                    ordinal, fields = state.notes[change.note_id]
                    state.notes[change.note_id] = ordinal, {**fields, **change.after}
                case LinkChange():
                    state.links[change.source_id, change.target_id, change.kind] = change.after or {}
                case Use():
                    state.uses[change.note_id] = state.uses.get(change.note_id, 0) + 1
        state.links = {key: fields for key, fields in state.links.items() if fields}
        return state


def written(change: Change) -> list[tuple[str, ...]]:
    match change:
        case NoteChange():
            return [("note", change.note_id)]
        case Revision():
            return [("value", change.note_id, name) for name in change.after]
        case LinkChange():
            return [("link", change.source_id, change.target_id, change.kind)]
    return []


def place(change_id: str) -> tuple[int, ...]:
    return tuple(map(int, change_id.split(".")))


# ------------------------------------------------------------------ properties


class Journals(RuleBasedStateMachine):
    """Random journals; every undo is foretold by the books."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.books = Books()

    @precondition(lambda self: can_act(self.world))
    @rule(data=st.data(), n=st.integers(1, 4))
    def change(self, data: st.DataObject, n: int) -> None:
        for _ in range(n):
            act(self.world, data.draw)
        self.books.enter(self.world.commit())

    @precondition(lambda self: self.world.head)
    @rule(data=st.data(), cascade=st.booleans())
    def undo(self, data: st.DataObject, cascade: bool) -> None:
        number = data.draw(st.integers(1, self.world.head))
        self._undo(number, list(self.world.commits[number - 1].changes), cascade)

    @precondition(lambda self: self.world.head)
    @rule(data=st.data(), cascade=st.booleans())
    def undo_one_change(self, data: st.DataObject, cascade: bool) -> None:
        commit = data.draw(st.sampled_from(self.world.commits))
        change = data.draw(st.sampled_from(commit.changes))
        self._undo(change.id, [change], cascade)

    def _undo(self, target: str | int, changes: list[Change], cascade: bool) -> None:
        world, books = self.world, self.books
        if any(isinstance(c, Erasure) for c in changes):
            with pytest.raises(InputError):
                world.ledger.undo(target, cascade=cascade)
            return
        after, blocking = books.undone(changes)
        before, kept = world.now, repr(vars(world.ledger))
        if blocking and not cascade:
            with pytest.raises(ConflictError) as caught:
                world.ledger.undo(target)
            assert list(caught.value.blocking) == blocking
            assert repr(vars(world.ledger)) == kept  # nothing has happened
            return
        planned = world.ledger.undo(target, cascade=cascade)
        assert repr(vars(world.ledger)) == kept  # a plan is only a plan
        assert bool(planned) == (after != books.standing) == any(books.in_effect(c) for c in changes)
        if not planned:
            return
        world.undo(target, cascade=cascade)
        assert world.now == books.amounts_to(after)
        books.enter(world.commits[-1])
        assert books.standing == after
        assert world.ledger.undo(target) == []  # once undone, it is undone
        assert world.ledger.undone_by(target) == world.head
        again = apply(world.now, numbered(world.ledger.undo(world.head), world.head + 1))
        assert again == before  # and its own undo restores what was

    @precondition(lambda self: self.world.now.notes and len(self.world.erased) < 2)
    @rule(data=st.data(), rarely=st.integers(0, 3))
    def erase(self, data: st.DataObject, rarely: int) -> None:
        if not rarely:
            self.world.erase(data.draw(st.sampled_from(sorted(self.world.now.notes))))
            self.world.commit("forget")
            self.books = Books()
            for commit in self.world.commits:  # blanked by now
                self.books.enter(commit)

    @invariant()
    def the_state_is_what_stands(self) -> None:
        assert self.world.now == self.books.amounts_to(self.books.standing)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            replays_step_by_step(self.world)
            comes_back_from_bytes(self.world)
            changes_are_inverted(self.world)
            ledgers_agree(self.world)
            goes_back_to_nothing(self.world)


def replays_step_by_step(world: World) -> None:
    for number, commit in enumerate(world.commits):
        at_once = apply(State(), [c for x in world.commits[: number + 1] for c in x.changes])
        one_by_one = world.states[number]
        for change in commit.changes:
            one_by_one = apply(one_by_one, [change])
        assert at_once == one_by_one == world.states[number + 1]
    passed_over = apply(State(), [c for x in world.commits for c in x.changes], world.erased)
    assert passed_over == world.now


def comes_back_from_bytes(world: World) -> None:
    for commit in world.commits:
        payload = codec.encode(commit.changes, world.ordinals)
        assert codec.decode(payload, commit.id, world.ids) == commit.changes


def changes_are_inverted(world: World) -> None:
    for commit, state in zip(world.commits, world.states, strict=False):
        for change in commit.changes:
            after = apply(state, [change])
            if isinstance(change, Erasure):
                with pytest.raises(InputError):
                    invert(change, change.id)
            else:
                assert apply(after, [invert(change, change.id)]) == state
            state = after  # noqa: PLW2901


def ledgers_agree(world: World) -> None:
    """A ledger that was extended commit by commit, and one made at once."""
    assert repr(vars(Ledger(world.commits))) == repr(vars(world.ledger))


def goes_back_to_nothing(world: World) -> None:
    if world.erased:
        return
    for number in range(world.head, 0, -1):
        world.undo(number)  # never blocked: all that came later is undone
        assert world.now == world.states[number - 1]
    assert world.now == State()


def invert_all(commits: list[Commit]) -> list[Change]:
    return [invert(c, c.id) for x in reversed(commits) for c in reversed(x.changes)]


def numbered(changes: list[Change], commit: int) -> list[Change]:
    return [c.model_copy(update={"id": f"{commit}.{n}"}) for n, c in enumerate(changes, 1)]


def grown(*verbs: tuple[str, ...]) -> World:
    """A journal of one change a commit: ("add", "a"), ("revise", "a", "context", "x"), ("link", "a", "b") ..."""
    world = World()
    for verb, *words in verbs:
        if verb == "revise":
            note, name, value = words
            world.revise(note, **{name: value})
        else:
            getattr(world, verb)(*words)
        world.commit()
    return world


TestJournals = Journals.TestCase
# Without shrinking: it takes minutes, and the steps of a failure are printed anyway.
TestJournals.settings = settings(
    max_examples=120, stateful_step_count=25, deadline=None, phases=(Phase.reuse, Phase.generate)
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_random_set_undone_by_cascade_is_as_if_it_had_never_been(data: st.DataObject) -> None:
    world, books = World(), Books()
    for _ in range(data.draw(st.integers(1, 10))):
        for _ in range(data.draw(st.integers(1, 3))):
            act(world, data.draw)
        books.enter(world.commit())
    unwanted = data.draw(st.sets(st.integers(1, world.head)))
    out = {c.id for number in unwanted for c in world.commits[number - 1].changes}
    while more := {s for s in books.steps if out & books.beneath(s)} - out:
        out |= more
    for number in data.draw(st.permutations(sorted(unwanted))):
        world.undo(number, cascade=True)
    assert world.now == books.amounts_to(set(books.steps) - out)


# ----------------------------------------------------------------------- codec

CHANGES = [
    NoteChange(id="7.1", note_id="a", ordinal=1, after={"context": "ü\0 \U0001f600", "metadata": {"n": [1, None]}}),
    NoteChange(id="7.2", note_id="a", ordinal=3, before={"trust": 0.25}, undoes="3.1", derived_from=("b", "a")),
    Revision(
        id="7.3", note_id="b", before={"valid_until": None}, after={"valid_until": "2025-01-01T00:00:00+00:00"},
        trigger="a", reason="because", created_by="local/1", derived_from=("a",),
    ),
    Revision(id="7.4", note_id="b", before={}, after={}),
    LinkChange(
        id="7.5", source_id="a", target_id="b", kind="part_of", after={"weight": 0.1, "reason": "", "created_by": "x"},
    ),
    LinkChange(id="7.6", source_id="b", target_id="a", kind="next", before={"weight": 1.0}, undoes="2.9"),
    Use(id="7.7", note_id="a"),
    Use(id="7.8", note_id="a", count=-1, undoes="7.7"),
    Erasure(id="7.9", note_id="b", ordinal=2),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: f"{c.type}-{c.id}")
def test_every_type_of_change_comes_back_from_bytes(change: Change) -> None:
    payload = codec.encode((change,), {"a": 3, "b": 2})
    (back,) = codec.decode(payload, 7, {1: "a", 2: "b", 3: "a"})
    assert back == change.model_copy(update={"id": "7.1"})
    assert type(back).model_validate(back.model_dump()) == back


OLD = bytes.fromhex(
    "01789c5d50516a032114bc4a99df1af3d46e96788efe19099bad6d02cb6e4976494a107a8cfce522fdeb857a843e35815219f48dcc9b37ea"
    "1c897eea3aa1ca7106c1e2fb6b3511af879febe5130235ec193dac2b2a1fa370de0bee85910ac270df0296a4ae62f1715a98a4b8d96a1654"
    "b0a98ea584265dcd48319e896cc663de11d90f9bd036d321f0f06e689b6ece53dc3fc7989009909023e972635880f7663fae8757dc9f760c"
    "bbb7ed98722a817d680e03bf29f5b64cc6f0b2de7c303f21661f68b904db70983e9c46fc315092ca64169afb4095096a59a70f9925fa74cb"
    "eafd2fe04267f0"
)


def test_an_old_payload_is_read_forever() -> None:
    # Written by version 1: no later change of the codec may need another reading of it.
    assert codec.decode(OLD, 7, {1: "a", 2: "b", 3: "a"}) == tuple(CHANGES)


def test_a_payload_from_the_future_and_a_damaged_one_are_told_apart() -> None:
    payload = codec.encode(tuple(CHANGES), {"a": 3, "b": 2})
    with pytest.raises(StoreVersionError, match="upgrade"):
        codec.decode(b"\x02" + payload[1:], 7, {})
    for damaged in (b"", b"\0" + payload[1:], payload[:-9], payload[:1] + b"junk", payload[:1]):
        with pytest.raises(StoreDamagedError, match="commit 7"):
            codec.decode(damaged, 7, {1: "a", 2: "b", 3: "a"})
    with pytest.raises(StoreDamagedError):  # it speaks of a note that never came
        codec.decode(payload, 7, {1: "a"})
