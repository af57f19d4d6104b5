"""The English time expressions of `zettel.times`, one rule each: a pattern, and the days it means.

A rule's pattern has a group ``it``, which is the expression without the preposition that let it be recognized. Its
``resolve(found, today, lean)`` gives first day, last day and precision; it may raise `Unresolved`, ValueError or
OverflowError where there are no such days.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from zettel.model import TimePrecision

Days: TypeAlias = tuple[date, date, TimePrecision]
Found: TypeAlias = "re.Match[str]"
#: Where a sentence looks, as far as its words tell.
Lean: TypeAlias = Literal["past", "future", "open"]


class Unresolved(Exception):
    """The words fit a rule but name no time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``yearless``: the direction, past or future, must be read off the sentence when the expression leaves it open."""

    pattern: re.Pattern[str]
    resolve: Callable[[Found, date, Lean], Days]
    yearless: bool = False
    absolute: bool = False

    def relative(self, found: Found) -> bool:
        """Whether the moment of saying is needed to know the days."""
        return not (self.absolute and found.groupdict().get("year", "absolute"))


MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: A plan ("March 1: first draft") names its days without a verb; few speak without a year of a day nine months past.
_SOON = timedelta(days=92)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_MONTHS = {name[:3].lower(): number for number, name in enumerate(MONTH_NAMES, 1)}
_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {
    word: (n, n)
    for n, word in enumerate(_NUMBER_WORDS, 1)
} | {"a": (1, 1), "an": (1, 1), "couple": (2, 3), "few": (2, 5), "several": (3, 7)}  # fmt: skip

# "may" and "march" are words, and so are the short forms ("mar", "sun"): those count only with a capital letter.
_MONTH = (
    r"(?:(?i:january|february|april|june|july|august|september|october|november|december)|May|MAY|March|MARCH"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?)"
)
_WEEKDAY = r"(?:(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|(?:Mon|Tues|Tue|Wed|Thurs|Thur|Thu|Fri)\b)"
_SEASON = r"(?i:spring|summer|autumn|fall|winter)"
_DAY = r"(?P<day>[0-3]?\d)(?i:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAYTIME = r"(?i:morning|afternoon|evening|night)"
_AMOUNT = (
    r"(?P<n>\d{1,3}|(?i:an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:a\s+)?(?:couple|few|several)(?:\s+of)?))"
)
_UNIT = r"(?P<unit>(?i:minute|hour|day|night|week|weekend|month|year|decade))(?i:s)?"

#: Every expression holds a digit or one of these; most messages hold neither, and are done after one pass.
PREFILTER = re.compile(
    r"\d|day\b|ago\b|tomorrow|tonight|night|week|month|year|morning|evening|afternoon|decade|summer|winter|spring"
    r"|autumn|fall\b|(?<=\w)ber\b|uary\b|\b(?:Mon|Tues?|Wed|Thurs?|Thur|Fri|Jan|Feb|Mar|Apr|Jun|Jul|Aug)\b"
    r"|\b(?:Sept?|Oct|Nov|Dec)\b|M(?:ay|AY|arch|ARCH)\b|(?:[Aa]pril|[Jj]une|[Jj]uly|[Aa]ugust)\b"
    r"|D(?:AY|ay)\b|NIGHT|WEEK|MONTH|YEAR|AGO\b|TOMORROW|TONIGHT"
)
FUTURE = re.compile(
    r"\b(?:will|gonna|going\s+to|plan(?:s|ning)?|next|upcoming|tomorrow|soon|shall|see\s+you|look(?:ing)?\s+forward"
    r"|can['’]t\s+wait|scheduled?|deadline|due|booked)\b|['’]ll\b|\bby\s+$",
    re.IGNORECASE,
)
PAST = re.compile(r"\b(?:did|was|were|had|has|have|went|got|made|took|saw|met|came|\w{2,}ed)\b|['’]ve\b", re.IGNORECASE)


# ------------------------------------------------------------- days of a unit


def _month_number(name: str) -> int:
    return _MONTHS[name[:3].lower()]


def _month(year: int, month: int) -> Days:
    """The month that many months from January of ``year``; ``month`` may lie outside 1..12."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]), "month"


def _year(year: int) -> Days:
    return date(year, 1, 1), date(year, 12, 31), "year"


def _season(year: int, name: str) -> Days:
    """A season by the year in which it begins."""
    start = _SEASONS[name.lower()]
    return _month(year, start)[0], _month(year, start + 2)[1], "month"


