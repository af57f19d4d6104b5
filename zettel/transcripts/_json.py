"""Reading JSON that may be incomplete, followed by other text, or hostile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from zettel.model import Problem
from zettel.transcripts._values import shown

#: The number of characters by which a format recognizes a file.
HEAD = 65_536
_BLANK = " \t\r\n\ufeff"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)
_DEEPEST = 40
_CLOSER = {"[": "]", "{": "}"}


class BadJsonError(ValueError):
    """The text is not JSON that can be read; the message says why, and where."""


@dataclass(frozen=True, slots=True)
class FirstValue:
    """The first JSON value of a text; ``rest`` names the text after it, and is None if there is none."""

    value: Any
    one_line: bool
    rest: Problem | None


def parse(text: str) -> Any:
    """The value of a text that is a single JSON value.

    Raises:
        BadJsonError: the text is something else.
    """
    found = parse_first(text)
    if found.rest is not None:
        raise BadJsonError("more text follows after the end of the JSON value")
    return found.value


def parse_first(text: str) -> FirstValue:
    """The first JSON value of ``text``, and the text after it.

    Raises:
        BadJsonError: the text does not begin with a JSON value.
    """
    start = len(text) - len(text.lstrip(_BLANK))
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise BadJsonError(f"not JSON: {error.msg} at {line}column {error.colno}") from None
    except RecursionError:
        raise BadJsonError("JSON nested too deeply to be read") from None
    except ValueError as error:  # a number with more digits than Python reads
        raise BadJsonError(f"not JSON that can be read: {error}") from None
    left = text[end:].lstrip(_BLANK)
    rest = None
    if left:
        number = text.count("\n", 0, len(text) - len(left)) + 1
        rest = Problem(place=f"line {number}", reason=f"text after the end of the JSON value: {shown(left[:80])}")
    return FirstValue(value, "\n" not in text[start:end], rest)


def parse_head(text: str) -> Any:
    """The first ``HEAD`` characters of ``text`` as JSON; None if they are not JSON.

    Lists and objects that are open at the end are closed after their last complete element.
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
    """The beginning of a JSON text, cut at the last comma or opening bracket outside a string, with brackets closed."""
    closers: list[str] = []
    end, tail = 0, ""
    for token in _TOKEN.finditer(head):
        mark = token.group()
        if mark == '"' or len(closers) > _DEEPEST:  # an incomplete string; no known layout is nested so deeply
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
