"""Erasing a note: what must change besides its own rows, so that nothing of its text is left.

Other notes' annotations may quote it, and topics may be named by its words. Both are blanked in all commits that have
them, and the present annotations and names get values without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from pydantic import JsonValue

from zettel.journal import redact, without_names
from zettel.model import (
    NOTE_FIELDS,
    Change,
    Commit,
    Erasure,
    Note,
    NoteChange,
    Revision,
    TopicChange,
    TreeChange,
    parsed_fields,
    revisable_fields,
)
from zettel.protocols import Draft, Reader
from zettel.provenance import ANALYZED, LISTS, own_fields
from zettel.text import terms, words

_ANNOTATIONS = (*ANALYZED, "learned")
_QUOTATION = 3  # fewer words in a row are not taken for a quotation: "why" is in many sentences that quote nobody
_UNNAMED = "unnamed"
_Annotating = NoteChange | Revision
_Fields: TypeAlias = dict[str, JsonValue]


def plan(note: Note, reader: Reader, moves: Sequence[TreeChange] = ()) -> Draft:
    """The draft that erases ``note``; ``moves`` are the changes of the topic tree that remove it from the tree.

    If annotations of other notes were made from its text, the words that they have from it are replaced by what the
    journal kept as the other note's own; lessons that it taught are removed. Earlier values of these annotations are
    blanked in the journal. No analyzer is asked: a second answer would not tell what the first one took from where.
    """
    journal = {commit.id: commit for commit in reader.commits_of(note.id)}
    made = [change for commit in journal.values() for change in commit.changes if isinstance(change, _Annotating)]
    derived = {change.note_id for change in made if note.id in change.derived_from} - {note.id}
    present = {other.id: other for other in reader.notes(derived)}
    rows = reader.arrived(c.ordinal for c in made if isinstance(c, NoteChange) and c.note_id in derived)
    revisions: dict[str, Revision] = {}
    quoted: set[tuple[str, str, str]] = set()
    noted = set(_noted(note))
    for other in ({row.id: row for row in rows.values()} | present).values():
        commits = list(reader.commits_of(other.id))
        journal.update((commit.id, commit) for commit in commits)
        quotes = _Quotes(other, note, commits)
        taken = quotes.taken()
        noted.update(quotes.terms())
        quoted |= {(other.id, name, repr(value)) for name, value in taken}
        now = revisable_fields(other)
        names = [name for name in _ANNOTATIONS if (name, now[name]) in taken]
        if names and other.id in present:
            revisions[other.id] = Revision(
                id="", note_id=other.id, before={n: NOTE_FIELDS.blanked(n) for n in names},
                after={n: quotes.without(n, now[n]) for n in names}, reason="the note it quoted was erased",
                created_by="erasure", derived_from=quotes.others(),
            )  # fmt: skip
    fresh = {other_id: revision.after for other_id, revision in revisions.items()}
    telling = _telling_names(note, noted, made, reader, moves, fresh)
    naming = (c for c in (reader.commits() if telling else ()) if not telling.keys().isdisjoint(_names(c.changes)))
    journal.update((commit.id, commit) for commit in naming)
    rewrites = redact((journal[number] for number in sorted(journal)), note.id, quoted, telling.keys())
    erasure = Erasure(id="", note_id=note.id, ordinal=note.ordinal)
    tree = _renamed(reader, moves, telling)
    return Draft("forget", (erasure, *revisions.values(), *tree), rewrites=tuple(rewrites))


# ------------------------------------------------------------------ annotations


class _Quotes:
    """The parts of a note's annotations that come from an erased note's text, now and in earlier commits."""

    def __init__(self, note: Note, erased: Note, commits: Iterable[Commit]) -> None:
        changes = (change for commit in commits for change in commit.changes)
        self._changes = [c for c in changes if isinstance(c, _Annotating) and c.note_id == note.id]
        self._erased = erased
        arrival = next(c for c in self._changes if isinstance(c, NoteChange))
        self._own: dict[str, Any] = own_fields(arrival, note.text)
        self._arrived: Mapping[str, Any] = arrival.after or arrival.before or {}
        self._pieces: dict[str, str] = {}  # parts of contexts that come from the text, each with its replacement
        self._items: dict[str, set[str]] = {name: set() for name in LISTS}
        for change in self._changes:
            if erased.id in change.derived_from and change.undoes is None and change.after is not None:
                self._learn(change.before, change.after)
        self._runs = {_spoken(piece) for piece in self._pieces}
        self._runs |= {_shared(piece, erased.text) for piece in self._pieces}
        self._runs |= {_shared(value, erased.text) for values in self._items.values() for value in values}
        self._runs -= {"", "  "}

    def _learn(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """Learn what a change took from the erased text: what it added, or of an arrival what is not the note's own."""
        own = self._own if before is None else before
        if context := after.get("context"):
            if before is None:
                self._pieces |= {context: own["context"]} if context != own["context"] else {}
            else:
                self._pieces |= dict.fromkeys(_added(before.get("context", ""), context), "")
        for name in set(LISTS).intersection(after):
            known = [*own.get(name, ()), *self._own[name]]
            self._items[name].update(item for item in after[name] if item not in known)

    def taken(self) -> list[tuple[str, JsonValue]]:
        """All values that come in part from the erased text, with the names of their fields."""
        return [
            (name, value)
            for change in self._changes
            for side in (change.before, change.after)
            for name, value in (side or {}).items()
            if name in _ANNOTATIONS and self._has(name, value)
        ]

    def terms(self) -> set[str]:
        """The terms of keywords, tags and entities that came from the erased text."""
        return {term for items in self._items.values() for item in items for term in terms(item)}

    def _has(self, name: str, value: Any) -> bool:
        if name == "learned":
            return any(lesson["note_id"] == self._erased.id for lesson in value)
        if value in (NOTE_FIELDS.blanked(name), self._own[name]):
            return False
        listed = name in LISTS and not self._items[name].isdisjoint(value)
        return listed or any(run in _spoken(value) for run in self._runs)

    def without(self, name: str, value: Any) -> JsonValue:
        """A value without the parts that come from the erased text; the note's own value if nothing is left."""
        if name == "learned":
            return [lesson for lesson in value if not self._has(name, [lesson])]
        if name in LISTS:
            kept = [item for item in value if not self._has(name, [item])]
            return list(dict.fromkeys([*kept, *(item for item in self._own[name] if item not in self._arrived[name])]))
        text = str(value)
        for piece, instead in self._pieces.items():
            text = instead.join(re.split(rf"[^\S\n]*(?<!\w){re.escape(piece)}(?!\w)", text))
        text = "\n".join(line.strip() for line in text.split("\n") if line.strip())
        own: JsonValue = self._own[name]
        return own if not text or self._has(name, text) else text

    def others(self) -> tuple[str, ...]:
        """The notes that the annotations may still quote; a later erasure must know them."""
        return tuple(sorted({i for change in self._changes for i in change.derived_from} - {self._erased.id}))


