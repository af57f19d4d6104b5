"""The traps of plain text: what is a speaker, a heading, a stamp."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from zettel.errors import TranscriptError
from zettel.model import Message, Problem
from zettel.protocols import Entry, Transcript
from zettel.transcripts.plain import FORMAT


def transcript(text: str) -> Transcript:
    return Transcript("file:///chat.txt", "chat", text)


def read(text: str) -> list[Entry | Problem]:
    return list(FORMAT.read(transcript(text)))


def messages(text: str) -> list[Message]:
    items = read(text)
    assert all(isinstance(item, Entry) for item in items), items
    return [item.message for item in items if isinstance(item, Entry)]


def problems(text: str) -> list[Problem]:
    return [item for item in read(text) if isinstance(item, Problem)]


DIALOGUE = "Ann: one\nBob: two\nAnn: three\nBob: four\n"


def test_turns() -> None:
    items = read(DIALOGUE)
    assert [item.span for item in items if isinstance(item, Entry)] == ["line 1", "line 2", "line 3", "line 4"]
    assert [(m.speaker, m.text) for m in messages(DIALOGUE)] == [
        ("Ann", "one"), ("Bob", "two"), ("Ann", "three"), ("Bob", "four"),
    ]  # fmt: skip
    assert {m.conversation_id for m in messages(DIALOGUE)} == {"chat"}


def test_other_lines_continue_the_turn() -> None:
    text = "Ann: one\n\n  indented\nIngredients: flour\nhttp://x.org: no\nBob: two\n\n\nAnn: three\nBob: four"
    assert messages(text)[0].text == "one\n\n  indented\nIngredients: flour\nhttp://x.org: no"
    assert messages(text)[1].text == "two"


@pytest.mark.parametrize(
    "once", ["Note: x", "12:30: x", "- Cid: x", "See https://x.org: x", "if (a): x", "NOTE: a\nNOTE: b"]
)
def test_a_word_seen_once_or_never_a_name_is_no_speaker(once: str) -> None:
    assert [m.speaker for m in messages(f"Ann: one\n{once}\nAnn: two\n")] == ["Ann", "Ann"]


@pytest.mark.parametrize("name", ["Ann Lee", "Dr. O'Neil", "Åsa-Marie", "Ann (she/her)", "user_1", "小明", "Lee, Ann"])
def test_names(name: str) -> None:
    assert {m.speaker for m in messages(f"{name}: one\n{name}: two\n")} == {name}


def test_a_name_alone_on_its_line_begins_a_turn_of_a_known_speaker() -> None:
    text = "User:\nHow?\n\nAssistant:\nLike this:\n- so\n\nUser:\nThanks.\n\nAssistant:\nOf course.\n"
    assert [(m.role, m.text) for m in messages(text)] == [
        ("user", "How?"), ("assistant", "Like this:\n- so"), ("user", "Thanks."), ("assistant", "Of course."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stamp", "time", "precision"),
    [
        ("[2023-05-08 13:56] Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("[2023-05-08T13:56:07Z] Ann", datetime(2023, 5, 8, 13, 56, 7, tzinfo=timezone(timedelta(0))), "second"),
        ("[2023-05-08 13:56+02:00] Ann", datetime(2023, 5, 8, 13, 56, tzinfo=timezone(timedelta(hours=2))), "minute"),
        ("2023-05-08 13:56 Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("2023/05/08, 13:56:07 - Ann", datetime(2023, 5, 8, 13, 56, 7), "second"),
        ("[8 May 2023, 1:56 pm] Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("8 May 2023, 1:56 pm - Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("[May 8, 2023 1:56 PM] Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("[1:56 pm on 8 May, 2023] Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("[Mon, 8 May 2023 at 00:56] Ann", datetime(2023, 5, 8, 0, 56), "minute"),
        ("[2023/05/20 (Sat) 02:21] Ann", datetime(2023, 5, 20, 2, 21), "minute"),
        ("\u200e[13/05/2023, 13:56:07] Ann", datetime(2023, 5, 13, 13, 56, 7), "second"),
        ("[5/13/23, 12:05\u202fAM] Ann", datetime(2023, 5, 13, 0, 5), "minute"),
        ("8.5.2023 13:56 Ann", datetime(2023, 5, 8, 13, 56), "minute"),
        ("[2023-05-08] Ann", datetime(2023, 5, 8), "day"),
        ("Ann (2023-05-08 13:56)", datetime(2023, 5, 8, 13, 56), "minute"),
    ],
)
def test_stamps(stamp: str, time: datetime, precision: str) -> None:
    [message] = messages(f"{stamp}: hello")
    assert (message.speaker, message.text) == ("Ann", "hello")
    assert (message.time, message.time_precision) == (time, precision)


@pytest.mark.parametrize(
    ("heading", "label", "time", "precision"),
    [
        ("8 May 2023", "8 May 2023", datetime(2023, 5, 8), "day"),
        ("2023-05-08", "2023-05-08", datetime(2023, 5, 8), "day"),
        ("--- 8 May 2023 ---", "8 May 2023", datetime(2023, 5, 8), "day"),
        ("# 2023-05-08", "2023-05-08", datetime(2023, 5, 8), "day"),
        ("Date: Monday, May 8th, 2023", "Date: Monday, May 8th, 2023", datetime(2023, 5, 8), "day"),
        ("## Session 2 (8 May 2023)", "Session 2 (8 May 2023)", datetime(2023, 5, 8), "day"),
        ("Session 2, 8 May 2023, 1:56 pm", "Session 2, 8 May 2023, 1:56 pm", datetime(2023, 5, 8, 13, 56), "minute"),
        ("Session 2\n8 May 2023", "Session 2, 8 May 2023", datetime(2023, 5, 8), "day"),
        ("Session 2", "Session 2", None, None),
    ],
)
def test_headings(heading: str, label: str, time: datetime | None, precision: str | None) -> None:
    for text in (f"{heading}\n{DIALOGUE}", f"{DIALOGUE}\n{heading}\n\n{DIALOGUE}"):
        last = messages(text)[-1]
        assert (last.session_id, last.time, last.time_precision) == (label, time, precision)
        assert last.text == "four"


def test_turns_before_any_heading_have_no_session() -> None:
    assert messages(DIALOGUE + "2023-05-08\n" + DIALOGUE)[3].session_id is None


def test_a_time_alone_is_joined_with_the_day_of_the_heading() -> None:
    [message] = messages("8 May 2023, 1:56 pm\n[14:10] Ann: hello")
    assert (message.time, message.time_precision) == (datetime(2023, 5, 8, 14, 10), "minute")


def test_a_time_alone_without_a_day_is_kept_beside_an_unknown_time() -> None:
    [message] = messages("[14:10] Ann: hello")
    assert (message.time, message.metadata) == (None, {"stamp": "14:10"})


def test_dates_that_a_turn_lists_begin_no_session() -> None:
    assert messages("Ann: free on\n2023-05-08\n2023-05-09\nor later\nAnn: ok")[0].text == (
        "free on\n2023-05-08\n2023-05-09\nor later"
    )


def test_day_and_month_are_told_apart_by_the_whole_file() -> None:
    first, _ = messages("[08/05/2023 13:56] Ann: one\n[13/05/2023 13:56] Ann: two")
    assert first.time == datetime(2023, 5, 8, 13, 56)
    first, _ = messages("[08/05/2023 13:56] Ann: one\n[08/13/2023 13:56] Ann: two")
    assert first.time == datetime(2023, 8, 5, 13, 56)


@pytest.mark.parametrize("text", ["[08/05/2023 13:56] Ann: one", "08/05/2023\nAnn: one\nAnn: two"])
def test_a_date_of_two_meanings_makes_its_turns_problems(text: str) -> None:
    assert all("2023-05-08" in problem.reason for problem in problems(text))
    assert not any(isinstance(item, Entry) for item in read(text))


def test_dates_inside_turns_decide_nothing() -> None:
    assert problems("[08/05/2023 13:56] Ann: since 13/05/2022\nof 13/05/2022")


def test_a_bracket_that_is_no_time_is_a_problem_and_joins_no_other_turn() -> None:
    first, problem, last = read("Ann: one\n[sometime 3] Ann: two\nmore\nAnn: three")
    assert isinstance(first, Entry)
    assert first.message.text == "one"
    assert isinstance(problem, Problem)
    assert (problem.place, "sometime 3" in problem.reason) == ("line 2", True)
    assert isinstance(last, Entry)


def test_a_time_without_a_speaker_is_a_problem() -> None:
    [problem] = problems("[2023-05-08 13:56] Ann: one\n[2023-05-08 13:57] Bob left\nAnn: two")
    assert problem.place == "line 2"


def test_text_before_the_first_turn_is_a_problem() -> None:
    [problem] = problems("A chat\nof friends\n\n" + DIALOGUE)
    assert problem.place == "lines 1-2"
    assert "'A chat'" in problem.reason


def test_bytes_that_are_not_utf8_spoil_only_their_turn() -> None:
    [problem] = problems(DIALOGUE + "Ann: caf\udce9\nBob: ok\n")
    assert (problem.place, problem.reason) == ("line 5", "not valid UTF-8 (byte 0xe9); save the file as UTF-8")
    assert len(read(DIALOGUE + "\udcc9ric: hi\nBob: ok\n\udcc9ric: ho\n")) == 7


def test_a_turn_without_words_is_a_problem() -> None:
    assert [problem.place for problem in problems("Ann: one\nAnn: \n\nAnn: two")] == ["line 2"]


@pytest.mark.parametrize("text", ["", "Only prose here. It goes on.", "Note: x\nNote: y", "Ann: hi\nBob: hello"])
def test_a_text_without_turns_is_an_error_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(TranscriptError, match="Ann: text"):
        read(text)


PROSE = "It was late. He said: nothing at all.\nShe left: quietly.\n\nThe end was near: so they thought.\n"
CODE = 'def f(x: int) -> str:\n    """Doc: a."""\n    return "x"\n\n\nclass A:\n    y: int = 1\n    z: str = ""\n'
YAML = "name: a\non: push\njobs: 3\nsteps:\n  - name: b\n  - name: c\n"
README = "# Tool\n\nUsage: run it.\n\n## Options\n\nNote: x\n\n- **a**: b\n- **c**: d\n\nNote: y\n" + "Words.\n" * 20
CSV = "time,who,text\n12:30,Ann,hello: you\n12:31,Bob,hello: me\n12:32,Ann,bye: all\n"
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nAnn: one\n\n2\n00:00:03,000 --> 00:00:04,000\nAnn: two\n"


@pytest.mark.parametrize("text", [PROSE, CODE, YAML, README, CSV, SUBTITLES, "WEBVTT\n\nAnn: one\nAnn: two\n"])
def test_other_texts_are_not_recognised(text: str) -> None:
    assert FORMAT.sniff(transcript(text)) == 0


@pytest.mark.parametrize(
    "text", [DIALOGUE, "# 2023-05-08\n" + DIALOGUE, "User: a\n" + "long\n" * 99 + DIALOGUE + "User: b"]
)
def test_dialogues_are_recognised(text: str) -> None:
    assert FORMAT.sniff(transcript(text)) >= 0.5


def test_a_very_long_turn_does_not_hide_what_the_file_is():
    text = f"Ana: hello\nBob: {'word ' * 200_000}\nAna: that was long\nBob: it was\n"
    transcript = Transcript("file:///a.txt", "a", text)
    assert FORMAT.sniff(transcript) >= 0.5
    assert [len(entry.message.text) for entry in FORMAT.read(transcript)] == [5, 1_000_000, 13, 6]
