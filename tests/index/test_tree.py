"""The topic tree: what holds after every step, whichever notes come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel.errors import InputError, StoreDamagedError
from zettel.index._clusters import Sums, halves, relocated, whole
from zettel.index.naming import Material, Vocabulary
from zettel.index.tree import Limits, TopicTree
from zettel.model import Placement, TopicChange, TreeChange

SMALL = Limits(max_leaf=6, min_leaf=2, max_children=4)
DIM = 12
SUBJECTS = ("pottery class", "marathon", "adoption agency", "violin", "tax return", "kitten")


def _random(key: int) -> np.ndarray:
    return np.random.default_rng(key).standard_normal(DIM)


def vector(note_id: str) -> np.ndarray:
    """A direction near that of the note's subject, told by the number in its name."""
    n = int(note_id[1:])
    mixed = _random(1000 + n % len(SUBJECTS)) + 0.5 * _random(n)
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


def material(note_id: str) -> Material:
    n = int(note_id[1:])
    return Material(
        (SUBJECTS[n % len(SUBJECTS)], f"detail{n % 17}"), ("sport",), ("Oslo",) if n % 5 == 0 else (), "Ada"
    )


def make(limits: Limits = SMALL) -> TopicTree:
    return TopicTree(vector, material, limits)


def loaded(tree: TopicTree, places: dict[str, int] | None = None) -> TopicTree:
    """A tree that never grew: made from what a store would hold of this one."""
    copy = make(tree._limits)
    rows = tree.rows()
    backwards = {topic_id: rows[topic_id] for topic_id in reversed(rows)}
    copy.load(backwards, places if places is not None else places_of(tree), tree.last_topic)
    return copy


def places_of(tree: TopicTree) -> dict[str, int]:
    return {n: leaf for leaf in tree.leaves().ids.tolist() for n in sorted(tree.notes_in(leaf), reverse=True)}


def seen(tree: TopicTree) -> dict[str, Any]:
    """All that can be seen of a tree."""
    leaves = tree.leaves()
    return {
        "rows": tree.rows(), "places": sorted(places_of(tree).items()), "last": tree.last_topic,
        "topics": tree.topics(), "means": leaves.means.tobytes(), "counts": leaves.counts.tolist(),
        "words": words_of(tree._words),
    }  # fmt: skip


def words_of(words: Vocabulary) -> tuple[Any, ...]:
    """What a vocabulary has counted: in how many notes each term stands, the notes, and who speaks in how many."""
    base = ({}, {}, {}) if words._base is None else words_of(words._base)
    notes_with, notes_by = Counter(base[0]), Counter(base[2])
    notes_with.update(words._notes_with)
    notes_by.update(words._notes_by)
    forms = {n: f for n, f in base[1].items() if n not in words._removed} | words._forms
    return +notes_with, forms, +notes_by


def draft(tree: TopicTree) -> TopicTree:
    """A draft over a tree of the same notes."""
    return tree.draft(tree._vector_of, tree._material_of)


def alike(a: TopicTree, b: TopicTree) -> bool:
    for tree in (a, b):
        tree._words.name([[]])  # so that all words are counted
    return seen(a) == seen(b)


def check(tree: TopicTree, ids: set[str]) -> None:
    """What always holds."""
    limits, topics = tree._limits, tree.topics()
    children: dict[int | None, list[int]] = {}
    for topic in topics:
        children.setdefault(topic.parent_id, []).append(topic.id)
        assert topic.name.strip()
        assert len(topic.name) <= 60
        assert topic.n_notes == len(tree.notes_in(topic.id))
        assert topic.address == tree.address(topic.id)
        named_at = tree.rows()[topic.id].named_at
        assert named_at / 2 < topic.n_notes < 1.5 * named_at + 1, "named when it was much larger or smaller"
    leaves = [topic for topic in topics if topic.id not in children]
    assert len({topic.address.count(".") for topic in leaves}) <= 1, "all leaves lie at the same depth"
    assert sorted(n for leaf in leaves for n in tree.notes_in(leaf.id)) == sorted(ids)
    assert all(n in tree.notes_in(tree.place(n)) for n in ids)
    assert len(tree) == len(ids) == sum(leaf.n_notes for leaf in leaves)
    for leaf in leaves:
        assert leaf.n_notes <= limits.max_leaf
        assert leaf.n_notes >= (limits.min_leaf if len(leaves) > 1 else 1)
    for parent, below in children.items():
        assert len(below) <= limits.max_children
        numbers = [tree.rows()[topic_id].number for topic_id in below]
        assert len(set(numbers)) == len(numbers)
        assert min(numbers) >= 1
        assert len(below) > 1 or (parent is None and len(leaves) == 1), "no topic holds just one other"
    assert [t.address for t in topics] == sorted((t.address for t in topics), key=lambda a: [*map(int, a.split("."))])