def _added(before: str, after: str) -> list[str]:
    """What was added to a text: new lines, and what was appended to lines."""
    old = before.split("\n")
    new = [line for line in after.split("\n") if line not in old]
    ends = (line.removeprefix(max((o for o in old if line.startswith(o)), key=len, default="")) for line in new)
    return [end.strip() for end in ends if words(end)]


def _shared(value: JsonValue, text: str) -> str:
    """The longest run of words that an annotation shares with a text; "" if it is too short to be a quotation."""
    ours, theirs = _spoken(value).split(), words(text)
    run = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
    return f" {' '.join(ours[run.a : run.a + run.size])} " if run.size >= min(_QUOTATION, len(theirs)) > 1 else ""


def _spoken(value: JsonValue) -> str:
    """The words of an annotation, each between spaces."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f" {' '.join(words(text))} "


# ----------------------------------------------------------------------- topics


def _telling_names(
    note: Note, noted: Set[str], made: Iterable[_Annotating], reader: Reader, moves: Sequence[TreeChange],
    fresh: Mapping[str, _Fields],
) -> dict[str, str]:  # fmt: skip
    """The present and earlier names of topics that have a word of the erased note only, each with what is left of it.

    ``noted`` are the terms of the note and of what other notes had from it, ``fresh`` the annotations that these get
    by the erasure.
    """
    commits = (change for commit in reader.commits() for change in commit.changes)
    names = {*_names(commits), *_names(moves), *(row.name for row in reader.topics().values())}
    sides = (side or {} for c in made if c.note_id == note.id for side in (c.before, c.after))
    telling = set(noted)
    for side in sides:
        telling.update(_noted(note.model_copy(update=parsed_fields(side))))
    telling &= {term for name in names for term in terms(name)}
    for other in reader.notes() if telling else ():
        if other.id != note.id:
            telling -= set(_noted(other.model_copy(update=parsed_fields(fresh.get(other.id, {})))))
    return {name: _cleaned(name, telling) for name in names if not telling.isdisjoint(terms(name))}


def _names(changes: Iterable[object]) -> set[str]:
    """The names that changes give to topics, or take from them."""
    sides = (s for c in changes if isinstance(c, TopicChange) for s in (c.before, c.after) if s is not None)
    return {str(side["name"]) for side in sides}


def _noted(note: Note) -> list[str]:
    """The terms of a note's text, of its annotations and of its speaker's name."""
    return terms(" ".join((note.text, note.speaker or "", note.context, *note.keywords, *note.tags, *note.entities)))


def _cleaned(name: str, telling: Set[str]) -> str:
    """A name without the words of an erased note."""
    parts = (" ".join(w for w in part.split() if telling.isdisjoint(terms(w))) for part in name.split("·"))
    return " · ".join(part for part in parts if part) or _UNNAMED


def _renamed(reader: Reader, moves: Sequence[TreeChange], names: Mapping[str, str]) -> list[Change]:
    """The moves without such names, followed by the changes that rename the topics that still have one after them."""
    topics: dict[int, _Fields | None] = {topic_id: asdict(row) for topic_id, row in reader.topics().items()}
    topics |= {change.topic_id: change.after for change in moves if isinstance(change, TopicChange)}
    bearing = {i: topic for i, topic in sorted(topics.items()) if topic is not None and topic["name"] in names}
    renamed = {i: {**topic, "name": names[str(topic["name"])]} for i, topic in bearing.items()}
    return [
        *without_names(moves, names.keys()),
        *(TopicChange(id="", topic_id=i, before={**new, "name": ""}, after=new) for i, new in renamed.items()),
    ]
