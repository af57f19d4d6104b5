"""What every policy of evolution promises, one that asks questions included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zettel.asking import Asking, rewrite_of
from zettel.card import line
from zettel.evolution import EVOLVED, evolve
from zettel.model import Evidence, LinkKind, Note
from zettel.protocols import Encounter, Policy, Rewrite
from zettel.testing._shared import LINE_BREAKS, examples
from zettel.testing.by_hand import encounter, link, note

HOSTILE = [
    "", " ", "?", "\x00", "a\x00b", "\n", "\r\u2028", "(", "\\", "C++", "Max Müller", "İ", "👩‍👩‍👧", "\u202eabc",
    "“Max”", ": “x”", "```code```", "```", "***", "| a | b |", "[shares an image: a dog]", "[shares an ", "…",
    "Later: “x”",
]  # fmt: skip
HUGE = [
    "[shares an " * 90_000, "```" * 150_000, "``` a" * 100_000, "|" * 500_000, "a" * 500_000, ". " * 150_000,
    "." * 500_000, "“Max” " * 70_000, "?\n" * 150_000, " " * 500_000, ": “" * 150_000, "1,2:" * 120_000,
]  # fmt: skip
WORDS = st.sampled_from(["puppy", "Rome", "pottery", "kiln", "Max", "tea.", "the", "marathon!", "why?", "12", "8 May"])
PHRASES = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=12).map(" ".join)
NAMES = st.none() | WORDS | st.sampled_from(HOSTILE)
LISTS = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=10).map(tuple)
KINDS: st.SearchStrategy[LinkKind] = st.sampled_from(("similar", "same_entity", "elaborates", "next"))
WEIGHTS = st.floats(0.01, 1)
EVIDENCE = st.builds(Evidence, terms=LISTS, cosine=st.none() | WEIGHTS, quote=PHRASES)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    """Notes with odd words, names and annotations."""
    return note(
        draw(PHRASES), speaker=draw(NAMES), at=draw(st.sampled_from([None, "2023-05-08T13:56"])),
        conversation=draw(st.sampled_from([None, "chat", "chat", "other"])), session=draw(st.sampled_from(["1", "2"])),
        context="\n".join(draw(st.lists(PHRASES, max_size=4))), keywords=draw(LISTS), tags=draw(LISTS),
        entities=draw(LISTS),
    )  # fmt: skip


@st.composite
def encounters(draw: st.DrawFn) -> Encounter:
    """Two such notes that meet, by one link or several, and the neighbor's other links."""
    arrived, neighbor = draw(notes()), draw(notes())
    kinds = draw(st.sets(KINDS, min_size=1))
    links = [link(arrived, neighbor, kind, draw(WEIGHTS), evidence=draw(EVIDENCE)) for kind in kinds]
    kin = draw(st.lists(notes(), max_size=3))
    others = [(link(neighbor, other, draw(KINDS), draw(WEIGHTS)), other) for other in kin]
    return encounter(arrived, neighbor, *links, others=others)


def decided(policy: Policy, met: Encounter) -> tuple[Rewrite | None, Asking]:
    """What a policy makes of a neighbor once its questions are answered, and those answers."""
    asking = Asking()
    while True:
        rewrite = rewrite_of(policy, met, asking)
        if not asking.unanswered:
            return rewrite, asking
        asking = asking.answered()


def check_rewrite(met: Encounter, rewrite: Rewrite | None) -> None:
    """What holds of the rewrite of any policy."""
    if rewrite is None:
        return
    assert set(rewrite.fields) <= set(EVOLVED) - {"learned"}, "other fields are not a policy's to change"
    assert json.loads(json.dumps(rewrite.fields)) == rewrite.fields, "the journal keeps it as it is"
    assert rewrite.reason.strip() == rewrite.reason != ""
    assert not LINE_BREAKS & set(rewrite.reason), "a reason is one line"
    assert len(rewrite.reason) < 800
    near = {met.arrived.id, *(other.id for _, other in met.others)}
    assert set(rewrite.derived_from) <= near, "words come only from notes that the policy was shown"
    for lesson in rewrite.lessons:
        assert lesson.note_id in {met.arrived.id, *rewrite.derived_from}, "a lesson comes from one of these"
        assert not LINE_BREAKS & set(line(lesson)), "a lesson is one line"
        assert len(line(lesson)) < 300
    context = rewrite.fields.get("context", met.neighbor.context)
    assert isinstance(context, str)
    assert len(context) <= len(met.neighbor.context) + 300, "a card does not grow without bound"
    for name in ("keywords", "tags"):
        before = list(getattr(met.neighbor, name))
        after = rewrite.fields.get(name, before)
        assert isinstance(after, list)
        assert len(after) <= max(len(before) + 8, 8), "a card does not grow without bound"


class PolicyContract:
    """The suite for a policy: set ``plugin``, or override the fixture ``policy``.

    A policy that asks a model is tested with a double in the model's place: ``answer`` is called as in a memory.
    """

    plugin: Any

    @pytest.fixture(scope="class")
    @classmethod
    def policy(cls) -> Policy:
        """The policy under test."""
        policy: Policy = cls.plugin
        return policy

    def test_it_keeps_the_protocol(self, policy: Policy) -> None:
        assert isinstance(policy, Policy)

    @examples(80)
    @given(met=encounters())
    def test_whatever_meets_a_rewrite_is_sound_and_the_same_again(self, policy: Policy, met: Encounter) -> None:
        before = repr(met)
        rewrite, asking = decided(policy, met)
        check_rewrite(met, rewrite)
        assert rewrite == rewrite_of(policy, met, Asking(asking.answers))
        assert repr(met) == before
        evolve([met], [policy], {}, per_add=1, per_day=1, asking=asking)

    @pytest.mark.parametrize("name", [*HOSTILE, None, "n" * 100_000], ids=lambda name: repr(name)[:12])
    def test_reasons_are_short_whoever_speaks_and_whatever_it_is_called(
        self, policy: Policy, name: str | None
    ) -> None:
        met = named(name)
        check_rewrite(met, decided(policy, met)[0])

    @pytest.mark.parametrize("text", HUGE, ids=lambda text: repr(text[:9]))
    @pytest.mark.timeout(30)  # what is linear takes a tenth of a second, what is not takes an hour
    def test_a_huge_text_takes_no_longer_than_reading_it(self, policy: Policy, text: str) -> None:
        many: dict[str, Any] = {"context": text[:100_000], "keywords": (text[:1000], "kiln"), "speaker": text[:1000]}
        arrived, neighbor = note(text, session="2", **many), note(text, **many)
        kin = [note(text, **many) for _ in range(8)]
        links = [link(arrived, neighbor, "elaborates"), link(arrived, neighbor, "similar")]
        met = encounter(arrived, neighbor, *links, others=[(link(neighbor, other), other) for other in kin])
        rewrite, asking = decided(policy, met)
        check_rewrite(met, rewrite)
        evolve([met], [policy], {}, per_add=1, per_day=1, asking=asking)


def named(name: str | None) -> Encounter:
    """Notes on a kiln that meet, whose speaker and keyword are of a given name."""
    words: dict[str, Any] = {"keywords": (f"kiln {name}",), "speaker": name}
    arrived, neighbor = note("The kiln was hot.", session="2", **words), note("A kiln?", speaker="Ann")
    kin = note("Kiln.", **words)
    links = link(arrived, neighbor, "elaborates"), link(arrived, neighbor, "similar")
    return encounter(arrived, neighbor, *links, others=[(link(neighbor, kin), kin)])
