"""The traps of messages in OpenAI's and ShareGPT's layout."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from zettel.errors import TranscriptError
from zettel.model import Message, Problem
from zettel.protocols import Entry, Transcript
from zettel.transcripts.openai import FORMAT

USER = {"role": "user", "content": "hi"}


def read(*lines: Any) -> list[Entry | Problem]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return list(FORMAT.read(Transcript("file:///chat.jsonl", "chat", text)))


def messages(*lines: Any) -> list[Message]:
    items = read(*lines)
    assert all(isinstance(item, Entry) for item in items), items
    return [item.message for item in items if isinstance(item, Entry)]


def sniff(text: str) -> float:
    return FORMAT.sniff(Transcript("", "x", text))


def test_messages_alone_belong_to_the_conversation_of_the_file() -> None:
    items = read(USER, "", {"role": "assistant", "content": "yes", "conversation_id": "c", "session_id": 4, "id": "m"})
    first, second = [item for item in items if isinstance(item, Entry)]
    assert (first.span, first.message.conversation_id, first.message.role, first.message.speaker) == (
        "line 1", "chat", "user", None,
    )  # fmt: skip
    assert (second.span, second.message.conversation_id) == ("line 3", "c")
    assert (second.message.session_id, second.message.message_id) == ("4", "m")


def test_conversations_are_called_by_their_id_or_their_line() -> None:
    named = {"conversation_id": "c", "session_id": "s", "messages": [USER]}
    items = read({"messages": [USER]}, {"id": 7, "messages": [USER]}, named)
    entries = [item for item in items if isinstance(item, Entry)]
    assert [e.message.conversation_id for e in entries] == ["chat:1", "7", "c"]
    assert [e.span for e in entries] == ["line 1.messages[0]", "line 2.messages[0]", "line 3.messages[0]"]
    assert entries[2].message.session_id == "s"


def test_a_first_line_keeps_its_conversation_when_more_lines_come() -> None:
    assert messages({"messages": [USER]})[0] == messages({"messages": [USER]}, USER)[0]


@pytest.mark.parametrize(
    ("root", "conversation"),
    [
        ({"messages": [USER]}, "chat"),
        ([{"messages": [USER]}], "chat[0]"),
        ([USER, USER], "chat"),
        ({"conversations": [{"from": "human", "value": "hi"}]}, "chat"),
    ],
)
def test_a_json_file_is_one_conversation_or_a_list(root: Any, conversation: str) -> None:
    text = json.dumps(root, indent=1)
    assert sniff(text) > 0.9
    assert {m.conversation_id for m in messages(text)} == {conversation}


def test_sharegpt_speakers() -> None:
    turns = [{"from": who, "value": "hi"} for who in ("system", "human", "gpt", "Alice", "tool")]
    found = messages({"id": "g", "conversations": turns})
    assert [(m.role, m.speaker) for m in found] == [("user", None), ("assistant", None), (None, "Alice")]


def test_a_name_is_the_speaker() -> None:
    assert messages(USER | {"name": "Ann"})[0].speaker == "Ann"


@pytest.mark.parametrize(
    "unspoken",
    [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be brief."},
        {"role": "tool", "content": "3", "tool_call_id": "t"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "t"}]},
        {"role": "assistant", "tool_calls": [{"id": "t"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "name": "t"}]},
    ],
)
def test_what_nobody_said_is_passed_over(unspoken: Any) -> None:
    assert [m.text for m in messages(USER, unspoken)] == ["hi"]


def test_parts_that_are_text_are_joined_and_images_beside_them_left_out() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {}},
        {"type": "output_text", "text": "b"},
    ]
    assert messages({"role": "user", "content": parts})[0].text == "a\nb"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "only 'image_url'"),
        ({"role": "user", "content": None}, "null"),
        ({"role": "user", "content": " "}, "no text"),
        ({"role": "user"}, "null"),
        ({"role": "user", "content": [5]}, "5"),
        ({"role": "user", "content": [{"type": "text"}]}, "null"),
        ({"role": "wizard", "content": "hi"}, "'wizard'"),
        ({"content": "hi"}, '"role"'),
        (USER | {"name": 5}, '"name"'),
        (USER | {"id": 1.5}, "1.5"),
        (USER | {"timestamp": "yesterday"}, "'yesterday'"),
        (USER | {"timestamp": "05/08/2023"}, "month/day"),
        (USER | {"time": float("nan")}, "nan"),
        (USER | {"time": True}, "true"),
        ('{"role": "user", "content": NaN}', "nan"),
        ('{"role": "user", "content": "\\ud800"}', "\\ud800"),
        ('{"role": "user", "content": "caf\udce9"}', "byte 0xe9"),
        ("{broken", "not JSON"),
        ("[1, 2]", "a list"),
        ("7", "7"),
        ('{"a":' * 50_000, "nested too deeply"),
    ],
)
def test_a_malformed_line_is_a_problem_and_the_rest_goes_on(bad: Any, reason: str) -> None:
    before, problem, after = read(USER, bad, USER)
    assert isinstance(before, Entry)
    assert isinstance(problem, Problem)
    assert isinstance(after, Entry)
    assert problem.place == "line 2"
    assert reason in problem.reason


def test_a_broken_first_line_is_a_problem_too() -> None:
    problem, entry = read('{"role": "us', USER)
    assert isinstance(problem, Problem)
    assert isinstance(entry, Entry)


def test_a_malformed_message_of_a_conversation_is_a_problem_with_its_place() -> None:
    _, problem, _ = read({"messages": [USER, {"role": "user"}, USER]})
    assert isinstance(problem, Problem)
    assert problem.place == "line 1.messages[1]"


@pytest.mark.parametrize(
    ("field", "value", "time", "precision"),
    [
        ("timestamp", "2024-02-03T10:20:30Z", datetime(2024, 2, 3, 10, 20, 30, tzinfo=UTC), "second"),
        ("created_at", "2024-02-03 10:20", datetime(2024, 2, 3, 10, 20), "minute"),
        ("time", "2024-02-03", datetime(2024, 2, 3), "day"),
        ("time", "2024-02", datetime(2024, 2, 1), "month"),
        ("create_time", 1_700_000_000.5, datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC), "second"),
        ("timestamp", 1_700_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "second"),
        ("timestamp", "1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "second"),
        ("timestamp", None, None, None),
    ],
)
def test_times(field: str, value: Any, time: datetime | None, precision: str | None) -> None:
    [message] = messages(USER | {field: value})
    assert (message.time, message.time_precision) == (time, precision)


def test_the_time_of_a_conversation_is_that_of_its_messages_without_one() -> None:
    own = USER | {"timestamp": "2024-02-04"}
    first, second = messages({"created_at": "2024-02-03", "messages": [USER, own]})
    assert (first.time, second.time) == (datetime(2024, 2, 3), datetime(2024, 2, 4))


@pytest.mark.parametrize(
    "text", ["", "hello", '[{"role": "user",', '[\n{"role": "x"},\n{"a": 1},\n{"a": 1}', "5", "[]"]
)
def test_what_holds_no_messages_is_an_error_that_says_what_was_expected(text: str) -> None:
    with pytest.raises(TranscriptError, match="JSON Lines"):
        read(text)


def test_a_beginning_cut_off_inside_the_first_line_is_recognised() -> None:
    assert sniff(json.dumps({"messages": [USER | {"content": "x" * 100_000}]})) > 0.9
    assert sniff(json.dumps([{"messages": [USER] * 10_000}])) > 0.9


@pytest.mark.parametrize(
    "other",
    [
        {"type": "user", "uuid": "u", "message": USER},  # Claude Code
        [{"title": "t", "mapping": {"n": {"message": {"author": {"role": "user"}, "content": {}}}}}],  # ChatGPT
        [{"haystack_sessions": [[USER]]}],  # LongMemEval
        [{"uuid": "u", "chat_messages": [{"sender": "human", "text": "hi"}]}],  # Claude.ai
    ],
)
def test_its_cousins_are_not_recognised(other: Any) -> None:
    assert sniff(json.dumps(other)) == 0
