"""LoCoMo: dated sessions of turns between two people, as JSON.

The root is a list of samples, one sample, or the conversation of one. Only the conversation is read; the questions,
observations and summaries that come with it are not. A caption stands for a shared image, and is part of the text.

A session's date and time are those of each of its turns; if it is written but can't be read, its turns are
problems, since a note's time can't be added later. REALTALK's chats are read as well: they have the same layout, but
call a turn's text ``clean_text``, and give each turn a ``date_time`` of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias

from zettel.errors import TranscriptError
from zettel.model import Attachment, Message, Problem, TimePrecision
from zettel.protocols import Entry, Transcript
from zettel.transcripts._json import BadJsonError, parse_first, parse_head
from zettel.transcripts._times import NotATimeError, instant
from zettel.transcripts._values import fault_of, identifier, shown

_SESSION = re.compile(r"session_([0-9]{1,9})")
_EXPECTED = 'LoCoMo: a list of samples {"sample_id", "conversation": {"session_1_date_time", "session_1": [turns]}}'


class Locomo:
    """The LoCoMo format."""

    name = "locomo"
    suffixes = frozenset({".json"})

    def sniff(self, transcript: Transcript) -> float:
        """1 for samples with numbered sessions, 0.9 for samples of which only the questions came in sight."""
        root = parse_head(transcript.text)
        items = root if isinstance(root, list) else [root]
        return max((_likeness(item) for item in items[:10]), default=0.0)

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The turns, sample by sample, sessions in numeric order.

        Raises:
            TranscriptError: it is not JSON, or holds no conversation with numbered sessions.
        """
        try:
            whole = parse_first(transcript.text)
        except BadJsonError as error:
            raise TranscriptError(f"{error}; expected {_EXPECTED}") from None
        root = whole.value
        samples = root if isinstance(root, list) else [root]
        if not any(_sessions(_conversation(sample)) for sample in samples):
            raise TranscriptError(f"found {shown(root)} without numbered sessions; expected {_EXPECTED}")
        for i, sample in enumerate(samples):
            place = f"[{i}]" if isinstance(root, list) else ""
            # Only the first sample may be called by the file alone, so that a longer list renames none.
            fallback = f"{transcript.name}[{i}]" if i else transcript.name
            yield from _read_sample(sample, place, fallback, transcript.text)
        if whole.rest is not None:
            yield whole.rest


def _likeness(item: object) -> float:
    if _sessions(_conversation(item)):
        return 1.0
    if not isinstance(item, dict):
        return 0.0
    questions = item.get("qa")
    first = questions[0] if isinstance(questions, list) and questions else None
    if isinstance(first, dict) and {"question", "evidence"} & first.keys():
        return 0.9
    return 0.9 if {"session_summary", "event_summary"} & item.keys() else 0.0


def _conversation(sample: object) -> dict[str, Any]:
    """The conversation of a sample, or the sample itself if it is one; empty if it is neither."""
    if not isinstance(sample, dict):
        return {}
    inner = sample.get("conversation", sample)
    return inner if isinstance(inner, dict) else {}


def _sessions(conversation: dict[str, Any]) -> list[str]:
    """The names of its sessions, in numeric order. Dates without a session are common, and no session."""
    found = [match for key in conversation if (match := _SESSION.fullmatch(key))]
    return [match.group() for match in sorted(found, key=lambda match: int(match[1]))]


def _read_sample(sample: object, place: str, fallback: str, raw: str) -> Iterator[Entry | Problem]:
    conversation = _conversation(sample)
    names = _sessions(conversation)
    if not names or not isinstance(sample, dict):
        yield Problem(place=place or "the file", reason=f"no conversation with numbered sessions in {shown(sample)}")
        return
    try:
        conversation_id = identifier(sample.get("sample_id")) or fallback
    except ValueError as error:
        yield Problem(place=f"{place}.sample_id".lstrip("."), reason=str(error))
        return
    if fault := fault_of(conversation_id, raw):
        yield Problem(place=f"{place}.sample_id".lstrip("."), reason=fault)
        return
    for name in names:
        in_session = f"{place}.{name}".lstrip(".")
        turns = conversation[name]
        if not isinstance(turns, list):
            yield Problem(place=in_session, reason=f"a session must be a list of turns, not {shown(turns)}")
            continue
        yield from _read_session(turns, in_session, conversation_id, name, conversation.get(f"{name}_date_time"), raw)


