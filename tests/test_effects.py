"""What commits amount to, against the journal's own rules: the one reading of changes by which all stores write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from zettel.effects import Effects, batches, effects
from zettel.errors import StoreDamagedError
from zettel.journal import State, apply
from zettel.model import Change, Commit, Erasure, LinkChange, Note, NoteChange, Placement, Revision, TopicChange
from zettel.testing.journal_world import START, World, step

Rows = Mapping[int, tuple[Note, str]]


def written(state: State, sum_: Effects) -> State:
    """The state after what a sum says is written over the state before it, as a store does."""
    after = state.copy()
    for note in sum_.gone:
        assert note.new or state.notes[note.note_id][0] == note.ordinal
        after.notes.pop(note.note_id, None)
        after.places.pop(note.note_id, None)
    after.notes |= {i: (after.notes[i][0], {**after.notes[i][1], **fields}) for i, fields in sum_.fields.items()}
    for note in (*sum_.created, *sum_.returned):
        if note.fields is not None:
            assert note.note_id not in after.notes
            after.notes[note.note_id] = note.ordinal, note.fields
    for (source, target, kind), link in sum_.links.items():
        assert link.before == state.links.get((source, target, kind))
        after.links.pop((source, target, kind), None)
        if link.after is not None:
            after.links[source, target, kind] = link.after
    for topic_id, row in sum_.topics.items():
        assert (topic_id in sum_.added_topics) == (topic_id not in state.topics)
        after.topics.pop(topic_id, None)
        if row is not None:
            after.topics[topic_id] = asdict(row)
    for note_id, topic in sum_.places.items():
        after.places.pop(note_id, None)
        if topic is not None:
            after.places[note_id] = topic
    for note_id in sum_.erasures:
        after.notes.pop(note_id, None)
        after.places.pop(note_id, None)
        after.links = {key: link for key, link in after.links.items() if note_id not in key[:2]}
    after.uses = {}
    return after


def without_uses(state: State) -> State:
    """What of a state stores keep in tables."""
    kept = state.copy()
    kept.uses = {}
    return kept


@settings(max_examples=150, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(data=st.data())
def test_what_commits_amount_to_is_what_they_do_one_by_one(data: st.DataObject) -> None:
    world, rows = World(), {}
    for _ in range(data.draw(st.integers(1, 12))):
        if cause := step(world, data.draw):
            rows |= {note.ordinal: (note, key) for note, key in world.draft(cause).arrivals}
            world.commit(cause)
    state, n = State(), 0
    for batch, own in batches(world.commits, rows, data.draw(st.sampled_from([1, 5, 1000]))):
        sum_ = effects(batch, own)
        state, n = written(state, sum_), n + len(batch)
        assert state == without_uses(world.states[n])
        assert list(sum_.commits) == batch
        assert {note.ordinal for note in sum_.created} == own.keys()
    assert n == world.head


def amounting_to(world: World, *changes: Change, rows: Rows | None = None) -> Effects:
    """The sum of one more commit, which leaves what the journal's rules say it does."""
    commit = Commit(id=world.head + 1, at=START, cause="update", changes=tuple(changes))
    sum_ = effects([commit], rows or {})
    assert written(without_uses(world.now), sum_) == without_uses(apply(world.now, changes))
    return sum_


@pytest.fixture
def world() -> World:
    """Two linked notes in a topic."""
    world = World()
    for note in "ab":
        world.add(note)
    world.link("a", "b")
    world.grow(1)
    world.place("a", 1)
    world.commit()
    return world


def going(world: World, note_id: str, ordinal: int | None = None) -> NoteChange:
    known, fields = world.now.notes[note_id]
    return NoteChange(id="2.1", note_id=note_id, ordinal=ordinal or known, before=fields)


def coming(ordinal: int, note_id: str = "a", **after: Any) -> NoteChange:
    return NoteChange(id="2.2", note_id=note_id, ordinal=ordinal, after=after)


