"""What policies share: making lessons, and choosing the sentences of a note that lessons quote."""

from __future__ import annotations

import re

from zettel.attachments import spoken
from zettel.card import line
from zettel.model import Lesson, Note
from zettel.text import shorten, terms

LESSONS = 3
"""The most lessons on a card; a newer one takes the place of the oldest."""

QUOTE = 120
"""The length of the longest quotation in a lesson, in characters."""

_NAME = 60  # characters of a speaker's name
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MARKUP = re.compile(r"```.*?(?:```|$)|[`*#|]+|[\x00-\x1f\x7f-\x9f]", re.DOTALL)


def lesson(kind: str, note: Note, quote: str) -> Lesson:
    """A lesson that a note teaches another one by a quotation."""
    return Lesson(
        kind=kind, note_id=note.id, time=note.time, time_precision=note.time_precision, speaker=note.speaker, text=quote
    )


def with_lesson(learned: tuple[Lesson, ...], new: Lesson) -> tuple[Lesson, ...]:
    """The lessons of a note with a new one at the end; a lesson that reads the same is replaced by it."""
    others = tuple(old for old in learned if line(old) != line(new))
    return (*others, new)[-LESSONS:]


def is_said_in(quote: str, note: Note) -> bool:
    """Whether a note says what a quotation quotes."""
    return quote.rstrip("…") in _plain(note)


def speaker(note: Note) -> str:
    """Who said a note, as the subject of a reason."""
    return shorten(note.speaker or "", _NAME) or "a later note"


def quotation(note: Note, subject: set[str]) -> str:
    """The sentence of a note that says most about a subject (given as stems), and what follows it, cut to a line.

    A question is quoted only if the note has nothing else. A note that is all code has nothing to quote: "".
    """
    sentences = _SENTENCE.split(_plain(note))
    best = max(
        range(len(sentences)),
        key=lambda i: (not sentences[i].endswith("?"), len(subject.intersection(terms(sentences[i]))), -i),
    )
    return shorten(" ".join(sentences[best:]), QUOTE)


def _plain(note: Note) -> str:
    """What was said in a note, on one line: without code and Markdown marks, and with single for double quotes."""
    return " ".join(_MARKUP.sub(" ", spoken(note)).split()).translate(_SINGLE)


_SINGLE = str.maketrans({'"': "'", "“": "'", "”": "'"})
