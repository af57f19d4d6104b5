"""Descriptions of commits and changes. The functions are pure: values in, text out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from pydantic import JsonValue

from zettel.card import line
from zettel.cli.wording import Title, count, short_id
from zettel.model import (
    Change,
    Commit,
    Erasure,
    FieldDiff,
    Lesson,
    LinkChange,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    Use,
)
from zettel.text import shorten

_NAMED = 2  # up to so many notes with one kind of change are named; more are only counted
_VALUE = 60  # characters that are shown of an annotation that was replaced

#: The field of a diff that holds the topic of a note.
PLACE = "place"

#: The title of a topic, by its id.
TopicTitle = Callable[[int], str]


def summary(commit: Commit, title: Title) -> str:
    """What a commit changed, in one line: a few notes are named, everything else is counted."""
    changes = commit.changes
    named, counted = _sorted([*_notes(changes), *_statuses(changes), *_uses(changes)], title)
    named += [f"{', '.join(_fields(only))} of {title(only.note_id)} revised" for only in _single_revision(changes)]
    counted += [*_revisions(changes), *_links(changes), *_topics(changes)]
    return "; ".join([*_undone(changes), *named, *([", ".join(counted)] if counted else [])]) or "nothing"


def _undone(changes: Sequence[Change]) -> Iterator[str]:
    """What was undone. Changes of topics are left out, since they follow from the rest."""
    taken_back = [c.undoes for c in changes if c.undoes and not isinstance(c, TopicChange | Placement)]
    if len(taken_back) == 1:
        yield f"takes back change {taken_back[0]}"
    elif taken_back:
        commits = sorted({int(c.partition(".")[0]) for c in taken_back})
        yield f"takes back {len(taken_back)} changes of commit{'s' * (len(commits) > 1)} {', '.join(map(str, commits))}"


_Event = tuple[str, list[str]]  # what happened to notes, in words that contain "note", and the ids of the notes


def _sorted(happened: Iterable[_Event], title: Title) -> tuple[list[str], list[str]]:
    """Descriptions of what happened to a few notes, with their titles, and of what happened to many, with counts."""
    named, counted = [], []
    for what, ids in happened:
        if 0 < len(ids) <= _NAMED:
            named.append(f"{what} {' and '.join(map(title, ids))}")
        elif ids:
            counted.append(f"{len(ids):,} {what.replace('note', 'notes')}")
    return named, counted


def _notes(changes: Sequence[Change]) -> Iterator[_Event]:
    arrivals = [c for c in changes if isinstance(c, NoteChange)]
    yield "new note", [c.note_id for c in arrivals if c.after is not None and c.undoes is None]
    yield "note brought back", [c.note_id for c in arrivals if c.after is not None and c.undoes]
    yield "note taken out", [c.note_id for c in arrivals if c.after is None]


def _statuses(changes: Sequence[Change]) -> Iterator[_Event]:
    for before, after, words in (
        (None, "archived", "note forgotten"),
        ("archived", None, "note brought back"),
        (None, "superseded", "note superseded"),
        (None, "quarantined", "note quarantined"),
    ):
        changed = (c for c in changes if isinstance(c, Revision) and "status" in c.after)
        ways = ((c.note_id, c.before["status"], c.after["status"]) for c in changed)
        yield words, [i for i, was, now in ways if was != now and before in (None, was) and after in (None, now)]


def _uses(changes: Sequence[Change]) -> Iterator[_Event]:
    yield "note used", [c.note_id for c in changes if isinstance(c, Use) and c.count > 0]
    yield "note no longer used", [c.note_id for c in changes if isinstance(c, Use) and c.count < 0]
    yield "note erased", [c.note_id for c in changes if isinstance(c, Erasure)]


def _fields(revision: Revision) -> list[str]:
    """The fields that a revision changes, except the status, which `_statuses` describes."""
    return sorted(set(revision.after) - {"status"})


def _annotating(changes: Sequence[Change]) -> list[Revision]:
    return [c for c in changes if isinstance(c, Revision) and _fields(c)]


def _single_revision(changes: Sequence[Change]) -> list[Revision]:
    """The revision of a commit that has only one and adds no note; empty for any other commit."""
    revisions = _annotating(changes)
    return revisions if len(revisions) == 1 and not any(isinstance(c, NoteChange) for c in changes) else []


def _revisions(changes: Sequence[Change]) -> Iterator[str]:
    if not _single_revision(changes):
        revisions = _annotating(changes)
        yield from _some(sum(c.undoes is None for c in revisions), "revision")
        yield from _some(sum(c.undoes is not None for c in revisions), "revision", "taken back")


def _links(changes: Sequence[Change]) -> Iterator[str]:
    links = [c for c in changes if isinstance(c, LinkChange)]
    yield from _some(sum(c.before is None for c in links), "link")
    yield from _some(sum(c.before is not None and c.after is not None for c in links), "link", "changed")
    yield from _some(sum(c.after is None for c in links), "link", "removed")


def _topics(changes: Sequence[Change]) -> Iterator[str]:
    """What happened to topics, and how many notes moved from one to another; new notes are not counted as moved."""
    topics = [c for c in changes if isinstance(c, TopicChange)]
    yield from _some(sum(c.before is None for c in topics), "new topic")
    yield from _some(sum(c.after is None for c in topics), "topic", "gone")
    yield from _some(len(_moved(changes)), "note", "in another topic")


def _moved(changes: Sequence[Change]) -> set[str]:
    moved = {c.note_id for c in changes if isinstance(c, Placement) and c.before is not None and c.after is not None}
    return moved.difference(c.note_id for c in changes if isinstance(c, NoteChange))


def _some(number: int, noun: str, rest: str = "") -> Iterator[str]:
    if number:
        yield f"{count(number, noun)} {rest}".rstrip()


# ----------------------------------------------------------------------- diff


def change_words(diff: FieldDiff) -> tuple[str, str]:
    """A line of a diff: its sign (+ added, - removed, ~ changed), and what happened to which field."""
    match diff.field:
        case "link":
            return _sign(diff), f"link {_link(diff.after or diff.before)}"
        case "text":
            return _sign(diff), _plain(diff.after if diff.after is not None else diff.before)
        case "uses":
            return ("+", "used") if diff.after == 1 else ("-", "a use taken back")
        case "topic":
            names = [shorten(_plain(name), _VALUE) for name in (diff.before, diff.after) if name]
            return _sign(diff), f"topic {' → '.join(dict.fromkeys(names))}"  # one name if the topic was only moved
    return "~", field_words(diff.field, diff.before, diff.after)


def moves(diffs: Sequence[FieldDiff], topic: TopicTitle) -> Iterator[str]:
    """How many notes moved from one topic to another; notes that were added in the same commit are left out."""
    came = {d.note_id for d in diffs if d.field == "text" and d.before is None}
    ways = Counter((d.before, d.after) for d in diffs if d.field == PLACE and d.note_id not in came)
    for (before, after), number in ways.items():
        if isinstance(before, int) and isinstance(after, int):
            yield f"{count(number, 'note')} from topic {topic(before)} to topic {topic(after)}"


def field_words(name: str, before: JsonValue, after: JsonValue) -> str:
    """The change of a field: the items or lines that were added and removed, else the values before and after."""
    if name == "learned":
        before, after = _lessons(before), _lessons(after)
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        before, after = _lines(before), _lines(after)
    if isinstance(before, list) and isinstance(after, list):
        gone, new = [x for x in before if x not in after], [x for x in after if x not in before]
        parts = [*(f"-{_plain(x)}" for x in gone), *(f"+{_plain(x)}" for x in new)]
        return f"{name}: {' '.join(parts) or 'put in another order'}"
    was, now = (shorten(_plain(x), _VALUE) or "nothing" for x in (before, after))
    return f"{name}: {was} → {now}"


def _lessons(learned: JsonValue) -> list[JsonValue]:
    return [line(Lesson.model_validate(lesson)) for lesson in learned] if isinstance(learned, list) else []


def _lines(text: str) -> list[JsonValue]:
    return list(text.split("\n"))


def _sign(diff: FieldDiff) -> str:
    return "+" if diff.before is None else "-" if diff.after is None else "~"


def _link(side: JsonValue) -> str:
    if not isinstance(side, dict):
        return ""
    reason = f": {side['reason']}" if side.get("reason") else ""
    return f"{side.get('kind')} to {short_id(str(side.get('to')))}, weight {side.get('weight')}{reason}"


def _plain(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -------------------------------------------------------------------- history


def events(changes: Sequence[Change], topic: TopicTitle) -> str:
    """What the changes of one commit did to a note, without its revisions."""
    words = [w for change in changes for w in _event(change, topic)]
    for what, links in (
        ("linked", [c for c in changes if isinstance(c, LinkChange) and c.before is None]),
        ("link changed", [c for c in changes if isinstance(c, LinkChange) and c.before and c.after]),
        ("link removed", [c for c in changes if isinstance(c, LinkChange) and c.after is None]),
    ):
        kinds = Counter(link.kind for link in links)
        words += [f"{what}: {', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}"] if kinds else []
    return "; ".join(words)


def _event(change: Change, topic: TopicTitle) -> Iterator[str]:
    match change:
        case NoteChange():
            yield ("came" if change.undoes is None else "came back") if change.after is not None else "was taken out"
        case Placement(before=int(), after=int(after)):
            yield f"moved to topic {topic(after)}"
        case Use():
            yield "was used" if change.count > 0 else "a use was taken back"
        case Erasure():
            yield "was erased"


def revised(change: Revision) -> str:
    """The changes of a revision, field by field."""
    return "; ".join(field_words(name, change.before[name], value) for name, value in change.after.items())
