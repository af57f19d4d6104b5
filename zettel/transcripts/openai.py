"""Messages in the layout of OpenAI's API, and ShareGPT's conversations, as JSON Lines or JSON.

A line is a conversation, ``{"messages": [{"role", "content"}, ...]}`` or
``{"conversations": [{"from", "value"}, ...]}``, or a single message. A ``.json`` file holds one of these, or a list.

- Messages of users and assistants are kept. Messages of other roles (system, developer, tool, function) and calls of
  tools without text are left out: they instruct the model or report to it, and nobody said them.
- The text parts of a content are joined by line ends. Images, audio and files beside text are left out. A message that
  has nothing else is a problem, since a message without text can't be remembered.
- ``name`` is the speaker; without it, only the role is known.
- A time is read from ``timestamp``, ``created_at``, ``create_time`` or ``time``: ISO 8601 text, or seconds since 1970
  (milliseconds are recognized by their size). Messages without a time have that of their conversation. A time that
  can't be read makes its message a problem, since the time of a note can't be added later.
- The id of a conversation is its ``conversation_id`` or ``id``, else the file's name with the number of the line
  ("chat:3") or the place in the list ("chat[2]"). Single messages belong to a conversation with the file's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from zettel.errors import TranscriptError
from zettel.model import Message, Problem, TimePrecision
from zettel.protocols import Entry, Transcript
from zettel.transcripts._json import HEAD, BadJsonError, parse, parse_first, parse_head
from zettel.transcripts._times import NotATimeError, instant
from zettel.transcripts._values import fault_of, identifier, lines_of, shown

_SPOKEN = {
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "ai": "assistant", "bot": "assistant",
    "model": "assistant", "bard": "assistant", "bing": "assistant", "claude": "assistant",
}  # fmt: skip
_UNSPOKEN = frozenset({"system", "developer", "tool", "function", "function_call", "function_response", "observation"})
_TIMES = ("timestamp", "created_at", "create_time", "time")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
#: Parts that are work of the model and not speech: a message that has no other parts is left out.
_WORK_PARTS = frozenset({"tool_use", "tool_result", "tool_call", "thinking", "redacted_thinking", "reasoning"})
_EXPECTED = 'messages as JSON Lines: {"messages": [{"role": "user", "content": "..."}]} or one message a line'


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What the messages of a conversation share. ``raw`` is the text of the whole file."""

    raw: str
    id: str
    session_id: str | None = None
    time: tuple[datetime, TimePrecision] | None = None


class _BadMessageError(ValueError):
    """A message or conversation can't be used; the error's text says why."""