STEPS = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(0, 119), min_size=1, max_size=40, unique=True)), max_size=8
)


def run(tree: TopicTree, steps: Sequence[tuple[bool, list[int]]]) -> Iterator[tuple[set[str], list[TreeChange]]]:
    """Let notes arrive (True) and leave (False), and tell after each step which are there and what was changed."""
    there: set[str] = set()
    for arrive, numbers in steps:
        ids = [f"n{n}" for n in numbers]
        changes = tree.rearrange([], ids) if arrive else tree.rearrange(ids, [])
        there = there | set(ids) if arrive else there - set(ids)
        yield there, changes


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_what_always_holds(steps):
    tree = make()
    for there, _ in run(tree, steps):
        check(tree, there)


@given(STEPS)
@settings(max_examples=15, deadline=None)
def test_a_loaded_tree_is_and_plans_as_a_grown_one(steps):
    grown = make()
    for there, _ in run(grown, steps):
        copy = loaded(grown)
        assert alike(grown, copy)
        leaving, arriving = sorted(there)[::3], [f"n{n}" for n in range(200, 230)]
        ours, theirs = draft(grown), draft(copy)
        assert ours.rearrange(leaving, arriving) == theirs.rearrange(leaving, arriving)
        assert alike(ours, theirs)
        assert alike(grown, copy)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_changes_alone_make_the_same_tree(steps):
    tree, replica = make(), make()
    for _, changes in run(tree, steps):
        for change in changes:
            replica.apply(change)
        assert alike(tree, replica)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_a_batch_is_only_a_batch(steps):
    at_once, one_by_one = make(), make()
    for arrive, numbers in steps:
        ids = [f"n{n}" for n in numbers]
        together = at_once.rearrange([], ids) if arrive else at_once.rearrange(ids, [])
        singly = [one_by_one.rearrange([], [n]) if arrive else one_by_one.rearrange([n], []) for n in ids]
        assert together == [change for changes in singly for change in changes]
        assert alike(at_once, one_by_one)


@given(STEPS, st.sets(st.integers(0, 140)), st.sets(st.integers(0, 140)))
@settings(max_examples=40, deadline=None)
def test_a_draft_is_the_tree_it_becomes_and_leaves_the_one_below_it_alone(steps, leaving, arriving):
    tree = make()
    for _ in run(tree, steps):
        pass
    before, copy, dropped = loaded(tree), loaded(tree), draft(tree)
    step = [f"n{n}" for n in sorted(leaving)], [f"n{n}" for n in sorted(arriving)]
    changes = dropped.rearrange(*step)
    assert alike(tree, before)
    again = draft(tree)  # over the rows that the first draft has written to
    assert again.rearrange(*step) == changes == copy.rearrange(*step)
    assert alike(again, copy)
    more = [f"n{n}" for n in range(300, 320)]
    planned = again.rearrange([], more)
    for change in changes:
        tree.apply(change)
    assert alike(tree, copy)
    assert planned == copy.rearrange([], more) == draft(tree).rearrange([], more)


