"""Filters: the conditions that a note must meet to be searched or listed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from operator import ge, gt, le, lt
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

from zettel.errors import InputError
from zettel.model import STATUSES, Note, TimePrecision
from zettel.times import parse_time

UTC = ZoneInfo("UTC")
SEARCHED = ("active", "superseded")  # the statuses that a search shows unless it is asked for others
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "ne": lambda value, wanted: not _holds(value, wanted),
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
}


def end_of(time: datetime, precision: TimePrecision) -> datetime:
    """The end of a time that is known to ``precision``: "May 2023" ends when June begins."""
    match precision:
        case "year":
            return time.replace(year=time.year + 1) if time.year < datetime.max.year else _last(time)
        case "month":
            year, month = divmod(time.year * 12 + time.month, 12)
            return time.replace(year=year, month=month + 1, day=1) if year <= datetime.max.year else _last(time)
    step = {"day": timedelta(days=1), "minute": timedelta(minutes=1)}.get(precision, timedelta(seconds=1))
    return time + step if time.replace(tzinfo=None) < datetime.max - step else _last(time)


def _last(time: datetime) -> datetime:
    return datetime.max.replace(tzinfo=time.tzinfo)


def interval(note: Note, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The half-open interval in which a note happened; None if its time is unknown.

    A stored time has an offset but no zone. If that offset is the one ``zone`` has at the time, the end is computed in
    ``zone``, so that a day or a month in which clocks change ends at midnight.
    """
    if note.time is None:
        return None
    start = in_zone(note.time, zone)
    if start.utcoffset() != note.time.utcoffset():
        start = note.time
    return note.time, end_of(start, note.time_precision or "second")


def in_zone(time: datetime, zone: ZoneInfo) -> datetime:
    """``time`` in ``zone``; unchanged if the result would lie outside the years 1 to 9999."""
    try:
        return time.astimezone(zone)
    except (OverflowError, ValueError):
        return time


