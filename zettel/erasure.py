"""Erasing a note: what must change besides its own rows, so that nothing of its text is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TypeAlias

from pydantic import JsonValue

from zettel.errors import AnalyzerError
from zettel.journal import BLANK, redact
from zettel.model import Commit, Erasure, Note, NoteChange, Revision, revisable_fields
from zettel.protocols import Analysis, Draft, Reader, Utterance
from zettel.text import terms, words

_ANALYZED = ("context", "keywords", "tags", "entities")
_QUOTATION = 3  # words in a row that are no chance: "why" stands in many a sentence that quotes nobody
_Annotating = NoteChange | Revision
_Fields: TypeAlias = dict[str, JsonValue]


def plan(note: Note, reader: Reader, analyze: Callable[[Sequence[Utterance]], list[Analysis]]) -> Draft:
    """The draft that erases ``note``.

    Other notes' annotations that were made from its text are analyzed again without it, by ``analyze``; where that
    fails they are left blank, for an erasure must not wait for a model. What the journal holds of them from before is
    blanked.
    """
    journal = {commit.id: commit for commit in reader.commits_of(note.id)}
    made = [change for commit in journal.values() for change in commit.changes if isinstance(change, _Annotating)]
    derived = {change.note_id for change in made if note.id in change.derived_from} - {note.id}
    present = {other.id: other for other in reader.notes(derived)}
    rows = reader.arrived(c.ordinal for c in made if isinstance(c, NoteChange) and c.note_id in derived)
    revisions: list[Revision] = []
    quoted: set[tuple[str, str, str]] = set()
    for other in ({row.id: row for row in rows.values()} | present).values():
        journal.update((commit.id, commit) for commit in reader.commits_of(other.id))
        alone, fresh = _without(other, note, analyze)
        taken = _quoted(other.id, note, journal.values(), (BLANK, alone, fresh))
        quoted |= taken
        now = revisable_fields(other)
        names = [name for name in _ANALYZED if (other.id, name, repr(now[name])) in taken]
        if names and other.id in present:
            revisions.append(
                Revision(
                    id="", note_id=other.id, before={n: BLANK[n] for n in names}, after={n: fresh[n] for n in names},
                    reason="the note it quoted was erased", created_by="erasure",
                )
            )  # fmt: skip
    rewrites = redact((journal[number] for number in sorted(journal)), note.id, quoted)
    erasure = Erasure(id="", note_id=note.id, ordinal=note.ordinal)
    return Draft("forget", (erasure, *revisions), rewrites=tuple(rewrites))


def _without(
    note: Note, erased: Note, analyze: Callable[[Sequence[Utterance]], list[Analysis]]
) -> tuple[_Fields, _Fields]:
    """The annotations of a note as if it answered nothing: the analyzer's alone, and with what others put into lists.

    A tag that somebody gave by hand is none of the analyzer's; it stays where it has no word of the erased text.
    """
    conversation, session = note.conversation or (None, None)
    alone = Utterance(note.text, note.speaker, note.time, note.time_precision, conversation, session or None)
    answering = replace(alone, answers_id=erased.id, answers_speaker=erased.speaker, answers_text=erased.text)
    try:
        without, quoting = analyze([alone, answering])
    except AnalyzerError:
        blank = {name: BLANK[name] for name in _ANALYZED}
        return blank, blank
    told = set(terms(erased.text))
    fields: _Fields = {"context": without.context}
    merged = dict(fields)
    for name in _ANALYZED[1:]:
        own, with_it = getattr(without, name), getattr(quoting, name)
        kept = [v for v in getattr(note, name) if v in own or (v not in with_it and told.isdisjoint(terms(v)))]
        fields[name], merged[name] = list(own), list(dict.fromkeys([*kept, *own]))
    return fields, merged


def _quoted(
    note_id: str, erased: Note, commits: Iterable[Commit], innocent: Iterable[_Fields]
) -> set[tuple[str, str, str]]:
    """The values of a note that were made from the erased text, and those that others changed and left it in."""
    values = [
        (name, value, erased.id in change.derived_from)
        for commit in commits
        for change in commit.changes
        if isinstance(change, _Annotating) and change.note_id == note_id
        for side in (change.before, change.after)
        for name, value in (side or {}).items()
        if name in _ANALYZED and all(value != fields[name] for fields in innocent)
    ]
    quotations = {_shared(value, erased.text) for _, value, made in values if made}.difference([""])
    return {
        (note_id, name, repr(value))
        for name, value, made in values
        if made or any(quotation in _spoken(value) for quotation in quotations)
    }


def _shared(value: JsonValue, text: str) -> str:
    """The longest run of words that an annotation has in common with a text; "" where it is too short to quote it."""
    ours, theirs = _spoken(value).split(), words(text)
    run = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
    return f" {' '.join(ours[run.a : run.a + run.size])} " if run.size >= min(_QUOTATION, len(theirs)) > 1 else ""


def _spoken(value: JsonValue) -> str:
    """The words of an annotation, each between spaces."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f" {' '.join(words(text))} "
