"""What each policy makes of an encounter."""

from __future__ import annotations

from typing import Any

import pytest

from zettel.card import line
from zettel.evolution import answered, continued, recurring
from zettel.model import Attachment, Evidence, Note
from zettel.protocols import Rewrite
from zettel.testing.by_hand import encounter, link, note

QUESTION = note("Where did you go?", speaker="Ann", context="Ann asks.", tags=("question",))


def fields(rewrite: Rewrite | None) -> dict[str, Any]:
    assert rewrite is not None
    return dict(rewrite.fields)


def lesson(rewrite: Rewrite | None) -> str:
    """The line that a reader is shown of the only lesson."""
    assert rewrite is not None
    [learned] = rewrite.lessons
    return line(learned)


# ----------------------------------------------------------------------- answered


def answer(text: str, question: Note = QUESTION, **about: Any) -> Rewrite | None:
    arrived = note(text, **about)
    return answered.rewrite(encounter(arrived, question, link(arrived, question, "elaborates")))


def test_a_question_learns_its_answer_and_is_tagged() -> None:
    rewrite = answer("I went to Oslo.", speaker="Bob", at="2023-05-08T13:56")
    assert fields(rewrite) == {"tags": ["question", "answered"]}
    assert lesson(rewrite) == "Answered on 8 May 2023, Bob: “I went to Oslo.”"
    assert rewrite is not None
    assert rewrite.reason == "Bob answers it: “I went to Oslo.”"


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ({"speaker": "Bob"}, "Answered by Bob: “Oslo.”"),
        ({"at": "2023-05-08T13:56"}, "Answered on 8 May 2023: “Oslo.”"),
        ({"at": "2023-05-08T13:56", "speaker": "Bob"}, "Answered on 8 May 2023, Bob: “Oslo.”"),
        ({}, "Answered: “Oslo.”"),
    ],
)
def test_the_line_says_who_answered_and_when_as_far_as_it_is_known(about: dict[str, Any], shown: str) -> None:
    assert lesson(answer("Oslo.", **about)) == shown


def test_a_month_is_told_as_a_month() -> None:
    arrived = note("Oslo.", at="2023-05-01").model_copy(update={"time_precision": "month"})
    rewrite = answered.rewrite(encounter(arrived, QUESTION, link(arrived, QUESTION, "elaborates")))
    assert lesson(rewrite) == "Answered in May 2023: “Oslo.”"


def test_a_question_answered_twice_is_tagged_once() -> None:
    question = note("Where?", tags=("answered", "question"))
    assert fields(answer("Oslo.", question))["tags"] == ["answered", "question"]


def test_only_what_elaborates_a_note_answers_it() -> None:
    arrived = note("Oslo.")
    assert answered.rewrite(encounter(arrived, QUESTION, link(arrived, QUESTION, "similar"))) is None
    assert answered.rewrite(encounter(arrived, QUESTION, link(QUESTION, arrived, "elaborates"))) is None


def test_what_answers_in_code_alone_is_not_quoted() -> None:
    assert answer("```\nprint('one two three four')\n```") is None
    assert lesson(answer("Like this: ```x = 1```")) == "Answered: “Like this:”"


# ---------------------------------------------------------------------- continued


def continuation(text: str, *, weight: float = 0.7, kind: Any = "similar", **about: Any) -> Rewrite | None:
    arrived = note(text, **{"session": "s2", **about})
    older = note("I threw a bowl of clay.", context="Ann on pottery.")
    reason = "both speak of “clay” and “bowl”, and are close in meaning (0.70)"
    evidence = Evidence(terms=("clay", "bowl"), cosine=0.7)
    return continued.rewrite(encounter(arrived, older, link(arrived, older, kind, weight, reason, evidence=evidence)))


def test_a_note_learns_what_came_of_its_subject_in_a_later_session() -> None:
    rewrite = continuation("The bowl came out fine.", speaker="Ann", at="2023-05-08T13:56")
    assert rewrite is not None and rewrite.fields == {}
    assert lesson(rewrite) == "Later, on 8 May 2023, Ann: “The bowl came out fine.”"
    assert rewrite.reason.startswith("Ann comes back to it: both speak of “clay” and “bowl”")
    assert lesson(continuation("The bowl.", kind="same_entity")) == "Later: “The bowl.”"


def test_one_session_is_read_together_anyway() -> None:
    assert continuation("The bowl came out fine.", session="s1") is None
    assert continuation("The bowl came out fine.", session="s1", conversation="other") is not None
    assert continuation("The bowl came out fine.", conversation=None) is not None


def test_a_weak_link_carries_no_subject_on() -> None:
    assert continuation("The bowl came out fine.", weight=0.54) is None
    assert continuation("The bowl came out fine.", weight=0.55) is not None
    assert continuation("The bowl came out fine.", weight=1.0, kind="next") is None


def test_of_two_links_the_stronger_one_counts() -> None:
    arrived, older = note("The bowl. Max likes it.", session="s2"), note("A bowl for Max.")
    by_name, by_words = Evidence(terms=("max",), quote="Max"), Evidence(terms=("bowl",))
    links = [
        link(arrived, older, "same_entity", 0.9, evidence=by_name),
        link(arrived, older, "similar", 0.3, evidence=by_words),
    ]
    assert lesson(continued.rewrite(encounter(arrived, older, *links))) == "Later: “Max likes it.”"