def read_time(value: object, zone: ZoneInfo) -> tuple[datetime, TimePrecision]:
    """A time that a caller gave, with its precision. ``zone`` is that of a time without one.

    Raises:
        InputError: it is neither a datetime, nor a date, nor ISO 8601 text.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, datetime | str):
        raise InputError(f'{value!r} is no time: use a datetime, or ISO 8601 text such as "2023-05-08"')
    time, precision = parse_time(value) if isinstance(value, str) else (value, "second")
    time = time.replace(tzinfo=zone) if time.utcoffset() is None else time
    offset = time.utcoffset() or timedelta()
    if odd := offset % timedelta(minutes=1):  # of a time before 1900; ISO 8601, and so an export, has no seconds here
        time = time.replace(tzinfo=timezone(offset - odd))
    return time, precision


class Filters(TypedDict, total=False):
    """Conditions as a caller gives them; a note must meet all of them.

    ``since`` and ``until`` bound when things happened (datetimes, or ISO 8601 text of any precision); ``until``
    includes all of the day, month or second it names. ``speaker`` is one name or several; a note must have one of
    them, in upper or lower case. ``tags`` is one tag or several; a note must have all of them. ``where`` maps paths
    into the metadata ("project.name") to a value, to a list of values of which a note must have one, or to operators
    ({"gte": 3}; ne, gt, gte, lt, lte); a note without the path fails. ``status`` is one status or several; the default
    is active and superseded.
    """

    since: datetime | str | None
    until: datetime | str | None
    speaker: str | Collection[str] | None
    tags: str | Collection[str] | None
    where: Mapping[str, Any] | None
    status: str | Collection[str] | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions, all of which a note must meet. ``[since, until)`` bounds when it happened."""

    since: datetime | None = None
    until: datetime | None = None
    speakers: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()
    where: Mapping[str, Any] | None = None
    status: frozenset[str] = frozenset({"active", "superseded"})
    zone: ZoneInfo = UTC

    @classmethod
    def of(cls, zone: ZoneInfo, /, **given: Unpack[Filters]) -> Filter:
        """The filter made of a caller's conditions; see ``Filters``. A time without a zone is read in ``zone``.

        Raises:
            InputError: a condition does not exist, or its value can't be used.
        """
        if strange := sorted(set(given).difference(Filters.__annotations__)):
            raise InputError(f"{strange[0]!r} is no filter: use {', '.join(Filters.__annotations__)}")
        since, until, speaker = given.get("since"), given.get("until"), given.get("speaker")
        status = given.get("status")
        statuses = frozenset(SEARCHED if status is None else _several("status", status))
        if unknown := sorted(statuses.difference(STATUSES)):
            raise InputError(f"status {unknown[0]!r} does not exist: use {', '.join(STATUSES)}")
        return cls(
            since=read_time(since, zone)[0] if since is not None else None,
            until=end_of(*read_time(until, zone)) if until is not None else None,
            speakers=None if speaker is None else frozenset(s.casefold() for s in _several("speaker", speaker)),
            tags=frozenset(_several("tags", given.get("tags"))),
            where=_conditions(given.get("where")),
            status=statuses,
            zone=zone,
        )

    def fits_metadata(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata meets the conditions of ``where``."""
        return all(_matches(metadata, path.split("."), wanted) for path, wanted in (self.where or {}).items())

    def lets_through(self, note: Note) -> bool:
        """Whether a note meets every condition."""
        return not self.refusal(note)

    def refusal(self, note: Note) -> str:
        """The first condition that a note fails, in words; "" if it meets all."""
        if note.status not in self.status:
            return f"its status is {note.status}"
        if self.since is not None or self.until is not None:
            happened = interval(note, self.zone)
            if happened is None:
                return "when it happened is unknown"
            if self.since is not None and happened[1] <= self.since:
                return f"it happened before {self.since.isoformat()}"
            if self.until is not None and happened[0] >= self.until:
                return f"it happened after {self.until.isoformat()}"
        if self.speakers is not None and (note.speaker is None or note.speaker.casefold() not in self.speakers):
            return f"its speaker is {note.speaker or 'unknown'}"
        if missing := self.tags.difference(note.tags):
            return f"it lacks the tag {min(missing)!r}"
        return "" if self.fits_metadata(note.metadata) else "its metadata does not match"


def _several(name: str, value: str | Collection[str] | None) -> Sequence[str]:
    given = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(given, Collection) or not all(isinstance(v, str) for v in given):
        raise InputError(f"{name} is {value!r}: use a text, or a list of texts")
    return tuple(given)


def _conditions(where: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if where is None:
        return None
    if not isinstance(where, Mapping) or not all(isinstance(path, str) for path in where):
        raise InputError(f'where is {where!r}: use a mapping from paths into the metadata ({{"project.name": "x"}})')
    for path, wanted in where.items():
        operators = wanted if isinstance(wanted, Mapping) else ()
        if strange := [operator for operator in operators if operator not in _OPERATORS]:
            raise InputError(f"where[{path!r}]: {strange[0]!r} is no operator: use {', '.join(_OPERATORS)}")
    return dict(where) or None


def _matches(value: Any, path: Sequence[str], wanted: Any) -> bool:
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    if isinstance(wanted, Mapping):
        return all(_compares(value, operator, bound) for operator, bound in wanted.items())
    return _holds(value, wanted)


def _holds(value: Any, wanted: Any) -> bool:
    """Whether a value, or a value in a list, equals the wanted value or one of several wanted values."""
    options = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
    values = value if isinstance(value, list) else (value,)
    return any(v == option and isinstance(v, bool) == isinstance(option, bool) for v in values for option in options)


def _compares(value: Any, operator: str, bound: Any) -> bool:
    if operator != "ne" and (isinstance(value, bool) or isinstance(bound, bool)):
        return False  # Python takes True for 1, which is more than 0; a reader does not
    try:
        return bool(_OPERATORS[operator](value, bound))
    except TypeError:
        return False  # a text and a number can't be compared
