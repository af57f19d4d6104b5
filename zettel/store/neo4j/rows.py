"""Notes as nodes: making the properties of a note's node and its caption, and making notes of properties."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from zettel.field_marks import KeptField
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Commit,
    Link,
    LinkKind,
    Note,
    NoteChange,
    Revision,
    Source,
    day_of,
)
from zettel.sampling import sample_key
from zettel.text import annotation_terms, shorten, terms

_CAPTION = 60  # the length of a caption, in characters
_LONGEST_TERM = 200  # characters: no word is as long, and Lucene refuses terms that are much longer
LONGEST_NAME = 500  # characters: a tag or an entity with a longer name gets no node, since it could not be indexed

#: Fields that are times on the server too.
TIMED = tuple(field.name for field in NOTE_FIELDS if field.form == "time")

#: The columns of a note, in the order in which ``note`` takes them: those that never change, then the revisable ones.
_FIXED = "topic", "id", "ordinal", "text", "time", "time_precision", "speaker", "sources", "created_at"
COLUMNS = (*_FIXED, *NOTE_FIELDS.names)
# Times are read as texts: the driver takes fifty times as long to read a time.
_TIMES = frozenset({"time", "created_at", *TIMED})
SELECTED = ", ".join(f"toStringOrNull(n.{name})" if name in _TIMES else f"n.{name}" for name in COLUMNS)

#: The fields of a note by which it is found.
FOUND_BY = frozenset({"context", "keywords", "tags", "entities"})


def digest(*names: str | None) -> str:
    """A key for names of any length."""
    return blake2b("\0".join(name or "" for name in names).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def session_key(note: Note) -> str | None:
    """The key of a note's session; None if the note is in no session."""
    return digest(*note.conversation) if note.conversation else None


def time_of(time: datetime) -> str:
    """A time as a text that the server can read: its zone is an offset of at most 18 hours."""
    offset = time.utcoffset() or timedelta()
    return (time if abs(offset) <= timedelta(hours=18) else time.astimezone(UTC)).isoformat()


# ------------------------------------------------------------------------ notes


def static_properties(namespace: str, note: Note, vector_key: str) -> dict[str, Any]:
    """The properties of a note's node that never change; times are texts, which the server turns into times."""
    return {
        "namespace": namespace,
        "id": note.id,
        "ordinal": note.ordinal,
        "text": note.text,
        "caption": caption(note),
        "time": time_of(note.time) if note.time else None,
        "time_precision": note.time_precision,
        "speaker": note.speaker,
        "session": session_key(note),
        "sources": json.dumps([s.model_dump(exclude_none=True) for s in note.sources], separators=(",", ":"))
        if note.sources
        else None,
        "created_at": time_of(note.created_at),
        "vector_key": vector_key,
        "lot": sample_key(note.ordinal),
        "length": len(terms(note.text)),
    }


def caption(note: Note) -> str:
    """The caption of a note's node: who says what."""
    return shorten(f"{note.speaker}: {note.text}" if note.speaker else note.text, _CAPTION)


def field_properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of revisable fields, which are given as in changes; times are texts.

    Raises:
        LookupError: there is no such field.
    """
    if strange := sorted(set(fields).difference(NOTE_FIELDS.names)):
        raise LookupError(f"a note has no field {strange[0]!r}")
    return {name: _property(NOTE_FIELDS.by_name[name], value) for name, value in fields.items()}


def _property(field: KeptField, value: Any) -> Any:
    if field.form == "time":
        return time_of(datetime.fromisoformat(value)) if value else None
    if field.form in ("json", "parts"):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value != field.blank else None
    return value


def found_by(namespace: str, text: str, context: str, items: Iterable[str]) -> list[str]:
    """The terms of a note for the full-text index: one for the namespace, then the stems of text and annotations."""
    stems = (*terms(text), *annotation_terms(context, items))
    return [scope(namespace), *(stem for stem in stems if len(stem) <= _LONGEST_TERM)]


def scope(namespace: str) -> str:
    """The term that all notes of a namespace have; no word of a text begins with its first character."""
    return f"#{digest(namespace)}"


def note(address: str, row: Sequence[Any]) -> Note:
    """A note from the columns of its node."""
    _, note_id, ordinal, text, time, precision, speaker, sources, created_at, *values = row
    fields = {name: _value(NOTE_FIELDS.by_name[name], v) for name, v in zip(NOTE_FIELDS.names, values, strict=True)}
    return Note.model_construct(
        id=note_id, ordinal=ordinal, text=text, time=native(time), time_precision=precision, speaker=speaker,
        created_at=native(created_at), address=address, **fields,
        sources=tuple(Source.model_construct(**{**_NO_SOURCE, **s}) for s in json.loads(sources or "[]")),
    )  # fmt: skip


def _value(field: KeptField, value: Any) -> Any:
    """A field's value from a property; its default if the property is missing."""
    if value is None:
        return deepcopy(field.default)
    if field.form in ("json", "parts"):
        value = json.loads(value)
    return field.parse(value) if field.parse else value


_NO_SOURCE = Source().model_dump()


def native(time: str | None) -> datetime | None:
    """A time that the server returned as text."""
    return None if time is None else datetime.fromisoformat(time)


# ------------------------------------------------------------------------ links