def test_a_link_without_evidence_names_no_subject_whatever_its_reason_quotes() -> None:
    arrived, older = note("The bowl. Max likes it.", session="s2"), note("A bowl for Max.")
    rewrite = continued.rewrite(encounter(arrived, older, link(arrived, older, reason="both mention “Max”")))
    assert lesson(rewrite) == "Later: “The bowl. Max likes it.”"


def test_the_sentence_that_says_most_of_the_subject_is_quoted_with_what_follows() -> None:
    said = "Hi! What a day. The clay cracked, so I made a new bowl. It is blue. Do you like the clay of the bowl?"
    assert "“The clay cracked, so I made a new bowl. It is blue. Do" in lesson(continuation(said))


def test_a_question_is_quoted_where_nothing_else_is_said() -> None:
    assert "“Is the bowl dry? And the clay?”" in lesson(continuation("Is the bowl dry? And the clay?"))
    assert "“It is cold today.”" in lesson(continuation("Is the clay bowl dry? It is cold today."))


def test_a_quotation_has_neither_marks_nor_code_nor_shared_files_nor_double_quotes() -> None:
    said = '## **The** `bowl` of "clay" is | “red”! [shares an image: a bowl] ```bowl = Bowl()```'
    assert lesson(continuation(said)) == "Later: “The bowl of 'clay' is 'red'!”"
    assert continuation("```bowl```") is None


def test_what_describes_an_attachment_is_not_quoted_however_it_is_written() -> None:
    said = "The bowl! <picture of clay> It is red."
    assert lesson(continuation(said)) == "Later: “The bowl! <picture of clay> It is red.”"
    picture = Attachment(kind="image", description="clay", start=said.index("<"), end=said.index(">") + 1)
    assert lesson(continuation(said, attachments=(picture,))) == "Later: “The bowl! It is red.”"


def test_a_long_quotation_is_cut() -> None:
    shown = lesson(continuation("The bowl of clay is red, " * 50))
    assert shown.endswith("…”")
    assert len(shown) < 140


# ---------------------------------------------------------------------- recurring


def met(neighbor: dict[str, Any], arrived: dict[str, Any], *kin: dict[str, Any], kind: Any = "similar") -> Any:
    one, new = note("The clay cracked in the kiln.", **neighbor), note("A kiln of clay!", **arrived)
    around = [note("Clay.", id=f"kin{n}", **about) for n, about in enumerate(kin)]
    links = [(link(one, other, kind), other) for other in around]
    return recurring.rewrite(encounter(new, one, others=links))


def test_a_note_takes_on_what_two_notes_on_its_subject_share() -> None:
    shared = {"keywords": ("kiln glaze", "clay pot"), "tags": ("art", "home")}
    rewrite = met({"keywords": ("crack",), "tags": ("question",)}, shared, shared)
    assert fields(rewrite) == {
        "keywords": ["crack", "kiln glaze", "clay pot"], "tags": ["question", "art", "home"],
    }  # fmt: skip
    assert rewrite.reason == (
        "two notes on its subject share “kiln glaze”, “clay pot”, the tag “art”, the tag “home”"
    )  # fmt: skip
    assert rewrite.derived_from == ("kin0",)


def test_one_note_alone_is_not_enough() -> None:
    shared = {"keywords": ("kiln glaze",), "tags": ("art",)}
    assert met({}, shared) is None
    assert met({}, shared, {}) is None
    assert met({}, {}, shared, shared) is None


def test_only_notes_on_the_subject_count() -> None:
    shared = {"keywords": ("kiln glaze",), "tags": ("art",)}
    assert met({}, shared, shared, kind="next") is None
    one, new, kin = note("A kiln.", **shared), note("My kiln.", **shared), note("Kiln.", **shared)
    seen = encounter(new, one, link(new, one, "next"), others=[(link(one, kin), kin)])
    assert recurring.rewrite(seen) is None


def test_a_keyword_carries_on_a_word_of_the_note_and_says_something_new() -> None:
    def takes_on(keyword: str, *known: str) -> bool:
        return met({"keywords": known}, {"keywords": (keyword,)}, {"keywords": (keyword,)}) is not None

    assert takes_on("kiln glaze")
    assert not takes_on("blue glaze"), "it has no word of the note"
    assert not takes_on("the kilns", "kiln"), "it says what is known"
    assert takes_on("kiln glaze", "kiln")
    assert not takes_on("", "kiln")


def test_tags_that_tell_what_a_message_does_are_its_own() -> None:
    signs = {"tags": ("question", "answered", "plan", "date")}
    assert met({}, signs, signs) is None
    assert fields(met({}, {"tags": ("plan", "art")}, {"tags": ("plan", "art")}))["tags"] == ["art"]
    assert met({"tags": ("art",)}, {"tags": ("art",)}, {"tags": ("art",)}) is None


@pytest.mark.parametrize(("held", "taken"), [(0, 8), (6, 2), (8, 0), (11, 0)])
def test_a_card_has_room_for_eight_keywords(held: int, taken: int) -> None:
    shared = {"keywords": tuple(f"kiln {n}" for n in range(10)), "tags": ("art",)}
    rewrite = met({"keywords": tuple(f"word {n}" for n in range(held))}, shared, shared)
    assert len(fields(rewrite)["keywords"]) == held + taken
    assert rewrite.derived_from == (("kin0",) if taken else ())
