"""A commit's changes as bytes: the versioned payload that stores keep.

Version 1 is a byte 1 followed by zlib-compressed JSON: one array a change, headed by the code of its type. Notes are
named by ordinal and fields by code, so that a payload holds little beyond what changed. Versions are read forever and
never written again once a newer one exists.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from zettel.errors import StoreDamagedError, StoreVersionError
from zettel.model import (
    REVISABLE,
    Change,
    Erasure,
    LinkChange,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    Use,
)

VERSION = 1

# The codes are part of the format: a new field or type gets the next number, none is ever given again.
_FIELDS = {name: str(code) for code, name in enumerate(REVISABLE)}
_NAMES = {code: name for name, code in _FIELDS.items()}
_NOTE, _REVISION, _LINK, _USE, _ERASURE, _TOPIC, _PLACEMENT = range(7)

Fields = dict[str, Any] | None


def encode(changes: tuple[Change, ...], ordinal_of: Mapping[str, int]) -> bytes:
    """The payload of ``changes``, whose notes are looked up in ``ordinal_of``."""
    rows = [_row(change, ordinal_of) for change in changes]
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    return bytes([VERSION]) + zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def decode(payload: bytes, commit: int, id_of: Mapping[int, str]) -> tuple[Change, ...]:
    """The changes of commit number ``commit``, whose notes are looked up in ``id_of``.

    Raises:
        StoreVersionError: a newer zettel wrote it.
        StoreDamagedError: it can't be read.
    """
    if payload and payload[0] > VERSION:
        raise StoreVersionError(
            f"commit {commit} has payload version {payload[0]}, this zettel reads up to {VERSION}: upgrade zettel"
        )
    try:
        if payload[:1] != bytes([VERSION]):
            raise ValueError("it does not begin with a version")
        rows = json.loads(zlib.decompress(payload[1:]).decode("utf-8", "surrogatepass"))
        return tuple(_change(row, f"{commit}.{i}", id_of) for i, row in enumerate(rows, 1))
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise StoreDamagedError(f"commit {commit} can't be read ({error}): restore a copy of the memory") from error


def _row(change: Change, ordinal_of: Mapping[str, int]) -> list[Any]:
    derived = [ordinal_of[n] for n in getattr(change, "derived_from", ())]
    match change:
        case NoteChange():
            return [_NOTE, change.undoes, change.ordinal, _coded(change.before), _coded(change.after), derived]
        case Revision():
            trigger = None if change.trigger is None else ordinal_of[change.trigger]
            sides = _coded(change.before), _coded(change.after)
            return [
                _REVISION, change.undoes, ordinal_of[change.note_id], *sides, trigger, change.reason,
                change.created_by, derived,
            ]  # fmt: skip
        case LinkChange():
            ends = ordinal_of[change.source_id], ordinal_of[change.target_id]
            return [_LINK, change.undoes, *ends, change.kind, change.before, change.after]
        case Use():
            return [_USE, change.undoes, ordinal_of[change.note_id], change.count]
        case Erasure():
            return [_ERASURE, change.undoes, change.ordinal]
        case TopicChange():
            return [_TOPIC, change.undoes, change.topic_id, change.before, change.after]
        case Placement():
            return [_PLACEMENT, change.undoes, ordinal_of[change.note_id], change.before, change.after]


def _change(row: list[Any], change_id: str, id_of: Mapping[int, str]) -> Change:
    """One row read back. The payload is our own and was checked when written, so models are built unchecked."""
    code, undoes, ordinal, *rest = row
    common: dict[str, Any] = {"id": change_id, "undoes": undoes}
    if code == _LINK:
        target, kind, before, after = rest
        ends = id_of[ordinal], id_of[target]
        return LinkChange.model_construct(
            **common, source_id=ends[0], target_id=ends[1], kind=kind, before=before, after=after
        )
    if code == _TOPIC:
        return TopicChange.model_construct(**common, topic_id=ordinal, before=rest[0], after=rest[1])
    note_id = id_of[ordinal]
    if code == _PLACEMENT:
        return Placement.model_construct(**common, note_id=note_id, before=rest[0], after=rest[1])
    if code == _NOTE:
        before, after, derived = rest
        return NoteChange.model_construct(
            **common, note_id=note_id, ordinal=ordinal, before=_named(before), after=_named(after),
            derived_from=tuple(id_of[n] for n in derived),
        )  # fmt: skip
    if code == _REVISION:
        before, after, trigger, reason, created_by, derived = rest
        return Revision.model_construct(
            **common, note_id=note_id, before=_named(before), after=_named(after), reason=reason, created_by=created_by,
            trigger=None if trigger is None else id_of[trigger], derived_from=tuple(id_of[n] for n in derived),
        )  # fmt: skip
    if code == _USE:
        return Use.model_construct(**common, note_id=note_id, count=rest[0])
    if code == _ERASURE:
        return Erasure.model_construct(**common, note_id=note_id, ordinal=ordinal)
    raise ValueError(f"unknown type of change {code}")


def _coded(fields: Fields) -> Fields:
    return None if fields is None else {_FIELDS[k]: v for k, v in fields.items()}


def _named(fields: Fields) -> Fields:
    return None if fields is None else {_NAMES[k]: v for k, v in fields.items()}
