"""Every policy in ``zettel/evolution/`` keeps the contract, and more: what it writes passes the guardrails."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from zettel import plugins, registry
from zettel.asking import name_of
from zettel.evolution import evolve
from zettel.protocols import Encounter, Policy
from zettel.testing import PolicyContract
from zettel.testing._shared import examples
from zettel.testing.by_hand import encounter, link, note
from zettel.testing.policies import HOSTILE, decided, encounters, named


class TestPolicies(PolicyContract):
    @pytest.fixture(scope="class", params=registry.policies(), ids=name_of)
    @classmethod
    def policy(cls, request: pytest.FixtureRequest) -> Policy:
        policy: Policy = request.param
        return policy

    def test_it_says_what_it_is(self, policy: Any) -> None:
        assert list(inspect.signature(policy.rewrite).parameters) == ["encounter"]
        assert policy.__doc__

    @examples(80)
    @given(met=encounters())
    def test_what_it_writes_passes_the_guardrails_and_leaves_the_context(self, policy: Policy, met: Encounter) -> None:
        rewrite, _ = decided(policy, met)
        fields = {} if rewrite is None else rewrite.fields
        assert "context" not in fields
        taught = rewrite is not None and rewrite.lessons != ()
        new = taught or any(
            value != (list(was) if isinstance(was := getattr(met.neighbor, name), tuple) else was)
            for name, value in fields.items()
        )
        assert bool(evolve([met], [policy], {}, per_add=1, per_day=1)) == new

    @pytest.mark.parametrize("name", [*HOSTILE, None], ids=lambda name: repr(name)[:12])
    def test_it_rewrites_what_has_every_reason_to_be_rewritten(self, policy: Policy, name: str | None) -> None:
        assert decided(policy, named(name))[0] is not None

    def test_a_neighbor_by_no_more_than_its_place_is_left_alone(self, policy: Policy) -> None:
        arrived, neighbor = note("The kiln is hot.", keywords=("kiln",)), note("We bought a kiln.", keywords=("kiln",))
        assert policy.rewrite(encounter(arrived, neighbor, link(neighbor, arrived, "next", 1.0))) is None


def test_each_file_is_a_policy_and_each_policy_a_file() -> None:
    found = [policy.__name__ for policy in registry.policies() if isinstance(policy, ModuleType)]
    assert found == [f"zettel.evolution.{name}" for name in plugins.names("evolution")]
    assert {"answered", "continued", "recurring"} <= set(plugins.names("evolution"))
