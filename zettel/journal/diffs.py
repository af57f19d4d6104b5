"""Showing people what a change did, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zettel.model import (
    LINK_FIELDS,
    Change,
    Erasure,
    FieldDiff,
    LinkChange,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    Use,
    touched,
)


def field_diffs(change: Change, texts: Mapping[int, str]) -> list[FieldDiff]:
    """What a change did, field by field; ``texts`` holds the texts of the notes that came or went, by ordinal."""
    common: dict[str, Any] = {"change_id": change.id, "note_id": next(iter(touched(change)), "")}
    match change:
        case NoteChange():
            text = texts.get(change.ordinal, "(erased)")
            before, after = (text, None) if change.after is None else (None, text)
            return [FieldDiff(field="text", before=before, after=after, **common)]
        case Revision():
            return [
                FieldDiff(field=k, before=change.before[k], after=change.after[k], reason=change.reason, **common)
                for k in change.after
            ]
        case LinkChange():
            sides: dict[str, Any] = {
                k: side and {"to": change.target_id, "kind": change.kind, **LINK_FIELDS.slim(side)}
                for k, side in (("before", change.before), ("after", change.after))
            }
            return [FieldDiff(field="link", **sides, **common)]
        case TopicChange():
            was, now = change.before or {}, change.after or {}
            if all(was.get(k) == now.get(k) for k in ("parent", "number", "name")):
                return []  # only its count changed
            return [FieldDiff(field="topic", before=was.get("name"), after=now.get("name"), **common)]
        case Placement():
            return [FieldDiff(field="place", before=change.before, after=change.after, **common)]
        case Use():
            return [FieldDiff(field="uses", after=change.count, **common)]
        case Erasure():
            return [FieldDiff(field="text", before="(erased)", **common)]
