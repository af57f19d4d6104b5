"""The traps of the LoCoMo layout."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from zettel.errors import TranscriptError
from zettel.ingest import identify, read_file
from zettel.model import Attachment, Problem
from zettel.protocols import Entry, Transcript
from zettel.transcripts.locomo import FORMAT

DATE = "1:56 pm on 8 May, 2023"


def read(value: Any) -> list[Entry | Problem]:
    text = value if isinstance(value, str) else json.dumps(value)
    return list(FORMAT.read(Transcript("file:///chat.json", "chat", text)))


def messages(value: Any) -> list[Any]:
    items = read(value)
    assert all(isinstance(item, Entry) for item in items), items
    return [item.message for item in items if isinstance(item, Entry)]


def problems(value: Any) -> list[tuple[str, str]]:
    return [(item.place, item.reason) for item in read(value) if isinstance(item, Problem)]


def turn(text: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"speaker": "Ines", "dia_id": "D1:1", "text": text, **fields}


def sample(*turns: Any, **fields: Any) -> dict[str, Any]:
    return {"sample_id": "conv-1", "conversation": {"session_1_date_time": DATE, "session_1": list(turns)}, **fields}


def test_a_turn_carries_its_ids_and_the_time_of_its_session() -> None:
    [entry] = read([sample(turn())])
    assert isinstance(entry, Entry)
    assert entry.span == "[0].session_1[0]"
    m = entry.message
    assert (m.speaker, m.conversation_id, m.session_id, m.message_id) == ("Ines", "conv-1", "session_1", "D1:1")
    assert (m.time, m.time_precision) == (datetime(2023, 5, 8, 13, 56), "minute")


def test_sessions_come_in_numeric_order_and_dates_without_sessions_are_nothing() -> None:
    conversation = {f"session_{n}": [turn(f"s{n}")] for n in (10, 2, 1)} | {"session_11_date_time": DATE}
    assert [m.session_id for m in messages(conversation)] == ["session_1", "session_2", "session_10"]


@pytest.mark.parametrize("root", [[sample(turn())], sample(turn())["conversation"], sample(turn())])
def test_the_root_may_be_a_list_a_sample_or_a_conversation(root: Any) -> None:
    [message] = messages(root)
    assert message.conversation_id == ("chat" if "session_1" in root else "conv-1")


def test_samples_without_an_id_are_called_by_the_file_and_a_longer_list_renames_none() -> None:
    bare = sample(turn())["conversation"]
    assert [m.conversation_id for m in messages([bare, bare])] == ["chat", "chat[1]"]


@pytest.mark.parametrize("caption", ["a kiln", ["a kiln"]])
def test_a_caption_is_part_of_the_text(caption: Any) -> None:
    [said, silent] = messages([sample(turn("Look.", blip_caption=caption), turn("", blip_caption=caption))])
    assert said.text == "Look. [shares an image: a kiln]"
    assert said.attachments == (Attachment(kind="image", description="a kiln", start=6, end=len(said.text)),)
    assert silent.text == " [shares an image: a kiln]"
    assert [silent.text[a.start : a.end] for a in silent.attachments] == ["[shares an image: a kiln]"]


def test_several_captions_are_one() -> None:
    [message] = messages([sample(turn("Look.", blip_caption=["a kiln", "", "a pot"]))])
    assert message.text == "Look. [shares an image: a kiln; a pot]"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("hi", "'hi'"),
        ({"speaker": "Ines"}, "text"),
        ({"speaker": "Ines", "blip_caption": "a kiln"}, "text"),
        (turn(""), "neither text nor"),
        (turn(7), "7"),
        (turn(None), "null"),
        (turn(speaker=None), "speaker"),
        (turn(dia_id=["D1:1"]), "dia_id"),
        (turn(blip_caption={"a": 1}), "blip_caption"),
        (turn("half \ud83d"), "half a character"),
        (turn(float("nan")), "nan"),
    ],
)
def test_a_malformed_turn_is_a_problem_and_the_rest_goes_on(bad: Any, reason: str) -> None:
    items = read([sample(turn("before"), bad, turn("after"))])
    assert [type(item) for item in items] == [Entry, Problem, Entry]
    [(place, why)] = problems([sample(turn("before"), bad, turn("after"))])
    assert place == "[0].session_1[1]"
    assert reason in why


def test_bytes_that_are_not_utf8_spoil_only_their_turn() -> None:
    text = json.dumps([sample(turn("caf@"), turn("tea"))]).replace("@", "\udce9")
    first, second = read(text)
    assert isinstance(first, Problem)
    assert "byte 0xe9" in first.reason
    assert isinstance(second, Entry)


def test_a_session_or_sample_of_the_wrong_kind_is_a_problem() -> None:
    root = [{"session_1": "none", "session_2": [turn()]}, 5, {"sample_id": [], "session_1": [turn()]}]
    assert [place for place, _ in problems(root)] == ["[0].session_1", "[1]", "[2].sample_id"]


@pytest.mark.parametrize("missing", [None, ""])
def test_a_session_without_a_time_has_none(missing: Any) -> None:
    [message] = messages({"session_1_date_time": missing, "session_1": [turn()]})
    assert message.time is None


@pytest.mark.parametrize("date", ["early June", "25:61 pm on 8 May, 2023", "30 February 2023", 1e300, []])
def test_an_unreadable_time_makes_its_turns_problems(date: Any) -> None:
    found = problems({"session_1_date_time": date, "session_1": [turn()], "session_2": [turn()]})
    assert [place for place, _ in found] == ["session_1[0]"]
    assert "time" in found[0][1]


def test_a_turn_may_have_a_time_and_text_of_realtalk() -> None:
    own = {"speaker": "Ines", "clean_text": "hi", "date_time": "29.12.2023, 22:42:04", "dia_id": "D1:1"}
    [message] = messages({"session_1": [own]})
    assert (message.text, message.time, message.time_precision) == ("hi", datetime(2023, 12, 29, 22, 42, 4), "second")


@pytest.mark.parametrize("text", ["", "hello", "[", "[1]", '[{"sample_id": "x"}]', '[{"conversation": {"session_1"'])
def test_what_holds_no_conversation_is_an_error_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(TranscriptError, match="session_1_date_time"):
        read(text)


def test_a_beginning_cut_off_anywhere_past_the_first_session_is_recognised() -> None:
    text = json.dumps([sample(*[turn("x" * 500, blip_caption=['a "kiln"', "\\"])] * 300)])
    assert len(text) > 100_000
    assert FORMAT.sniff(Transcript("", "x", text)) == 1


def test_questions_that_come_before_the_conversation_are_recognised() -> None:
    question = {"question": "Why?", "answer": "x" * 100, "evidence": ["D1:1"], "category": 1}
    text = json.dumps([{"qa": [question] * 1000, **sample(turn())}], indent=2)
    assert FORMAT.sniff(Transcript("", "x", text)) > 0.8


def _data() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get("ZETTEL_DATA", beside)) / "locomo" / "locomo.json.gz"


@pytest.mark.skipif(not _data().exists(), reason="the LoCoMo data is not here: set ZETTEL_DATA to its folder")
def test_the_real_file_is_read_whole() -> None:
    parsed = read_file(_data(), [FORMAT])
    assert parsed.problems == ()
    assert len(parsed.entries) == 3321
    assert len({entry.message.conversation_id for entry in parsed.entries}) == 6
    assert all(entry.message.time_precision == "minute" for entry in parsed.entries)
    assert len(set(identify("default", parsed.entries))) == 3321
