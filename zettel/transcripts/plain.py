"""Plain text: a line "Speaker: text" for each turn, with or without a time, under optional headings with a date.

- A name is a speaker if it occurs at least twice, or once after a time. Any other line continues the turn before it and
  keeps its line end. Words such as "Note" or "INFO" are never speakers.
- The time of a turn (its stamp) precedes the name, with or without brackets ("[2023-05-08 13:56] Ann: hi",
  "8/13/23, 1:56 pm - Ann: hi"), or follows it in brackets ("Ann (13:56): hi"). A stamp without a date has the date of
  the heading. Without a heading the time stays unknown, and the stamp is kept in the message's metadata as ``stamp``.
- A line that is only a date begins a session, whose id is this line. Marks may surround it, and "Session 2" may precede
  it. Turns of the session that have no date, or no time at all, take them from this line.
- "08/05/2023" is read in the order of day and month that other dates of the file prove. If none proves it, the turns
  with such dates are problems, since the time of a note can't be added later.
- The id of the conversation is the name of the file. There are no message ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from zettel.errors import TranscriptError
from zettel.model import Message, Problem, TimePrecision
from zettel.protocols import Entry, Transcript
from zettel.transcripts._times import MONTH_NAMES, AmbiguousDateError, NotATimeError, Stamp, day_order, parse_stamp
from zettel.transcripts._values import fault_of, lines_of, shown

#: The number of lines, and of characters in each, by which a file is recognized.
_LINES, _WIDTH = 2000, 300

_INVISIBLE = r"[\u200e\u200f\u202a-\u202c\ufeff]*"  # marks of direction that phones write before stamps
# A name begins with a letter, or with a byte that is a letter in another encoding: such a line is a separate problem,
# and not a part of the turn before.
_NAME = r"(?P<who>(?:[^\W\d_]|[\udc80-\udcff])[^:：\n\[\]{}<>=\"|;*`?!#]{0,39}?)"
_TURN = re.compile(
    rf"{_INVISIBLE}"
    r"(?:\[(?P<boxed>[^\]\n]{3,40})\]\s*"
    rf"|(?P<bare>\d(?:[\d/.:+TZ,\s-]|{MONTH_NAMES}){{2,40}}?(?:\s?[AaPp]\.?[Mm]\.?)?)\s*[-–—|]?\s+)?"
    rf"{_NAME}\s*(?:[\[(](?P<behind>[^\])\n]{{0,24}}\d:\d\d[^\])\n]{{0,14}})[\])]\s*)?"
    r"(?::\s+|：\s*|:$)(?P<text>.*)"
)
_EVENT = re.compile(
    rf"^{_INVISIBLE}(?:\[(?P<boxed>[^\]\n]{{3,40}})\]|(?P<bare>\d[\d/.:,\s-]{{5,30}}(?:\s?[AaPp]\.?[Mm]\.?)?)\s[-–—])\s+\S"
)
_MARKS = " \t#=*_~—–-"
_SESSION = re.compile(
    r"(?i:(?P<label>(?:session|chat|conversation|meeting|part|day)\s+#?\d{1,6})\b|date\s*:)[\s,:(\[|–—-]*(?P<rest>.*)$"
)
_NEVER_SPEAKERS = frozenset({
    "note", "notes", "nb", "ps", "todo", "fixme", "warning", "error", "info", "debug", "trace", "critical", "fatal",
    "http", "https", "date", "time", "subject", "from", "to", "cc", "bcc", "re", "fw", "fwd", "example", "e.g", "i.e",
})  # fmt: skip
_ROLES = {"user": "user", "human": "user", "assistant": "assistant", "ai": "assistant"}


@dataclass(frozen=True, slots=True)
class _Heading:
    """A line that begins a session. ``error`` is the reason why its date can't be read."""

    label: str
    stamp: Stamp | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Head:
    """A line that begins a turn, if ``who`` is a speaker. ``stamp_text`` is empty if there is no stamp.

    ``weight`` is the evidence that ``who`` is a speaker: the weights of all lines must add up to two.
    """

    who: str
    text: str
    stamp_text: str
    stamp: Stamp | None
    error: str | None
    weight: int


@dataclass(slots=True)
class _Section:
    """The lines of a turn, or lines that belong to none, if ``head`` is None; ``first`` counts from 1."""

    first: int
    head: _Head | None
    heading: _Heading | None
    lines: list[str]
    reason: str = ""


