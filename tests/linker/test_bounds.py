"""How many links a note may have of a kind, whichever rules propose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from zettel.linker import link as link_by_rules
from zettel.linker import link_change
from zettel.model import Link, LinkChange, Note, link_fields
from zettel.testing.by_hand import arrival, link, note

A, B, C, D, E = (note(f"note {name}", id=name) for name in "ABCDE")
NEW = note("the new one", id="new")


def rule(*links: Link, degree: int = 3, kind: str = "similar") -> Any:
    return SimpleNamespace(KIND=kind, DEGREE=degree, links=lambda seen: iter(links))


def changed(
    rules: Sequence[Any], standing: Mapping[str, Sequence[Link]] | None = None, arrived: Note = NEW
) -> list[LinkChange]:
    return link_by_rules(arrival(arrived), rules, lambda note_id: (standing or {}).get(note_id, ()))


def told(changes: Sequence[LinkChange]) -> list[str]:
    return [f"{'-' if change.after is None else '+'}{change.source_id}>{change.target_id}" for change in changes]


def test_a_link_that_has_room_is_made_as_the_rule_says() -> None:
    [change] = changed([rule(link(NEW, A, weight=0.4, reason="why not"))])
    assert change == LinkChange(
        id="", source_id="new", target_id="A", kind="similar",
        after={"weight": 0.4, "reason": "why not", "created_by": "linker/similar"},
    )  # fmt: skip


def test_an_arriving_note_gets_the_strongest_links_equal_ones_by_name() -> None:
    links = [link(NEW, other, weight=w) for other, w in ((E, 0.5), (D, 0.3), (C, 0.5), (B, 0.2), (A, 0.9))]
    assert told(changed([rule(*links)])) == ["+new>A", "+new>C", "+new>E"]
    assert told(changed([rule(*reversed(links))])) == ["+new>A", "+new>C", "+new>E"]


def test_a_stronger_link_takes_the_place_of_a_notes_weakest() -> None:
    held = [link(A, B, weight=0.6), link(C, A, weight=0.4), link(A, D, weight=0.5)]
    changes = changed([rule(link(NEW, A, weight=0.45))], {"A": held})
    assert told(changes) == ["-C>A", "+new>A"]
    assert changes[0].before == link_fields(held[1])


def test_a_link_no_stronger_than_the_weakest_is_not_made() -> None:
    held = [link(A, other, weight=0.5) for other in (B, C, D)]
    assert changed([rule(link(NEW, A, weight=0.5))], {"A": held}) == []
    assert told(changed([rule(link(NEW, A, weight=0.51))], {"A": held})) == ["-A>B", "+new>A"]


def test_what_people_have_linked_takes_no_place_and_is_never_taken_out() -> None:
    by_hand = [link(A, other, weight=0.1, created_by="user") for other in (B, C, D)]
    assert told(changed([rule(link(NEW, A, weight=0.2))], {"A": by_hand})) == ["+new>A"]
    held = [*by_hand[:2], *(link(other, A, weight=0.5) for other in (C, D, E))]
    assert told(changed([rule(link(NEW, A, weight=0.9))], {"A": held})) == ["-C>A", "+new>A"]


def test_a_link_of_a_rule_from_elsewhere_counts_as_one_of_a_rule() -> None:
    [change] = changed([rule(link(NEW, A, created_by="their package"))])
    assert change.after is not None and change.after["created_by"] == "linker/similar"
    [change] = changed([rule(link(NEW, A, created_by="linker/by_a_model"))])
    assert change.after is not None and change.after["created_by"] == "linker/by_a_model"


@pytest.mark.parametrize(
    ("maker", "is_a_rule"),
    [("linker/similar", True), ("linker/x", True), ("user", False), ("edit", False), ("linker", False), ("", False)],
)
def test_a_link_tells_whether_a_rule_made_it(maker: str, is_a_rule: bool) -> None:
    assert link(A, B).model_copy(update={"created_by": maker}).by_rule == is_a_rule


def test_links_of_another_kind_take_no_place() -> None:
    held = [link(A, other, "same_entity", 0.1) for other in (B, C, D, E)]
    assert told(changed([rule(link(NEW, A))], {"A": held})) == ["+new>A"]


def test_a_link_is_proposed_by_two_rules_but_made_once() -> None:
    first, second = rule(link(NEW, A, weight=0.4)), rule(link(NEW, A, weight=0.9), link(NEW, B, weight=0.8))
    assert told(changed([first, second])) == ["+new>A", "+new>B"]
    assert told(changed([rule(link(NEW, A), link(NEW, A))])) == ["+new>A"]


def test_the_bounds_hold_for_all_rules_of_a_kind_together() -> None:
    rules = [rule(link(NEW, A, weight=0.4), link(NEW, B)), rule(link(NEW, C), link(NEW, D, weight=0.7))]
    assert told(changed(rules)) == ["+new>B", "+new>A", "+new>C"]
    held = [link(A, B, weight=0.1), link(A, C, weight=0.2), link(A, D, weight=0.3)]
    two_ways = [rule(link(NEW, A, weight=0.9)), rule(link(A, NEW, weight=0.8))]
    assert told(changed(two_ways, {"A": held})) == ["-A>B", "+new>A", "-A>C", "+A>new"]


def test_what_a_rule_should_not_propose_is_passed_over() -> None:
    wrong = rule(link(NEW, NEW), link(A, B), link(NEW, C, "next"))
    assert changed([wrong]) == []


def test_a_change_is_made_of_what_a_link_becomes() -> None:
    old, new = link(A, B, weight=0.2), link(A, B, weight=0.3, created_by="user")
    assert link_change(new).before is None
    assert link_change(new, replaces=old).before == {**(link_change(old).after or {})}
    assert link_change(old, gone=True).after is None
    assert link_change(old, gone=True).before == link_change(old).after