def _day(day: date) -> Days:
    return day, day, "day"


def _week(today: date, offset: int) -> Days:
    monday = today - timedelta(days=today.weekday() - 7 * offset)
    return monday, monday + timedelta(days=6), "day"


def _weekend(today: date, offset: int) -> Days:
    sunday = _week(today, offset)[1]
    return sunday - timedelta(days=1), sunday, "day"


def _shift(today: date, unit: str, offset: int) -> Days:
    """The day, week, weekend, month, year or decade that lies ``offset`` of them from the present one."""
    match unit:
        case "week":
            return _week(today, offset)
        case "weekend":
            return _weekend(today, offset)
        case "month":
            return _month(today.year, today.month + offset)
        case "year":
            return _year(today.year + offset)
        case "decade":
            return _year(today.year + 10 * offset)
        case _:
            return _day(today + timedelta(days=offset))


def _first(options: Iterable[Days]) -> Days:
    for days in options:
        return days
    raise Unresolved  # the calendar ends before it


def _nearest(options: list[Days], today: date, lean: Lean) -> Days:
    """Of the same thing in successive years: the first not yet over, or the latest that has begun."""
    coming = _first(days for days in options if days[1] >= today)
    if lean == "future" or (lean == "open" and coming[0] - today <= _SOON):
        return coming
    return _first(days for days in reversed(options) if days[0] <= today)


def _direction(word: str, options: list[Days], today: date) -> Days:
    """"last", "this" or "next" of ``options``, which are in order and three or more."""
    match word.lower().split()[-1]:
        case "last" | "past" | "previous":
            return _first(days for days in reversed(options) if days[1] < today)
        case "next" | "coming":
            return _first(days for days in options if days[0] > today)
        case _:
            if not options:
                raise Unresolved
            return min(options, key=lambda days: (not days[0] <= today <= days[1], days[0].year != today.year))


def _around(today: date) -> range:
    return range(max(1, today.year - 2), min(9999, today.year + 3))


# ------------------------------------------------------------------ resolvers


def _iso_date(found: Found, today: date, lean: Lean) -> Days:
    return _day(date(int(found["year"]), int(found["month"]), int(found["day"])))


def _slashed(found: Found, today: date, lean: Lean) -> Days:
    one, two, year = int(found["one"]), int(found["two"]), int(found["year"])
    if one <= 12 and two <= 12 and one != two:
        raise Unresolved
    return _day(date(year, *((one, two) if one <= 12 else (two, one))))


def _month_day(found: Found, today: date, lean: Lean) -> Days:
    month, day = _month_number(found["month"]), int(found["day"])
    if found["year"]:
        return _day(date(int(found["year"]), month, day))
    options = [_day(date(y, month, day)) for y in _around(today) if day <= calendar.monthrange(y, month)[1]]
    if not options:
        raise Unresolved
    return _nearest(options, today, lean)


def _month_year(found: Found, today: date, lean: Lean) -> Days:
    return _month(int(found["year"]), _month_number(found["month"]))


def _bare_month(found: Found, today: date, lean: Lean) -> Days:
    return _nearest([_month(year, _month_number(found["month"])) for year in _around(today)], today, lean)


def _season_year(found: Found, today: date, lean: Lean) -> Days:
    return _season(int(found["year"]), found["season"])


def _bare_year(found: Found, today: date, lean: Lean) -> Days:
    return _year(int(found["year"]))


def _simple(found: Found, today: date, lean: Lean) -> Days:
    word = " ".join(found["word"].lower().split())
    offsets = {"yesterday": -1, "last night": -1, "tomorrow": 1, "day before yesterday": -2, "day after tomorrow": 2}
    return _day(today + timedelta(days=offsets.get(word.removeprefix("the "), 0)))


