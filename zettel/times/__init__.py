"""Times in text: ISO 8601 values, expressions such as "last week" in English prose, and how a time is written.

The functions are pure: none reads a clock. An expression is resolved against the time at which it was said, into a
half-open interval ``[since, until)`` of wall-clock time in the zone of that time. If English leaves a choice, these
conventions decide:

- A week runs from Monday to Sunday. "last week" is the week before the present one, "two weeks ago" the one before.
- "last Friday" and "on Friday" are the latest Friday before today, "next Friday" is the first after today.
- A date without a year ("8 May", "in May") is the latest one that has begun. It is the coming one if the sentence looks
  forward ("we will meet on 8 May"), or if the sentence shows no direction and the coming one is at most 92 days away.
  "on Friday" means the past one unless the sentence looks forward.
- "last May" and "last summer" are the latest ones that are over. Seasons are those of the northern hemisphere, in whole
  months: summer is June to August, winter December to February.
- "a few" is 2 to 5, "a couple" is 2 or 3. A night belongs to the day on which it begins.
- "5/8/2023" is 5 August to some readers and 8 May to others, so it is not read; "13/8/2023" and "5/5/2023" are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, TypeAlias

from zettel.errors import InputError
from zettel.model import TimePrecision
from zettel.times.days import MONTH_NAMES, Lean, UnresolvedError
from zettel.times.rules import FUTURE, PAST, PREFILTER, RULES, Said

Relation: TypeAlias = Literal["in", "since", "after", "until", "before"]

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:[T ](?P<minute>\d{2}(?::\d{2}(?P<second>:\d{2}(?:[.,]\d{1,9})?)?)?)(?:Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?",
    re.ASCII,
)
_SENTENCE_END = re.compile(r"[.!?\n]")
_PREPOSITION = re.compile(
    r"\b(?:(?P<until>(?:between|from)\b[^.!?]{1,30}\b(?:and|to|until|till|through)|until|till|up\s+to|through|by)"
    r"|(?P<since>since|between)|(?P<after>after)|(?P<before>before|prior\s+to)|(?P<start>from))\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s*(?:to|until|till|through|-|–)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimeMention:
    """A time expression in a text, and the interval it means.

    ``start`` and ``end`` are character offsets: ``text`` is the part of the whole text between them. A preposition is
    not part of it; ``relation`` says what the preposition means. "since", "after", "until" and "before" make an
    interval with an open end (see `query_interval`), "in" means the interval itself. ``precision`` is the unit to which
    the ends of the interval are known: "day" for a week or a weekend. ``relative`` is true if the interval depends on
    the time at which the text was said.
    """

    start: int
    end: int
    text: str
    since: datetime
    until: datetime
    precision: TimePrecision
    relation: Relation = "in"
    relative: bool = True


def parse_time(value: str) -> tuple[datetime, TimePrecision]:
    """Read ISO 8601 text of any precision: its first instant, and the unit it is known to.

    ``"2023"``, ``"2023-05"``, ``"2023-05-08"``, ``"2023-05-08T13:56"`` and anything finer are read, with ``Z``, with an
    offset or without a zone. A text without a zone gives a naive datetime.

    Raises:
        InputError: the text is not of this form, or the day or the hour does not exist.
    """
    text = value.strip().upper()
    found = _ISO.fullmatch(text)
    if found is None:
        raise InputError(_not_a_time(value, "it is not ISO 8601"))
    missing = "-01" * ((found["month"] is None) + (found["day"] is None))
    try:
        start = datetime.fromisoformat(text + missing)
    except ValueError as error:
        raise InputError(_not_a_time(value, str(error))) from error
    units: tuple[TimePrecision, ...] = ("second", "minute", "day", "month")
    return start, next((unit for unit in units if found[unit] is not None), "year")


def _not_a_time(value: str, reason: str) -> str:
    shown = value if len(value) <= 60 else value[:60] + "…"
    return f'cannot read the time {shown!r}: {reason}; write it as "2023-05-08T13:56:00+02:00", "2023-05-08", "2023"'


def find_times(text: str, at: datetime) -> list[TimeMention]:
    """The time expressions of an English text, resolved against ``at``, in order of appearance.

    They do not overlap, and have the zone of ``at``. An expression that means no day of the calendar (31 June, a
    thousand years before year 1) is left out. Any text is accepted; nothing is raised.
    """
    if PREFILTER.search(text) is None:
        return []
    found = sorted(_candidates(text, at), key=lambda mention: (mention.start, -mention.end))
    mentions: list[TimeMention] = []
    for mention in found:
        if not mentions or mention.start >= mentions[-1].end:
            mentions.append(mention)
    return mentions


def _candidates(text: str, at: datetime) -> Iterator[TimeMention]:
    today = at.date()
    for rule in RULES:
        for found in rule.pattern.finditer(text):
            start, end = found.span("it")
            lean = _lean(text, start) if rule.yearless else "open"
            try:
                first, last, precision = rule.resolve(Said(found, today, lean))
                since = datetime.combine(first, time(), at.tzinfo)
                until = datetime.combine(last + timedelta(days=1), time(), at.tzinfo)
            except (UnresolvedError, ValueError, OverflowError):
                continue  # 31 June, the year 0, a day beyond the calendar
            if since < until:
                relation = _relation(text, start, end)
                yield TimeMention(start, end, text[start:end], since, until, precision, relation, rule.relative(found))


def _lean(text: str, start: int) -> Lean:
    """Whether the sentence, up to ``start``, speaks of the future or of the past."""
    before = _SENTENCE_END.split(text[max(0, start - 100) : start])[-1]
    if FUTURE.search(before):
        return "future"
    return "past" if PAST.search(before) else "open"


def _relation(text: str, start: int, end: int) -> Relation:
    """What the preposition before ``start`` means: in "from May to June" it is "since" for May, "until" for June."""
    found = _PREPOSITION.search(text, max(0, start - 40), start)
    match found and found.lastgroup:
        case "since":
            return "since"
        case "until":
            return "until"
        case "after":
            return "after"
        case "before":
            return "before"
        case "start" if _RANGE.match(text, end):
            return "since"
        case _:
            return "in"  # "a picture from last night"


def query_interval(text: str, at: datetime) -> tuple[datetime | None, datetime | None] | None:
    """The interval ``[since, until)`` that a question asked at ``at`` is about; None if it names no time.

    An end that the question leaves open is None: "since March" has no ``until``. Several times in one question ("in May
    or June") give the interval from the first to the last.
    """
    mentions = find_times(text, at)
    lower = [m.since if m.relation == "since" else m.until for m in mentions if m.relation in ("since", "after")]
    upper = [m.until if m.relation == "until" else m.since for m in mentions if m.relation in ("until", "before")]
    inside = [m for m in mentions if m.relation == "in"]
    if inside:
        lower.append(min(m.since for m in inside))
        upper.append(max(m.until for m in inside))
    since, until = max(lower, default=None), min(upper, default=None)
    if (since is None and until is None) or (since is not None and until is not None and since >= until):
        return None  # a contradiction ("in May, before April") says nothing to filter by
    return since, until


def describe(instant: datetime, precision: TimePrecision) -> str:
    """The text of a time that is known to ``precision``: "8 May 2023, 13:56", "8 May 2023", "May 2023", "2023"."""
    match precision:
        case "year":
            return str(instant.year)
        case "month":
            return f"{MONTH_NAMES[instant.month - 1]} {instant.year}"
        case "day":
            return f"{instant.day} {MONTH_NAMES[instant.month - 1]} {instant.year}"
        case "minute":
            return f"{describe(instant, 'day')}, {instant:%H:%M}"
        case _:
            return f"{describe(instant, 'day')}, {instant:%H:%M:%S}"


def describe_interval(since: datetime, until: datetime) -> str:
    """The text of an interval ``[since, until)`` of whole days: "8 May 2023", "May 2023", "1 to 7 May 2023"."""
    first, last = since.date(), until.date() - timedelta(days=1)
    if first >= last:
        return describe(since, "day")
    whole_months = first.day == 1 and until.day == 1
    if whole_months and first.month == 1 and last.month == 12:
        return _joined([str(first.year)], [str(last.year)])
    names = [[MONTH_NAMES[day.month - 1], str(day.year)] for day in (first, last)]
    if not whole_months:
        names = [[str(day.day), *name] for day, name in zip((first, last), names, strict=True)]
    return _joined(*names)


def _joined(first: list[str], last: list[str]) -> str:
    """Two dates as a range; the words that both end with are written once."""
    if first == last:
        return " ".join(last)
    shared = 0
    while first[len(first) - 1 - shared :] == last[len(last) - 1 - shared :] and shared < len(first) - 1:
        shared += 1
    return " ".join([*first[: len(first) - shared], "to", *last])


__all__ = ["Relation", "TimeMention", "describe", "describe_interval", "find_times", "parse_time", "query_interval"]
