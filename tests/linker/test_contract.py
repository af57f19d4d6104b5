"""Every rule in ``zettel/linker/`` keeps the contract, and more: it is named after its file and finds something."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from zettel import plugins, registry
from zettel.asking import name_of
from zettel.protocols import Arrival, LinkRule
from zettel.testing import RuleContract
from zettel.testing._shared import examples
from zettel.testing.rules import arrivals, long_words, proposed
from zettel.text import terms


class TestRules(RuleContract):
    @pytest.fixture(scope="class", params=registry.rules(), ids=name_of)
    @classmethod
    def rule(cls, request: pytest.FixtureRequest) -> LinkRule:
        rule: LinkRule = request.param
        return rule

    def test_it_says_what_it_is(self, rule: Any) -> None:
        assert list(inspect.signature(rule.links).parameters) == ["arrival"]
        assert rule.__doc__

    def test_it_links_what_has_every_reason_to_be_linked(self, rule: LinkRule) -> None:
        assert any(proposed(rule, seen)[0] for seen in long_words())

    @examples(30)
    @given(seen=arrivals())
    def test_its_links_bear_its_name(self, rule: LinkRule, seen: Arrival) -> None:
        assert {link.created_by for link in proposed(rule, seen)[0]} <= {f"linker/{name_of(rule)}"}

    @examples(30)
    @given(seen=arrivals())
    def test_its_evidence_is_of_the_arriving_note(self, rule: LinkRule, seen: Arrival) -> None:
        words = {*terms(seen.note.text), *terms(" ".join(seen.note.entities))}
        for link in proposed(rule, seen)[0]:
            assert link.by_rule
            assert len(link.evidence.terms) <= 12
            assert words.issuperset(link.evidence.terms)


def test_each_file_is_a_rule_and_each_rule_a_file() -> None:
    found = [rule.__name__ for rule in registry.rules() if isinstance(rule, ModuleType)]
    assert found == [f"zettel.linker.{name}" for name in plugins.names("linker")]
    assert {"similar", "next", "same_entity", "elaborates"} <= set(plugins.names("linker"))
