"""Reading JSON that may be cut off, followed by garbage, or hostile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from zettel.model import Problem
from zettel.transcripts._values import shown

#: How much of a file a format looks at to recognise it, in characters.
HEAD = 65_536
_BLANK = " \t\r\n\ufeff"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)
_DEEPEST = 40
_CLOSER = {"[": "]", "{": "}"}


class BadJsonError(ValueError):
    """The text is not JSON that can be read; the message says why, and where."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The first JSON value of a text; ``rest`` says what stands after it, None where nothing does."""

    value: Any
    one_line: bool
    rest: Problem | None


def parse(text: str) -> Any:
    """The value of a text that is one JSON value.

    Raises:
        BadJsonError: it is not.
    """
    found = parse_first(text)
    if found.rest is not None:
        raise BadJsonError("more text follows after the end of the JSON value")
    return found.value


def parse_first(text: str) -> Whole:
    """The first JSON value of ``text``, and what stands after it.

    Raises:
        BadJsonError: it does not begin with a JSON value.
    """
    start = len(text) - len(text.lstrip(_BLANK))
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, " if "\n" in text else ""
        raise BadJsonError(f"not JSON: {error.msg} at {where}column {error.colno}") from None
    except RecursionError:
        raise BadJsonError("JSON nested too deeply to be read") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise BadJsonError(f"not JSON that can be read: {error}") from None
    left = text[end:].lstrip(_BLANK)
    rest = None
    if left:
        line = text.count("\n", 0, len(text) - len(left)) + 1
        rest = Problem(place=f"line {line}", reason=f"text after the end of the JSON value: {shown(left[:80])}")
    return Whole(value, "\n" not in text[start:end], rest)


def parse_head(text: str) -> Any:
    """The beginning of ``text`` as JSON, cut where its first ``HEAD`` characters end; None where it is not JSON.

    Open lists and objects of a cut text are closed after the last complete element.
    """
    head = text[:HEAD].lstrip(_BLANK)
    if not head.startswith(("[", "{")):
        return None
    try:
        return parse_first(head).value
    except BadJsonError:
        closed = _closed(head)
    try:
        return parse_first(closed).value
    except BadJsonError:
        return None


def _closed(head: str) -> str:
    """A cut JSON text, ended after the last comma or opening bracket that is not inside a string."""
    closers: list[str] = []
    end, tail = 0, ""
    for token in _TOKEN.finditer(head):
        mark = token.group()
        if mark == '"' or len(closers) > _DEEPEST:  # a string that the cut runs through; nothing we know is so deep
            break
        if mark in _CLOSER:
            closers.append(_CLOSER[mark])
            end, tail = token.end(), "".join(reversed(closers))
        elif mark == ",":
            end, tail = token.start(), "".join(reversed(closers))
        elif mark in "]}" and closers:
            closers.pop()
            if not closers:
                return head[: token.end()]
    return head[:end] + tail
