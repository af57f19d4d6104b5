"""A commit's changes as bytes: the versioned payload that stores keep.

A payload is a byte with its version, followed by zlib-compressed JSON: one array a change, headed by the code of its
type. Notes are named by ordinal and fields by code, so that a payload holds little beyond what changed. Version 2
leaves out what has its default, and compresses with a dictionary, since most commits are small. Version 3 has the
fields that came later: a note's ``learned``, what is a note's ``own``, a link's ``evidence``. Versions are read forever
and never written again once a newer one exists; a field that one of them does not know has its default.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from zettel.errors import StoreDamagedError, StoreVersionError
from zettel.model import (
    LINK_FIELDS,
    LINK_KINDS,
    NOTE_FIELDS,
    Change,
    Erasure,
    LinkChange,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    Use,
)

VERSION = 3

# All that follows is part of the format: what is new goes behind, nothing is ever changed or taken out.
_CODES = {field.name: str(field.code) for field in NOTE_FIELDS}
_NAMES = {code: name for name, code in _CODES.items()}
_NOTE, _REVISION, _LINK, _USE, _ERASURE, _TOPIC, _PLACEMENT = range(7)
_TOPIC_SIDE = "parent", "number", "name", "named_at"

#: What payloads are made of, the most frequent last: zlib refers to it, so that a commit of one note spells out little.
_DICTIONARY_2 = (
    '],"takes back change "forgotten","user"]"changed by update()","user"],"the tag “","tags":"place","person"'
    'two notes on its subject share “”, the tag ""; “a later note answers it: “ comes back to it: both speak of “”'
    "; both mention “”; “January February March April May June July August September October November December 2022"
    " 2023: “ 2024: “ 2025: “ 2026: “…”"
    '"},"0":"\\nAnswered on \\nAnswered by \\nLater, on ”"},{"0":"","evolution",[]]["question","request","plan","date",'
    '"link","code","answered"],"linker/same_entity"]],[2,0,["both mention “”","linker/elaborates"]],[2,3,[0.8,"answers '
    '’s “?”","linker/similar"]],[2,0,[0.6,"both speak of “”, “” and “”, and are close in meaning (0.)"," · "'
    '[5,1,[null,1,],[6,"linker/next"]],[2,1,[1.0," goes on right after it in session session_ speaks right after it'
    ' in session session_1"," user assistant on (session 1), answering \\"[3,[[0,{"0":" on (session session_1), '
    'answering \\"","1":["],"2":["question"],"3":["],"8":"local/1"},'
).encode()
_DICTIONARY_3 = (
    b'","9":[{"kind":"later","note_id":"z","time":"2023-T00:00:00Z","time_precision":"day","speaker":null,"text":"'
    b'{"kind":"answered","note_id":"z"}],{"terms":["","cosine":0.null,"quote":""}]'
) + _DICTIONARY_2
_DICTIONARIES = {2: _DICTIONARY_2, 3: _DICTIONARY_3}

Fields = dict[str, Any] | None


def encode(changes: tuple[Change, ...], ordinal_of: Mapping[str, int]) -> bytes:
    """The payload of ``changes``, whose notes are looked up in ``ordinal_of``."""
    rows = [_trimmed(_row(change, ordinal_of)) for change in changes]
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    packer = zlib.compressobj(9, zdict=_DICTIONARY_3)
    return bytes([VERSION]) + packer.compress(text.encode("utf-8", "surrogatepass")) + packer.flush()


def decode(payload: bytes, commit: int, id_of: Mapping[int, str]) -> tuple[Change, ...]:
    """The changes of commit number ``commit``, whose notes are looked up in ``id_of``.

    Raises:
        StoreVersionError: a newer zettel wrote it, of another version or with fields that this one does not know.
        StoreDamagedError: it can't be read.
    """
    if payload and payload[0] > VERSION:
        raise StoreVersionError(
            f"commit {commit} has payload version {payload[0]}, this zettel reads up to {VERSION}: upgrade zettel"
        )
    try:
        rows = json.loads(unpacked(payload))
        read = _change_v1 if payload[0] == 1 else _change
        return tuple(read(row, f"{commit}.{i}", id_of) for i, row in enumerate(rows, 1))
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise StoreDamagedError(f"commit {commit} can't be read ({error}): restore a copy of the memory") from error


def unpacked(payload: bytes) -> str:
    """The JSON in a payload."""
    if payload[:1] not in (b"\1", b"\2", b"\3"):
        raise ValueError("it does not begin with a version")
    unpacker = zlib.decompressobj(zdict=_DICTIONARIES[payload[0]]) if payload[0] > 1 else zlib.decompressobj()
    text = unpacker.decompress(payload[1:])
    if not unpacker.eof:
        raise ValueError("its end is missing")
    return text.decode("utf-8", "surrogatepass")


# ------------------------------------------------------------- versions 2 and 3


def _row(change: Change, ordinal_of: Mapping[str, int]) -> list[Any]:
    """A change as a row: what is most often missing comes last, so that it can be left out."""
    derived = [ordinal_of[n] for n in getattr(change, "derived_from", ())]
    match change:
        case NoteChange():
            sides = _note_side(change.after), _note_side(change.before)
            return [_NOTE, change.ordinal, *sides, derived, change.undoes, _coded(change.own) or None]
        case Revision():
            trigger = None if change.trigger is None else ordinal_of[change.trigger]
            return [
                _REVISION, ordinal_of[change.note_id], _coded(change.before), _coded(change.after), trigger,
                change.reason, change.created_by, derived, change.undoes,
            ]  # fmt: skip
        case LinkChange():
            ends = ordinal_of[change.source_id], ordinal_of[change.target_id]
            after, before = _link_side(change.after), _link_side(change.before)
            return [_LINK, *ends, LINK_KINDS.index(change.kind), after, before, change.undoes]
        case Use():
            return [_USE, ordinal_of[change.note_id], change.count, change.undoes]
        case Erasure():
            return [_ERASURE, change.ordinal, change.undoes]
        case TopicChange():
            after, before = _listed(change.after, _TOPIC_SIDE), _listed(change.before, _TOPIC_SIDE)
            return [_TOPIC, change.topic_id, after, before, change.undoes]
        case Placement():
            return [_PLACEMENT, ordinal_of[change.note_id], change.after, change.before, change.undoes]


def _change(row: list[Any], change_id: str, id_of: Mapping[int, str]) -> Change:
    """One row read back. The payload is our own and was checked when written, so models are built unchecked."""
    code, subject, *rest = row
    if code == _TOPIC:
        after, before, undoes = _filled(rest, None, None, None)
        return TopicChange.model_construct(
            id=change_id, undoes=undoes, topic_id=subject, before=_unlisted(before, _TOPIC_SIDE),
            after=_unlisted(after, _TOPIC_SIDE),
        )  # fmt: skip
    note_id = id_of[subject]
    if code == _NOTE:
        after, before, derived, undoes, own = _filled(rest, None, None, (), None, None)
        return NoteChange.model_construct(
            id=change_id, undoes=undoes, note_id=note_id, ordinal=subject, before=_noted(before), after=_noted(after),
            derived_from=tuple(id_of[n] for n in derived), own=_named(own) or {},
        )  # fmt: skip
    if code == _REVISION:
        before, after, trigger, reason, created_by, derived, undoes = _filled(rest, None, None, None, "", "", (), None)
        return Revision.model_construct(
            id=change_id, undoes=undoes, note_id=note_id, before=_named(before), after=_named(after), reason=reason,
            created_by=created_by, trigger=None if trigger is None else id_of[trigger],
            derived_from=tuple(id_of[n] for n in derived),
        )  # fmt: skip
    if code == _LINK:
        target, kind, after, before, undoes = _filled(rest, None, None, None, None, None)
        return LinkChange.model_construct(
            id=change_id, undoes=undoes, source_id=note_id, target_id=id_of[target], kind=LINK_KINDS[kind],
            before=_linked(before), after=_linked(after),
        )  # fmt: skip
    if code == _USE:
        count, undoes = _filled(rest, 1, None)
        return Use.model_construct(id=change_id, undoes=undoes, note_id=note_id, count=count)
    if code == _ERASURE:
        return Erasure.model_construct(id=change_id, undoes=_filled(rest, None)[0], note_id=note_id, ordinal=subject)
    if code == _PLACEMENT:
        after, before, undoes = _filled(rest, None, None, None)
        return Placement.model_construct(id=change_id, undoes=undoes, note_id=note_id, before=before, after=after)
    raise ValueError(f"unknown type of change {code}")


def _trimmed(row: list[Any]) -> list[Any]:
    """A row without the empty values at its end, which ``_filled`` puts back."""
    while row[-1] is None or row[-1] in ("", []):
        row.pop()
    return row


def _filled(values: list[Any], *empty: Any) -> Sequence[Any]:
    if len(values) > len(empty):
        raise ValueError(f"a row holds {len(values)} values where {len(empty)} are known")
    return (*values, *empty[len(values) :])


def _note_side(fields: Fields) -> Fields:
    """All fields of a note, without those that have their default."""
    return None if fields is None else _coded(NOTE_FIELDS.slim(fields))


def _noted(side: Fields | list[Fields]) -> Fields:
    """Read back, also as version 2 held a note of which it knew no more than some fields: in a list."""
    named = _named(side[0] if isinstance(side, list) else side)
    return None if named is None else NOTE_FIELDS.whole(named)


def _link_side(fields: Fields) -> Fields | list[Any]:
    """A link's values in the order of their codes, without defaults at the end; as they are where some are missing."""
    if fields is None or fields.keys() != LINK_FIELDS.by_name.keys():
        return fields
    values = [fields[name] for name in LINK_FIELDS.names]
    for field in reversed(tuple(LINK_FIELDS)):
        if field.always or values[-1] != field.blank:
            break
        values.pop()
    return values


