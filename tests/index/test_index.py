"""The index as rows that come, change and go, against an index made anew and against plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_world import WORDS, index_of, note_of, passages_of, unit, vectors_of

from zettel.index import ExactIndex, Nearest
from zettel.index.postings import Postings
from zettel.model import Note

# Notes come, are revised, are archived, and go; the second number says how.
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.integers(1, 60), st.integers(0, 3)), max_size=60)
STATUSES = ("active", "active", "superseded", "archived")


def grown(steps: Sequence[tuple[str, int, int]], **options: Any) -> tuple[ExactIndex, list[Note]]:
    """An index after some steps, and the notes it should have, in the order they arrived."""
    index, present = index_of([], **options), dict[int, Note]()
    for step, number, variant in steps:
        if step == "remove":
            index.remove([f"n{number}"])
            present.pop(number, None)
        else:
            present[number] = note_of(number, variant=variant, status=STATUSES[variant])
            index.put([present[number]], passages_of([present[number]]))
        index.columns()  # what it computes must not be kept beyond the next change
    return index, [present[number] for number in sorted(present)]


def by_id(index: ExactIndex, nearest: Nearest) -> tuple[Any, ...]:
    ids = [index.ids[row] for row in nearest.rows]
    return ids, nearest.cosines.tolist(), nearest.n, nearest.mean, nearest.deviation


# --------------------------------------------------------------------------- nearest


@given(STEPS, st.integers(0, 99), st.integers(1, 12), st.sampled_from([0, 10_000]))
@settings(max_examples=80, deadline=None)
def test_what_is_nearest_follows_from_the_notes_to_the_last_bit(
    steps: list[tuple[str, int, int]], asked: int, k: int, exact_below: int
) -> None:
    """Links are journalled by it: they must not depend on batches, on what was there once, or on opening again."""
    index, notes = grown(steps, exact_below=exact_below)
    fresh = index_of(notes, exact_below=exact_below)
    query = vectors_of(asked)[0]
    assert by_id(index, index.nearest(query, k)) == by_id(fresh, fresh.nearest(query, k))


@given(STEPS, st.integers(0, 99), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_what_is_nearest_is_what_plain_numpy_finds(steps: list[tuple[str, int, int]], asked: int, k: int) -> None:
    index, notes = grown(steps)
    query = vectors_of(asked)[0].astype(np.float64)
    searched = [note for note in notes if note.status != "archived"]
    cosines = {note.id: float((vectors_of(note.ordinal) @ query).max()) for note in searched}
    found = index.nearest(query.astype(np.float32), k)
    assert (found.n, len(found.rows)) == (len(searched), min(k, len(searched)))
    if searched:
        expected = sorted(cosines.values(), reverse=True)[:k]
        assert found.cosines.tolist() == pytest.approx(expected, abs=1e-5)
        assert [cosines[index.ids[row]] for row in found.rows] == pytest.approx(expected, abs=1e-5)
        assert found.mean == pytest.approx(np.mean(list(cosines.values())), abs=1e-5)
        assert found.deviation == pytest.approx(np.std(list(cosines.values())), abs=1e-5)


def test_equally_near_notes_stand_in_the_order_they_arrived() -> None:
    index, notes = ExactIndex(2), [note_of(n) for n in (4, 2, 9, 1)]
    same = passages_of([note_of(1)])["n1"]
    for note in notes:
        index.put([note], {note.id: same})
    found = index.nearest(same.vectors[0], 3)
    assert [index.ids[row] for row in found.rows] == ["n1", "n2", "n4"]
    assert len(set(found.cosines.tolist())) == 1


def test_nothing_is_near_in_an_empty_index() -> None:
    for index in (ExactIndex(2), index_of([note_of(1, status="archived")])):
        found = index.nearest(unit(np.ones(32)), 3)
        assert (len(found.rows), found.n, found.mean, found.deviation) == (0, 0, 0.0, 0.0)


def test_cosines_are_those_of_the_best_passage() -> None:
    index = index_of([note_of(n) for n in range(1, 30)])
    query = unit(np.arange(1.0, 33.0))
    rows = [20, 4, 11]
    expected = [float((vectors_of(row + 1) @ query).max()) for row in rows]
    assert index.cosines(rows, query).tolist() == pytest.approx(expected, abs=1e-6)
    assert index.cosines([], query).tolist() == []


def test_the_direction_of_a_note_is_that_of_all_its_passages() -> None:
    index = index_of([note_of(5), note_of(6)])
    mean = vectors_of(5).mean(axis=0)
    assert index.unit(0) == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert index.unit(1) == pytest.approx(vectors_of(6)[0], abs=1e-3)


# ----------------------------------------------------------------- words and sessions


@given(STEPS, st.lists(st.sampled_from(WORDS), max_size=3))
@settings(max_examples=60, deadline=None)
def test_words_are_counted_in_the_notes_a_search_shows(steps: list[tuple[str, int, int]], words: list[str]) -> None:
    index, notes = grown(steps)
    searched = [note for note in notes if note.status != "archived"]
    for word in words:
        stem = {"puppy": "puppi"}.get(word, word)
        having = [n for n in searched if word in n.text or word in n.keywords]
        assert index.n_with(stem) == len(having)
    saying = [n.id for n in searched if words and all(word in n.text for word in words)]
    stems = [{"puppy": "puppi"}.get(word, word) for word in words]
    assert [index.ids[row] for row in index.rows_saying(stems)] == saying
    assert index.searched() == [n.id for n in searched]
    assert index.n_searched == len(searched)


def test_before_a_note_stand_the_messages_of_its_session_nearest_first() -> None:
    index = index_of([note_of(n) for n in (1, 2, 3, 4, 45)])
    assert [index.ids[row] for row in index.before("n4")] == ["n3", "n2"]
    assert [index.ids[row] for row in index.before("n2")] == ["n1"]
    assert index.before("n45") == index.before("n1") == index.before("nobody") == []


TERMS = st.lists(st.sampled_from("abcdef"), max_size=6)
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "annotate", "remove", "save"]), st.integers(0, 9), TERMS, TERMS))


@given(CHANGES)
@settings(max_examples=150, deadline=None)
def test_postings_are_those_of_plain_counting(changes: list[tuple[str, int, list[str], list[str]]]) -> None:
    postings = Postings()
    present: dict[int, tuple[Counter[str], set[str]]] = {}
    for change, row, text, noted in changes:
        if change == "put" and row not in present:
            postings.put(row, text, noted)
            present[row] = Counter(text), set(noted)
        elif change == "annotate" and row in present:
            postings.annotate(row, noted)
            present[row] = present[row][0], set(noted)
        elif change == "remove":
            postings.remove(row)
            present.pop(row, None)
        elif change == "save":
            packed, postings = postings.packed(np.arange(11)), Postings()
            postings.unpack(*packed)
        for term in "abcdef":
            found = postings.get(term)
            expected = {r: (c[term], float(term in m)) for r, (c, m) in sorted(present.items()) if c[term] or term in m}
            values = zip(found.text.tolist(), found.annotations.tolist(), strict=True)
            assert dict(zip(found.rows.tolist(), values, strict=True)) == expected
            assert found.rows.tolist() == list(expected)


def test_postings_keep_no_word_of_what_went() -> None:
    postings = Postings()
    postings.put(0, ["secret"], ["pin"])
    postings.put(1, ["plain"], [])
    postings.remove(0)
    assert postings.packed(np.arange(3))[0] == ["plain"]


# ------------------------------------------------------------------------- columns


def test_columns_after_each_single_note_are_those_of_all_at_once() -> None:
    notes = [note_of(n) for n in range(1, 140)]
    index = index_of([])
    for note in notes:
        index.put([note], passages_of([note]))
        assert index.columns().n == note.ordinal
    one_by_one, at_once = index.columns(), index_of(notes).columns()
    for name in ("alive", "ordinals", "status", "vectors", "first", "several", "windows", "norms", "lengths", "times",
                 "until", "speaker", "sample_keys"):  # fmt: skip
        assert np.array_equal(getattr(one_by_one, name), getattr(at_once, name), equal_nan=True), name
    assert one_by_one.speakers == at_once.speakers


def test_passages_of_rows_are_found_in_any_order() -> None:
    columns = index_of([note_of(n) for n in range(3, 12)]).columns()
    rows = np.array([8, 2, 7, 0])  # notes 11, 5, 10, 3: of two passages, 5 and 10
    places, starts = columns.passages(rows)
    assert starts.tolist() == [0, 1, 3, 5]
    expected = np.concatenate([vectors_of(n) for n in (11, 5, 10, 3)])
    assert np.array_equal(columns.vectors[places], expected)
    assert [a.tolist() for a in columns.passages(np.array([], np.int64))] == [[], []]


def test_lots_are_drawn_evenly_and_by_runs_of_neighbors() -> None:
    sample_keys = index_of([note_of(n) for n in range(1, 1200)]).columns().sample_keys
    assert all(abs(np.mean(sample_keys < part) - part) < 0.02 for part in (0.05, 0.1, 0.5))
    assert np.mean(sample_keys[1:] == sample_keys[:-1]) == pytest.approx(0.75, abs=0.01)
