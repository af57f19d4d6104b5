"""Notes, commits and changes in words. Pure: values in, text out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pydantic import JsonValue

from zettel.model import Change, Commit, Erasure, FieldDiff, Link, LinkChange, Note, NoteChange, Revision, Source, Use
from zettel.text import shorten
from zettel.times import describe

_GENERATED_ID = re.compile(r"z1[0-9a-f]{24}|[0-9a-f-]{20,}")
_SHORT_ID = 12
_NAMED = 2  # notes of one kind of change that are named one by one; more are counted
_TITLE = 60

#: What a note is called in a line about it, by its id.
Title = Callable[[str], str]


def short_id(note_id: str) -> str:
    """The beginning of a generated id, long enough to name the note; an id that a person gave stays whole."""
    return note_id[:_SHORT_ID] if _GENERATED_ID.fullmatch(note_id) else note_id


def title(note_id: str, text: str | None) -> str:
    """A note in a few words."""
    return short_id(note_id) if text is None else f"{short_id(note_id)} “{shorten(text, _TITLE)}”"


def when(note: Note) -> str:
    """When it happened: "8 May 2023, 13:56"."""
    return describe(note.time, note.time_precision or "second") if note.time else "time unknown"


def stamp(moment: datetime) -> str:
    """A time of the journal: "2025-03-04 18:30:05"."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def origin(source: Source) -> str:
    """Where a text comes from: file, place in it, conversation, session and message, each told once."""
    parts = [file_name(source.uri)] if source.uri else []
    parts += [source.span] if source.span else []
    parts += [f"conversation {source.conversation_id}"] if source.conversation_id and not source.uri else []
    parts += [f"session {source.session_id}"] if source.session_id else []
    parts += [f"message {source.message_id}"] if source.message_id else []
    return ", ".join(parts) or "no source"


def file_name(uri: str) -> str:
    """The name of the file at a ``file://`` address; any other address as it is."""
    return unquote(urlsplit(uri).path).rsplit("/", 1)[-1] if uri.startswith("file://") else uri


