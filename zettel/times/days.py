"""Days, weeks, months, years and seasons counted from a given day: the calendar behind `zettel.times`.

Everything is first day, last day and precision. Beyond the calendar's ends, ValueError and OverflowError are raised.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, TypeAlias

from zettel.model import TimePrecision

Days: TypeAlias = tuple[date, date, TimePrecision]
#: Where a sentence looks, as far as its words tell.
Lean: TypeAlias = Literal["past", "future", "open"]

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: A plan ("March 1: first draft") names its days without a verb; few speak without a year of a day nine months past.
_SOON = timedelta(days=92)
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
MONTHS = {name[:3].lower(): number for number, name in enumerate(MONTH_NAMES, 1)}


class UnresolvedError(Exception):
    """The words fit a rule but name no time."""


def month_number(name: str) -> int:
    """The number, 1 to 12, of a month by its name or the first three letters of it."""
    return MONTHS[name[:3].lower()]


def month_of(year: int, month: int) -> Days:
    """The month that many months from January of ``year``; ``month`` may lie outside 1..12."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year, month, monthrange(year, month)[1]), "month"


def year_of(year: int) -> Days:
    """A whole year."""
    return date(year, 1, 1), date(year, 12, 31), "year"


def season_of(year: int, name: str) -> Days:
    """A season by the year in which it begins."""
    start = SEASONS[name.lower()]
    return month_of(year, start)[0], month_of(year, start + 2)[1], "month"


def one_day(day: date) -> Days:
    """A single day."""
    return day, day, "day"


def week_of(today: date, offset: int) -> Days:
    """The week, Monday to Sunday, ``offset`` weeks from that of ``today``."""
    monday = today - timedelta(days=today.weekday() - 7 * offset)
    return monday, monday + timedelta(days=6), "day"


def weekend_of(today: date, offset: int) -> Days:
    """Saturday and Sunday of the week ``offset`` weeks from that of ``today``."""
    sunday = week_of(today, offset)[1]
    return sunday - timedelta(days=1), sunday, "day"


def weekends(today: date) -> list[Days]:
    """Two weekends before the present week, its own, and two after it."""
    return [weekend_of(today, offset) for offset in (-2, -1, 0, 1, 2)]


def shift(today: date, unit: str, offset: int) -> Days:
    """The day, week, weekend, month, year or decade that lies ``offset`` of them from the present one."""
    match unit:
        case "week":
            return week_of(today, offset)
        case "weekend":
            return weekend_of(today, offset)
        case "month":
            return month_of(today.year, today.month + offset)
        case "year":
            return year_of(today.year + offset)
        case "decade":
            return year_of(today.year + 10 * offset)
        case _:
            return one_day(today + timedelta(days=offset))


def first_of(options: Iterable[Days]) -> Days:
    """The first of ``options``; UnresolvedError where there is none."""
    for days in options:
        return days
    raise UnresolvedError  # the calendar ends before it


def nearest(options: list[Days], today: date, lean: Lean) -> Days:
    """Of the same thing in successive years: the first not yet over, or the latest that has begun."""
    coming = first_of(days for days in options if days[1] >= today)
    if lean == "future" or (lean == "open" and coming[0] - today <= _SOON):
        return coming
    return first_of(days for days in reversed(options) if days[0] <= today)


def directed(word: str, options: list[Days], today: date) -> Days:
    """The "last", "this" or "next" of ``options``, which are in order and three or more."""
    match word.lower().split()[-1]:
        case "last" | "past" | "previous":
            return first_of(days for days in reversed(options) if days[1] < today)
        case "next" | "coming":
            return first_of(days for days in options if days[0] > today)
        case _:
            present = [days for days in options if days[0] <= today <= days[1]]
            return first_of(present or [days for days in options if days[0].year == today.year])


def around(today: date) -> range:
    """The years in which a yearless date is looked for."""
    # Eight years reach a 29 February in both directions, even across a century without one.
    return range(max(1, today.year - 8), min(9999, today.year + 9))


def weekday_of(name: str, today: date, step: int) -> Days:
    """The weekday before today (-1), in the present week (0), or after today (1)."""
    number = next(n for n, weekday in enumerate(_WEEKDAYS) if weekday.startswith(name[:3]))
    ahead = (number - today.weekday()) % 7
    match step:
        case -1:
            return one_day(today + timedelta(days=ahead - 7))
        case 1:
            return one_day(today + timedelta(days=ahead or 7))
        case _:
            return one_day(today + timedelta(days=number - today.weekday()))
