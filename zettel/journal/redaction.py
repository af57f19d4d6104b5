"""Blanking an erased note's text in the commits of a journal."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Change,
    Commit,
    LinkChange,
    NoteChange,
    Revision,
    TopicChange,
    touched,
)


def redact(
    commits: Iterable[Commit], erased_id: str, quoted: Set[tuple[str, str, str]], names: Set[str] = frozenset()
) -> list[Commit]:
    """The commits rewritten so that nothing of an erased note's text is left in them.

    The note's own values are blanked. So are values of other notes that were made from its text, both before and after
    a change: ``quoted`` names them as (note id, field, ``repr`` of the value). Reasons that speak of the erased note
    are blanked too, and the names of topics that are among ``names``.
    """
    return [
        c.model_copy(update={"changes": (*without_names((_blanked(x, erased_id, quoted) for x in c.changes), names),)})
        for c in commits
    ]


def without_names(changes: Iterable[Change], names: Set[str]) -> list[Change]:
    """The changes, in which the names of topics that are among ``names`` are blanked."""
    return [_nameless(change, names) if isinstance(change, TopicChange) else change for change in changes]


def _nameless(change: TopicChange, names: Set[str]) -> TopicChange:
    named = {k: side for k in ("before", "after") if (side := getattr(change, k)) and side["name"] in names}
    return change.model_copy(update={k: {**side, "name": ""} for k, side in named.items()})


def _blanked(change: Change, erased_id: str, quoted: Set[tuple[str, str, str]]) -> Change:
    match change:
        case NoteChange() | Revision():
            sides = {k: _unquoted(change.note_id, getattr(change, k), erased_id, quoted) for k in ("before", "after")}
            update: dict[str, Any] = dict(sides)
            if isinstance(change, NoteChange):
                update["own"] = _unquoted(change.note_id, change.own, erased_id, quoted)
            elif erased_id in (change.note_id, change.trigger, *change.derived_from):
                update["reason"] = ""
            return change.model_copy(update=update)
        case LinkChange() if erased_id in touched(change):
            return change.model_copy(update={k: _untold(getattr(change, k)) for k in ("before", "after")})
    return change


def _unquoted(
    note_id: str, side: dict[str, Any] | None, erased_id: str, quoted: Set[tuple[str, str, str]]
) -> dict[str, Any] | None:
    """A note's fields without the values that were made from an erased note's text."""
    if side is None:
        return None
    telling = NOTE_FIELDS.telling if note_id == erased_id else frozenset()
    return {
        name: NOTE_FIELDS.blanked(name) if name in telling or (note_id, name, repr(value)) in quoted else value
        for name, value in side.items()
    }


def _untold(side: dict[str, Any] | None) -> dict[str, Any] | None:
    """A link's fields without those that quote its notes."""
    if side is None:
        return None
    return {name: LINK_FIELDS.blanked(name) if name in LINK_FIELDS.telling else value for name, value in side.items()}
