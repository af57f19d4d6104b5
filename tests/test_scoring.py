"""Signals and their fusion, against hand-computed numbers and plain numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import log, sqrt
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zettel import registry
from zettel.config import Config
from zettel.filters import Filter
from zettel.index import ExactIndex
from zettel.index.ranking import rank, why_not
from zettel.memory import Memory
from zettel.model import Message, Note, Source
from zettel.protocols import Passages, Query, Signal
from zettel.scoring import ExactScan, fuse, lexical, lexical_context, role, speaker, time
from zettel.text import terms

Opener = Callable[..., Memory]
SIGNALS = registry.signals()
NOON = datetime(2023, 5, 8, 12, tzinfo=UTC)
LN2 = log(2)


def note(ordinal: int, text: str, session: str | None = None, **fields: Any) -> Note:
    sources = (Source(conversation_id="c", session_id=session),) if session else ()
    return Note(id=f"n{ordinal}", ordinal=ordinal, text=text, sources=sources, created_at=NOON, **fields)


def passages(*vectors: Sequence[float]) -> Passages:
    matrix = np.array(vectors, np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return Passages(tuple((n, n + 1) for n in range(len(vectors))), matrix)


def index_of(notes: Sequence[Note], vectors: Mapping[str, Passages] | None = None, window: int = 2) -> ExactIndex:
    index = ExactIndex(window)
    index.put(notes, vectors or {n.id: passages([1.0, 0.0]) for n in notes})
    return index


def scan_of(index: ExactIndex, query: str, vector: Sequence[float] = (1.0, 0.0), **times: datetime) -> ExactScan:
    own = np.array(vector, np.float32)
    asked = Query(query, tuple(terms(query)), own / np.linalg.norm(own), NOON, **times)
    return ExactScan(asked, index.columns(), Config())


def values(signal: ModuleType, index: ExactIndex, query: str, **options: Any) -> list[float]:
    found = signal.values(scan_of(index, query, **options))
    assert found.dtype == np.float64
    assert found.shape == (index.columns().n,)
    return [round(value, 6) for value in found.tolist()]


# -------------------------------------------------------------------------- lexical

# Lengths 2, 3, 1, 4; mean 2.5. k1 = 1.2, b = 0.5: saturation 1.2 * (0.5 + 0.5 * length / 2.5) = 0.6 + 0.24 * length.
FOUR = ["cat dog", "cat cat bird", "fish", "dog fish bird cow"]


def test_bm25_by_hand() -> None:
    index = index_of([note(n, text) for n, text in enumerate(FOUR, 1)])
    # Cats stand in 2 of 4 notes: idf = ln(1 + 2.5 / 2.5); cows in 1: ln(1 + 3.5 / 1.5).
    cat = [LN2 * 1 / (1 + 1.08), LN2 * 2 / (2 + 1.32), 0, 0]
    cow = [0, 0, 0, log(10 / 3) * 1 / (1 + 1.56)]
    assert values(lexical, index, "cat") == [round(v, 6) for v in cat]
    assert values(lexical, index, "Which cats?") == values(lexical, index, "cat")
    assert values(lexical, index, "cat cow") == [round(a + b, 6) for a, b in zip(cat, cow, strict=True)]
    assert values(lexical, index, "cat cat cow the") == values(lexical, index, "cow cat")
    assert values(lexical, index, "horse") == values(lexical, index, "the of") == [0, 0, 0, 0]
    assert values(lexical, index, "cat")[0] == 0.333244  # so that the formula above is not the only witness


def test_annotations_count_less_than_the_text() -> None:
    notes = [note(1, FOUR[0]), note(2, FOUR[1]), note(3, FOUR[2], keywords=("cat", "cats"), context="A cat.")]
    index = index_of([*notes, note(4, FOUR[3], tags=("dog",), entities=("Dog",))])
    # Cats stand in 3 of 4: idf = ln(1 + 1.5 / 3.5). Annotated any number of times: 0.3. Their words add no length.
    idf = log(1 + 1.5 / 3.5)
    expected = [idf / 2.08, idf * 2 / 3.32, idf * 0.3 / (0.3 + 0.84), 0]
    assert values(lexical, index, "cat") == [round(v, 6) for v in expected]
    dogs = [LN2 / 2.08, 0, 0, LN2 * 1.3 / (1.3 + 1.56)]
    assert values(lexical, index, "dog") == [round(v, 6) for v in dogs]


def test_bm25_with_context_by_hand() -> None:
    index = index_of([note(n, text, "s") for n, text in enumerate(FOUR, 1)], window=1)
    # Each note with the texts beside it: cats 1 + 2, 1 + 2, 0 + 2, 0. Length and idf stay those of the note alone.
    expected = [LN2 * 3 / (3 + 1.08), LN2 * 3 / (3 + 1.32), LN2 * 2 / (2 + 0.84), 0]
    assert values(lexical_context, index, "cat") == [round(v, 6) for v in expected]
    wide = index_of([note(n, text, "s") for n, text in enumerate(FOUR, 1)])
    expected = [LN2 * 3 / 4.08, LN2 * 3 / 4.32, LN2 * 3 / 3.84, LN2 * 2 / 3.56]
    assert values(lexical_context, wide, "cat") == [round(v, 6) for v in expected]


def test_context_is_what_was_said_and_only_in_the_same_session() -> None:
    index = index_of([note(1, "cat", "s"), note(2, "dog", "t"), note(3, "cow", "s", tags=("fish",)), note(4, "cat")])
    assert [v > 0 for v in values(lexical_context, index, "cat")] == [True, False, True, True]
    assert [v > 0 for v in values(lexical_context, index, "fish")] == [False] * 4
    assert [v > 0 for v in values(lexical_context, index, "dog")] == [False, True, False, False]


def test_a_removed_note_leaves_the_statistics() -> None:
    index = index_of([note(n, text, "s") for n, text in enumerate([*FOUR, "cat cat cat"], 1)])
    index.remove(["n5", "n5", "nobody"])
    fresh = index_of([note(n, text, "s") for n, text in enumerate(FOUR, 1)])
    for signal in (lexical, lexical_context):
        assert values(signal, index, "cat cow")[:4] == values(signal, fresh, "cat cow")


# ---------------------------------------------------------------------------- dense

UNIT = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4).filter(lambda v: sum(x * x for x in v) > 0.01)
NOTES = st.lists(
    st.tuples(st.sampled_from([None, "s", "t"]), st.lists(UNIT, min_size=1, max_size=3)), min_size=1, max_size=9
)


@given(NOTES, UNIT, st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_cosines_are_those_of_plain_numpy(
    rows: list[tuple[str | None, list[list[float]]]], query: list[float], window: int
) -> None:
    notes = [note(n, f"text {n}", session) for n, (session, _) in enumerate(rows, 1)]
    vectors = {n.id: passages(*own) for n, (_, own) in zip(notes, rows, strict=True)}
    scan = scan_of(index_of(notes, vectors, window), "x", query)
    asked = scan.query.vector.astype(np.float64)
    own = [vectors[n.id].vectors.astype(np.float64) for n in notes]
    assert np.allclose(scan.cosines, [(m @ asked).max() for m in own], atol=1e-5)
    for i, (session, _) in enumerate(rows):
        fellows = [j for j, (other, _) in enumerate(rows) if other == session and session] or [i]
        place = fellows.index(i)
        around = fellows[max(place - window, 0) : place + window + 1]
        total = np.sum([own[j].mean(axis=0) for j in around], axis=0)
        length = float(np.linalg.norm(total))
        if length > 0.01:
            assert scan.context_cosines[i] == pytest.approx(total @ asked / length, abs=1e-4)


# ------------------------------------------------------- an index that grew, and one anew

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 8), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(1, 8), st.just(0)),
    ),
    max_size=25,
)
BODIES = {n: (text, "s" if n % 3 else None) for n, text in enumerate([*FOUR, *FOUR[::-1]], 1)}
VECTORS = {f"n{n}": passages(*np.random.default_rng(n).normal(size=(1 + n % 2, 4)).tolist()) for n in BODIES}


def by_id(index: ExactIndex, query: str) -> dict[str, dict[str, Any]]:
    """All that a search reads of an index, by note."""
    scan, columns = scan_of(index, query, [1, 2, 3, 4]), index.columns()
    rows = {index.ids[row]: row for row in np.flatnonzero(columns.alive)}
    return {
        note_id: {
            "numbers": [*(float(s.values(scan)[row]) for s in SIGNALS), columns.norms[row], columns.lengths[row]],
            "window": [index.ids[w] if w >= 0 else None for w in columns.windows[row]],
            "times": (columns.times[row], columns.until[row]),
            "kept": (index.tags[row], index.metadata[row], columns.ordinals[row], columns.status[row]),
            "matched": (scan.said(row), scan.noted(row), scan.said_around(row)),
            "speaker": columns.speakers[columns.speaker[row]],
            "found": index.row(note_id) == row,
        }
        for note_id, row in rows.items()
    }


@given(STEPS, st.integers(1, 2))
@settings(max_examples=150, deadline=None)
def test_an_index_grown_in_any_order_equals_one_built_anew(steps: list[tuple[str, int, int]], window: int) -> None:
    grown = ExactIndex(window)
    present: dict[int, Note] = {}
    for step, n, variant in steps:
        if step == "remove":
            grown.remove([f"n{n}"])
            present.pop(n, None)
            continue
        text, session = BODIES[n]
        annotations = {"keywords": ("cat", "cow")[:variant], "tags": (f"t{variant}",), "metadata": {"v": variant}}
        present[n] = note(
            n, text, session, time=NOON, time_precision="day", speaker=f"S{n % 2}",
            status=("active", "archived", "superseded")[variant], **annotations,
        )  # fmt: skip
        grown.put([present[n]], VECTORS)
        grown.columns()  # what it computes must not be kept beyond the next change
    fresh = index_of([present[n] for n in sorted(present)], VECTORS, window)
    assert len(grown) == len(fresh) == len(present)
    if present:
        a, b = by_id(grown, "Which cats and cows?"), by_id(fresh, "Which cats and cows?")
        numbers = {note_id: pytest.approx(row.pop("numbers"), abs=1e-5) for note_id, row in b.items()}
        assert {note_id: row.pop("numbers") for note_id, row in a.items()} == numbers
        assert a == b


# --------------------------------------------------------------- speaker, role, time


def test_speakers_are_named_by_any_of_their_names() -> None:
    names = ["Ann", "Ann Lee", "Leeann", None, "bob", "Jean-Luc", "user"]
    index = index_of([note(n, "x", speaker=name) for n, name in enumerate(names, 1)])
    assert values(speaker, index, "What does ANN say?") == [1, 1, 0, 0, 0, 0, 0]
    assert values(speaker, index, "What is Lee's dog?") == [0, 1, 0, 0, 0, 0, 0]
    assert values(speaker, index, "What did Bob and Luc eat?") == [0, 0, 0, 0, 1, 1, 0]
    assert values(speaker, index, "What did nobody say?") == [0] * 7
    assert speaker.reason(scan_of(index, "What does Ann say?"), 1) == "Ann Lee says it"
    assert speaker.reason(scan_of(index, "What does Ann say?"), 3) is None


def test_users_are_told_from_assistants() -> None:
    index = index_of([note(n, "x", speaker=s) for n, s in enumerate(["user", "assistant", None, "Human", "Ann"], 1)])
    assert values(role, index, "x") == [1, 0, 0, 1, 0]


def test_times_overlap_by_their_precision() -> None:
    when: list[tuple[datetime | None, Any]] = [
        (datetime(2023, 5, 1, tzinfo=UTC), "month"), (datetime(2023, 5, 8, tzinfo=UTC), "day"),
        (datetime(2023, 5, 9, tzinfo=UTC), "day"), (None, None), (datetime(2023, 1, 1, tzinfo=UTC), "year"),
        (datetime(2023, 5, 8, 23, 59, 59, tzinfo=UTC), "second"),
    ]  # fmt: skip
    index = index_of([note(n, "x", time=t, time_precision=p) for n, (t, p) in enumerate(when, 1)])
    day = {"since": datetime(2023, 5, 8, tzinfo=UTC), "until": datetime(2023, 5, 9, tzinfo=UTC)}
    assert values(time, index, "x") == [0] * 6
    assert values(time, index, "x", **day) == [1, 1, 0, 0, 1, 1]
    assert values(time, index, "x", since=day["until"]) == [1, 0, 1, 0, 1, 0]
    assert values(time, index, "x", until=day["since"]) == [1, 0, 0, 0, 1, 0]
    assert time.reason(scan_of(index, "x", **day), 1) == "it falls into the time asked about"
    assert time.reason(scan_of(index, "x", **day), 2) is None


# --------------------------------------------------------------------------- fusion


def signal(name: str, own: list[float], weight: float = 1.0, *, standardized: bool = True) -> Signal:
    made = SimpleNamespace(
        NAME=name, WEIGHT=weight, STANDARDIZED=standardized, values=lambda scan: np.array(own, np.float64),
        reason=lambda scan, row: f"{name} has it",
    )  # fmt: skip
    return cast("Signal", made)


ROWS = index_of([note(n, "x") for n in range(1, 5)])
ALL = np.ones(4, np.bool_)


def fused(signals: Sequence[Signal], mask: NDArray[np.bool_] = ALL, **weights: float) -> list[float]:
    return cast("list[float]", fuse(scan_of(ROWS, "x"), signals, mask, weights).scores.tolist())


def test_measures_are_standardized_and_marks_are_not() -> None:
    measure = signal("a", [1, 2, 3, 6])  # mean 3, deviation sqrt(14 / 4)
    s = sqrt(3.5)
    assert fused([measure]) == pytest.approx([-2 / s, -1 / s, 0, 3 / s])
    mark = signal("b", [0, 1, 0, 0], 2.0, standardized=False)
    assert fused([measure, mark]) == pytest.approx([-2 / s, 2 - 1 / s, 0, 3 / s])
    assert fused([measure, mark], a=0.5, b=3.0) == pytest.approx([-1 / s, 3 - 0.5 / s, 0, 1.5 / s])
    assert fused([measure, mark], b=0.0) == fused([measure])


def test_only_rows_let_through_bear_on_the_scores() -> None:
    mask = np.array([True, True, False, True])
    one = fused([signal("a", [1, 3, 1e6, 5])], mask)
    other = fused([signal("a", [1, 3, -7, 5])], mask)
    assert one == other
    assert one[2] == -np.inf
    s = sqrt(8 / 3)
    assert [one[0], one[1], one[3]] == pytest.approx([-2 / s, 0, 2 / s])


def test_a_signal_that_tells_nothing_apart_counts_nothing() -> None:
    assert fused([signal("a", [0.1 + 0.2, 0.3, 0.3, 0.3])]) == [0, 0, 0, 0]
    one = np.array([False, True, False, False])
    assert fused([signal("a", [1, 2, 3, 4])], one) == [-np.inf, 0, -np.inf, -np.inf]
    assert fused([signal("a", [1, 2, 3, 4])], ~ALL) == [-np.inf] * 4


def test_values_and_parts_are_kept_for_every_row() -> None:
    found = fuse(scan_of(ROWS, "x"), [signal("a", [1, 2, 3, 6], 2.0)], ALL)
    assert found.values["a"].tolist() == [1, 2, 3, 6]
    assert (found.parts["a"] == found.scores).all()


# -------------------------------------------------------------------- order, and why


def test_equal_scores_stand_in_the_order_of_arrival(memory: Memory) -> None:
    notes = memory.add_many(["the same"] * 37)
    assert [hit.note.id for hit in memory.search("the same", k=50)] == [n.id for n in notes]
    assert len({hit.score for hit in memory.search("the same", k=50)}) == 1
    memory.undo(memory.forget(notes[3].id))  # type: ignore[arg-type]
    [arrival] = [c for c in memory.log()[0].changes if c.type == "note" and c.ordinal == 5]
    memory.undo(memory.undo(arrival))
    assert [hit.note.id for hit in memory.search("the same", k=50)] == [n.id for n in notes]


def test_ties_go_by_ordinal_not_by_row() -> None:
    index = ExactIndex(2)
    for n in (3, 1, 2):
        index.put([note(n, "x")], {f"n{n}": passages([1.0, 0.0])})
    scan = scan_of(index, "x")
    ranking = rank(index, scan.query, Filter(), SIGNALS, Config())
    assert [index.ids[row] for row in ranking.rows] == ["n1", "n2", "n3"]


def test_why_names_what_matched(memory: Memory) -> None:
    memory.add_many([Message(text=t, conversation_id="c", speaker=s, time="2023-05-08") for t, s in (
        ("Which instrument do you play?", "Ann"), ("The cello, since school.", "Bob"), ("How lovely!", "Ann"),
    )])  # fmt: skip
    memory.add_many([f"unrelated talk about topic {n}" for n in range(8)])
    hits = {hit.note.text: hit for hit in memory.search("Was Bob's cello an instrument on 8 May 2023?", k=20)}
    best = hits["The cello, since school."]
    assert best.rank == 1
    assert "Bob says it" in best.why
    assert "it falls into the time asked about" in best.why.lower()
    hit = memory.search("cello", speaker="Bob")[0]
    assert "“cello”" in memory.search("cello")[0].why
    assert "the messages around it have “cello”, “instrument”" in hits["How lovely!"].why
    assert hit.why[0].isupper()
    assert all(hit.why.endswith(".") for hit in hits.values())
    assert hits["unrelated talk about topic 1"].why.startswith("Nothing in it stands out")


def test_why_not_names_each_step(memory: Memory) -> None:
    notes = memory.add_many([Message(text=f"apple number {n}", speaker="Ann") for n in range(20)])
    odd = memory.add("the weather", speaker="Bob")
    memory.forget(notes[0].id)

    gone = memory.why_not("apple", notes[0].id)
    assert (gone.step, gone.rank) == ("status", None)
    assert "archived" in gone.why

    shut = memory.why_not("apple", notes[1].id, speaker="Bob")
    assert (shut.step, shut.rank) == ("filter", None)
    assert "its speaker is Ann" in shut.why
    for filters, why in (
        ({"since": "2023"}, "when it happened is unknown"), ({"tags": "x"}, "it lacks the tag 'x'"),
        ({"where": {"a": 1}}, "its metadata does not match"),
    ):  # fmt: skip
        assert why in memory.why_not("apple", notes[1].id, **filters).why  # type: ignore[arg-type]

    lost = memory.why_not("apple", odd.id, k=5)
    last = memory.search("apple", k=5)[-1]
    found = memory.search("apple", k=20)
    assert (lost.step, lost.rank) == ("outranked", 20)
    assert lost.score == pytest.approx(found[-1].score)
    assert lost.behind == pytest.approx(last.score - found[-1].score)
    assert lost.signals == found[-1].signals
    assert "rank 20 of 20" in lost.why
    assert "lexical" in lost.why or "dense" in lost.why

    hit = memory.search("apple number 7", k=5)[0]
    there = memory.why_not("apple number 7", hit.note.id, k=5)
    assert (there.step, there.rank, there.score, there.signals) == ("found", 1, hit.score, hit.signals)
    assert hit.why[1:] in there.why


def test_why_not_names_the_signal_that_loses_most() -> None:
    index = ROWS
    scan = scan_of(index, "x")
    signals = [signal("small", [0, 1, 0, 0], standardized=False), signal("large", [0, 5, 0, 0], standardized=False)]
    ranking = rank(index, scan.query, Filter(), signals, Config())
    lost = why_not(ranking, note(1, "x"), Filter(), 1)
    assert (lost.step, lost.rank, lost.behind) == ("outranked", 2, 6.0)
    assert "by large (5.00)" in lost.why
