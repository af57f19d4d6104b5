"""What every policy of evolution promises: one suite over all files in ``zettel/evolution/``."""

from __future__ import annotations

import inspect
import json
from types import ModuleType
from typing import Any

import pytest
from by_hand import encounter, link, note
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel import plugins, registry
from zettel.evolution import EVOLVED, evolve
from zettel.model import Note
from zettel.protocols import Encounter, Rewrite

HOSTILE = [
    "", " ", "?", "\x00", "a\x00b", "\n", "\r\u2028", "(", "\\", "C++", "Max Müller", "İ", "👩‍👩‍👧", "\u202eabc",
    "“Max”", ": “x”", "```code```", "```", "***", "| a | b |", "[shares an image: a dog]", "[shares an ", "…",
    "Later: “x”",
]  # fmt: skip
HUGE = [
    "[shares an " * 90_000, "```" * 150_000, "``` a" * 100_000, "|" * 500_000, "a" * 500_000, ". " * 150_000,
    "." * 500_000, "“Max” " * 70_000, "?\n" * 150_000, " " * 500_000, ": “" * 150_000, "1,2:" * 120_000,
]  # fmt: skip
BREAKS = set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
WORDS = st.sampled_from(["puppy", "Rome", "pottery", "kiln", "Max", "tea.", "the", "marathon!", "why?", "12", "8 May"])
PHRASES = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=12).map(" ".join)
NAMES = st.none() | WORDS | st.sampled_from(HOSTILE)
LISTS = st.lists(WORDS | st.sampled_from(HOSTILE), max_size=10).map(tuple)
KINDS = st.sampled_from(["similar", "same_entity", "elaborates", "next"])
WEIGHTS = st.floats(0.01, 1)


@st.composite
def notes(draw: st.DrawFn) -> Note:
    return note(
        draw(PHRASES), speaker=draw(NAMES), at=draw(st.sampled_from([None, "2023-05-08T13:56"])),
        conversation=draw(st.sampled_from([None, "chat", "chat", "other"])), session=draw(st.sampled_from(["1", "2"])),
        context="\n".join(draw(st.lists(PHRASES, max_size=4))), keywords=draw(LISTS), tags=draw(LISTS),
        entities=draw(LISTS),
    )  # fmt: skip


@st.composite
def encounters(draw: st.DrawFn) -> Encounter:
    arrived, neighbor = draw(notes()), draw(notes())
    reason = draw(st.sampled_from(["both speak of “pottery” and “kiln”", "", "“", "”“”", "both mention “tea”"]))
    links = [link(arrived, neighbor, kind, draw(WEIGHTS), reason) for kind in draw(st.sets(KINDS, min_size=1))]
    kin = draw(st.lists(notes(), max_size=3))
    others = [(link(neighbor, other, draw(KINDS), draw(WEIGHTS), reason), other) for other in kin]
    return encounter(arrived, neighbor, *links, others=others)


def check(met: Encounter, rewrite: Rewrite | None) -> None:
    """What holds of the rewrite of any policy."""
    if rewrite is None:
        return
    assert set(rewrite.fields) <= set(EVOLVED)
    assert json.loads(json.dumps(rewrite.fields)) == rewrite.fields, "the journal keeps it as it is"
    assert rewrite.reason.strip() == rewrite.reason != ""
    assert not BREAKS & set(rewrite.reason), "a reason is one line"
    assert len(rewrite.reason) < 800
    near = {met.arrived.id, *(other.id for _, other in met.others)}
    assert set(rewrite.derived_from) <= near
    context = str(rewrite.fields.get("context", met.neighbor.context))
    assert context.split("\n", maxsplit=1)[0] == met.neighbor.context.split("\n")[0], "the analyzer's line stays"
    assert len(context) <= len(met.neighbor.context) + 300
    for name in ("keywords", "tags"):
        before = list(getattr(met.neighbor, name))
        after = rewrite.fields.get(name, before)
        assert isinstance(after, list)
        assert len(after) <= max(len(before) + 8, 8)


@pytest.fixture(scope="module", params=registry.policies(), ids=lambda policy: policy.__name__.rpartition(".")[2])
def policy(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_each_file_is_a_policy_and_each_policy_a_file() -> None:
    found = [policy.__name__ for policy in registry.policies() if isinstance(policy, ModuleType)]
    assert found == [f"zettel.evolution.{name}" for name in plugins.names("evolution")]
    assert {"answered", "continued", "recurring"} <= set(plugins.names("evolution"))
    for policy in registry.policies():
        assert list(inspect.signature(policy.rewrite).parameters) == ["encounter"]
        assert policy.__doc__


@settings(max_examples=80, deadline=None)
@given(met=encounters())
def test_whatever_meets_a_rewrite_is_sound_and_the_same_again_and_passes_the_guardrails(
    policy: Any, met: Encounter
) -> None:
    before = repr(met)
    rewrite = policy.rewrite(met)
    check(met, rewrite)
    assert rewrite == policy.rewrite(met)
    assert repr(met) == before
    new = rewrite is not None and any(
        value != (list(was) if isinstance(was := getattr(met.neighbor, name), tuple) else was)
        for name, value in rewrite.fields.items()
    )
    assert bool(evolve([met], [policy], {}, per_add=1, per_day=1)) == new


@pytest.mark.parametrize("name", [*HOSTILE, None, "n" * 100_000], ids=lambda name: repr(name)[:12])
def test_reasons_and_lines_are_short_whoever_speaks_and_whatever_it_is_called(policy: Any, name: str | None) -> None:
    words: dict[str, Any] = {"keywords": (f"kiln {name}",), "speaker": name}
    arrived, neighbor = note("The kiln was hot.", session="2", **words), note("A kiln?", speaker="Ann")
    kin = note("Kiln.", **words)
    links = link(arrived, neighbor, "elaborates"), link(arrived, neighbor, "similar")
    met = encounter(arrived, neighbor, *links, others=[(link(neighbor, kin), kin)])
    rewrite = policy.rewrite(met)
    assert rewrite is not None
    check(met, rewrite)


def test_a_neighbor_by_no_more_than_its_place_is_left_alone(policy: Any) -> None:
    arrived, neighbor = note("The kiln is hot.", keywords=("kiln",)), note("We bought a kiln.", keywords=("kiln",))
    assert policy.rewrite(encounter(arrived, neighbor, link(neighbor, arrived, "next", 1.0))) is None


@pytest.mark.parametrize("text", HUGE, ids=lambda text: repr(text[:9]))
@pytest.mark.timeout(30)  # what is linear takes a tenth of a second, what is not takes an hour
def test_a_huge_text_takes_no_longer_than_reading_it(policy: Any, text: str) -> None:
    many: dict[str, Any] = {"context": text[:100_000], "keywords": (text[:1000], "kiln"), "speaker": text[:1000]}
    arrived, neighbor = note(text, session="2", **many), note(text, **many)
    kin = note(text, **many)
    links = [link(arrived, neighbor, "elaborates"), link(arrived, neighbor, "similar", reason=f"“{text[:500]}”")]
    met = encounter(arrived, neighbor, *links, others=[(link(neighbor, kin), kin)])
    policy.rewrite(met)
    evolve([met], [policy], {}, per_add=1, per_day=1)
