"""What every analyzer promises, asked of each file in the folder."""

from __future__ import annotations

import importlib
import pkgutil
import re
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zettel.analyzer
from zettel.protocols import Analysis, Analyzer, Utterance

# The "llm" analyzer needs a provider to be made; its own tests hold it to the same promises with a scripted one.
NAMES = [
    module.name
    for module in pkgutil.iter_modules(zettel.analyzer.__path__)
    if not module.name.startswith("_") and module.name != "llm"
]
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

text = st.text(max_size=120) | st.text(alphabet="aAB .'\"-?\n*`#1/ehlonstT", max_size=80)
optional = st.none() | st.text(max_size=20)
utterances = st.builds(
    Utterance,
    text=text,
    speaker=optional,
    time=st.none() | st.datetimes(),
    time_precision=st.sampled_from([None, "second", "minute", "day", "month", "year"]),
    conversation_id=optional,
    session_id=optional,
    answers_id=optional,
    answers_speaker=optional,
    answers_text=st.none() | text,
)


def make(name: str) -> Analyzer:
    """A new analyzer of that name."""
    analyzer: Analyzer = importlib.import_module(f"zettel.analyzer.{name}").create(None)
    return analyzer


@pytest.fixture(scope="module", params=NAMES)
def analyzer(request: pytest.FixtureRequest) -> Analyzer:
    """Each analyzer of the folder."""
    return make(request.param)


def check(utterance: Utterance, analysis: Analysis) -> None:
    """What holds of any analysis."""
    for field in (analysis.keywords, analysis.tags, analysis.entities, analysis.derived_from):
        assert isinstance(field, tuple)
        assert all(isinstance(word, str) and word for word in field)
        assert len(set(field)) == len(field)
    assert all(keyword == keyword.lower() for keyword in analysis.keywords)
    assert "\n" not in analysis.context and "\x00" not in analysis.context
    assert not analysis.context or analysis.context.endswith(".")
    assert set(analysis.derived_from) <= {utterance.answers_id}


def test_its_name_is_its_file_and_a_version(analyzer: Analyzer) -> None:
    assert re.fullmatch(r"(\w+)/\d+", analyzer.name)
    assert analyzer.name.split("/")[0] in NAMES


def test_nothing_in_nothing_out(analyzer: Analyzer) -> None:
    assert analyzer.analyze([]) == []


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:12]))
def test_takes_any_text_in_every_field(analyzer: Analyzer, hostile: str) -> None:
    odd = Utterance(hostile, hostile, WHEN, "day", hostile, hostile, "n1", hostile, hostile)
    plain = Utterance(hostile)
    for utterance, analysis in zip((odd, plain), analyzer.analyze([odd, plain]), strict=True):
        check(utterance, analysis)
        assert len(analysis.context) < 1_000


@given(utterance=utterances)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_utterance_is_analyzed(analyzer: Analyzer, utterance: Utterance) -> None:
    (analysis,) = analyzer.analyze([utterance])
    check(utterance, analysis)


@given(batch=st.lists(utterances, max_size=5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_gives_what_single_calls_give(analyzer: Analyzer, batch: list[Utterance]) -> None:
    together = analyzer.analyze(batch)
    assert together == [analyzer.analyze([utterance])[0] for utterance in batch]
    assert together[::-1] == analyzer.analyze(batch[::-1])


@pytest.mark.parametrize("name", NAMES)
def test_two_instances_agree(name: str) -> None:
    assert make(name).analyze([ANSWER]) == make(name).analyze([ANSWER])


def test_the_context_is_one_sentence(analyzer: Analyzer) -> None:
    (analysis,) = analyzer.analyze([ANSWER])
    outside_quotes = re.sub(r'"[^"]*"', "", analysis.context)
    assert outside_quotes.count(".") == 1
    assert analysis.context.endswith(".")


def test_it_derives_from_what_it_quotes_and_from_nothing_else(analyzer: Analyzer) -> None:
    quoting = analyzer.analyze([ANSWER])[0]
    assert quoting.derived_from == (("n1",) if "What did you do" in quoting.context else ())
    blank = Utterance(ANSWER.text, "Caroline", WHEN, answers_id="n1", answers_speaker="Melanie", answers_text=" \n")
    assert analyzer.analyze([blank])[0].derived_from == ()
    assert analyzer.analyze([Utterance("Hello there.", "Caroline", WHEN)])[0].derived_from == ()
