"""The English time expressions of `zettel.times`, one rule each: a pattern, and the days it means.

The pattern of a rule has a group ``it``: the expression without the preposition that it was recognized by. Its
``resolve(said)`` gives the first day, the last day and the precision. If there are no such days, it raises
`UnresolvedError`, ValueError or OverflowError.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from zettel.times.days import (
    MONTHS,
    SEASONS,
    Days,
    Lean,
    UnresolvedError,
    around,
    directed,
    month_number,
    month_of,
    nearest,
    one_day,
    season_of,
    shift,
    weekday_of,
    weekend_of,
    weekends,
    year_of,
)


@dataclass(frozen=True, slots=True)
class Said:
    """An expression that matches a rule, the day on which it was said, and the direction of its sentence."""

    found: re.Match[str]
    today: date
    lean: Lean

    def __getitem__(self, group: str) -> str:
        """The text that a group of the pattern matched; "" if the group matched nothing or is not in this pattern."""
        return self.found.groupdict().get(group) or ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of expression.

    ``yearless`` is true if the expression shows no direction, past or future, so that the rest of the sentence must.
    ``absolute`` is true if the expression means the same days whenever it is said, provided that it names a year.
    """

    pattern: re.Pattern[str]
    resolve: Callable[[Said], Days]
    yearless: bool = False
    absolute: bool = False

    def relative(self, found: re.Match[str]) -> bool:
        """Whether the days depend on the time at which the expression was said."""
        return not (self.absolute and found.groupdict().get("year", "absolute"))


_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {
    word: (n, n)
    for n, word in enumerate(_NUMBER_WORDS, 1)
} | {"a": (1, 1), "an": (1, 1), "couple": (2, 3), "few": (2, 5), "several": (3, 7)}  # fmt: skip

# "may" and "march" are also other words, and so are short forms ("mar", "sun"): these need a capital letter.
_MONTH = (
    r"(?:(?i:january|february|april|june|july|august|september|october|november|december)|May|MAY|March|MARCH"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?)"
)
_WEEKDAY = (
    r"(?:(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
    r"|(?:Mon|Tues|Tue|Wed|Thurs|Thur|Thu|Fri)\b)"
)
_SEASON = r"(?i:spring|summer|autumn|fall|winter)"
_DAY = r"(?P<day>[0-3]?\d)(?i:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAYTIME = r"(?i:morning|afternoon|evening|night)"
_AMOUNT = (
    r"(?P<n>\d{1,3}|(?i:an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:a\s+)?(?:couple|few|several)(?:\s+of)?))"
)
_UNIT = r"(?P<unit>(?i:minute|hour|day|night|week|weekend|month|year|decade))(?i:s)?"

#: Every expression has a digit or one of these words; most messages have neither, and need only this one pass.
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


def _iso_date(said: Said) -> Days:
    return one_day(date(int(said["year"]), int(said["month"]), int(said["day"])))


def _slashed(said: Said) -> Days:
    one, two, year = int(said["one"]), int(said["two"]), int(said["year"])
    if one <= 12 and two <= 12 and one != two:
        raise UnresolvedError
    return one_day(date(year, *((one, two) if one <= 12 else (two, one))))


def _month_day(said: Said) -> Days:
    month, day = month_number(said["month"]), int(said["day"])
    if said["year"]:
        return one_day(date(int(said["year"]), month, day))
    options = [one_day(date(y, month, day)) for y in around(said.today) if day <= monthrange(y, month)[1]]
    if not options:
        raise UnresolvedError
    return nearest(options, said.today, said.lean)


def _month_year(said: Said) -> Days:
    return month_of(int(said["year"]), month_number(said["month"]))


def _bare_month(said: Said) -> Days:
    return nearest([month_of(year, month_number(said["month"])) for year in around(said.today)], said.today, said.lean)


def _season_year(said: Said) -> Days:
    return season_of(int(said["year"]), said["season"])


def _bare_year(said: Said) -> Days:
    return year_of(int(said["year"]))


def _simple(said: Said) -> Days:
    word = " ".join(said["word"].lower().split())
    offsets = {"yesterday": -1, "last night": -1, "tomorrow": 1, "day before yesterday": -2, "day after tomorrow": 2}
    return one_day(said.today + timedelta(days=offsets.get(word.removeprefix("the "), 0)))