@given(st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_when_all_notes_left_nothing_is_left(random):
    tree, ids = make(), [f"n{n}" for n in range(150)]
    tree.rearrange([], ids)
    random.shuffle(ids)
    for i, note_id in enumerate(ids, start=1):
        tree.rearrange([note_id], [])
        check(tree, set(ids[i:]))
    assert (tree.topics(), tree.rows(), len(tree)) == ([], {}, 0)
    assert not tree._sums.counts.any() and not tree._sums.total(range(tree._sums._used)).any()


def test_it_grows_deeper_and_shallower_again():
    tree, ids = make(), [f"n{n}" for n in range(400)]
    depths = []
    for note_id in ids:
        tree.rearrange([], [note_id])
        depths.append(1 + tree.topics()[-1].address.count("."))
    assert depths == sorted(depths)
    assert depths[-1] >= 4
    assert sum(a != b for a, b in pairwise(depths)) == depths[-1] - 1
    for note_id in ids[:-1]:
        tree.rearrange([note_id], [])
        depths.append(1 + tree.topics()[-1].address.count("."))
    assert depths[-1] == 1
    assert max(depths[400:]) == depths[399]


def test_every_kind_of_step_is_made():
    tree, ids = make(), [f"n{n}" for n in range(200)]
    grown = tree.rearrange([], ids)
    shrunk = tree.rearrange(ids, [])
    assert {type(c) for c in grown} == {Placement, TopicChange}
    moves = [c for c in grown if isinstance(c, Placement) and c.before is not None]
    assert moves, "no leaf was split"
    hung = [c for c in grown if isinstance(c, TopicChange) and c.before and c.before["parent"] != c.after["parent"]]
    assert {c.before["parent"] is None for c in hung} == {True, False}, "deepened at the top, and split below"
    lifted = [c for c in shrunk if isinstance(c, TopicChange) and c.before and c.after and c.after["parent"] is None]
    assert any(c.before["parent"] is not None for c in lifted)
    ids_given = [c.topic_id for c in grown if isinstance(c, TopicChange) and c.before is None]
    assert ids_given == list(range(1, len(ids_given) + 1))
    assert all(c.id == "" for c in grown + shrunk)


def test_a_leaf_in_which_notes_were_exchanged_is_named_anew():
    tree, exchanged = make(Limits(max_leaf=10, min_leaf=2, max_children=5)), 0
    for n in range(300):
        changes = tree.rearrange([], [f"n{n}"])
        moves = [c for c in changes if isinstance(c, Placement) and c.before is not None]
        for topic in tree.topics():
            moved = sum(topic.id in (c.before, c.after) for c in moves)
            if topic.id in tree.leaves().ids and moved and 4 * moved >= topic.n_notes:
                exchanged += 1
                assert tree.rows()[topic.id].named_at == topic.n_notes
    assert exchanged > 50


def test_words_that_were_revised_are_read_anew():
    materials = {f"n{n}": material(f"n{n}") for n in range(60)}
    tree = TopicTree(vector, materials.__getitem__, SMALL)
    tree.rearrange([], list(materials)[:40])
    for n in range(0, 60, 3):
        materials[f"n{n}"] = Material(("zeppelin", "airship"), ("history",), (), "Bea")
    tree.refresh(materials)
    fresh = TopicTree(vector, materials.__getitem__, SMALL)
    fresh.load(tree.rows(), places_of(tree), tree.last_topic)
    assert tree.rearrange([], list(materials)[40:]) == fresh.rearrange([], list(materials)[40:])
    assert alike(tree, fresh)
    assert any("zeppelin" in topic.name or "airship" in topic.name for topic in tree.topics())


def test_ids_of_topics_are_never_given_again():
    tree = make()
    tree.rearrange([], ["n1"])
    tree.rearrange(["n1"], [])
    tree.rearrange([], ["n2"])
    assert list(tree.rows()) == [2]


def test_notes_already_in_or_out_are_passed_over():
    tree = make()
    tree.rearrange([], ["n1", "n1"])
    assert len(tree) == 1
    assert tree.rearrange(["n2"], ["n1"]) == []


def test_a_draft_that_fails_in_the_middle_leaves_the_tree_as_it_was():
    tree = make()
    tree.rearrange([], [f"n{n}" for n in range(20)])
    before = loaded(tree)
    with pytest.raises(ValueError):
        draft(tree).rearrange(["n3"], ["n50", "no number"])
    assert alike(tree, before)


def test_notes_of_one_subject_sit_together():
    tree = make(Limits(max_leaf=16, min_leaf=3, max_children=6))
    tree.rearrange([], [f"n{n}" for n in range(240)])
    pure = 0
    for leaf in tree.leaves().ids.tolist():
        subjects = [int(n[1:]) % len(SUBJECTS) for n in tree.notes_in(leaf)]
        pure += max(map(subjects.count, subjects))
    assert pure / 240 > 0.9


def test_the_means_of_leaves_are_those_of_their_notes():
    tree = make()
    tree.rearrange([], [f"n{n}" for n in range(60)])
    leaves = tree.leaves()
    for leaf, mean, count in zip(leaves.ids.tolist(), leaves.means, leaves.counts, strict=True):
        vectors = [vector(n) for n in tree.notes_in(leaf)]
        assert count == len(vectors)
        np.testing.assert_allclose(mean, np.mean(vectors, axis=0), atol=1e-5)
    assert tree.leaves() is leaves
    tree.rearrange([], ["n99"])
    assert tree.leaves().counts.sum() == 61


# ------------------------------------------------------------------- routing


def grown(n: int = 300) -> TopicTree:
    tree = make(Limits(max_leaf=12, min_leaf=3, max_children=5))
    tree.rearrange([], [f"n{i}" for i in range(n)])
    return tree


def test_an_empty_tree_routes_nowhere():
    assert make().route(vector("n1"), 0.5, 0.1) == []


def test_routing_to_all_reaches_every_leaf_once():
    tree = grown()
    assert sorted(tree.route(vector("n1"), 1.0, 0.0)) == tree.leaves().ids.tolist()
    assert sorted(tree.route(vector("n1"), 0.01, 2.0)) == tree.leaves().ids.tolist()


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_routed_leaves_hold_the_share_and_the_nearest_leaf_comes_first(share):
    tree = grown()
    leaves = tree.leaves()
    for note_id in ("n3", "n77", "n500"):
        routed = tree.route(vector(note_id), share, 0.0)
        assert sum(len(tree.notes_in(leaf)) for leaf in routed) >= share * len(tree)
        assert len(routed) < len(leaves.ids) or share > 0.5
        directions = leaves.means / np.linalg.norm(leaves.means, axis=1, keepdims=True)
        cosines = dict(zip(leaves.ids.tolist(), directions @ vector(note_id), strict=True))
        assert [cosines[leaf] for leaf in routed] == sorted((cosines[leaf] for leaf in routed), reverse=True)


def test_a_wider_margin_only_adds_leaves():
    tree = grown()
    narrow, wide = (set(tree.route(vector("n8"), 0.1, margin)) for margin in (0.0, 0.3))
    assert narrow < wide


def test_routing_follows_a_topic_that_is_put_elsewhere():
    tree = two_topics()
    assert sorted(tree.route(vector("n1"), 0.1, 2.0)) == [2, 3]
    tree.apply(topic(2, {**ROW, "parent": 1}, {**ROW, "number": 3}))
    assert sorted(tree.route(vector("n1"), 0.1, 2.0)) == [1, 2, 3]


def test_routing_follows_changes():
    tree = grown(40)
    tree.route(vector("n1"), 0.5, 0.0)
    tree.rearrange([], [f"n{i}" for i in range(40, 120)])
    assert sorted(tree.route(vector("n1"), 1.0, 0.0)) == tree.leaves().ids.tolist()
    tree.rearrange([f"n{i}" for i in range(5, 120)], [])
    assert sorted(tree.route(vector("n1"), 1.0, 0.0)) == tree.leaves().ids.tolist()


# -------------------------------------------------------------------- damage

ROW = {"parent": None, "number": 1, "name": "a", "named_at": 1}


def topic(topic_id: int, before: Any, after: Any) -> TopicChange:
    return TopicChange(id="", topic_id=topic_id, before=before, after=after)


def put(note_id: str, before: int | None, after: int | None) -> Placement:
    return Placement(id="", note_id=note_id, before=before, after=after)


def two_topics() -> TopicTree:
    """Topic 1 holds topic 2, which holds n1; topic 3 is an empty leaf."""
    tree = make()
    tree.apply(topic(1, None, ROW))
    tree.apply(topic(2, None, {**ROW, "parent": 1}))
    tree.apply(topic(3, None, {**ROW, "number": 2}))
    tree.apply(put("n1", None, 2))
    return tree


@pytest.mark.parametrize(
    "change",
    [
        topic(1, None, ROW), topic(9, ROW, None), topic(1, {**ROW, "name": "b"}, {**ROW, "name": "c"}),
        topic(1, ROW, None), topic(2, {**ROW, "parent": 1}, None), topic(4, None, {**ROW, "parent": 9}),
        topic(4, None, {**ROW, "parent": 2}), topic(1, ROW, {**ROW, "parent": 2}), topic(1, ROW, {**ROW, "parent": 1}),
        topic(4, None, {"parent": None}), topic(4, None, None), topic(0, ROW, None),
        put("n1", None, 3), put("n1", 3, 2), put("n2", None, 1), put("n2", None, 9), put("n2", None, 0),
        put("n2", 2, 3), put("n2", None, None),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_is_damage_and_changes_nothing(change):
    tree, before = two_topics(), two_topics()
    with pytest.raises(StoreDamagedError):
        tree.apply(change)
    assert alike(tree, before)


@pytest.mark.parametrize(
    ("parents", "places"),
    [
        ({1: 2}, {}),
        ({1: 2, 2: 1}, {}),
        ({1: 1}, {}),
        ({1: None}, {"n1": 2}),
        ({1: None, 2: 1}, {"n1": 1}),
    ],
)
def test_rows_that_are_no_tree_are_damage(parents, places):
    rows = {t: type(two_topics().rows()[1])(parent, t, "a", 1) for t, parent in parents.items()}
    with pytest.raises(StoreDamagedError):
        make().load(rows, places, 2)


def test_limits_under_which_parts_would_be_merged_again_are_refused():
    with pytest.raises(InputError):
        Limits(max_leaf=8, min_leaf=5)


def test_a_tree_that_breaks_the_limits_is_mended_where_notes_arrive():
    tree = make()
    row = type(two_topics().rows()[1])
    tree.load({t: row(None, t, "a", 1) for t in range(1, 31)}, {f"n{n}": 1 + n % 2 for n in range(80)}, 30)
    arriving = [f"n{n}" for n in range(100, 200)]
    tree.rearrange([], arriving)
    sizes = [topic.n_notes for topic in tree.topics() if topic.id in set(tree.leaves().ids.tolist())]
    assert max(sizes) <= tree._limits.max_leaf
    tree.rearrange([f"n{n}" for n in range(80)] + arriving, [])
    assert len(tree) == 0


def test_leaves_at_different_depths_are_found_and_routed_to():
    tree = two_topics()
    tree.rearrange([], ["n2", "n3", "n4"])
    assert sorted(tree.route(vector("n2"), 1.0, 0.0)) == [2, 3]
    assert {tree.place(n) for n in ("n2", "n3", "n4")} <= {2, 3}


# ------------------------------------------------------------------ clusters


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_sums_are_the_same_whatever_the_order(random):
    vectors = {n: whole(vector(f"n{n}")) for n in range(40)}
    straight, crooked = Sums(), Sums()
    a, b = straight.take(), crooked.take()
    for n in range(20):
        straight.add([a], vectors[n], 1)
    steps = [(n, 1) for n in range(40)]
    random.shuffle(steps)
    leaving = [(n, -1) for n in range(20, 40)]
    random.shuffle(leaving)
    for n, sign in steps + leaving:
        crooked.add([b], sign * vectors[n], sign)
    assert straight.total([a]).tobytes() == crooked.total([b]).tobytes()
    assert straight.means([a]).tobytes() == crooked.means([b]).tobytes()
    assert straight.cosines(vector("n3"))[a] == crooked.cosines(vector("n3"))[b]


@pytest.mark.parametrize("dimension", [7, 64, 384, 1023])
def test_a_clusters_norm_does_not_depend_on_those_computed_with_it(dimension):
    rng = np.random.default_rng(0)
    totals = np.rint(rng.standard_normal((37, dimension)) * 2.0**40)
    together, singly = Sums(), Sums()
    for total in totals:
        together.add([together.take()], total, 1)
    together._refresh()
    for total in totals:
        singly.add([singly.take()], total, 1)
        singly._refresh()
    assert together._norms[:37].tobytes() == singly._norms[:37].tobytes()


def test_products_with_sums_are_exact():
    vectors = whole(np.stack([vector(f"n{n}") for n in range(500)]))
    total = vectors.sum(axis=0)
    exact = [sum(int(a) * int(b) for a, b in zip(v, total, strict=True)) for v in vectors]
    assert [int(p) for p in vectors @ total] == exact
    assert [int(v @ total) for v in vectors] == exact


@given(st.integers(2, 60), st.integers(0, 1000), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_halves_are_balanced_and_whole(n, seed, least):
    points = whole(np.random.default_rng(seed).standard_normal((n, 5)))
    if n < 2 * least:
        return
    large, small = halves(points, least)
    assert sorted(large + small) == list(range(n))
    assert len(large) >= len(small) >= max(least, n / 4 if n > 3 else 1)


def test_halves_part_what_lies_apart():
    points = [[1, 0.1, 0], [0, 0.1, 1], [1, 0, 0.1], [1, 0.2, 0], [0.1, 0, 1]]
    assert halves(whole(np.array(points))) == ([0, 2, 3], [1, 4])


@pytest.mark.parametrize("n", [2, 5, 49])
def test_halves_of_points_that_are_alike_are_balanced_too(n):
    for points in (np.ones((n, 3)), np.zeros((n, 3))):
        large, small = halves(whole(points))
        assert sorted(large + small) == list(range(n))
        assert len(small) >= max(1, n // 4)


def test_points_go_where_they_are_nearer_as_far_as_there_is_room():
    east, north = [1.0, 0.0], [0.0, 1.0]
    points = whole(np.array([east, east, east, [0.1, 1], north, north, [0.9, 0.2]]))
    homes = np.array([0, 0, 0, 0, 1, 1, 1])
    assert relocated(points, homes, least=1, most=9).tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert relocated(points, homes, least=4, most=9).tolist() == homes.tolist()
    assert relocated(points, homes, least=1, most=4).tolist() == [0, 0, 0, 1, 1, 1, 0]
    assert relocated(points, homes, least=1, most=3).tolist() == homes.tolist()