def path_of(uri: str) -> str:
    """The path of the file at a ``file://`` address, below this folder if it is; any other address as it is."""
    if not uri.startswith("file://"):
        return uri
    path = Path(url2pathname(urlsplit(uri).path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def neighbor(link: Link, note_id: str) -> str:
    """The other end of a link of a note."""
    return link.source_id if link.target_id == note_id else link.target_id


def count(number: int, noun: str) -> str:
    """A number of things: "1 note", "2 notes"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# -------------------------------------------------------------------- commits


def summary(commit: Commit, title: Title) -> str:
    """What a commit changed, in one line."""
    parts = [*_undone(commit.changes), *_notes(commit.changes, title), *_statuses(commit.changes, title)]
    parts += [*_revised(commit.changes, title), *_links(commit.changes), *_rest(commit.changes, title)]
    return "; ".join(parts) or "nothing"


def _undone(changes: Sequence[Change]) -> Iterator[str]:
    taken_back = [change.undoes for change in changes if change.undoes]
    if len(taken_back) == 1:
        yield f"takes back change {taken_back[0]}"
    elif taken_back:
        commits = sorted({int(c.partition(".")[0]) for c in taken_back})
        yield f"takes back {len(taken_back)} changes of commit{'s' * (len(commits) > 1)} {', '.join(map(str, commits))}"


def _notes(changes: Sequence[Change], title: Title) -> Iterator[str]:
    arrivals = [c for c in changes if isinstance(c, NoteChange)]
    yield from _named("new note", [c.note_id for c in arrivals if c.after is not None and c.undoes is None], title)
    yield from _named("note brought back", [c.note_id for c in arrivals if c.after is not None and c.undoes], title)
    yield from _named("note taken out", [c.note_id for c in arrivals if c.after is None], title)


def _statuses(changes: Sequence[Change], title: Title) -> Iterator[str]:
    for before, after, words in (
        (None, "archived", "note forgotten"),
        ("archived", None, "note brought back"),
        (None, "superseded", "note superseded"),
        (None, "quarantined", "note quarantined"),
    ):
        ids = [
            c.note_id
            for c in changes
            if isinstance(c, Revision) and "status" in c.after and c.after["status"] != c.before["status"]
            if before in (None, c.before["status"]) and after in (None, c.after["status"])
        ]
        yield from _named(words, ids, title)


def _revised(changes: Sequence[Change], title: Title) -> Iterator[str]:
    revisions = [(c.note_id, set(c.after) - {"status"}) for c in changes if isinstance(c, Revision)]
    revised = {note_id: fields for note_id, fields in revisions if fields}
    if revised:
        fields = ", ".join(sorted(set().union(*revised.values())))
        whose = title(next(iter(revised))) if len(revised) == 1 else count(len(revised), "note")
        yield f"{fields} of {whose} revised"


def _links(changes: Sequence[Change]) -> Iterator[str]:
    links = Counter(
        "made" if c.before is None else "removed" if c.after is None else "changed"
        for c in changes
        if isinstance(c, LinkChange)
    )
    yield from (f"{count(number, 'link')} {what}" for what, number in links.items())


def _rest(changes: Sequence[Change], title: Title) -> Iterator[str]:
    yield from _named("note used", [c.note_id for c in changes if isinstance(c, Use) and c.count > 0], title)
    yield from _named("use taken back", [c.note_id for c in changes if isinstance(c, Use) and c.count < 0], title)
    yield from _named("note erased", [c.note_id for c in changes if isinstance(c, Erasure)], title)


def _named(what: str, ids: list[str], title: Title) -> Iterator[str]:
    if 0 < len(ids) <= _NAMED:
        yield f"{what} {' and '.join(map(title, ids))}"
    elif ids:
        noun, _, rest = what.partition(" ") if not what.startswith("new ") else (what, "", "")
        yield f"{count(len(ids), noun)} {rest}".rstrip()


# -------------------------------------------------------------------- changes


def change_words(diff: FieldDiff) -> tuple[str, str]:
    """A line of a diff: its sign (+ came, - went, ~ changed) and what happened to which field."""
    if diff.field == "link":
        return _sign(diff), f"link {_link(diff.after or diff.before)}"
    if diff.field == "text":
        return _sign(diff), _plain(diff.after if diff.after is not None else diff.before)
    if diff.field == "uses":
        return ("+", "used") if diff.after == 1 else ("-", "a use taken back")
    reason = f" ({diff.reason})" if diff.reason else ""
    return "~", f"{diff.field}: {_from_to(diff.before, diff.after)}{reason}"


def _sign(diff: FieldDiff) -> str:
    return "+" if diff.before is None else "-" if diff.after is None else "~"


def _link(side: JsonValue) -> str:
    if not isinstance(side, dict):
        return ""
    reason = f": {side['reason']}" if side.get("reason") else ""
    return f"{side.get('kind')} to {short_id(str(side.get('to')))}, weight {side.get('weight')}{reason}"


def _from_to(before: JsonValue, after: JsonValue) -> str:
    if isinstance(before, list) and isinstance(after, list):
        gone, new = [x for x in before if x not in after], [x for x in after if x not in before]
        return " ".join([*(f"-{_plain(x)}" for x in gone), *(f"+{_plain(x)}" for x in new)]) or "put in another order"
    return f"{_plain(before) or 'nothing'} → {_plain(after) or 'nothing'}"


def _plain(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def event_words(change: Change, note_id: str) -> Iterable[str]:
    """What a change did to a note, for its history."""
    match change:
        case NoteChange():
            yield ("came" if change.undoes is None else "came back") if change.after is not None else "was taken out"
        case Revision():
            for name in change.after:
                yield f"{name}: {_from_to(change.before[name], change.after[name])}"
            if change.undoes is not None:  # the reason is the one of what is taken back
                yield f"(takes back {change.undoes})"
            elif change.reason:
                yield f"({change.reason})"
        case LinkChange():
            side = change.after if change.after is not None else change.before or {}
            done = "linked" if change.before is None else "link removed" if change.after is None else "link changed"
            there = change.target_id if change.source_id == note_id else change.source_id
            way = "to" if change.source_id == note_id else "from"
            yield f"{done}, {change.kind} {way} {short_id(there)}: {side.get('reason') or 'no reason given'}"
        case Use():
            yield "was used" if change.count > 0 else "a use was taken back"
        case Erasure():
            yield "was erased"