@dataclass(slots=True)
class _Page:
    """The lines of a file, and what each may be."""

    lines: list[str]
    heads: dict[int, _Head] = field(default_factory=dict)
    headings: dict[int, _Heading] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)
    speakers: set[str] = field(default_factory=set)

    def is_turn(self, i: int) -> bool:
        return i in self.heads and self.heads[i].who in self.speakers


class Plain:
    """The plain text format."""

    name = "plain"
    suffixes = frozenset({".txt"})

    def sniff(self, transcript: Transcript) -> float:
        """0.5 to 0.9 for text that begins with a turn or mostly consists of turns, else 0. JSON formats give more."""
        lines = [line[:_WIDTH] for line in lines_of(transcript.text)[:_LINES] if line.strip()]
        if not lines or lines[0].lstrip().startswith(("{", "WEBVTT")) or any(" --> " in line for line in lines[:50]):
            return 0.0
        page = _page(lines)
        turns = [i for i in range(len(lines)) if page.is_turn(i)]
        named = len({page.heads[i].who for i in turns})
        if len(turns) < 2:
            return 0.0
        share = len(turns) / max(1, len(lines) - len(page.headings))
        start = next((i for i in range(len(lines)) if i not in page.headings), 0)
        opens = page.is_turn(start) and (named > 1 or share > 0.5)
        return 0.5 + 0.4 * min(1.0, share) if opens or share >= 0.3 else 0.0

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The turns in order; lines that belong to no turn are problems.

        Raises:
            TranscriptError: no line is a turn.
        """
        page = _page(lines_of(transcript.text))
        if not page.speakers:
            raise TranscriptError(
                'no speaker occurs twice; expected a line such as "Ann: text" for each turn, with the same few names'
            )
        for section in _sections(page):
            yield _turn(section, section.head, transcript) if section.head else _left_out(section)


FORMAT = Plain()


# ------------------------------------------------------------ what a line is


def _page(lines: list[str]) -> _Page:
    """Read each line by itself, then decide which names are speakers and which dates are headings."""
    page = _Page(lines)
    matches = [_TURN.match(line) for line in lines]
    day_first = day_order(_dated(lines, matches))
    seen: Counter[str] = Counter()
    for i, (line, found) in enumerate(zip(lines, matches, strict=True)):
        if heading := _heading(line, day_first):
            page.headings[i] = heading
        elif found and (head := _head(found, day_first)):
            page.heads[i] = head
            seen[head.who] += head.weight
        elif _is_event(line, day_first):
            page.events.add(i)
    page.speakers = {who for who, weight in seen.items() if weight > 1}
    _drop_quoted_dates(page)
    return page


def _dated(lines: list[str], matches: list[re.Match[str] | None]) -> Iterator[str]:
    """The stamps and headings, from which the file's order of day and month is read; other dates don't count."""
    for line, found in zip(lines, matches, strict=True):
        if found:
            yield _stamp_of(found)
        elif heading := _heading(line, None):
            yield heading.label


def _stamp_of(found: re.Match[str]) -> str:
    return found["boxed"] or found["bare"] or found["behind"] or ""


def _head(found: re.Match[str], day_first: bool | None) -> _Head | None:
    who, stamp_text = found["who"].strip(), _stamp_of(found)
    # A name without text on its line ("Ingredients:") is no evidence of a speaker, except for a role ("User:").
    weight = 1 if found["text"] or who.lower() in _ROLES else 0
    stamp, error = None, None
    if not stamp_text:
        if who.lower() in _NEVER_SPEAKERS or who.count(" ") > 4 or who.count(",") > 1:
            return None
        return _Head(who, found["text"], "", None, None, weight)
    try:
        stamp, weight = parse_stamp(stamp_text, day_first), 2
    except AmbiguousDateError as problem:
        error, weight = str(problem), 2
    except NotATimeError as problem:
        if not found["boxed"]:
            return None
        error = str(problem)
    return _Head(who, found["text"], stamp_text, stamp, error, weight)


def _is_event(line: str, day_first: bool | None) -> bool:
    """Whether a line has a stamp like a turn but names no speaker ("[13:56] Ann left")."""
    found = _EVENT.match(line)
    if found is None:
        return False
    try:
        parse_stamp(found["boxed"] or found["bare"], day_first)
    except AmbiguousDateError:
        return True
    except NotATimeError:
        return False
    return True


def _heading(line: str, day_first: bool | None) -> _Heading | None:
    label = line.strip(_MARKS)
    if not label or len(label) > 100 or not any(c.isdigit() for c in label):
        return None
    found = _SESSION.match(label)
    rest = (found["rest"] if found else label).strip(" \t.)]").removeprefix("[")
    if found and not rest:
        return _Heading(label, None) if found["label"] else None
    try:
        stamp = parse_stamp(rest, day_first)
    except AmbiguousDateError as error:
        return _Heading(label, None, str(error))
    except NotATimeError:
        return None
    return _Heading(label, stamp) if stamp.day else None


def _drop_quoted_dates(page: _Page) -> None:
    """Drop headings that are part of a turn: those that other text follows, such as dates in a list that Ann sends."""
    follows_text = False
    first_turn = next((i for i in range(len(page.lines)) if page.is_turn(i)), len(page.lines))
    for i in range(len(page.lines) - 1, first_turn, -1):
        if i in page.headings:
            if follows_text:
                del page.headings[i]
        elif page.lines[i].strip():
            follows_text = not page.is_turn(i) and i not in page.events


# ---------------------------------------------------------------- turns


def _sections(page: _Page) -> list[_Section]:
    """The turns with the lines that continue them, and blocks of lines that belong to no turn."""
    sections: list[_Section] = []
    heading: _Heading | None = None
    open_section: _Section | None = None
    fresh = False  # whether the heading is the last line that is not blank
    for i, line in enumerate(page.lines):
        if i in page.headings:
            heading = _under(heading, page.headings[i]) if fresh else page.headings[i]
            open_section, fresh = None, True
            continue
        if page.is_turn(i):
            open_section = _Section(i + 1, page.heads[i], heading, [page.heads[i].text])
            sections.append(open_section)
        elif i in page.events:
            open_section = None
            sections.append(_Section(i + 1, None, heading, [line], "a time, but no speaker"))
        elif open_section:
            open_section.lines.append(line)
        elif line.strip():
            open_section = _Section(i + 1, None, heading, [line], "text that belongs to no turn")
            sections.append(open_section)
        fresh = fresh and not line.strip()
    return sections


def _under(upper: _Heading | None, lower: _Heading) -> _Heading:
    """One heading made of two consecutive ones, such as a date and "Session 2"."""
    if upper is None:
        return lower
    return _Heading(f"{upper.label}, {lower.label}", lower.stamp or upper.stamp, lower.error or upper.error)


def _left_out(section: _Section) -> Problem:
    last = section.first + len(section.lines) - 1
    last -= next(n for n, line in enumerate(reversed(section.lines)) if line.strip())
    place = f"line {section.first}" if last == section.first else f"lines {section.first}-{last}"
    reason = f"{section.reason}: {shown(section.lines[0])}; a turn begins with a speaker, as in Ann: text"
    return Problem(place=place, reason=reason)


def _turn(section: _Section, head: _Head, transcript: Transcript) -> Entry | Problem:
    heading = section.heading
    place = f"line {section.first}"
    for offset, line in enumerate([f"{head.who} {head.text}", *section.lines[1:]]):
        if fault := fault_of(line, transcript.text):
            return Problem(place=f"line {section.first + offset}", reason=fault)
    text = _text(section.lines)
    if not text.strip():
        return Problem(place=place, reason=f"{shown(head.who)} says nothing")
    needs_heading = head.stamp is None or head.stamp.day is None
    error = head.error or (heading.error if heading and needs_heading else None)
    if error:
        return Problem(place=place, reason=error if head.error else f"the date of its heading can't be read: {error}")
    time, precision = _time(head.stamp, heading.stamp if heading else None)
    unplaced: dict[str, JsonValue] = {"stamp": head.stamp_text} if head.stamp and time is None else {}
    message = Message(
        text=text,
        speaker=head.who,
        role=_ROLES.get(head.who.lower()),
        time=time,
        time_precision=precision,
        conversation_id=transcript.name,
        session_id=heading.label if heading else None,
        metadata=unplaced,
    )
    return Entry(message, place)


def _text(lines: Sequence[str]) -> str:
    """The lines of a turn, without the blank ones at both ends, which only separate turns."""
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    last = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip()), 0)
    return "\n".join(lines[first : last + 1])


def _time(own: Stamp | None, above: Stamp | None) -> tuple[datetime | None, TimePrecision | None]:
    if own is None:
        return (above.on(), above.precision) if above else (None, None)
    time = own.on(above.day if above else None)
    return time, own.precision if time else None
