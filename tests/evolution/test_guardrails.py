"""What no policy can get past: the bounds of ``evolve``."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from zettel.evolution import evolve
from zettel.model import STATUSES, Lesson, Note, Revision
from zettel.protocols import Encounter, Rewrite
from zettel.testing.by_hand import encounter, note

NEW = note("the new one", id="new", trust=0.5)


def policy(
    reason: str = "because", derived_from: tuple[str, ...] = (), lessons: tuple[Any, ...] = (), **fields: Any
) -> Any:
    """One that always says the same."""
    return SimpleNamespace(rewrite=lambda met: Rewrite(fields, reason, derived_from, lessons))


def by(rewrite: Callable[[Encounter], Rewrite | None]) -> Any:
    return SimpleNamespace(rewrite=rewrite)


TAGGED = policy(tags=["seen"])


def old(id: str = "old", **fields: Any) -> Note:
    return note("an older one", id, **{"trust": 0.5, "context": "Told on 8 May by Ann.\nMore.", **fields})


def revised(
    *neighbors: Note, policies: Any = (TAGGED,), per_add: int = 4, per_day: int = 4, **counts: int
) -> list[str]:
    """The notes revised, by their ids; ``counts`` tells how often each was before."""
    met = [encounter(NEW, neighbor) for neighbor in neighbors]
    return [r.note_id for r in evolve(met, policies, counts, per_add=per_add, per_day=per_day)]


def one(neighbor: Note, *policies: Any) -> Revision:
    [revision] = evolve([encounter(NEW, neighbor)], policies, {}, per_add=1, per_day=1)
    return revision


def test_a_revision_says_what_it_changed_and_who_caused_it() -> None:
    neighbor = old(keywords=("a",), tags=("b",))
    revision = one(neighbor, policy("because", ("kin",), tags=["b", "c"], keywords=["a"]))
    assert revision == Revision(
        id="", note_id="old", before={"tags": ["b"]}, after={"tags": ["b", "c"]}, trigger="new", reason="because",
        created_by="evolution", derived_from=("new", "kin"),
    )  # fmt: skip


def test_each_policy_sees_what_those_before_it_have_written() -> None:
    first, second = (
        policy("first", ("a",), tags=["one"]),
        by(lambda met: Rewrite({"tags": [*met.neighbor.tags, "two"], "keywords": ["k"]}, "second", ("b", "a"))),
    )
    revision = one(old(tags=()), first, second)
    assert (revision.before, revision.after) == (
        {"keywords": [], "tags": []}, {"keywords": ["k"], "tags": ["one", "two"]}
    )  # fmt: skip
    assert (revision.reason, revision.derived_from) == ("first; second", ("new", "a", "b"))


def test_what_comes_out_as_it_was_is_no_revision() -> None:
    assert revised(old(), policies=[by(lambda met: None)]) == []
    assert revised(old(tags=("seen",))) == []
    assert revised(old(tags=("x",)), policies=[TAGGED, policy(tags=["x"])]) == []
    assert revised(old(), policies=[]) == []


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_is_searched_is_rewritten(status: Any) -> None:
    assert revised(old(status=status)) == (["old"] if status in ("active", "superseded") else [])


def test_lower_trust_never_rewrites_higher() -> None:
    assert revised(old(trust=0.51)) == []
    assert revised(old(trust=0.5)) == revised(old(trust=0.0)) == ["old"]


def test_an_arriving_note_rewrites_so_many_neighbors_and_the_first_ones() -> None:
    neighbors = [old(f"n{n}", tags=("seen",) if n == 1 else ()) for n in range(6)]
    assert revised(*neighbors) == ["n0", "n2", "n3", "n4"]
    assert revised(*neighbors, per_add=2) == ["n0", "n2"]
    assert revised(*neighbors, per_add=0) == []


def test_a_note_is_rewritten_so_often_on_a_day() -> None:
    neighbors = [old(f"n{n}") for n in range(4)]
    assert revised(*neighbors, n0=4, n1=3, n2=5) == ["n1", "n3"]
    assert revised(*neighbors, per_day=1, n1=1) == ["n0", "n2", "n3"]
    assert revised(*neighbors, per_day=0) == []
    assert revised(*neighbors, per_add=1, n0=4) == ["n1"], "one that is left alone takes nobody's turn"


WRONG: list[dict[str, Any]] = [
    {"text": "other words"}, {"status": "archived"}, {"trust": 1.0}, {"entities": ["x"]}, {"metadata": {}},
    {"speaker": "x"}, {"id": "x"}, {"nonsense": "x"}, {"tags": ["seen"], "trust": 1.0}, {"tags": "seen"},
    {"tags": None}, {"tags": ["seen", 1]}, {"tags": [["seen"]]}, {"tags": {"seen": "x"}}, {"tags": 5},
    {"keywords": "kiln"}, {"context": ["Told on 8 May by Ann."]}, {"context": None}, {"context": 8},
    {"context": {"Told on 8 May by Ann.": 1}}, {"learned": []}, {"learned": ["Later: “x”"]},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_a_rewrite_of_other_fields_or_of_wrong_values_is_ignored_whole(fields: dict[str, Any]) -> None:
    assert revised(old(), policies=[policy(**fields)]) == []
    revision = one(old(), policy("wrong", ("somebody",), **fields), policy("right", tags=["fine"]))
    assert revision.after == {"tags": ["fine"]}
    assert (revision.reason, revision.derived_from) == ("right", ("new",)), "nothing is told of what was not done"


KEPT = "On 8 May, at 13:56, 1,200.50 of Max's and C++'s."


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        (f"{KEPT}.", True), (f"{KEPT} And more.", True), (f"{KEPT}\nAnd more.", True), (f"{KEPT} \nOn 9 May.", True),
        ("C++, 1,200.50, 13:56, 8 and Max.", True), (KEPT.replace("8 May", "May"), False),
        (KEPT.replace("13:56", "13"), False), (KEPT.replace("1,200.50", "1,200"), False),
        (KEPT.replace("8", "9"), False), (KEPT.replace("Max", "max"), False), (KEPT.replace("C++", "C"), False),
        ("", False),
    ],
)  # fmt: skip
def test_numbers_and_entities_of_the_analyzers_line_stay(context: str, allowed: bool) -> None:
    lesson = Lesson(kind="later", note_id="x", text="in 2023 with Bella")
    neighbor = old(context=KEPT, learned=(lesson,), entities=("Max", "C++", "Bella", "nowhere"))
    assert revised(neighbor, policies=[policy(context=context)]) == (["old"] if allowed else [])


def taught(note_id: str, n: int = 1) -> Lesson:
    return Lesson(kind="later", note_id=note_id, text=f"number {n}")


def test_lessons_are_kept_with_what_is_there_three_at_most() -> None:
    neighbor = old(learned=(taught("a", 1), taught("b", 2)))
    revision = one(neighbor, policy(lessons=(taught("new", 3), taught("kin", 4)), derived_from=("kin",)))
    assert [(lesson["note_id"], lesson["text"]) for lesson in revision.after["learned"]] == [
        ("b", "number 2"), ("new", "number 3"), ("kin", "number 4"),
    ]  # fmt: skip
    assert revision.before == {"learned": [lesson.model_dump(mode="json") for lesson in neighbor.learned]}


@pytest.mark.parametrize("wrong", [taught("somebody"), taught("old"), {"note_id": "new"}, "Later: “x”", None], ids=str)
def test_a_lesson_from_nobody_who_was_met_is_ignored_with_all_that_came_with_it(wrong: Any) -> None:
    revision = one(old(), policy(lessons=(taught("new"), wrong), tags=["x"]), policy("right", tags=["fine"]))
    assert (revision.after, revision.reason) == ({"tags": ["fine"]}, "right")


def test_nothing_met_nothing_revised() -> None:
    assert evolve([], [TAGGED], {}, per_add=4, per_day=4) == []
