"""Erasing a note: what must change besides its own rows, so that nothing of its text is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from pydantic import JsonValue

from zettel.journal import BLANK, redact
from zettel.model import Commit, Erasure, Note, NoteChange, Revision, revisable_fields
from zettel.protocols import Analyzer, Draft, Reader, Utterance
from zettel.text import terms

_ANALYZED = ("context", "keywords", "tags", "entities")
_Fields: TypeAlias = dict[str, JsonValue]


def plan(note: Note, reader: Reader, analyzer: Analyzer) -> Draft:
    """The draft that erases ``note``.

    Other notes' annotations that were made from its text are analyzed again without it; what the journal holds of them
    from before is blanked.
    """
    journal = {commit.id: commit for commit in reader.commits_of(note.id)}
    derived = {
        change.note_id
        for commit in journal.values()
        for change in commit.changes
        if isinstance(change, NoteChange | Revision) and note.id in change.derived_from
    } - {note.id}
    revisions: list[Revision] = []
    quoted: set[tuple[str, str, str]] = set()
    for other in reader.notes(derived):
        journal.update((commit.id, commit) for commit in reader.commits_of(other.id))
        alone, fresh = _without(other, note, analyzer)
        taken = _quoted(other.id, note.id, journal, alone, fresh)
        quoted |= taken
        now = revisable_fields(other)
        names = [name for name in _ANALYZED if (other.id, name, repr(now[name])) in taken]
        if names:
            revisions.append(
                Revision(
                    id="", note_id=other.id, before={n: BLANK[n] for n in names}, after={n: fresh[n] for n in names},
                    reason="the note it quoted was erased", created_by=analyzer.name,
                )
            )  # fmt: skip
    for gone in derived.difference(other.id for other in reader.notes(derived)):
        journal.update((commit.id, commit) for commit in reader.commits_of(gone))
        quoted |= _quoted(gone, note.id, journal)
    rewrites = redact((journal[number] for number in sorted(journal)), note.id, quoted)
    erasure = Erasure(id="", note_id=note.id, ordinal=note.ordinal)
    return Draft("forget", (erasure, *revisions), rewrites=tuple(rewrites))


def _without(note: Note, erased: Note, analyzer: Analyzer) -> tuple[_Fields, _Fields]:
    """The annotations of a note as if it answered nothing: the analyzer's alone, and with what others put into lists.

    A tag that somebody gave by hand is none of the analyzer's; it stays where it has no word of the erased text.
    """
    conversation, session = note.conversation or (None, None)
    alone = Utterance(note.text, note.speaker, note.time, note.time_precision, conversation, session or None)
    answering = replace(alone, answers_id=erased.id, answers_speaker=erased.speaker, answers_text=erased.text)
    without, quoting = analyzer.analyze([alone, answering])
    told = set(terms(erased.text))
    fields: _Fields = {"context": without.context}
    merged = dict(fields)
    for name in _ANALYZED[1:]:
        own, with_it = getattr(without, name), getattr(quoting, name)
        kept = [v for v in getattr(note, name) if v in own or (v not in with_it and told.isdisjoint(terms(v)))]
        fields[name], merged[name] = list(own), list(dict.fromkeys([*kept, *own]))
    return fields, merged


def _quoted(note_id: str, erased_id: str, journal: dict[int, Commit], *innocent: _Fields) -> set[tuple[str, str, str]]:
    """The values of a note that were made from the erased text: those that come out otherwise without it."""
    return {
        (note_id, name, repr(value))
        for commit in journal.values()
        for change in commit.changes
        if isinstance(change, NoteChange | Revision) and change.note_id == note_id and erased_id in change.derived_from
        for side in (change.before, change.after)
        for name, value in (side or {}).items()
        if name in _ANALYZED and all(value != fields[name] for fields in (BLANK, *innocent))
    }
