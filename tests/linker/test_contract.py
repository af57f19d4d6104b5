"""What every rule for linking promises: one suite over all files in ``zettel/linker/``."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest
from by_hand import arrival, note
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel import plugins, registry
from zettel.model import LINK_KINDS, Link, Note
from zettel.protocols import Arrival

HOSTILE = [
    "", " ", "?", "\x00", "a\x00b", "\n", "(", "[", "\\", "C++", "a|b", ".*", "$^", "(?P<x>", "Max", "Max Müller", "İ",
    "日本", "👩‍👩‍👧", "\u202eabc", "“Max”", "Thanks, Max!", "[shares an image: a dog]", "[shares ", "Max? Max? Max?",
]  # fmt: skip
HUGE = [
    "[shares " * 120_000, "[" * 500_000, "Max " * 100_000, "Max," * 100_000, "Max" + " " * 500_000, "?" * 500_000,
    "hi " * 150_000, "a" * 500_000, "\n" * 500_000, "." + " " * 500_000, "“Max” " * 70_000, "Max?\n" * 100_000,
]  # fmt: skip
BREAKS = set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
WORDS = st.sampled_from(["puppy", "Rome", "pottery", "kiln", "Max", "Bella", "tea", "thanks", "the", "marathon", "?"])
PHRASES = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=12).map(" ".join)
NAMES = st.none() | WORDS | st.sampled_from(HOSTILE)
LISTS = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=4).map(tuple)
WEIGHTS = st.floats(-1, 1, width=32)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    return note(
        draw(PHRASES), speaker=draw(NAMES), conversation=draw(st.sampled_from([None, "chat", "chat", "other"])),
        session=draw(NAMES), keywords=draw(LISTS), entities=draw(LISTS),
    )  # fmt: skip


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    arrived = draw(notes())
    others = draw(st.lists(notes(), max_size=6))
    return arrival(
        arrived, others, near={other.id: draw(WEIGHTS) for other in others if draw(st.booleans())},
        before=draw(st.lists(st.sampled_from(others), max_size=2, unique_by=lambda n: n.id)) if others else (),
        answered=draw(st.sampled_from([None, *others])), usual=draw(st.floats(-0.2, 0.6)),
        spread=draw(st.floats(0, 0.3)), n_notes=draw(st.integers(len(others), 5000)),
    )  # fmt: skip


def check(rule: Any, seen: Arrival, links: list[Link]) -> None:
    """What holds of the links of any rule."""
    name = rule.__name__.rpartition(".")[2]
    for link in links:
        assert Link.model_validate(link.model_dump()) == link  # its kind is one, its weight lies in (0, 1]
        assert link.kind == rule.KIND
        assert link.created_by == f"linker/{name}"
        assert link.reason.strip() == link.reason != ""
        assert not BREAKS & set(link.reason), "a reason is one line"
        assert len(link.reason) < 300
        assert (link.source_id == seen.note.id) != (link.target_id == seen.note.id), "one end arrives, the other stands"
    assert len({link.key for link in links}) == len(links)


@pytest.fixture(scope="module", params=registry.rules(), ids=lambda rule: rule.__name__.rpartition(".")[2])
def rule(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_each_file_is_a_rule_and_each_rule_a_file() -> None:
    found = [rule.__name__ for rule in registry.rules() if isinstance(rule, ModuleType)]
    assert found == [f"zettel.linker.{name}" for name in plugins.names("linker")]
    assert {"similar", "next", "same_entity", "elaborates"} <= set(plugins.names("linker"))


def test_says_what_it_makes_and_how_many(rule: Any) -> None:
    assert rule.KIND in LINK_KINDS
    assert isinstance(rule.DEGREE, int)
    assert rule.DEGREE >= 1
    assert list(inspect.signature(rule.links).parameters) == ["arrival"]
    assert rule.__doc__


def test_a_note_that_comes_into_an_empty_memory_is_linked_to_nothing(rule: Any) -> None:
    assert list(rule.links(arrival(note("My puppy Max loves Rome.", entities=("Max", "Rome")), n_notes=0))) == []


@settings(max_examples=100, deadline=None)
@given(seen=arrivals())
def test_whatever_arrives_the_links_are_sound_and_the_same_again(rule: Any, seen: Arrival) -> None:
    before = repr(seen)
    links = list(rule.links(seen))
    check(rule, seen, links)
    assert links == list(rule.links(seen))
    assert repr(seen) == before


@pytest.mark.parametrize("text", HUGE, ids=lambda text: repr(text[:9]))
@pytest.mark.timeout(30)  # what is linear takes a tenth of a second, what is not takes an hour
def test_a_huge_text_takes_no_longer_than_reading_it(rule: Any, text: str) -> None:
    sizes: dict[str, Any] = {"keywords": ("max", "puppy"), "entities": ("Max", "[", "“Max”")}
    other = note(text, speaker="Ann", **sizes)
    seen = arrival(note(text, speaker="Bob", **sizes), [other], near={other.id: 0.99}, answered=other)
    check(rule, seen, list(rule.links(seen)))


def test_a_reason_is_short_however_long_the_words(rule: Any) -> None:
    words = [name * 2500 for name in ("Ab", "Cd", "Ef", "Gh")]
    speaker, text = {"speaker": "n" * 5000, "session": "s" * 5000}, " ".join(words)
    other = note(f"{text}?", keywords=tuple(words), entities=tuple(words), **speaker)
    arrived = note(text, keywords=tuple(words), entities=tuple(words), **{**speaker, "speaker": "m" * 5000})
    links = [
        link
        for before in ([], [other])
        for link in rule.links(arrival(arrived, [other], near={other.id: 0.9}, answered=other, before=before))
    ]
    assert links
    check(rule, arrival(arrived), links[:1])
