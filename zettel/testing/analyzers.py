"""What every analyzer promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zettel.protocols import Analysis, Analyzer, Utterance
from zettel.testing._shared import examples

WHEN = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
ANSWER = Utterance(
    "I went to a YMCA quilting bee yesterday and it was so peaceful.", "Caroline", WHEN, "minute", "conv-26",
    "session_1", "n1", "Melanie", "Hello Caroline! What did you do?",
)  # fmt: skip
HOSTILE = [
    "", " ", "\n\t", "\x00", "a\x00b", "\ud800 lone", "😀👍🏽", "?!", "...", "\u202eright to left", "日本語の文です。",
    "```", "```py\nx = 1\n```", "a" * 30_000, "word " * 10_000, "\n" * 50_000, "last " * 5_000, "1 " * 5_000,
    '"' * 20_000, "-" * 20_000, "A-" * 10_000, "*" * 20_000, '."(' * 7_000, "# " * 10_000, "x" * 1_000_000,
    "last" + " " * 20_000, "[" * 20_000, "the the " * 2_500, "A " * 10_000, "A of " * 4_000, "May 1 " * 3_000,
]  # fmt: skip
TEXTS = st.text(max_size=120) | st.text(alphabet="aAB .'\"-?\n*`#1/ehlonstT", max_size=80)
NAMES = st.none() | st.text(max_size=20)
UTTERANCES = st.builds(
    Utterance, text=TEXTS, speaker=NAMES, time=st.none() | st.datetimes(),
    time_precision=st.sampled_from([None, "second", "minute", "day", "month", "year"]), conversation_id=NAMES,
    session_id=NAMES, answers_id=NAMES, answers_speaker=NAMES, answers_text=st.none() | TEXTS,
)  # fmt: skip


def check_analysis(utterance: Utterance, analysis: Analysis) -> None:
    """What holds of any analysis."""
    assert isinstance(analysis, Analysis)
    for words in (analysis.keywords, analysis.tags, analysis.entities, analysis.derived_from):
        assert isinstance(words, tuple)
        assert all(isinstance(word, str) and word for word in words)
        assert len(set(words)) == len(words)
    assert "\n" not in analysis.context
    assert "\x00" not in analysis.context
    assert set(analysis.derived_from) <= {utterance.answers_id}
    assert analysis.analyzed_by is None or analysis.analyzed_by.strip()
    if analysis.own is not None:
        check_analysis(alone(utterance), analysis.own)


def alone(utterance: Utterance) -> Utterance:
    """The utterance as if it answered nothing."""
    return replace(utterance, answers_id=None, answers_speaker=None, answers_text=None)


class AnalyzerContract:
    """The suite for an analyzer: set ``plugin``, and ``model`` if ``create`` needs the name of one.

    One that asks a model is tested with a double in the model's place that answers the same the second time: override
    the fixture ``make``.
    """

    plugin: Any
    model: str | None = None

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls) -> Callable[[], Analyzer]:
        """Makes a new one each time."""
        return partial(cls.plugin.create, cls.model)

    @pytest.fixture(scope="class")
    @classmethod
    def analyzer(cls, make: Callable[[], Analyzer]) -> Analyzer:
        """The analyzer under test."""
        return make()

    def test_it_keeps_the_protocol(self, analyzer: Analyzer) -> None:
        assert isinstance(analyzer, Analyzer)
        assert analyzer.name.isprintable()
        name, _, version = analyzer.name.partition("/")
        assert name
        assert version, "a note tells which version analyzed it"

    def test_nothing_in_nothing_out(self, analyzer: Analyzer) -> None:
        assert analyzer.analyze([]) == []

    @pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:12]))
    @pytest.mark.timeout(60)  # what is linear takes a second at most, what is not takes an hour
    def test_it_takes_any_text_in_every_field(self, analyzer: Analyzer, hostile: str) -> None:
        odd = Utterance(hostile, hostile, WHEN, "day", hostile, hostile, "n1", hostile, hostile)
        plain = Utterance(hostile)
        for utterance, analysis in zip((odd, plain), analyzer.analyze([odd, plain]), strict=True):
            check_analysis(utterance, analysis)
            assert len(analysis.context) < 1_000

    @examples(60)
    @given(utterance=UTTERANCES)
    def test_any_utterance_is_analyzed(self, analyzer: Analyzer, utterance: Utterance) -> None:
        (analysis,) = analyzer.analyze([utterance])
        check_analysis(utterance, analysis)

    @examples(30)
    @given(batch=st.lists(UTTERANCES, max_size=5))
    def test_a_batch_gives_what_single_calls_give(self, analyzer: Analyzer, batch: list[Utterance]) -> None:
        together = analyzer.analyze(batch)
        assert together == [analyzer.analyze([utterance])[0] for utterance in batch]
        assert together[::-1] == analyzer.analyze(batch[::-1])

    def test_two_instances_agree(self, make: Callable[[], Analyzer]) -> None:
        one, other = make(), make()
        assert one.name == other.name
        assert one.analyze([ANSWER]) == other.analyze([ANSWER])

    def test_it_derives_only_from_what_it_was_shown(self, analyzer: Analyzer) -> None:
        assert analyzer.analyze([Utterance("Hello there.", "Caroline", WHEN)])[0].derived_from == ()
        blank: Any = {"answers_id": "n1", "answers_speaker": "Melanie", "answers_text": " \n"}
        assert analyzer.analyze([Utterance(ANSWER.text, "Caroline", WHEN, **blank)])[0].derived_from == ()

    @examples(60)
    @given(utterance=UTTERANCES)
    @example(utterance=ANSWER)
    @example(utterance=replace(ANSWER, text="Thanks Melanie! Melanie and I went to Oslo.", answers_text=" "))
    def test_its_own_is_what_it_makes_of_the_message_alone(self, analyzer: Analyzer, utterance: Utterance) -> None:
        (analysis,) = analyzer.analyze([utterance])
        (unanswering,) = analyzer.analyze([alone(utterance)])
        assert unanswering.own is None
        if analysis.own is not None:
            assert analysis.own == unanswering