def _directed(found: Found, today: date, lean: Lean) -> Days:
    """"last week", "this May", "next Friday", "the past summer"."""
    word, what = found["dir"], found["what"].lower()
    step = {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(word.lower().split()[-1], 0)
    if what in ("week", "month", "year"):
        return _shift(today, what, step)
    if what == "weekend":
        return _direction(word, [_weekend(today, offset) for offset in (-2, -1, 0, 1, 2)], today)
    if what in _SEASONS:
        return _direction(word, [_season(year, what) for year in _around(today)], today)
    if what.rstrip(".")[:3] in _MONTHS:
        return _direction(word, [_month(year, _month_number(what)) for year in _around(today)], today)
    return _weekday(what, today, step)


def _weekday(name: str, today: date, step: int) -> Days:
    """The weekday before today (-1), in the present week (0), or after today (1)."""
    number = next(n for n, weekday in enumerate(_WEEKDAYS) if weekday.startswith(name[:3]))
    ahead = (number - today.weekday()) % 7
    match step:
        case -1:
            return _day(today + timedelta(days=ahead - 7))
        case 1:
            return _day(today + timedelta(days=ahead or 7))
        case _:
            return _day(today + timedelta(days=number - today.weekday()))


def _on_weekday(found: Found, today: date, lean: Lean) -> Days:
    return _weekday(found["what"].lower(), today, 1 if lean == "future" else -1)


def _amount(text: str) -> tuple[int, int]:
    words = text.lower().split()
    if words[0].isdigit():
        return int(words[0]), int(words[0])
    return next(_NUMBERS[word] for word in reversed(words) if word in _NUMBERS)


def _counted(found: Found, today: date, lean: Lean) -> Days:
    """"two weeks ago", "a few days ago", "3 months from now"."""
    (few, many), unit = _amount(found["n"]), found["unit"].lower()
    if unit in ("minute", "hour"):
        few = many = 0  # a day is the finest unit here, and it was said to be the same one
    sign = -1 if found["sense"].lower().split()[0] in ("ago", "back") else 1
    ends = [_shift(today, unit, sign * n) for n in (few, many)]
    return min(e[0] for e in ends), max(e[1] for e in ends), ends[0][2]


def _rolling(found: Found, today: date, lean: Lean) -> Days:
    """"the past two weeks": that long, up to and with today."""
    many, unit = _amount(found.groupdict().get("n") or "one")[1], found["unit"].lower()
    match unit:
        case "month" | "year" | "decade":
            back = {"month": 1, "year": 12, "decade": 120}[unit] * many
            first, last, _ = _month(today.year, today.month - back)
            return first.replace(day=min(today.day, last.day)), today, "day"
        case _:
            return today - timedelta(days=many * (7 if unit == "week" else 1)), today, "day"


def _beside(found: Found, today: date, lean: Lean) -> Days:
    """"the week before 9 June 2023", "two days after 8 May"; without a date, "the week before" counts from today."""
    sign = -1 if found["sense"].lower() == "before" else 1
    count, unit = _amount(found["n"])[1] if found["n"] else 1, found["unit"].lower()
    if not found["month"]:
        if not found["last"] and (sign > 0 or found["n"] or unit in ("day", "night")):
            raise Unresolved  # "the day before" and "the week after" count from the day the story is at
        return _shift(today, unit, sign * (2 if found["last"] else 1))
    anchor = _month_day(found, today, lean)[0]
    match unit:
        case "day" | "night":
            return _day(anchor + timedelta(days=sign * count))
        case "weekend":
            ahead = sign > 0 and _weekend(anchor, 0)[0] > anchor
            return _weekend(anchor, sign * count - ahead)
        case "week":
            far = anchor + timedelta(days=sign * 7 * count)
            return (far, far + timedelta(days=6), "day") if sign < 0 else (far - timedelta(days=6), far, "day")
        case _:
            return _shift(anchor, unit, sign * count)


def _last_weekend(found: Found, today: date, lean: Lean) -> Days:
    return _direction("next" if lean == "future" else "last", [_weekend(today, offset) for offset in (-2, -1, 0, 1, 2)], today)


def _rule(pattern: str) -> re.Pattern[str]:
    """Compile; a space stands for up to three white characters, so that no text makes the search slow."""
    return re.compile(pattern.replace(" ", r"\s{1,3}"))


_IN = r"(?i:in|since|until|till|before|after|during|early|late|mid|between|back in|by|through|around)"
_AND = r"(?i:to|and|or|until|till|through)"
_DATE = rf"(?:{_DAY}(?: (?i:of))? (?P<month>{_MONTH})(?:,? {_YEAR})?)"

RULES = (
    Rule(_rule(r"(?<![\d/-])(?P<it>(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d))(?![\d/-])"), _iso_date, absolute=True),
    Rule(_rule(r"(?<![\d/.-])(?P<it>(?P<one>\d\d?)/(?P<two>\d\d?)/(?P<year>(?:19|20)\d\d))(?![\d/])"), _slashed, absolute=True),
    Rule(
        _rule(rf"(?<![\w.:$€£-])(?P<it>(?:(?i:the) )?{_DAY}(?: (?i:of))? (?P<month>{_MONTH})(?:,? {_YEAR})?)(?!\w)"),
        _month_day, yearless=True, absolute=True,
    ),
    Rule(
        _rule(rf"\b(?P<it>(?P<month>{_MONTH}) (?:(?i:the) )?{_DAY}(?:,? {_YEAR})?)(?![\w%:]|[.,]\d)"),
        _month_day, yearless=True, absolute=True,
    ),
    Rule(_rule(rf"\b(?P<it>(?P<month>{_MONTH})(?: (?i:of))?,? {_YEAR})(?!\w)"), _month_year, absolute=True),
    Rule(_rule(rf"\b{_IN}(?:\s|-)(?P<it>(?P<month>{_MONTH}))(?!\w|-\w)"), _bare_month, yearless=True),
    Rule(_rule(rf"\b(?i:from|between|in) {_MONTH} {_AND} (?P<it>(?P<month>{_MONTH}))(?!\w|-\w)"), _bare_month, yearless=True),
    Rule(_rule(rf"\b(?i:from) (?P<it>(?P<month>{_MONTH}))(?= {_AND}\b)"), _bare_month, yearless=True),
    Rule(_rule(rf"\b(?P<it>(?P<season>{_SEASON})(?: (?i:of))? {_YEAR})(?!\w)"), _season_year, absolute=True),
    Rule(
        _rule(rf"\b(?:{_IN}|(?i:of|from|to))(?:\s|-)(?P<it>{_YEAR})(?![\w%]|[.,:/-]\d)(?! (?:people|dollars|words|users|times))"),
        _bare_year, absolute=True,
    ),
    Rule(_rule(r"\b(?i:between|from) (?:19|20)\d\d (?i:and|to) (?P<it>(?P<year>(?:19|20)\d\d))(?!\w)"), _bare_year, absolute=True),
    Rule(
        _rule(
            r"\b(?P<it>(?i:(?P<word>(?:the )?day (?:before yesterday|after tomorrow)|yesterday|today|tomorrow|last night"
            rf"|tonight|this (?:morning|afternoon|evening)))(?: {_DAYTIME}\b)?)(?!\w)(?<!-)(?!(?<=oday)['’])"
        ),
        _simple,
    ),
    Rule(
        _rule(
            r"(?<!\bat\s)\b(?P<it>(?P<dir>(?i:this past|this coming|last|this|next|past|previous|coming)) "
            rf"(?P<what>(?i:weekend|week|month|year)|{_SEASON}|{_MONTH}|{_WEEKDAY})(?: {_DAYTIME}\b)?)(?!\w| (?i:of)\b)"
        ),
        _directed,
    ),
    Rule(_rule(rf"\b(?i:on|since|until|till|before|after|by) (?P<it>(?P<what>{_WEEKDAY})(?: {_DAYTIME}\b)?)(?!\w)"), _on_weekday, yearless=True),
    Rule(_rule(r"\b(?i:over|during|on|at) (?P<it>(?i:the weekend))(?!\w)"), _last_weekend, yearless=True),
    Rule(_rule(rf"(?<![\w.,-])(?P<it>{_AMOUNT} {_UNIT} (?P<sense>(?i:ago|from now|back(?=[.,!?;]|$))))(?!\w)"), _counted),
    Rule(
        _rule(rf"\b(?P<it>(?:(?i:the) )?(?i:past|last) {_AMOUNT} (?P<unit>(?i:day|week|month|year|decade))(?i:s)?)(?!\w| (?i:of)\b)"),
        _rolling,
    ),
    Rule(_rule(r"\b(?P<it>(?i:the (?:past|last) (?P<unit>day|week|month|year|decade)))(?!\w| (?i:of)\b)"), _rolling),
    Rule(
        _rule(
            rf"\b(?P<it>(?:(?i:the)|{_AMOUNT}) (?P<unit>(?i:day|night|weekend|week|month|year))(?i:s)? (?P<sense>(?i:before|after))"
            rf"(?: (?:(?i:the) )?{_DATE}(?!\w)|(?P<last> (?i:last)\b)|(?=\s*(?:[.,!?;)]|$))))"
        ),
        _beside, yearless=True, absolute=True,
    ),
)  # fmt: skip
