"""Every analyzer in ``zettel/analyzer/`` keeps the contract, and more: how its sentences look."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given

from zettel import plugins, registry
from zettel.protocols import Analyzer, Utterance
from zettel.testing import AnalyzerContract
from zettel.testing._shared import examples
from zettel.testing.analyzers import ANSWER, UTTERANCES, alone

# The "llm" analyzer needs a provider to be made; its own tests hold it to the same promises with a scripted one.
NAMES = [name for name in plugins.names("analyzer") if name != "llm"]


def test_every_plug_in_is_covered() -> None:
    assert "local" in NAMES


class TestAnalyzers(AnalyzerContract):
    @pytest.fixture(scope="class", params=NAMES)
    @classmethod
    def name(cls, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, name: str) -> Callable[[], Analyzer]:
        return partial(registry.analyzer, name)

    def test_its_name_is_its_file_and_a_version(self, analyzer: Analyzer, name: str) -> None:
        assert re.fullmatch(rf"{name}/\d+", analyzer.name)

    @examples(60)
    @given(utterance=UTTERANCES)
    def test_keywords_are_lower_case_and_the_context_is_a_sentence(
        self, analyzer: Analyzer, utterance: Utterance
    ) -> None:
        (analysis,) = analyzer.analyze([utterance])
        assert all(keyword == keyword.lower() for keyword in analysis.keywords)
        assert not analysis.context or analysis.context.endswith(".")

    def test_the_context_is_one_sentence(self, analyzer: Analyzer) -> None:
        (analysis,) = analyzer.analyze([ANSWER])
        outside_quotes = re.sub(r'"[^"]*"', "", analysis.context)
        assert outside_quotes.count(".") == 1
        assert analysis.context.endswith(".")

    def test_it_derives_from_what_it_quotes(self, analyzer: Analyzer) -> None:
        quoting = analyzer.analyze([ANSWER])[0]
        assert quoting.derived_from == (("n1",) if "What did you do" in quoting.context else ())

    @examples(60)
    @given(utterance=UTTERANCES)
    def test_it_says_what_is_its_own_exactly_if_that_differs(self, analyzer: Analyzer, utterance: Utterance) -> None:
        (analysis,) = analyzer.analyze([utterance])
        (unanswering,) = analyzer.analyze([alone(utterance)])
        same = replace(analysis, derived_from=(), own=None) == unanswering
        assert (analysis.own is None) == same
        assert not (same and analysis.derived_from), "what is quoted goes when the quoted message is erased"