def _directed(said: Said) -> Days:
    """As in "last week", "this May", "next Friday", "the past summer"."""
    word, what = said["dir"], said["what"].lower()
    step = {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(word.lower().split()[-1], 0)
    if what in ("week", "month", "year") or (what == "weekend" and step == 0):
        return shift(said.today, what, step)
    if what == "weekend":
        return directed(word, weekends(said.today), said.today)
    if what in SEASONS:
        return directed(word, [season_of(year, what) for year in around(said.today)], said.today)
    if what.rstrip(".")[:3] in MONTHS:
        return directed(word, [month_of(year, month_number(what)) for year in around(said.today)], said.today)
    return weekday_of(what, said.today, step)


def _on_weekday(said: Said) -> Days:
    return weekday_of(said["what"].lower(), said.today, 1 if said.lean == "future" else -1)


def _amount(text: str) -> tuple[int, int]:
    words = text.lower().split()
    if words[0].isdigit():
        return int(words[0]), int(words[0])
    return next(_NUMBERS[word] for word in reversed(words) if word in _NUMBERS)


def _counted(said: Said) -> Days:
    """As in "two weeks ago", "a few days ago", "3 months from now"."""
    (few, many), unit = _amount(said["n"]), said["unit"].lower()
    if unit in ("minute", "hour"):
        few = many = 0  # a day is the finest unit here, and some hours ago is taken to be the same day
    sign = -1 if said["sense"].lower().split()[0] in ("ago", "back") else 1
    ends = [shift(said.today, unit, sign * n) for n in (few, many)]
    return min(e[0] for e in ends), max(e[1] for e in ends), ends[0][2]


def _rolling(said: Said) -> Days:
    """As in "the past two weeks": that long, up to and including today."""
    many, unit = _amount(said["n"] or "one")[1], said["unit"].lower()
    match unit:
        case "month" | "year" | "decade":
            back = {"month": 1, "year": 12, "decade": 120}[unit] * many
            first, last, _ = month_of(said.today.year, said.today.month - back)
            return first.replace(day=min(said.today.day, last.day)), said.today, "day"
        case _:
            return said.today - timedelta(days=many * (7 if unit == "week" else 1)), said.today, "day"


def _beside(said: Said) -> Days:
    """As in "two days after 8 May", "the week before 9 June 2023"; without a date, weeks are counted from today."""
    sign = -1 if said["sense"].lower() == "before" else 1
    count, unit = _amount(said["n"])[1] if said["n"] else 1, said["unit"].lower()
    if not said["month"]:
        if not said["last"] and (sign > 0 or said["n"] or unit in ("day", "night")):
            raise UnresolvedError  # "the day before" and "the week after" count from a day that the story has reached
        return shift(said.today, unit, sign * (2 if said["last"] else 1))
    anchor = _month_day(said)[0]
    match unit:
        case "day" | "night":
            return one_day(anchor + timedelta(days=sign * count))
        case "weekend":
            ahead = sign > 0 and weekend_of(anchor, 0)[0] > anchor
            return weekend_of(anchor, sign * count - ahead)
        case "week":
            far = anchor + timedelta(days=sign * 7 * count)
            return (far, far + timedelta(days=6), "day") if sign < 0 else (far - timedelta(days=6), far, "day")
        case _:
            return shift(anchor, unit, sign * count)


def _last_weekend(said: Said) -> Days:
    return directed("next" if said.lean == "future" else "last", weekends(said.today), said.today)


def _rule(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; each space matches one to three white characters, so that no text makes a search slow."""
    return re.compile(pattern.replace(" ", r"\s{1,3}"))


_IN = r"(?i:in|since|until|till|before|after|during|early|late|mid|between|back in|by|through|around)"
_AND = r"(?i:to|and|or|until|till|through)"
_DATE = rf"(?:{_DAY}(?: (?i:of))? (?P<month>{_MONTH})(?:,? {_YEAR})?)"

# If several rules match at the same place, the longest expression wins; the order of the rules does not matter.
RULES = (
    Rule(
        _rule(r"(?<![\d/-])(?P<it>(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d))(?![\d/-])"),
        _iso_date, absolute=True,
    ),
    Rule(
        _rule(r"(?<![\d/.-])(?P<it>(?P<one>\d\d?)/(?P<two>\d\d?)/(?P<year>(?:19|20)\d\d))(?![\d/])"),
        _slashed, absolute=True,
    ),
    Rule(
        _rule(rf"(?<![\w.:$€£-])(?P<it>(?:(?i:the) )?{_DATE})(?!\w)"),
        _month_day, yearless=True, absolute=True,
    ),
    Rule(
        _rule(rf"\b(?P<it>(?P<month>{_MONTH}) (?:(?i:the) )?{_DAY}(?:,? {_YEAR})?)(?![\w%:]|[.,]\d)"),
        _month_day, yearless=True, absolute=True,
    ),
    Rule(_rule(rf"\b(?P<it>(?P<month>{_MONTH})(?: (?i:of))?,? {_YEAR})(?!\w)"), _month_year, absolute=True),
    Rule(_rule(rf"\b{_IN}(?:\s|-)(?P<it>(?P<month>{_MONTH}))(?!\w|-\w)"), _bare_month, yearless=True),
    Rule(
        _rule(rf"\b(?i:from|between|in) {_MONTH} {_AND} (?P<it>(?P<month>{_MONTH}))(?!\w|-\w)"),
        _bare_month, yearless=True,
    ),
    Rule(_rule(rf"\b(?i:from) (?P<it>(?P<month>{_MONTH}))(?= {_AND}\b)"), _bare_month, yearless=True),
    Rule(_rule(rf"\b(?P<it>(?P<season>{_SEASON})(?: (?i:of))? {_YEAR})(?!\w)"), _season_year, absolute=True),
    Rule(
        _rule(
            rf"\b(?:{_IN}|(?i:of|from|to))(?:\s|-)(?P<it>{_YEAR})(?![\w%]|[.,:/-]\d)"
            r"(?! (?:people|dollars|words|users|times))"
        ),
        _bare_year, absolute=True,
    ),
    Rule(
        _rule(r"\b(?i:between|from) (?:19|20)\d\d (?i:and|to) (?P<it>(?P<year>(?:19|20)\d\d))(?!\w)"),
        _bare_year, absolute=True,
    ),
    Rule(
        _rule(
            r"\b(?P<it>(?i:(?P<word>(?:the )?day (?:before yesterday|after tomorrow)|yesterday|today|tomorrow"
            rf"|last night|tonight|this (?:morning|afternoon|evening)))(?: {_DAYTIME}\b)?)(?!\w)(?<!-)(?!(?<=oday)['’])"
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
    Rule(
        _rule(rf"\b(?i:on|since|until|till|before|after|by) (?P<it>(?P<what>{_WEEKDAY})(?: {_DAYTIME}\b)?)(?!\w)"),
        _on_weekday, yearless=True,
    ),
    Rule(_rule(r"\b(?i:over|during|on|at) (?P<it>(?i:the weekend))(?!\w)"), _last_weekend, yearless=True),
    Rule(
        _rule(rf"(?<![\w.,-])(?P<it>{_AMOUNT} {_UNIT} (?P<sense>(?i:ago|from now|back(?=[.,!?;]|$))))(?!\w)"),
        _counted,
    ),
    Rule(
        _rule(
            rf"\b(?P<it>(?:(?i:the) )?(?i:past|last) {_AMOUNT} (?P<unit>(?i:day|week|month|year|decade))(?i:s)?)"
            r"(?!\w| (?i:of)\b)"
        ),
        _rolling,
    ),
    Rule(_rule(r"\b(?P<it>(?i:the (?:past|last) (?P<unit>day|week|month|year|decade)))(?!\w| (?i:of)\b)"), _rolling),
    Rule(
        _rule(
            r"\b(?P<it>(?:(?i:the)"
            rf"|{_AMOUNT}) (?P<unit>(?i:day|night|weekend|week|month|year))(?i:s)? (?P<sense>(?i:before|after))"
            rf"(?: (?:(?i:the) )?{_DATE}(?!\w)|(?P<last> (?i:last)\b)|(?=\s*(?:[.,!?;)]|$))))"
        ),
        _beside, yearless=True, absolute=True,
    ),
)  # fmt: skip