def _linked(side: Fields | list[Any]) -> Fields:
    if isinstance(side, list) and len(side) > len(LINK_FIELDS.names):
        raise StoreVersionError("a commit holds a field of a link that this zettel does not know: upgrade zettel")
    named = dict(zip(LINK_FIELDS.names, side, strict=False)) if isinstance(side, list) else side
    return None if named is None else LINK_FIELDS.whole(named)


def _listed(side: Fields, names: tuple[str, ...]) -> Fields | list[Any]:
    """A side's values in the order of ``names``; a side that does not have just these, as it is."""
    return [side[name] for name in names] if side is not None and side.keys() == set(names) else side


def _unlisted(side: Fields | list[Any], names: tuple[str, ...]) -> Fields:
    return dict(zip(names, side, strict=True)) if isinstance(side, list) else side


def _coded(fields: Fields) -> Fields:
    return None if fields is None else {_CODES[k]: v for k, v in fields.items()}


def _named(fields: Fields) -> Fields:
    if fields is None:
        return None
    if newer := [code for code in fields if code not in _NAMES and code.isdecimal()]:
        raise StoreVersionError(f"a commit holds field {newer[0]} of a note, which is newer: upgrade zettel")
    return {_NAMES[k]: v for k, v in fields.items()}


# -------------------------------------------------------------------- version 1


def _change_v1(row: list[Any], change_id: str, id_of: Mapping[int, str]) -> Change:
    """One row of a payload from before there were topics."""
    code, undoes, ordinal, *rest = row
    common: dict[str, Any] = {"id": change_id, "undoes": undoes}
    if code == _LINK:
        target, kind, before, after = rest
        ends = id_of[ordinal], id_of[target]
        return LinkChange.model_construct(
            **common, source_id=ends[0], target_id=ends[1], kind=kind, before=_linked(before), after=_linked(after)
        )
    note_id = id_of[ordinal]
    if code == _NOTE:
        before, after, derived = rest
        return NoteChange.model_construct(
            **common, note_id=note_id, ordinal=ordinal, before=_noted(before), after=_noted(after),
            derived_from=tuple(id_of[n] for n in derived), own={},
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
