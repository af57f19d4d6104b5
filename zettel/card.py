"""A note's card: what a reader is shown beside its text."""

from __future__ import annotations

from datetime import datetime

from zettel.model import Lesson, Note, TimePrecision
from zettel.text import shorten
from zettel.times import describe

_NAME = 60  # characters of a speaker's name


def card(note: Note) -> str:
    """The context of a note, followed by a line for each lesson that it learned, oldest first."""
    return "\n".join((note.context, *map(line, note.learned)))


def line(lesson: Lesson) -> str:
    """A lesson for readers: ``Later, on 8 May 2023, Caroline: “...”``, ``Answered by Caroline: “...”``."""
    when = _when(lesson.time, lesson.time_precision)
    speaker = shorten(lesson.speaker or "", _NAME)
    said = ", ".join(part for part in (when, speaker) if part)
    joint = (" " if when else " by ") if lesson.kind == "answered" else ", "
    return f"{lesson.kind.capitalize()}{joint if said else ''}{said}: “{lesson.text}”"


def _when(time: datetime | None, precision: TimePrecision | None) -> str:
    """A time within a line, no more precise than a day: "on 8 May 2023", "in May 2023"."""
    if time is None or precision is None:
        return ""
    return f"in {describe(time, precision)}" if precision in ("month", "year") else f"on {describe(time, 'day')}"
