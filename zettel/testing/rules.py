"""What every link rule promises, one that asks questions included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zettel.asking import Asking, links_of
from zettel.model import LINK_KINDS, Link, Note
from zettel.protocols import Arrival, LinkRule
from zettel.testing._shared import LINE_BREAKS, examples
from zettel.testing.by_hand import arrival, note

HOSTILE = [
    "", " ", "?", "\x00", "a\x00b", "\n", "(", "[", "\\", "C++", "a|b", ".*", "$^", "(?P<x>", "Max", "Max Müller", "İ",
    "日本", "👩‍👩‍👧", "\u202eabc", "“Max”", "Thanks, Max!", "[shares an image: a dog]", "[shares ", "Max? Max? Max?",
]  # fmt: skip
HUGE = [
    "[shares " * 120_000, "[" * 500_000, "Max " * 100_000, "Max," * 100_000, "Max" + " " * 500_000, "?" * 500_000,
    "hi " * 150_000, "a" * 500_000, "\n" * 500_000, "." + " " * 500_000, "“Max” " * 70_000, "Max?\n" * 100_000,
]  # fmt: skip
WORDS = st.sampled_from(["puppy", "Rome", "pottery", "kiln", "Max", "Bella", "tea", "thanks", "the", "marathon", "?"])
PHRASES = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=12).map(" ".join)
NAMES = st.none() | WORDS | st.sampled_from(HOSTILE)
LISTS = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=4).map(tuple)
WEIGHTS = st.floats(-1, 1, width=32)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    """Notes with odd words and names."""
    return note(
        draw(PHRASES), speaker=draw(NAMES), conversation=draw(st.sampled_from([None, "chat", "chat", "other"])),
        session=draw(NAMES), keywords=draw(LISTS), entities=draw(LISTS),
    )  # fmt: skip


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """Such a note that arrives where others are."""
    arrived = draw(notes())
    others = draw(st.lists(notes(), max_size=6))
    return arrival(
        arrived, others, near={other.id: draw(WEIGHTS) for other in others if draw(st.booleans())},
        before=draw(st.lists(st.sampled_from(others), max_size=2, unique_by=lambda n: n.id)) if others else (),
        answered=draw(st.sampled_from([None, *others])), usual=draw(st.floats(-0.2, 0.6)),
        spread=draw(st.floats(0, 0.3)), n_notes=draw(st.integers(len(others), 5000)),
    )  # fmt: skip


def proposed(rule: LinkRule, seen: Arrival) -> tuple[list[Link], Asking]:
    """The links that a rule proposes once its questions are answered, and those answers."""
    asking = Asking()
    while True:
        links = links_of(rule, seen, asking)
        if not asking.unanswered:
            return links, asking
        asking = asking.answered()


def check_links(rule: LinkRule, seen: Arrival, links: Sequence[Link]) -> None:
    """What holds of the links of any rule."""
    for link in links:
        assert Link.model_validate(link.model_dump()) == link, "its kind is one, its weight lies in (0, 1]"
        assert link.kind == rule.KIND
        assert len(link.evidence.quote) < 300, "a quotation is short"
        assert link.reason.strip() == link.reason != ""
        assert not LINE_BREAKS & set(link.reason), "a reason is one line"
        assert len(link.reason) < 300
        assert (link.source_id == seen.note.id) != (link.target_id == seen.note.id), "one end of two is the arrival"
    assert len({link.key for link in links}) == len(links)


class RuleContract:
    """The suite for a link rule: set ``plugin``, or override the fixture ``rule``.

    A rule that asks a model is tested with a double in the model's place: ``answer`` is called as in a memory.
    """

    plugin: Any

    @pytest.fixture(scope="class")
    @classmethod
    def rule(cls) -> LinkRule:
        """The rule under test."""
        rule: LinkRule = cls.plugin
        return rule

    def test_it_keeps_the_protocol(self, rule: LinkRule) -> None:
        assert isinstance(rule, LinkRule)
        assert rule.KIND in LINK_KINDS
        assert isinstance(rule.DEGREE, int)
        assert rule.DEGREE >= 1

    def test_a_note_that_comes_into_an_empty_memory_is_linked_to_nothing(self, rule: LinkRule) -> None:
        alone = arrival(note("My puppy Max loves Rome.", entities=("Max", "Rome")), n_notes=0)
        assert proposed(rule, alone)[0] == []

    @examples(100)
    @given(seen=arrivals())
    def test_whatever_arrives_the_links_are_sound_and_the_same_again(self, rule: LinkRule, seen: Arrival) -> None:
        before = repr(seen)
        links, asking = proposed(rule, seen)
        check_links(rule, seen, links)
        assert links == links_of(rule, seen, Asking(asking.answers))
        assert repr(seen) == before

    @pytest.mark.parametrize("text", HUGE, ids=lambda text: repr(text[:9]))
    @pytest.mark.timeout(30)  # what is linear takes a tenth of a second, what is not takes an hour
    def test_a_huge_text_takes_no_longer_than_reading_it(self, rule: LinkRule, text: str) -> None:
        sizes: dict[str, Any] = {"keywords": ("max", "puppy"), "entities": ("Max", "[", "“Max”")}
        other = note(text, speaker="Ann", **sizes)
        seen = arrival(note(text, speaker="Bob", **sizes), [other], near={other.id: 0.99}, answered=other)
        check_links(rule, seen, proposed(rule, seen)[0])

    def test_a_reason_is_short_however_long_the_words(self, rule: LinkRule) -> None:
        for seen in long_words():
            check_links(rule, seen, proposed(rule, seen)[0])


def long_words() -> list[Arrival]:
    """Arrivals of notes whose words and names are thousands of characters long."""
    words = [name * 2500 for name in ("Ab", "Cd", "Ef", "Gh")]
    text = " ".join(words)
    lists: dict[str, Any] = {"keywords": tuple(words), "entities": tuple(words)}
    other = note(f"{text}?", speaker="n" * 5000, session="s" * 5000, **lists)
    arrived = note(text, speaker="m" * 5000, session="s" * 5000, **lists)
    return [arrival(arrived, [other], near={other.id: 0.9}, answered=other, before=b) for b in ([], [other])]
