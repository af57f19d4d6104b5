"""A commit's changes as bytes: the versioned payload that stores keep.

A payload is a byte with its version, followed by zlib-compressed JSON: one array a change, headed by the code of its
type. Notes are named by ordinal and fields by code, so that a payload holds little beyond what changed. Version 2
leaves out what has its default, and compresses with a dictionary, since most commits are small. Versions are read
forever and never written again once a newer one exists.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from copy import copy
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

VERSION = 2

# All that follows is part of the format: what is new goes behind, nothing is ever changed or taken out.
_FIELDS = {name: str(code) for code, name in enumerate(REVISABLE)}
_NAMES = {code: name for name, code in _FIELDS.items()}
_NOTE, _REVISION, _LINK, _USE, _ERASURE, _TOPIC, _PLACEMENT = range(7)
_KINDS = ("similar", "next", "same_entity", "elaborates", "supersedes", "contradicts", "causes", "part_of")
_DEFAULTS: dict[str, Any] = {
    "context": "", "keywords": [], "tags": [], "entities": [], "status": "active", "valid_until": None, "trust": 1.0,
    "metadata": {}, "analyzed_by": "",
}  # fmt: skip
_LINK_SIDE = "weight", "reason", "created_by"
_TOPIC_SIDE = "parent", "number", "name", "named_at"

#: What payloads are made of, the most frequent last: zlib refers to it, so that a commit of one note spells out little.
_DICTIONARY = (
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

Fields = dict[str, Any] | None


def encode(changes: tuple[Change, ...], ordinal_of: Mapping[str, int]) -> bytes:
    """The payload of ``changes``, whose notes are looked up in ``ordinal_of``."""
    rows = [_trimmed(_row(change, ordinal_of)) for change in changes]
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    packer = zlib.compressobj(9, zdict=_DICTIONARY)
    return bytes([VERSION]) + packer.compress(text.encode("utf-8", "surrogatepass")) + packer.flush()


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
        rows = json.loads(unpacked(payload))
        read = _change if payload[0] == VERSION else _change_v1
        return tuple(read(row, f"{commit}.{i}", id_of) for i, row in enumerate(rows, 1))
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise StoreDamagedError(f"commit {commit} can't be read ({error}): restore a copy of the memory") from error


def unpacked(payload: bytes) -> str:
    """The JSON in a payload."""
    if payload[:1] not in (b"\1", b"\2"):
        raise ValueError("it does not begin with a version")
    unpacker = zlib.decompressobj(zdict=_DICTIONARY) if payload[0] > 1 else zlib.decompressobj()
    text = unpacker.decompress(payload[1:])
    if not unpacker.eof:
        raise ValueError("its end is missing")
    return text.decode("utf-8", "surrogatepass")


# -------------------------------------------------------------------- version 2


def _row(change: Change, ordinal_of: Mapping[str, int]) -> list[Any]:
    """A change as a row: what is most often missing comes last, so that it can be left out."""
    derived = [ordinal_of[n] for n in getattr(change, "derived_from", ())]
    match change:
        case NoteChange():
            return [_NOTE, change.ordinal, _note_side(change.after), _note_side(change.before), derived, change.undoes]
        case Revision():
            trigger = None if change.trigger is None else ordinal_of[change.trigger]
            return [
                _REVISION, ordinal_of[change.note_id], _coded(change.before), _coded(change.after), trigger,
                change.reason, change.created_by, derived, change.undoes,
            ]  # fmt: skip
        case LinkChange():
            ends = ordinal_of[change.source_id], ordinal_of[change.target_id]
            after, before = _listed(change.after, _LINK_SIDE), _listed(change.before, _LINK_SIDE)
            return [_LINK, *ends, _KINDS.index(change.kind), after, before, change.undoes]
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
        after, before, derived, undoes = _filled(rest, None, None, (), None)
        return NoteChange.model_construct(
            id=change_id, undoes=undoes, note_id=note_id, ordinal=subject, before=_noted(before), after=_noted(after),
            derived_from=tuple(id_of[n] for n in derived),
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
            id=change_id, undoes=undoes, source_id=note_id, target_id=id_of[target], kind=_KINDS[kind],
            before=_unlisted(before, _LINK_SIDE), after=_unlisted(after, _LINK_SIDE),
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


def _note_side(fields: Fields) -> Fields | list[Fields]:
    """All fields of a note, without those that have their default; where some are missing, what there is in a list."""
    if fields is None or len(fields) < len(_DEFAULTS):
        return None if fields is None else [_coded(fields)]
    return {_FIELDS[k]: v for k, v in fields.items() if v != _DEFAULTS[k]}


def _noted(side: Fields | list[Fields]) -> Fields:
    if isinstance(side, list):
        return _named(side[0])
    if side is None:
        return None
    given = {_NAMES[k]: v for k, v in side.items()}
    return {name: given[name] if name in given else copy(value) for name, value in _DEFAULTS.items()}


def _listed(side: Fields, names: tuple[str, ...]) -> Fields | list[Any]:
    """A side's values in the order of ``names``; a side that does not have just these, as it is."""
    return [side[name] for name in names] if side is not None and side.keys() == set(names) else side


def _unlisted(side: Fields | list[Any], names: tuple[str, ...]) -> Fields:
    return dict(zip(names, side, strict=True)) if isinstance(side, list) else side


def _coded(fields: Fields) -> Fields:
    return None if fields is None else {_FIELDS[k]: v for k, v in fields.items()}


def _named(fields: Fields) -> Fields:
    return None if fields is None else {_NAMES[k]: v for k, v in fields.items()}


# -------------------------------------------------------------------- version 1


def _change_v1(row: list[Any], change_id: str, id_of: Mapping[int, str]) -> Change:
    """One row of a payload from before there were topics."""
    code, undoes, ordinal, *rest = row
    common: dict[str, Any] = {"id": change_id, "undoes": undoes}
    if code == _LINK:
        target, kind, before, after = rest
        ends = id_of[ordinal], id_of[target]
        return LinkChange.model_construct(
            **common, source_id=ends[0], target_id=ends[1], kind=kind, before=before, after=after
        )
    note_id = id_of[ordinal]
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
