"""Days, weeks, months, years and seasons counted from a given day: the calendar behind `zettel.times`.

Each is a first day, a last day and a precision. A date outside the years 1 to 9999 raises ValueError or OverflowError.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal, TypeAlias

from zettel.model import TimePrecision

Days: TypeAlias = tuple[date, date, TimePrecision]
#: The direction in which a sentence looks, as far as its words show it.
Lean: TypeAlias = Literal["past", "future", "open"]

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: A plan ("March 1: first draft") names its days without a verb, and few people omit the year of a day nine months ago.
_SOON = timedelta(days=92)
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
MONTHS = {name[:3].lower(): number for number, name in enumerate(MONTH_NAMES, 1)}


class UnresolvedError(Exception):
    """The words match a rule but name no time."""


def month_number(name: str) -> int:
    """The number, 1 to 12, of a month that is given by its name or by the first three letters of it."""
    return MONTHS[name[:3].lower()]


def month_of(year: int, month: int) -> Days:
    """A month of ``year``, from 1; numbers below 1 or above 12 count into the years before and after."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year, month, monthrange(year, month)[1]), "month"


def year_of(year: int) -> Days:
    """A whole year."""
    return date(year, 1, 1), date(year, 12, 31), "year"


def season_of(year: int, name: str) -> Days:
    """A season; ``year`` is the one in which it begins."""
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
    """The two weekends before the present week, its own, and the two after it."""
    return [weekend_of(today, offset) for offset in (-2, -1, 0, 1, 2)]


def shift(today: date, unit: str, offset: int) -> Days:
    """The day, week, weekend, month, year or decade that is ``offset`` of these units from the present one."""
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
    """The first of ``options``.

    Raises:
        UnresolvedError: there is none.
    """
    for days in options:
        return days
    raise UnresolvedError  # it would lie outside the calendar


def nearest(options: list[Days], today: date, lean: Lean) -> Days:
    """The first of ``options`` that is not over, or the latest that has begun: the same days in successive years."""
    coming = first_of(days for days in options if days[1] >= today)
    if lean == "future" or (lean == "open" and coming[0] - today <= _SOON):
        return coming
    return first_of(days for days in reversed(options) if days[0] <= today)


def directed(word: str, options: list[Days], today: date) -> Days:
    """The "last", "this" or "next" of ``options``, which are at least three, in order."""
    match word.lower().split()[-1]:
        case "last" | "past" | "previous":
            return first_of(days for days in reversed(options) if days[1] < today)
        case "next" | "coming":
            return first_of(days for days in options if days[0] > today)
        case _:
            present = [days for days in options if days[0] <= today <= days[1]]
            return first_of(present or [days for days in options if days[0].year == today.year])


def around(today: date) -> range:
    """The years in which a date without a year may lie."""
    # Eight years hold a 29 February in both directions, even across a century that begins without one.
    return range(max(1, today.year - 8), min(9999, today.year + 9))


def weekday_of(name: str, today: date, step: int) -> Days:
    """The weekday of this name before today (-1), in the present week (0), or after today (1)."""
    number = next(n for n, weekday in enumerate(_WEEKDAYS) if weekday.startswith(name[:3]))
    ahead = (number - today.weekday()) % 7
    match step:
        case -1:
            return one_day(today + timedelta(days=ahead - 7))
        case 1:
            return one_day(today + timedelta(days=ahead or 7))
        case _:
            return one_day(today + timedelta(days=number - today.weekday()))
