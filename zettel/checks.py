"""Checks of what a caller passes in: messages, names, JSON values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from zettel.errors import InputError
from zettel.filters import read_time
from zettel.identity import note_id
from zettel.model import Attachment, Message, Source, TimePrecision

_MAX_ID = 200
_MAX_NAME = 1_000  # characters: a speaker's name is embedded with each passage, an id stands in each source
_NAMES = ("speaker", "role", "conversation_id", "session_id", "message_id", "parent_id")
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that passed the checks. Without an ``id`` it becomes a new note, which is named by its ordinal."""

    text: str
    speaker: str | None
    time: datetime | None
    time_precision: TimePrecision | None
    source: Source | None
    metadata: dict[str, JsonValue]
    attachments: tuple[Attachment, ...] = ()
    id: str | None = None
    tags: tuple[str, ...] = ()


def check(message: Message | str, zone: ZoneInfo, max_text: int, source: Source | None = None) -> Incoming:
    """Read a message into what a note needs; ``source`` is completed by what the message says about itself.

    Raises:
        InputError: it can't become a note; the message says why.
    """
    message = Message(text=message) if isinstance(message, str) else message
    if source is not None and not isinstance(source, Source):
        raise InputError(f"source {source!r} can't be used: give a zettel.Source, or an address as text")
    if not message.text.strip():
        raise InputError(f"the text is empty ({message.text!r}): a note needs words")
    if len(message.text) > max_text:
        raise InputError(
            f"the text has {len(message.text):,} characters, more than the {max_text:,} of Config.max_text: split it"
        )
    for name in _NAMES:
        value = getattr(message, name)
        if value is not None and len(value) > _MAX_NAME:
            raise InputError(f"{name} {value[:30]!r}... has {len(value):,} characters: use {_MAX_NAME:,} at most")
    check_json(message.model_dump(exclude={"time"}))
    check_json(source and source.model_dump())
    time, precision = None, None
    if message.time is not None:
        time, precision = read_time(message.time, zone)
        if not _EARLIEST <= time <= _LATEST:
            raise InputError(f"time {message.time!s} is beyond the calendar of UTC: leave it out if it is unknown")
    return Incoming(
        text=message.text,
        speaker=message.speaker or message.role,
        time=time,
        time_precision=message.time_precision or precision if time else None,
        source=_source(message, source),
        metadata=message.metadata,
        attachments=message.attachments,
    )


def _source(message: Message, given: Source | None) -> Source | None:
    names = ("conversation_id", "session_id", "message_id", "parent_id", "role")
    own = {name: value for name in names if (value := getattr(message, name)) is not None}
    if given is None and not own:
        return None
    sha256 = hashlib.sha256(message.text.encode()).hexdigest()
    return (given or Source()).model_copy(update={**own, "sha256": sha256})


def check_json(value: object) -> None:
    """Refuse a value that no store could give back as it was.

    Raises:
        InputError: it has a lone surrogate, or a number that JSON can't express.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"a lone surrogate ({error.object[error.start]!r}) is no character: decode the text properly first"
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(
            f"not a JSON value ({error}): use text, finite numbers, true, false, null, lists and objects"
        ) from error


def check_id(given: str) -> str:
    """Check a name that the caller chose for a note, and return it.

    Raises:
        InputError: it is empty or too long, or has white space or control characters in it.
    """
    if not isinstance(given, str) or not given or len(given) > _MAX_ID or not given.isprintable() or " " in given:
        raise InputError(f"id {given!r} can't name a note: use 1 to {_MAX_ID} printable characters without spaces")
    return given


def check_all(messages: Iterable[Message | str], zone: ZoneInfo, max_text: int, namespace: str) -> list[Incoming]:
    """Check every message of a batch before any is taken in.

    A message that has a conversation id and a message id is named by them, so that it is the same note the second
    time. Any other message is a new note each time.

    Raises:
        InputError: lists every bad item.
    """
    if isinstance(messages, str | Message) or not isinstance(messages, Iterable):
        raise InputError(f"{shown(messages)} is no list of messages: put it into one, or call add()")
    good: list[Incoming] = []
    bad: list[tuple[int, str]] = []
    for position, message in enumerate(messages):
        try:
            if not isinstance(message, Message | str):
                raise InputError(f"{shown(message)} is neither zettel.Message nor str")
            incoming = check(message, zone, max_text)
        except InputError as error:
            bad.append((position, str(error)))
        else:
            good.append(replace(incoming, id=_transcript_id(namespace, incoming)))
    if bad:
        listed = "; ".join(f"item {n}: {reason}" for n, reason in bad[:5])
        more = f"; and {len(bad) - 5} more in .items" if len(bad) > 5 else ""
        total = len(bad) + len(good)
        raise InputError(f"{len(bad)} of {total} messages can't be used, none was added: {listed}{more}", bad)
    return good


def shown(value: object) -> str:
    """A value for a message, cut to a line."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:60] + '…'}"


def _transcript_id(namespace: str, item: Incoming) -> str | None:
    source = item.source
    if source is None or source.conversation_id is None or source.message_id is None:
        return None
    return note_id(namespace, source.conversation_id, source.session_id, source.message_id, item.text, 0)