class OpenAI:
    """The OpenAI messages format, and ShareGPT's."""

    name = "openai"
    suffixes = frozenset({".json", ".jsonl"})

    def sniff(self, transcript: Transcript) -> float:
        """0.95 times the share of this layout among the first lines, or among the first elements of a list."""
        head = transcript.text[:HEAD].lstrip("\ufeff \t\r\n")
        if head.startswith("["):
            root = parse_head(head)
            items = root[:20] if isinstance(root, list) else []
        else:
            lines = list(islice((line for line in lines_of(head) if line.strip()), 21))
            cut = len(lines) > 20 or len(transcript.text) > HEAD
            items = [_value(line) for line in (lines[:-1] if cut and len(lines) > 1 else lines)]
            if not any(items) or len(items) == 1:
                items = [parse_head(head)]
        return 0.95 * sum(map(_is_ours, items)) / max(len(items), 1)

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The messages in order.

        Raises:
            TranscriptError: the file is neither JSON nor JSON Lines, or holds no message of this layout.
        """
        try:
            first = parse_first(transcript.text)
        except BadJsonError as error:
            yield from _read_lines(transcript, str(error))
            return
        # A single object on a line of its own is taken for the first line of JSON Lines, since the file may grow.
        if isinstance(first.value, dict) and first.one_line:
            yield from _read_lines(transcript, "")
            return
        yield from _read_root(first.value, transcript)
        if first.rest is not None:
            yield first.rest


FORMAT = OpenAI()


def _value(line: str) -> Any:
    try:
        return parse(line)
    except BadJsonError:
        return None


def _is_ours(value: object) -> bool:
    if not isinstance(value, dict) or "mapping" in value:
        return False
    if isinstance(value.get("role"), str) and ("content" in value or "tool_calls" in value):
        return True
    for field, keys in (("messages", {"role"}), ("conversations", {"from", "value", "role"})):
        inner = value.get(field)
        if isinstance(inner, list):
            return not inner or (isinstance(inner[0], dict) and (not inner[0] or bool(keys & inner[0].keys())))
    return False


def _messages(value: object) -> tuple[str, list[Any]] | None:
    """The list of messages in a conversation, with the name of its field; None if ``value`` is no conversation."""
    if isinstance(value, dict):
        for field in ("messages", "conversations"):
            if isinstance(value.get(field), list):
                return field, value[field]
    return None


def _read_lines(transcript: Transcript, why_not_json: str) -> Iterator[Entry | Problem]:
    """A file of JSON Lines; ``why_not_json`` is the reason why it is not one JSON value."""
    values: list[tuple[int, Any, str]] = []
    for number, line in enumerate(lines_of(transcript.text), 1):
        if not line.strip():
            continue
        try:
            values.append((number, parse(line), ""))
        except BadJsonError as error:
            bad_bytes = fault_of(line, transcript.text)
            values.append((number, None, f"{error}; {bad_bytes}" if bad_bytes else str(error)))
    good = sum(isinstance(value, dict) for _, value, _ in values)
    # Some lines of a broken .json file are JSON by chance, so the first line, or most lines, must be whole objects.
    if not good or not (isinstance(values[0][1], dict) or 2 * good >= len(values)):
        raise TranscriptError(f"{why_not_json or 'no JSON object'}; expected {_EXPECTED}")
    alone = _Conversation(transcript.text, transcript.name)
    for number, value, reason in values:
        place = f"line {number}"
        if reason:
            yield Problem(place=place, reason=reason)
        elif _messages(value) is not None:
            yield from _read_conversation(value, place, f"{transcript.name}:{number}", transcript.text)
        else:
            yield from _read_message(value, place, alone)


def _read_root(root: object, transcript: Transcript) -> Iterator[Entry | Problem]:
    """A file that is one JSON value: a conversation, or a list of conversations or messages."""
    items = root if isinstance(root, list) else [root]
    if not any(_is_ours(item) for item in items):
        raise TranscriptError(f"found {shown(root)} without messages; expected {_EXPECTED}")
    alone = _Conversation(transcript.text, transcript.name)
    for i, item in enumerate(items):
        place = f"[{i}]" if isinstance(root, list) else ""
        if _messages(item) is not None:
            yield from _read_conversation(item, place, f"{transcript.name}{place}", transcript.text)
        else:
            yield from _read_message(item, place or "the file", alone)


def _read_conversation(value: dict[str, Any], place: str, fallback: str, raw: str) -> Iterator[Entry | Problem]:
    found = _messages(value)
    if found is None:
        return
    field, messages = found
    try:
        name = _id(value, "conversation_id", raw) or _id(value, "id", raw) or fallback
        shared = _Conversation(raw, name, _id(value, "session_id", raw), _time(value))
    except _BadMessageError as error:
        yield Problem(place=place or "the file", reason=f"the conversation's {error}")
        return
    for i, message in enumerate(messages):
        yield from _read_message(message, f"{place}.{field}[{i}]".lstrip("."), shared)


def _read_message(value: object, place: str, shared: _Conversation) -> Iterator[Entry | Problem]:
    """One message, or one problem, or nothing if nobody said the message."""
    try:
        message = _message(value, shared)
    except _BadMessageError as error:
        yield Problem(place=place, reason=str(error))
        return
    if message is not None:
        yield Entry(message, place)


def _message(value: object, shared: _Conversation) -> Message | None:
    if not isinstance(value, dict):
        raise _BadMessageError(f'a message must be an object with "role" and "content", not {shown(value)}')
    said_by = value.get("role", value.get("from"))
    if not isinstance(said_by, str) or not said_by.strip():
        raise _BadMessageError(f'"role" must be "user" or "assistant", not {shown(said_by)}')
    if said_by.lower() in _UNSPOKEN:
        return None
    role = _SPOKEN.get(said_by.lower())
    # ShareGPT's "from" may be a person's name; a role is one of a few words.
    if role is None and "role" in value:
        raise _BadMessageError(f'"role" must be "user" or "assistant", not {shown(said_by)}')
    text = _text(value)
    if text is None:
        return None
    name = value.get("name")
    if name is not None and not isinstance(name, str):
        raise _BadMessageError(f'"name" must be a string, not {shown(name)}')
    speaker = name or (None if role else said_by)
    for said in (text, speaker or ""):
        if fault := fault_of(said, shared.raw):
            raise _BadMessageError(fault)
    time, precision = _time(value) or shared.time or (None, None)
    return Message(
        text=text,
        speaker=speaker,
        role=role,
        time=time,
        time_precision=precision,
        conversation_id=_id(value, "conversation_id", shared.raw) or shared.id,
        session_id=_id(value, "session_id", shared.raw) or shared.session_id,
        message_id=_id(value, "message_id", shared.raw) or _id(value, "id", shared.raw),
        parent_id=_id(value, "parent_id", shared.raw),
    )


def _text(value: dict[str, Any]) -> str | None:
    """The text of a message; None if the message is only work of the model, such as the call of a tool."""
    content = value.get("content", value.get("value"))
    works = bool(value.get("tool_calls") or value.get("function_call"))
    others: list[str] = []
    if content is None and isinstance(value.get("refusal"), str):
        content = value["refusal"]
    if isinstance(content, list):
        content, others = _joined(content)
        works = works or (bool(others) and _WORK_PARTS.issuperset(others))
    if content is None and works:
        return None
    if not isinstance(content, str):
        raise _BadMessageError(f'"content" must be a string or a list of parts, not {shown(content)}')
    if content.strip():
        return content
    if works:
        return None
    kinds = ", ".join(shown(kind) for kind in dict.fromkeys(others))
    raise _BadMessageError(f"no text, only {kinds}; add a text part that says what it shows" if kinds else "no text")


def _joined(parts: list[Any]) -> tuple[str, list[str]]:
    """The text of the parts of a content, and the types of the parts without text."""
    texts, others = [], []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise _BadMessageError(f'a part of "content" must be an object with "type", not {shown(part)}')
        said = part.get("refusal" if kind == "refusal" else "text")
        if kind not in _TEXT_PARTS and kind != "refusal":
            others.append(kind)
        elif isinstance(said, str):
            texts.append(said)
        else:
            raise _BadMessageError(f'the "text" of a part of "content" must be a string, not {shown(said)}')
    return "\n".join(texts), others


def _time(value: dict[str, Any]) -> tuple[datetime, TimePrecision] | None:
    for field in _TIMES:
        if value.get(field) not in (None, ""):
            try:
                return instant(value[field])
            except NotATimeError as error:
                raise _BadMessageError(f'"{field}": {error}') from None
    return None


def _id(value: dict[str, Any], field: str, raw: str) -> str | None:
    try:
        found = identifier(value.get(field))
    except ValueError as error:
        raise _BadMessageError(f'"{field}": {error}') from None
    if found is not None and (fault := fault_of(found, raw)):
        raise _BadMessageError(f'"{field}": {fault}')
    return found
