"""The rules of the journal, against bookkeeping of the test's own."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zettel import codec
from zettel.errors import ConflictError, InputError, StoreDamagedError, StoreVersionError
from zettel.journal import Ledger, State, Target, apply, field_diffs, invert, redact, replay, tree_faults
from zettel.model import (
    NOTE_FIELDS,
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
from zettel.testing.journal_world import World, act, can_act, chain, replayed

BLANK = NOTE_FIELDS.blank

TOPIC = {"parent": None, "number": 1, "name": "Max · “Wuff”", "named_at": 0}

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
        Placement(id="9.1", note_id="b", after=9),
        Placement(id="9.1", note_id="b", before=2, after=3),
        Placement(id="9.1", note_id="a", after=3),
        Placement(id="9.1", note_id="a", before=3),
        TopicChange(id="9.1", topic_id=3, after=TOPIC),
        TopicChange(id="9.1", topic_id=3, before=TOPIC),
        TopicChange(id="9.1", topic_id=9, before=TOPIC),
        TopicChange(id="9.1", topic_id=9),
        TopicChange(id="9.1", topic_id=9, after={**TOPIC, "parent": 8}),
        TopicChange(id="9.1", topic_id=9, after={**TOPIC, "parent": 9}),
        TopicChange(id="9.1", topic_id=1, before=TOPIC, after={**TOPIC, "parent": 2}),
        TopicChange(id="9.1", topic_id=1, before=TOPIC),
        TopicChange(id="9.1", topic_id=2, before={**TOPIC, "parent": 1}),
    ],
    ids=lambda c: f"{c.type}-{'-'.join(touched(c))}",
)
def test_a_change_that_does_not_fit_is_damage(change: Change) -> None:
    world = grown(("add", "a"), ("add", "b"), ("link", "a", "b"))
    world.grow(1, **TOPIC)
    world.grow(2, **{**TOPIC, "parent": 1})
    world.grow(3, **{**TOPIC, "parent": 1, "number": 2})
    world.place("a", 2)
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


def test_a_diff_tells_of_topics_and_places() -> None:
    world = grown(("add", "a"))
    world.grow(1, name="Max")
    world.place("a", 1)
    world.grow(1, named_at=7)
    world.grow(1, name="dogs")
    world.grow(1, number=2)
    changes = world.commit().changes
    shown = [(d.field, d.note_id, d.before, d.after) for change in changes for d in field_diffs(change, {})]
    assert shown == [
        ("topic", "", None, "Max"), ("place", "a", None, 1), ("topic", "", "Max", "dogs"),
        ("topic", "", "dogs", "dogs"),
    ]  # fmt: skip


# -------------------------------------------------------------------- the tree


def planted(*notes: str) -> World:
    """Notes in topic 2, beneath topic 1; a commit each, the first with the topics."""
    world = World()
    for note in notes:
        world.add(note)
        if world.head == 0:
            world.grow(1)
            world.grow(2, parent=1)
        world.place(note, 2)
        world.commit()
    return world


def test_the_last_note_of_a_tree_takes_it_along() -> None:
    world = planted("a", "b")
    world.undo(2)
    assert world.now.places == {"a": 2} and world.now.topics.keys() == {1, 2}
    world.undo(1)
    assert world.now == State() and world.now.last_topic == 2


def test_topics_that_others_live_in_stay_when_what_made_them_is_undone() -> None:
    world = planted("a", "b")
    assert world.ledger.tree_inverse(1) is None
    world.undo(1)
    assert world.now.places == {"b": 2} and world.now.topics.keys() == {1, 2}
    assert world.ledger.tree_inverse(2) is None  # it would leave the topics empty
    world.undo(2)
    assert world.now == State()


def split_up() -> World:
    """Four notes, then a commit that splits their topic in two beneath it."""
    world = planted("a", "b", "c", "d")
    for topic, members in ((3, "ab"), (4, "cd")):
        world.grow(topic, parent=1, number=topic)
        for note in members:
            world.place(note, topic)
    world.remove_topic(2)
    world.commit()
    return world


def test_a_split_is_undone_as_a_whole() -> None:
    world = split_up()
    world.undo(5)
    assert set(world.now.places.values()) == {2} and world.now.topics.keys() == {1, 2}
    world.undo(6)
    assert world.now == world.states[5]


def test_a_split_is_left_where_a_note_has_arrived_since() -> None:
    world = split_up()
    world.add("e")
    world.place("e", 3)
    world.commit()
    assert world.ledger.undo(5) == [] and world.ledger.tree_inverse(5) is None
    world.undo(6)
    assert world.ledger.tree_inverse(5) is not None


def test_a_note_that_goes_with_the_undo_must_leave_the_tree_by_it() -> None:
    world = planted("a", "b")
    world.place("b", None)
    world.place("b", 2)
    world.commit()
    arrival, placement = world.commits[1].changes
    assert world.ledger.tree_inverse(arrival.id) is None  # it alone says nothing of the place
    assert [c.undoes for c in world.ledger.tree_inverse([arrival.id, placement.id]) or ()] == [placement.id]


def moved_up() -> World:
    """Topics 2 and 3 beneath topic 1, each with a note; then, by commit 3, topic 2 goes to the top."""
    world = planted("a")
    world.grow(3, parent=1, number=2)
    world.add("b")
    world.place("b", 3)
    world.commit()
    world.grow(2, parent=None, number=2)
    world.commit()
    return world


def test_a_note_that_goes_loses_its_place_whether_that_is_told_or_not() -> None:
    world = planted("a", "b")
    world.do(*world.ledger.undo(2))
    assert world.now.places == {"a": 2}
    world.do(Placement(id="", note_id="b", before=2))  # told behind it
    world.commit()
    assert world.now.places == {"a": 2} and world.ledger.tree_inverse(1) is not None
    world.erase("a")
    world.do(Placement(id="", note_id="a", before=2))
    world.commit()
    assert world.now.places == {}


def test_a_note_that_is_replaced_by_its_first_arrival_is_seated_anew() -> None:
    world = World()
    world.add("a")
    for topic in (1, 2):
        world.grow(topic, number=topic)
        world.place("a", topic)
    world.remove_topic(1)
    world.commit()
    world.undo(1)
    world.add("a", text="again")
    world.commit()
    world.undo(2, cascade=True)  # the second one goes, the first one comes
    assert world.now.places == {"a": 2} and world.ledger.tree_inverse(4) is None
    world.undo(4)
    assert world.now.notes["a"][0] == 2 and world.now.places == {}


def test_an_undo_seats_no_note_that_is_gone() -> None:
    world = planted("a", "b")
    world.place("b", None)
    world.commit()
    assert world.ledger.tree_inverse(3) is not None
    world.undo("2.1")
    assert world.now.notes.keys() == {"a"} and world.ledger.tree_inverse(3) is None


def test_an_undo_puts_no_topic_beneath_itself() -> None:
    world = moved_up()
    assert world.ledger.tree_inverse(3) is not None
    world.grow(1, parent=2)
    world.commit()
    assert world.ledger.tree_inverse(3) is None


def test_an_undo_gives_no_number_twice() -> None:
    world = moved_up()
    world.grow(3, number=1)
    world.commit()
    assert world.ledger.tree_inverse(3) is None
    world.undo(4)
    assert world.ledger.tree_inverse(3) is not None


def test_an_undo_puts_no_topic_beside_notes() -> None:
    world = moved_up()
    world.place("b", None)
    world.remove_topic(3)
    world.place("b", 1)
    world.commit()
    assert world.ledger.tree_inverse(3) is None


def test_an_erased_note_is_never_placed_again() -> None:
    world = split_up()
    world.erase("a")
    world.commit("forget")
    assert world.now.places.keys() == {"b", "c", "d"}
    world.undo(5)
    assert world.now.places == {"b": 2, "c": 2, "d": 2}
    world.undo(world.head)
    assert world.now.places == {"b": 3, "c": 4, "d": 4}


def test_an_undo_of_the_tree_alone_is_known_as_one() -> None:
    world = split_up()
    assert world.ledger.in_effect("5.1") and world.ledger.undone_by(5) is None
    world.undo(5)
    assert world.ledger.tree_inverse(5) == [] and world.ledger.undone_by(5) == 6
    world.undo(6)
    assert world.ledger.undone_by(5) is None and world.ledger.undone_by(6) == 7
    world.undo("5.1")
    assert world.head == 7  # the topic has notes by now


def test_what_a_note_has_triggered_is_undone_by_itself() -> None:
    world = grown(("add", "a"), ("add", "b"), ("add", "c"))
    for trigger, note, value in (("a", "b", "x"), ("a", "c", "x"), ("b", "c", "y")):
        world.revise(note, trigger=trigger, context=value)
        world.commit()
    assert world.ledger.triggered_by("a") == ["4.1", "5.1"] and world.ledger.triggered_by("z") == []
    with pytest.raises(ConflictError, match=r"what changes 4\.1, 5\.1 did") as caught:
        world.undo(world.ledger.triggered_by("a"))
    assert caught.value.blocking == ("6.1",)
    world.undo(world.ledger.triggered_by("a"), cascade=True)
    assert {fields["context"] for _, fields in world.now.notes.values()} == {""}
    assert world.ledger.triggered_by("a") == ["4.1", "5.1"]
    assert world.ledger.undone_by(world.ledger.triggered_by("a")) == 7
    assert world.ledger.undo([]) == [] == world.ledger.tree_inverse([]) and world.ledger.undone_by([]) is None


def test_a_name_that_told_of_an_erased_note_is_blanked_wherever_it_stands() -> None:
    world = planted("a")
    world.grow(2, name="secret")
    world.grow(2, name="secrets")
    world.commit()
    blanked = redact(world.commits, "a", set(), {"secret"})
    names = [(c.before or {}).get("name") for x in blanked for c in x.changes if isinstance(c, TopicChange)]
    assert names == [None, None, "topic 2", ""]
    assert replayed(blanked)[-1].topics[2]["name"] == "secrets"


@pytest.mark.parametrize(
    ("topics", "places", "faulty"),
    [
        ({1: (None, 1), 2: (1, 1)}, {"a": 2}, []),
        ({1: (None, 1), 2: (1, 1)}, {"a": 1}, ["topic 1"]),
        ({1: (None, 1), 2: (1, 1), 3: (1, 1), 4: (2, 1)}, {}, ["topic 2", "topic 3"]),
        ({1: (None, 1), 2: (None, 1)}, {}, ["topic 1", "topic 2"]),
    ],
)
def test_faults_of_a_tree_are_found(topics: dict[int, Any], places: dict[str, int], faulty: list[str]) -> None:
    state = State(topics={t: {**TOPIC, "parent": p, "number": n} for t, (p, n) in topics.items()}, places=places)
    assert [place for place, _ in tree_faults(state)] == faulty


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
    tree: dict[str, Change] = field(default_factory=dict)  # changes of the tree that are in effect, by root
    places: dict[str, int] = field(default_factory=dict)
    topics: dict[int, dict[str, Any]] = field(default_factory=dict)

    def enter(self, commit: Commit) -> None:
        for change in commit.changes:
            if isinstance(change, NoteChange | Erasure):
                self.places.pop(change.note_id, None)
            if is_of_tree(change):
                self.enter_of_tree(change)
                continue
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

    def enter_of_tree(self, change: Change) -> None:
        root = self.root[change.id] = self.root[change.undoes] if change.undoes else change.id
        if root in self.tree:
            del self.tree[root]
        else:
            self.tree[root] = change
        self.mover[root] = change.id
        self.brought[change.id] = root in self.tree
        set_in_tree(self.topics, self.places, change, change.after)

    def tree_undone(self, changes: Iterable[Change], after: set[str]) -> tuple[dict[int, Any], dict[str, int]] | None:
        """Topics and places without what some changes did to them; None where that leaves no sound tree.

        ``after`` are the steps that stand after the undo.
        """
        topics, places = dict(self.topics), dict(self.places)
        left, came = (
            {c.note_id for s in steps if isinstance(c := self.steps[s].change, NoteChange)}
            for steps in (self.standing - after, after - self.standing)
        )
        for change in reversed(list(changes)):
            if is_of_tree(change) and self.in_effect(change):
                stands = topics.get(change.topic_id) if isinstance(change, TopicChange) else places.get(change.note_id)
                if stands != change.after:
                    return None
                set_in_tree(topics, places, change, change.before)
                lost = isinstance(change, Placement) and change.note_id in left & self.places.keys() & came
                if not holds_together(topics, places) or (lost and change.before is not None):
                    return None
        present = {c.note_id for s in after if isinstance(c := self.steps[s].change, NoteChange)}
        seated = present.issuperset(places) and (left & self.places.keys()).isdisjoint(places)
        return (topics, places) if seated and is_sound(topics, places) else None

    def top(self, thing: tuple[str, ...]) -> str | None:
        here = [s for s in self.standing if thing in self.steps[s].on]
        return max(here, key=lambda s: self.steps[s].place, default=None)

    def in_effect(self, change: Change) -> bool:
        if isinstance(change, Erasure):
            return False
        if is_of_tree(change):
            stands = self.root[change.id] in self.tree
            return stands == self.brought[change.id] and self.erased.isdisjoint(touched(change))
        stands = self.root[change.id] in self.standing
        return stands == self.brought[change.id] and self.erased.isdisjoint(touched(change))

    def undone(self, changes: Iterable[Change]) -> tuple[set[str], list[str]]:
        """The steps that stand after an undo with cascade, and what blocks it without, newest first."""
        targets = {self.root[c.id] for c in changes if not is_of_tree(c) and self.in_effect(c)}
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
            if (isinstance(c := self.steps[s].change, LinkChange | Use) or getattr(c, "trigger", None) is not None)
            and not leaving.isdisjoint(touched(c))
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


def is_of_tree(change: Change) -> TypeGuard[TreeChange]:
    return isinstance(change, TopicChange | Placement)


def set_in_tree(topics: dict[int, Any], places: dict[str, int], change: TreeChange, value: Any) -> None:
    table, key = (topics, change.topic_id) if isinstance(change, TopicChange) else (places, change.note_id)
    table.pop(key, None)  # type: ignore[call-overload]
    if value is not None:
        table[key] = value  # type: ignore[index]


def holds_together(topics: dict[int, dict[str, Any]], places: dict[str, int]) -> bool:
    """Notes in topics that exist, and all topics beneath the top."""
    reached: set[int | None] = {None}
    while more := {t for t, fields in topics.items() if fields["parent"] in reached} - reached:
        reached |= more
    return reached == {None, *topics} and topics.keys() >= set(places.values())


def is_sound(topics: dict[int, dict[str, Any]], places: dict[str, int]) -> bool:
    """Besides: notes in all leaves and nowhere else, and no two topics of a number beside each other."""
    numbers = [(fields["parent"], fields["number"]) for fields in topics.values()]
    leaves = topics.keys() - {fields["parent"] for fields in topics.values()}
    proper = len(set(numbers)) == len(numbers) and leaves == set(places.values())
    return holds_together(topics, places) and proper


def of_cells(state: State) -> tuple[Any, ...]:
    """A state without its tree."""
    return state.notes, state.links, state.uses


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
        self.world.tidy()
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

    @precondition(lambda self: self.world.ids)
    @rule(data=st.data(), cascade=st.booleans())
    def undo_what_a_note_caused(self, data: st.DataObject, cascade: bool) -> None:
        note = data.draw(st.sampled_from(sorted(self.world.ordinals)))
        changes = [c for x in self.world.commits for c in x.changes if getattr(c, "trigger", None) == note]
        changes = [c for c in changes if not c.undoes]
        assert self.world.ledger.triggered_by(note) == [c.id for c in changes]
        self._undo([c.id for c in changes], changes, cascade)

    def _undo(self, target: Target, changes: list[Change], cascade: bool) -> None:
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
        planned, grown = world.ledger.undo(target, cascade=cascade), world.ledger.tree_inverse(target)
        assert repr(vars(world.ledger)) == kept  # a plan is only a plan
        cells = [c for c in changes if not is_of_tree(c)]
        assert bool(planned) == (after != books.standing) == any(books.in_effect(c) for c in cells)
        tree = books.tree_undone(changes, after)
        assert (grown is None) == (tree is None)
        if not planned and not grown:
            return
        world.undo(target, cascade=cascade)
        assert of_cells(world.now) == of_cells(books.amounts_to(after))
        if tree is None:  # the notes that went have left it, and the topics that only they were in are gone
            gone = {c.note_id for c in planned if isinstance(c, NoteChange) and c.after is None}
            places = {i: t for i, t in before.places.items() if i not in gone}
            alive = {t for topic in places.values() for t in chain(before.topics, topic)}
            tree = {t: fields for t, fields in before.topics.items() if t in alive}, places
        assert (world.now.topics, world.now.places) == tree
        books.enter(world.commits[-1])
        assert books.standing == after
        assert world.ledger.undo(target) == []  # once undone, it is undone
        assert grown is None or world.ledger.tree_inverse(target) == []
        assert world.ledger.undone_by(target) == world.head
        again, restored = world.ledger.undo(world.head), world.ledger.tree_inverse(world.head)
        back = apply(world.now, numbered([*again, *(restored or ())], world.head + 1))
        assert of_cells(back) == of_cells(before)  # and its own undo restores what was
        moved = [c.note_id for c in again if isinstance(c, NoteChange)]
        assert back == before if restored is not None else len(moved) > len(set(moved))  # out and in again

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
        assert of_cells(self.world.now) == of_cells(self.books.amounts_to(self.books.standing))
        assert (self.world.now.topics, self.world.now.places) == (self.books.topics, self.books.places)
        assert is_sound(self.books.topics, self.books.places) and not list(tree_faults(self.world.now))

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
    ever = [c.topic_id for x in world.commits for c in x.changes if isinstance(c, TopicChange)]
    assert passed_over.last_topic == world.now.last_topic == max(ever, default=0)
    assert [copy.deepcopy(state) for _, state in replay(world.commits)] == world.states[1:]


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
            elif isinstance(change, Placement) and state.places.get(change.note_id) != change.before:
                assert after.places == state.places  # its note went before it
            elif not isinstance(change, Placement) or change.note_id in state.notes:
                back = apply(after, [invert(change, change.id)])
                if isinstance(change, NoteChange) and change.note_id in state.places:  # told of behind it
                    back.places[change.note_id] = state.places[change.note_id]
                assert back == state
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
        world.tidy()
        books.enter(world.commit())
    unwanted = data.draw(st.sets(st.integers(1, world.head)))
    out = {c.id for number in unwanted for c in world.commits[number - 1].changes}
    while more := {s for s in books.steps if out & books.beneath(s)} - out:
        out |= more
    for number in data.draw(st.permutations(sorted(unwanted))):
        world.undo(number, cascade=True)
    assert of_cells(world.now) == of_cells(books.amounts_to(set(books.steps) - out))
    assert is_sound(world.now.topics, world.now.places) and world.now.places.keys() <= world.now.notes.keys()


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
NEWER = [
    NoteChange(id="7.10", note_id="a", ordinal=1, after={**BLANK, "tags": ["t"], "trust": 0.0}, derived_from=("b",)),
    NoteChange(id="7.11", note_id="a", ordinal=3, before=dict(BLANK), undoes="7.1"),
    NoteChange(id="7.12", note_id="b", ordinal=2, after={}),
    LinkChange(
        id="7.13", source_id="a", target_id="b", kind="similar", before={"weight": 0.1, "reason": "", "created_by": ""},
    ),
    TopicChange(id="7.14", topic_id=1, after=TOPIC),
    TopicChange(id="7.15", topic_id=4, before=TOPIC, after={**TOPIC, "parent": 1, "number": 12}),
    TopicChange(id="7.16", topic_id=4, before={**TOPIC, "name": ""}, undoes="5.12"),
    Placement(id="7.17", note_id="a", after=4),
    Placement(id="7.18", note_id="b", before=4, undoes="7.8"),
    Placement(id="7.19", note_id="b", before=4, after=1),
]  # fmt: skip
LESSON = {
    "kind": "later", "note_id": "b", "time": "2025-01-01T00:00:00Z", "time_precision": "day", "speaker": "Ö",
    "text": "“b”",
}  # fmt: skip
EVIDENCE = {"terms": ["bakk", "ü"], "cosine": 0.25, "quote": "b"}
NEWEST = [
    NoteChange(
        id="7.20", note_id="a", ordinal=1, after={**BLANK, "learned": [LESSON]}, derived_from=("b",),
        own={"context": "", "learned": []},
    ),
    Revision(id="7.21", note_id="a", before={"learned": [LESSON, LESSON]}, after={"learned": []}),
    LinkChange(
        id="7.22", source_id="a", target_id="b", kind="similar",
        before={"weight": 0.1, "reason": "", "created_by": "", "evidence": EVIDENCE},
        after={"weight": 0.1, "reason": "r", "created_by": "", "evidence": {"terms": [], "cosine": 0.0, "quote": ""}},
    ),
]  # fmt: skip


@pytest.mark.parametrize("change", [*CHANGES, *NEWER, *NEWEST], ids=lambda c: f"{c.type}-{c.id}")
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
OLD_2 = bytes.fromhex(
    "0278f9b8dd66fd8d53416ac33010fc4ad96b15b192ed38d11f7a2bf4e0ea104272cca9218120e8337aeb477aeb87fa84ceace4921e0231c2"
    "b2a51dcdccee8a04305d39bebf5e8f8ae7e1e7f3e31d678d922e72002e38e62d97c22c298a6a69046a29497d1c4aad35597c00090011ba07"
    "490c2cf553d8fb0b0d18cfaac9c6a3bda1a343b977db0db2c3ae68f2dcd4e5f9301cd258f037b24382a3df73ab1c37aa4cb09d762c8624d4"
    "12d72afa3535758c68f302e0d18f5cee5d345301384bda1bb364c600ae46e33fdfd03265e2cdaa827aba94fc274e1b68566802af9b4f9e36"
    "67b624daf7e5b8dfdb4dd01ad4d36d883742ee3ba1b2cf918693c18728d6f49deb6d8e35aea78f95b4a580cdfc0bc60a96b5"
)
OLD_3 = bytes.fromhex(
    "0378f9c0dc9fe5c5564b4ec33010bd0af21637f22721903bb06611bc4820951012ab162a5596380562c745bacb853802f3c6769c5420ba6b"
    "15351fcf7866de3c3f1b01740c311eeeb78a7e17df5f9fef34552d9abd20256ab5046cce93aa90b9e537f2b9829c98ca739f11a1d01480ac"
    "0d0d5641b17c7884de552ba5e99a44ef92ff29074bad1e1e3a42068c88a9c9d6ba34194de2239b8cacc10e2d51eb2e760d033a65f536a011"
    "a2e13e0eaf4f8fc30b495093e5d065353cd6425a83a6b841111653c6fb8aa2d5458dcfa5348c0120638437809481503e64d01ab78089e071"
    "f0676c149733d5a2a24b2a88eb99f354dc763bb097987eb75daf79d1a86054021c6dfe30396d86103d59b29fa80a6d04af0f2b4bbe9b6057"
    "a28a6b113f691e0c48fcb3edf58b6def9806a7ec7d62fc10d3de4795f4ac7e2e239e9a1fd5100939cff4b1e7cb4f9e07937d2e3fb12c100c"
    "1908f9eb4250582cb333c18c92f38344df3d63cb180f62e16baaecdce344e17e00d41548cb"
)


def test_an_old_payload_is_read_forever() -> None:
    # Written by versions 1, 2 and 3: no later change of the codec may need another reading of them.
    assert codec.decode(OLD, 7, {1: "a", 2: "b", 3: "a"}) == tuple(CHANGES)
    assert codec.decode(OLD_2, 7, {1: "a", 2: "b", 3: "a"}) == (*CHANGES, *NEWER)
    assert codec.decode(OLD_3, 7, {1: "a", 2: "b", 3: "a"}) == (*CHANGES, *NEWER, *NEWEST)


def test_a_field_of_a_newer_zettel_is_told_from_damage() -> None:
    for row in ([0, 1, {"99": "x"}], [1, 1, {"99": "x"}, {"99": "y"}], [2, 1, 2, 0, [0.5, "", "", {}, "new"]]):
        payload = b"\x03" + zlib.compress(json.dumps([row]).encode())
        with pytest.raises(StoreVersionError, match="upgrade"):
            codec.decode(payload, 7, {1: "a", 2: "b"})


def test_what_is_read_is_nobody_elses() -> None:
    arrival = NoteChange(id="7.1", note_id="a", ordinal=1, after=dict(BLANK))
    payload = codec.encode((arrival,), {"a": 1})
    (first,), (second,) = (codec.decode(payload, 7, {1: "a"}) for _ in range(2))
    assert isinstance(first, NoteChange) and first.after is not None
    first.after["tags"].append("t")
    assert second == arrival
    assert codec.decode(payload, 7, {1: "a"}) == (arrival,)


def test_a_commit_of_one_note_is_small() -> None:
    text = "Caroline on 8 May 2023 (session 1), answering Melanie's \"How lovely! What breed is he?\"."
    fields = {**BLANK, "context": text, "keywords": ["beagle"], "tags": ["question"], "analyzed_by": "local/1"}
    reason = "Caroline goes on right after it in session session_1"
    link = {"weight": 1.0, "reason": reason, "created_by": "linker/next"}
    changes = (
        NoteChange(id="", note_id="a", ordinal=3, after=fields), Placement(id="", note_id="a", after=1),
        LinkChange(id="", source_id="b", target_id="a", kind="next", after=link),
    )  # fmt: skip
    told = json.dumps([text, "beagle", "Caroline"])
    assert len(codec.encode(changes, {"a": 3, "b": 2})) < len(told) + 30


def test_a_payload_from_the_future_and_a_damaged_one_are_told_apart() -> None:
    payload = codec.encode(tuple(CHANGES), {"a": 3, "b": 2})
    with pytest.raises(StoreVersionError, match="upgrade"):
        codec.decode(b"\x04" + payload[1:], 7, {})
    for damaged in (b"", b"\0" + payload[1:], payload[:-9], payload[:-1], payload[:1] + b"junk", payload[:1]):
        with pytest.raises(StoreDamagedError, match="commit 7"):
            codec.decode(damaged, 7, {1: "a", 2: "b", 3: "a"})
    with pytest.raises(StoreDamagedError):  # it speaks of a note that never came
        codec.decode(payload, 7, {1: "a"})
