"""Evolution: an arriving note changes what its neighbors' cards say. Each policy is a file; the guardrails are here.

The idea is A-MEM's (arXiv 2502.12110, section 3.3). Unlike in its library, only notes that were just linked are
touched, a text never changes, every rewrite is a revision with its cause, and the number of rewrites is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from zettel.asking import Asking, rewrite_of
from zettel.evolution._quoting import with_lesson
from zettel.filters import SEARCHED
from zettel.model import Lesson, Note, Revision, parsed_fields, revisable_fields
from zettel.protocols import Encounter, Policy, Rewrite

EVOLVED = ("context", "learned", "keywords", "tags")
"""The fields that evolution may change; what a note learns comes as lessons."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def evolve(
    encounters: Sequence[Encounter], policies: Sequence[Policy], rewritten: Mapping[str, int], *,
    per_add: int, per_day: int, asking: Asking | None = None,
) -> list[Revision]:  # fmt: skip
    """The revisions of an arriving note's neighbors: one for each neighbor, at most ``per_add`` in all.

    ``rewritten`` says how often each neighbor was rewritten for notes of the same day. A neighbor is left as it is if
    this was ``per_day`` times, if it is not searched, or if it is more trusted than the arriving note. A policy with an
    unanswered question changes nothing, and ``asking`` keeps the question.
    """
    asking = asking or Asking()
    revisions: list[Revision] = []
    for encounter in encounters:
        note = encounter.neighbor
        allowed = note.status in SEARCHED and encounter.arrived.trust >= note.trust
        if allowed and rewritten.get(note.id, 0) < per_day and (revision := _revision(encounter, policies, asking)):
            revisions.append(revision)
    return revisions[:per_add]


def _revision(encounter: Encounter, policies: Sequence[Policy], asking: Asking) -> Revision | None:
    """What all policies together make of one neighbor: each sees what the policies before it have written."""
    before = revisable_fields(encounter.neighbor)
    note, reasons, derived = encounter.neighbor, [], [encounter.arrived.id]
    for policy in policies:
        rewrite = rewrite_of(policy, replace(encounter, neighbor=note), asking)
        if rewrite is None:
            continue
        rewritten = _rewritten(note, rewrite, encounter.arrived.id)
        if rewritten != note:
            note = rewritten
            reasons.append(rewrite.reason)
            derived += rewrite.derived_from
    after = revisable_fields(note)
    changed = [name for name in EVOLVED if after[name] != before[name]]
    if not changed:
        return None
    return Revision(
        id="", note_id=note.id, before={n: before[n] for n in changed}, after={n: after[n] for n in changed},
        trigger=encounter.arrived.id, reason="; ".join(reasons), created_by="evolution",
        derived_from=tuple(dict.fromkeys(derived)),
    )  # fmt: skip


def _rewritten(note: Note, rewrite: Rewrite, arrived: str) -> Note:
    """The note with a policy's values, or unchanged if they break a guardrail."""
    fields, sources = rewrite.fields, (arrived, *rewrite.derived_from)
    proper = all(_is_proper(*item) for item in fields.items())
    if not proper or not all(_is_lesson(lesson, sources) for lesson in rewrite.lessons):
        return note
    learned = note.learned
    for lesson in rewrite.lessons:
        learned = with_lesson(learned, lesson)
    after = note.model_copy(update={**parsed_fields(fields), "learned": learned})
    return after if _stated(note, note.context) <= _stated(note, after.context) else note


def _is_proper(name: str, value: JsonValue) -> bool:
    if name == "context":
        return isinstance(value, str)
    return name in ("keywords", "tags") and isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_lesson(lesson: object, sources: Sequence[str]) -> bool:
    return isinstance(lesson, Lesson) and lesson.note_id in sources


def _stated(note: Note, context: str) -> set[str]:
    """The numbers, and the note's entities, that a context states."""
    return {*_NUMBER.findall(context), *(entity for entity in note.entities if entity in context)}
