"""An answer and its question."""

from __future__ import annotations

import pytest

from zettel.linker.elaborates import links
from zettel.model import Evidence
from zettel.testing.by_hand import arrival, note

ANSWER = "Signing up for a pottery class in Oslo!"
QUESTION = "What are your plans for the summer?"


def reasons(question: str, answer: str = ANSWER, asker: str | None = "Ann", speaker: str | None = "Bob") -> list[str]:
    seen = arrival(note(answer, speaker=speaker), answered=note(question, speaker=asker))
    return [link.reason for link in links(seen)]


def test_an_answer_is_linked_to_its_question() -> None:
    arrived, asked = note(ANSWER, speaker="Bob"), note(f"Hi Bob! {QUESTION}", speaker="Ann")
    [link] = links(arrival(arrived, answered=asked))
    assert (link.source_id, link.target_id, link.kind, link.weight) == (arrived.id, asked.id, "elaborates", 0.8)
    assert link.reason == f"answers Ann's “{QUESTION}”"
    assert link.evidence == Evidence(quote=QUESTION)
    assert reasons(QUESTION, asker=None) == [f"answers “{QUESTION}”"]


@pytest.mark.parametrize(
    "question",
    [
        f"Hi! {QUESTION}", f"{QUESTION} I am curious.", f"I went to Rome.\n{QUESTION}", f"{QUESTION} 😀",
        f"{QUESTION}?!",
    ],
)  # fmt: skip
def test_a_question_at_the_end_is_answered(question: str) -> None:
    assert len(reasons(question)) == 1


@pytest.mark.parametrize(
    "question",
    [
        "I went to Rome.", "", "?", "Really? You? How?", f"{QUESTION} I am off to Rome. My sister comes along.",
        "Look! [shares an image: what are your plans for the summer?]",
    ],
)  # fmt: skip
def test_what_asks_for_nothing_or_goes_on_is_not_answered(question: str) -> None:
    assert reasons(question) == []


@pytest.mark.parametrize("nod", ["", "Yes!", "Sure, thanks.", "Not yet.", "Pottery!", "Haha, Ann, great, Ann, wow Bob"])
def test_a_nod_is_no_answer(nod: str) -> None:
    assert reasons(QUESTION, nod) == []


def test_nobody_answers_themselves() -> None:
    assert reasons(QUESTION, asker="Bob") == []
    assert reasons(QUESTION, asker=None, speaker=None) == []
    assert list(links(arrival(note(ANSWER), near={}))) == []


def test_a_long_question_is_quoted_by_its_beginning() -> None:
    [reason] = reasons(f"Where did you {'buy the wheel and the clay and ' * 20}go?")
    assert reason.endswith("…”")
    assert len(reason) < 110
