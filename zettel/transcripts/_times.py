"""Reading the times that people and programs write into transcripts.

Datetimes are returned as the file has them: if the file names no zone, they have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from zettel.model import TimePrecision
from zettel.transcripts._values import shown

MONTH_NAMES = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY = r"(?i:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)"

_ISO = re.compile(r"(?P<y>[0-9]{4})(?P<sep>[-/.])(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2})(?![0-9])")
_NUMERIC = re.compile(
    r"(?<![0-9])(?P<a>[0-9]{1,2})(?P<sep>[-/.])(?P<b>[0-9]{1,2})(?P=sep)(?P<y>[0-9]{4}|[0-9]{2})(?![0-9])"
)
_DAY_FIRST = re.compile(
    rf"(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?[\s.-]+(?:of )?(?P<m>{MONTH_NAMES})[.,]?[\s,-]*(?P<y>[0-9]{{4}})\b"
)
_MONTH_FIRST = re.compile(rf"(?P<m>{MONTH_NAMES})\.?\s+(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>[0-9]{{4}})\b")
_CLOCK = re.compile(
    r"(?P<h>[0-9]{1,2})(?::(?P<min>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\b\.?)?"
    r"(?:\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)(?![0-9A-Za-z]))?"
)
_BEFORE = re.compile(rf"(?:{_WEEKDAY}\b[.,]?\s*)?")
_BETWEEN = re.compile(rf"(?:\s*\(?{_WEEKDAY}\b[.)]?)?(?:[\s,]|\bat\b|\bon\b|[-–—](?=\s)|T(?=[0-9]))*")
_YEAR_MONTH = re.compile(r"(?P<y>[0-9]{4})(?:-(?P<m>[0-9]{2}))?")
_EPOCH = re.compile(r"[0-9]{9,13}(?:\.[0-9]+)?")

#: Numbers beyond this count milliseconds, not seconds, since 1970: as seconds they would lie past the year 5000.
_MILLISECONDS_FROM = 1e11


class NotATimeError(ValueError):
    """The text is not a time in a known layout; the message quotes it and says how to write it."""


class AmbiguousDateError(NotATimeError):
    """The text is a date such as 08/05/2023, which may mean two different days."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date, a time of the day, or both. ``zone`` is None if the text names none."""

    day: date | None
    clock: time | None
    zone: tzinfo | None
    precision: TimePrecision

    def on(self, day: date | None = None) -> datetime | None:
        """The time that the stamp means; a stamp without a date is on ``day``. None if there is no date at all."""
        date_of = self.day or day
        return None if date_of is None else datetime.combine(date_of, self.clock or time(), self.zone)


def parse_stamp(text: str, day_first: bool | None = None) -> Stamp:
    """The date, the time of the day, or both, that make up the whole of ``text``.

    ``day_first`` says whether "08/05/2023" is the 8th of May; None means that it isn't known. "08.05.2023" always is.

    Raises:
        AmbiguousDateError: the date may mean two different days.
        NotATimeError: the text is something else.
    """
    try:
        return _parsed(text, day_first)
    except AmbiguousDateError:
        _parsed(text, day_first=True)  # raises NotATimeError if other text follows the date
        raise


def _parsed(text: str, day_first: bool | None) -> Stamp:
    bare = text.strip()
    bare = bare[_end(_BEFORE, bare) :]
    day, end = _leading_day(bare, day_first)
    if day is not None:
        rest = bare[end:]
        rest = rest[_end(_BETWEEN, rest) :]
        return _stamp(text, day, rest) if rest else Stamp(day, None, None, "day")
    clock = _CLOCK.match(bare)
    if clock is None:
        raise _not_a_time(text)
    rest = bare[clock.end() :]
    rest = rest[_end(_BETWEEN, rest) :]
    rest = rest[_end(_BEFORE, rest) :]
    day, end = _leading_day(rest, day_first)
    if end != len(rest):
        raise _not_a_time(text)
    return _stamp(text, day, clock.group())


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _stamp(text: str, day: date | None, clock_text: str) -> Stamp:
    found = _CLOCK.fullmatch(clock_text.strip())
    # A number alone ("13") is no time of the day; "1 pm" is one.
    if found is None or (found["min"] is None and found["half"] is None):
        raise _not_a_time(text)
    hour, half = int(found["h"]), (found["half"] or "").lower()
    if half:
        if hour > 12:
            raise _not_a_time(text)
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = (found["f"] or "").ljust(6, "0")[:6]
    try:
        clock = time(hour, int(found["min"] or 0), int(found["s"] or 0), int(fraction))
        return Stamp(day, clock, _zone(found["zone"]), "second" if found["s"] else "minute")
    except ValueError:
        raise _not_a_time(text) from None


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if text[0] == "-" else shift)


def _leading_day(text: str, day_first: bool | None) -> tuple[date | None, int]:
    """The date that ``text`` begins with, and its length; (None, 0) if ``text`` begins with something else."""
    for pattern in (_ISO, _DAY_FIRST, _MONTH_FIRST):
        if found := pattern.match(text):
            month = found["m"]
            number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
            return _date(text, int(found["y"]), number, int(found["d"])), found.end()
    found = _NUMERIC.match(text)
    if found is None:
        return None, 0
    first, second = int(found["a"]), int(found["b"])
    if found["sep"] == "." or first > 12 or first == second:
        day, month_number = first, second
    elif second > 12:
        day, month_number = second, first
    elif day_first is None:
        raise AmbiguousDateError(
            f"{shown(found.group())} may mean day/month or month/day, and no date in the file decides which;"
            " write such dates as 2023-05-08"
        )
    else:
        day, month_number = (first, second) if day_first else (second, first)
    year = int(found["y"])
    return _date(text, year if year > 99 else 2000 + year, month_number, day), found.end()


def _date(text: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise _not_a_time(text) from None


def _not_a_time(text: str) -> NotATimeError:
    return NotATimeError(f"{shown(text)} is not a time in a known layout; write it as 2023-05-08 13:56")


def day_order(texts: Iterable[str]) -> bool | None:
    """Whether dates such as "13/05/2023" among ``texts`` put the day first; None if none decides, or if they differ.

    A file that grows can turn None into an answer, but never one answer into the other: it then gives None.
    """
    orders = set()
    for text in texts:
        for found in _NUMERIC.finditer(text):
            first, second = int(found["a"]), int(found["b"])
            if found["sep"] != "." and (first > 12) != (second > 12):
                orders.add(first > 12)
    return orders.pop() if len(orders) == 1 else None


def instant(value: object) -> tuple[datetime, TimePrecision]:
    """The time in a JSON field, and its precision.

    The field may hold ISO 8601 text of any precision, another common layout with a date, or a number of seconds since
    1970. A number that would be a time after the year 5000 counts milliseconds.

    Raises:
        NotATimeError: the field holds something else.
    """
    if isinstance(value, str) and _EPOCH.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value), "second"
    if not isinstance(value, str):
        raise NotATimeError(f"a time must be ISO 8601 text or seconds since 1970, not {shown(value)}")
    if found := _YEAR_MONTH.fullmatch(value.strip()):
        start = _date(value, int(found["y"]), int(found["m"] or 1), 1)
        return datetime.combine(start, time()), "month" if found["m"] else "year"
    stamp = parse_stamp(value)
    result = stamp.on()
    if result is None:
        raise NotATimeError(f"{shown(value)} is a time of the day without a date; write it as 2023-05-08 13:56")
    return result, stamp.precision


def _since_1970(number: float) -> datetime:
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) > _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotATimeError(f"{shown(number)} is not a number of seconds since 1970") from None