#: The properties of a link's relationship; a field that is a model has a property for each of its own fields.
_LINK_PARTS = {field.name: field.parts or (field.name,) for field in LINK_FIELDS}
LINK_PROPERTIES = tuple(part for parts in _LINK_PARTS.values() for part in parts)
if len(set(LINK_PROPERTIES)) < len(LINK_PROPERTIES):
    raise TypeError(f"two fields of Link would be one property of a relationship in Neo4j: {LINK_PROPERTIES}")
LINK_SELECTED = ", ".join(f"r.{name}" for name in LINK_PROPERTIES)
_BY_HAND: dict[str, Any] = {"weight": 1.0, "reason": "", "created_by": "edit"}
"""The values of a link that people made in the graph without giving any."""


def link_properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a link's fields, which are given as in changes; fields with their default are left out."""
    properties: dict[str, Any] = {}
    for name, value in fields.items():
        field = LINK_FIELDS.by_name[name]
        if field.always:
            properties[name] = value
        elif value != field.blank:
            properties |= value if field.parts else {name: _property(field, value)}
    return properties


def link(source: str, target: str, kind: LinkKind, values: Sequence[Any]) -> Link:
    """A link from the properties of its relationship, in the order of ``LINK_PROPERTIES``."""
    given = {name: value for name, value in zip(LINK_PROPERTIES, values, strict=True) if value is not None}
    fields: dict[str, Any] = {**LINK_FIELDS.defaults(), **_BY_HAND}
    for name, parts in _LINK_PARTS.items():
        field = LINK_FIELDS.by_name[name]
        if not field.always and (found := {part: given[part] for part in parts if part in given}):
            with suppress(ValueError, TypeError):  # people may have written anything there; a check reports it
                fields[name] = field.parse(found) if field.parts and field.parse else _value(field, found[name])
        elif name in given:
            fields[name] = given[name]
    return Link.model_construct(source_id=source, target_id=target, kind=kind, **fields)


# -------------------------------------------------------------- sessions, sources


def session_properties(namespace: str, note: Note) -> dict[str, Any] | None:
    """The properties of the node of a note's session; None if the note is in no session."""
    if note.conversation is None:
        return None
    conversation, session = note.conversation
    return {
        "namespace": namespace,
        "key": session_key(note),
        "conversation_id": conversation,
        "session_id": session or None,
        "caption": shorten(f"{conversation} · {session}" if session else conversation, _CAPTION),
    }


def source_rows(namespace: str, note: Note) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The properties of the nodes of a note's sources, each with those of the relationship: the place in the source."""
    found = []
    for source in note.sources:
        name = source.uri or source.conversation_id
        if name is None:
            continue
        node = {
            "namespace": namespace,
            "key": digest(name),
            "uri": source.uri,
            "format": source.format,
            "conversation_id": None if source.uri else name,
            "caption": shorten(name.rstrip("/").rsplit("/", 1)[-1] or name, _CAPTION),
        }
        place = {"span": source.span, "message_id": source.message_id, "role": source.role}
        found.append((node, {k: v for k, v in place.items() if v is not None}))
    return found


def named(names: Iterable[str]) -> list[str]:
    """The names, of a note's tags or entities, that get a node."""
    return [name for name in dict.fromkeys(names) if name and len(name) <= LONGEST_NAME]


# ------------------------------------------------------------------ the journal


def commit_properties(namespace: str, commit: Commit, payload: bytes) -> dict[str, Any]:
    """The properties of a commit's node."""
    arrivals = [change for change in commit.changes if isinstance(change, NoteChange)]
    return {
        "namespace": namespace,
        "id": commit.id,
        "at": time_of(commit.at),
        "cause": commit.cause,
        "caption": f"{commit.id} {commit.cause}",
        "n_changes": len(commit.changes),
        "payload": payload,
        # A payload has ordinals. These lists resolve them, whatever happens to the nodes of the notes.
        "note_ordinals": [change.ordinal for change in arrivals],
        "note_ids": [change.note_id for change in arrivals],
    }


def revision_properties(namespace: str, change: Revision, at: datetime, day: str | None) -> dict[str, Any]:
    """The properties of a revision's node; ``day`` is the day of its trigger, for which it is counted."""
    return {
        "namespace": namespace,
        "id": change.id,
        "note_id": change.note_id,
        "at": time_of(at),
        "day": day,
        "undoes": change.undoes,
        "trigger": change.trigger,
        "created_by": change.created_by,
        **revision_values(change),
    }


def revision_values(change: Revision) -> dict[str, Any]:
    """The properties of a revision's node that quote its note; an erasure removes them."""
    before = {f"{name}_before": _shown(value) for name, value in change.before.items()}
    after = {f"{name}_after": _shown(value) for name, value in change.after.items()}
    fields = sorted(change.after)
    return {
        "fields": fields,
        "caption": f"{change.id} {', '.join(fields)}",
        "reason": change.reason,
        **before,
        **after,
    }


def _shown(value: Any) -> Any:
    """A field's value as a property that people can read: lists of texts stay lists, other structures become JSON."""
    flat = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return value if flat or not isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)


def trigger_day(time: str | None, ordinal: int) -> str:
    """The day of a trigger, found from the properties of its node."""
    return day_of(native(time), ordinal)