def _read_session(
    turns: list[Any], in_session: str, conversation_id: str, session_id: str, date_time: object, raw: str
) -> Iterator[Entry | Problem]:
    dated: _Time = (None, None)
    undated = None
    try:
        dated = _time(date_time)
    except _BadTurnError as error:
        undated = f"the time of its session: {error}, or remove it if it isn't known"
    for i, turn in enumerate(turns):
        place = f"{in_session}[{i}]"
        try:
            speaker, (text, attachments), message_id, own = _turn(turn, raw)
            if undated is not None and own[0] is None:
                raise _BadTurnError(undated)
        except _BadTurnError as error:
            yield Problem(place=place, reason=str(error))
            continue
        time, precision = own if own[0] else dated
        message = Message(
            text=text,
            speaker=speaker,
            time=time,
            time_precision=precision,
            conversation_id=conversation_id,
            session_id=session_id,
            message_id=message_id,
            attachments=attachments,
        )
        yield Entry(message, place)


class _BadTurnError(ValueError):
    """A turn can't be used; the message says why."""


_Time: TypeAlias = tuple[datetime | None, TimePrecision | None]
_Said: TypeAlias = tuple[str, tuple[Attachment, ...]]


def _time(value: object) -> _Time:
    if value is None or value == "":
        return None, None
    try:
        return instant(value)
    except NotATimeError as error:
        raise _BadTurnError(str(error)) from None


def _turn(turn: object, raw: str) -> tuple[str, _Said, str | None, _Time]:
    """Speaker, text with caption, id, and own time of a turn."""
    if not isinstance(turn, dict):
        raise _BadTurnError(f'a turn must be an object with "speaker" and "text", not {shown(turn)}')
    speaker = turn.get("speaker")
    if not isinstance(speaker, str) or not speaker.strip():
        raise _BadTurnError(f'"speaker" must be a name, not {shown(speaker)}')
    text, attachments = _text(turn)
    try:
        message_id = identifier(turn.get("dia_id"))
    except ValueError as error:
        raise _BadTurnError(f'"dia_id": {error}') from None
    for value in (text, speaker, message_id or ""):
        if fault := fault_of(value, raw):
            raise _BadTurnError(fault)
    return speaker, (text, attachments), message_id, _time(turn.get("date_time"))


def _text(turn: dict[str, Any]) -> _Said:
    """What was said, with what a shared image shows, and the place of the latter in it."""
    if "text" not in turn and "clean_text" not in turn:
        raise _BadTurnError('no "text"')
    text, caption = turn.get("text", turn.get("clean_text")), _caption(turn.get("blip_caption"))
    if text is None and caption:
        text = ""
    if not isinstance(text, str):
        raise _BadTurnError(f'"text" must be a string, not {shown(text)}')
    if not caption:
        if not text.strip():
            raise _BadTurnError("neither text nor the caption of an image")
        return text, ()
    start, text = len(text) + 1, f"{text} [shares an image: {caption}]"
    return text, (Attachment(kind="image", description=caption, start=start, end=len(text)),)


def _caption(value: object) -> str:
    """What the shared images show; empty if there are none."""
    captions: list[str] = []
    for caption in value if isinstance(value, list) else [value]:
        if isinstance(caption, str):
            captions.append(caption)
        elif caption is not None:
            raise _BadTurnError(f'"blip_caption" must be a string or a list of strings, not {shown(value)}')
    return "; ".join(caption for caption in captions if caption.strip())


FORMAT = Locomo()
