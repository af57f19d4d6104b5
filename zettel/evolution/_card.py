"""A note's card: the lines of its context, of which the first is the analyzer's and the others were added later."""

from __future__ import annotations

import re

from zettel.model import Note
from zettel.text import shorten, terms
from zettel.times import describe

LINES = 3
"""The most lines that evolution adds to a card; a newer one takes the place of the oldest."""

QUOTE = 120
"""Longest quotation on a line, in characters."""

_NAME = 60  # characters of a speaker's name
_ADDED = re.compile(r"^(?:Answered|Later)\b.*: “(?P<quote>.*)”$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MARKUP = re.compile(r"```.*?(?:```|$)|[`*#|]+|\[shares an? [^\]]{0,2000}\]|[\x00-\x1f\x7f-\x9f]", re.DOTALL)


def added(context: str) -> list[str]:
    """The lines that evolution has added to a context, oldest first."""
    return [line for line in context.split("\n")[1:] if _ADDED.match(line)]


def with_line(context: str, line: str) -> str:
    """A context with one line more, at its end; the oldest added line goes where there are too many."""
    held = [old for old in added(context) if old != line]
    gone = {*held[: max(len(held) + 1 - LINES, 0)], line}
    first, *below = context.split("\n")
    return "\n".join([first, *(old for old in below if old not in gone), line])


def is_said_in(quote: str, note: Note) -> bool:
    """Whether a quotation is one of this note."""
    return quote.rstrip("…") in _plain(note.text)


def dated(note: Note) -> str:
    """When a note happened and who said it, for the middle of a line: "on 8 May 2023, Caroline"."""
    precision = "day" if note.time_precision in ("second", "minute") else note.time_precision
    on = "on" if precision == "day" else "in"
    when = f"{on} {describe(note.time, precision)}" if note.time and precision else ""
    return ", ".join(part for part in (when, shorten(note.speaker or "", _NAME)) if part)


def speaker(note: Note) -> str:
    """Who said a note, as the subject of a reason."""
    return shorten(note.speaker or "", _NAME) or "a later note"


def quotation(note: Note, subject: set[str]) -> str:
    """The sentence of a note that says most of a subject (given as stems), with what follows it, cut to a line.

    A question is quoted where nothing else is said; "" is what is left of a text that is all code.
    """
    sentences = _SENTENCE.split(_plain(note.text))
    best = max(
        range(len(sentences)),
        key=lambda i: (not sentences[i].endswith("?"), len(subject.intersection(terms(sentences[i]))), -i),
    )
    return shorten(" ".join(sentences[best:]), QUOTE)


def _plain(text: str) -> str:
    """A text on one line, without code and Markdown marks, its double quotes single."""
    return " ".join(_MARKUP.sub(" ", text).split()).translate(_SINGLE)


_SINGLE = str.maketrans({'"': "'", "“": "'", "”": "'"})