def test_a_note_that_goes_and_comes_again_is_as_it_came(world: World) -> None:
    link = LinkChange(id="", source_id="a", target_id="b", kind="similar", before=world.now.links["a", "b", "similar"])
    revised = Revision(id="", note_id="a", before={"context": ""}, after={"context": "x"})
    gone = NoteChange(id="", note_id="a", ordinal=1, before={**world.now.notes["a"][1], "context": "x"})
    left = Placement(id="", note_id="a", before=1)
    sum_ = amounting_to(world, link, revised, gone, left, coming(1, context="y"))
    assert [note.ordinal for note in sum_.gone] == [note.ordinal for note in sum_.returned] == [1]
    assert sum_.newest["a"].fields is not None
    assert (sum_.newest["a"].fields["context"], sum_.fields, sum_.places) == ("y", {}, {})


def test_a_note_that_comes_as_another_one_of_its_id_goes_is_there(world: World) -> None:
    row = world.rows[1][0].model_copy(update={"ordinal": 3}), "key"
    link = LinkChange(id="", source_id="a", target_id="b", kind="similar", before=world.now.links["a", "b", "similar"])
    sum_ = amounting_to(world, link, going(world, "a"), coming(3), rows={3: row})
    assert [note.ordinal for note in sum_.gone] == [1]
    assert [note.ordinal for note in sum_.created] == [3]
    assert sum_.are_new(["b", "a"])
    assert not sum_.are_new(["b"])


def test_what_comes_and_goes_leaves_its_number(world: World) -> None:
    row = world.rows[1][0].model_copy(update={"ordinal": 3, "id": "c"}), "key"
    there, fields = TopicChange(id="", topic_id=2, after={**world.now.topics[1], "number": 2}), coming(3, "c").after
    gone = NoteChange(id="", note_id="c", ordinal=3, before=fields), TopicChange(id="", topic_id=2, before=there.after)
    sum_ = amounting_to(world, coming(3, "c"), there, *gone, rows={3: row})
    assert [note.ordinal for note in sum_.created] == [note.ordinal for note in sum_.gone] == [3]
    assert (sum_.newest["c"].fields, sum_.topics, sum_.added_topics, sum_.ordinals) == (None, {2: None}, {2}, {3: "c"})


def test_a_place_that_is_told_of_a_note_that_has_gone_is_passed_over(world: World) -> None:
    assert amounting_to(world, going(world, "a"), Placement(id="", note_id="a", before=1)).places == {}


@pytest.mark.parametrize(
    "contradiction",
    [
        lambda w: [going(w, "a"), Revision(id="", note_id="a", before={}, after={"context": "x"})],
        lambda w: [going(w, "a"), going(w, "a")],
        lambda w: [going(w, "a"), coming(1), going(w, "a", 2)],
        lambda w: [going(w, "a"), coming(1), coming(1)],
        lambda w: [Erasure(id="", note_id="a", ordinal=1), Revision(id="", note_id="a", before={}, after={})],
    ],
    ids=["a note that is gone is revised", "it goes twice", "another goes", "it comes twice", "it was erased"],
)  # fmt: skip
def test_commits_that_contradict_each_other_are_damage(world: World, contradiction: Any) -> None:
    changes: Sequence[Change] = contradiction(world)
    with pytest.raises(StoreDamagedError, match="run zettel verify"):
        effects([Commit(id=2, at=START, cause="update", changes=tuple(changes))], {})


def test_of_notes_erased_since_only_the_erasure_counts(world: World) -> None:
    changes = world.commits[0].changes
    erasure = Erasure(id="2.1", note_id="a", ordinal=1)
    erased = Commit(id=2, at=START, cause="forget", changes=(erasure,))
    sum_ = effects([*world.commits, erased], {}, {"a"})
    assert sum_.newest.keys() == {"b"}
    assert (sum_.links, sum_.places, sum_.erasures) == ({}, {}, {"a": (erasure, 2)})
    assert sum_.ordinals == {1: "a", 2: "b"}
    assert sum_.mentions == {"a": [1, 2], "b": [1]}
    assert len(changes) == 5
