"""What people changed by hand in the graph of a replica."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zettel.effects import Effects
from zettel.field_table import KeptField
from zettel.model import LINK_FIELDS, NOTE_FIELDS, Note, revisable_fields
from zettel.store.neo4j import rows
from zettel.store.neo4j.connection import Writing
from zettel.store.neo4j.schema import LINK_TYPES

_TAGS = "OPTIONAL MATCH (n)-[:TAGGED]->(t:Tag) WITH n, collect(t.name) AS drawn"
AS_EDITED = f"MATCH (n:Note {{{{namespace: $ns}}}}) {_TAGS} RETURN {{columns}}, drawn"
ODD_LINKS = """
MATCH (a:Note {namespace: $ns})-[r]->(b:Note) WHERE NOT type(r) IN $known OR b.namespace <> $ns OR b.namespace IS NULL
RETURN a.id, b.id, type(r)"""
DISCARD = """
MATCH (n:{label} {{namespace: $ns}}) WITH n LIMIT 2000 WITH collect(n) AS gone, collect(DISTINCT n.vector_key) AS keys
FOREACH (n IN gone | DETACH DELETE n) RETURN size(gone), keys"""
_FIELDS = f"""
UNWIND $ids AS id MATCH (n:Note {{namespace: $namespace, id: id}}) {_TAGS} RETURN {rows.SELECTED}, drawn"""
_LINKS = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (b:Note {{namespace: $namespace, id: item[1]}}) OPTIONAL MATCH (a)-[r:{type}]->(b)
RETURN item[0], item[1], r IS NOT NULL, {selected}"""
_DRAWN = "drawn in the graph"  # the reason of a link that people have drawn without one; see ``replication``


def fault(row: Sequence[Any], drawn: Sequence[Any]) -> str:
    """Why the columns of a note's node, and the names of its tags, make no note; "" where they do."""
    held = dict(zip(rows.COLUMNS, row, strict=True))
    if held["id"] is None or held["text"] is None or not isinstance(held["ordinal"], int):
        return "it was made in the graph: add it to the memory"
    for name in ("id", "text"):
        if not isinstance(held[name], str):
            return f"its {name} is {held[name]!r}: it must be a text"
    for field in NOTE_FIELDS:
        if why := _unlike(field, held[field.name]):
            return why
    if not _are_texts(drawn):
        return f"its TAGGED tags are {drawn!r}: they must be a list of texts"
    try:
        found = rows.note("", row)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return f"it holds what no zettel wrote ({error})"
    return next((f"its {name} is {held[name]!r}: {why}" for name, why in _misshapen(found)), "")


def _unlike(field: KeptField, value: Any) -> str:
    """What keeps a property from being that of a field; "" where nothing does."""
    if value is None:
        return ""
    if field.form in ("text", "choice") and not isinstance(value, str):
        return f"its {field.name} is {value!r}: it must be a text"
    if field.form == "choice" and value not in field.choices:
        return f"its {field.name} is {value!r}: use {', '.join(field.choices)}"
    if field.form == "texts" and not _are_texts(value):
        return f"its {field.name} are {value!r}: they must be a list of texts"
    return ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _misshapen(note: Note) -> Iterator[tuple[str, str]]:
    """Fields whose JSON is no object where it must be one, or no list."""
    for field in NOTE_FIELDS:
        if field.form == "json" and not isinstance(getattr(note, field.name), type(field.default)):
            yield field.name, f"it must be {'an object' if isinstance(field.blank, dict) else 'a list'}"


def overwritten(
    writing: Writing, namespace: str, effects: Effects, known: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What commits would change although people have changed it already: "tags of note 1f…", "the link …".

    A value is taken for theirs where it is neither what the memory had before the commits, nor what it has after.
    ``known`` are the fields that notes had before, by id, where they are not to be told by the commits.
    """
    found: list[str] = []
    for *row, drawn in writing.rows(_FIELDS, ids=list(effects.fields), namespace=namespace) if effects.fields else ():
        if why := fault(row, drawn):
            found.append(f"note {row[rows.COLUMNS.index('id')]} ({why})")
            continue
        note = rows.note("", row)
        values: dict[str, Any] = revisable_fields(note)
        for name, after in effects.fields[note.id].items():
            before = known.get(note.id, effects.before[note.id])[name]
            same = values[name] in (before, after)
            if name == "tags":
                same = same and frozenset(drawn) in (_drawn(before), _drawn(after))
            if not same:
                found.append(f"{name} of note {note.id}")
    for kind, type_ in LINK_TYPES.items():
        # Nobody has drawn anything at notes that are only coming.
        changed = {
            key[:2]: link for key, link in effects.links.items() if key[2] == kind and not effects.are_new(key[:2])
        }
        items = [list(ends) for ends in changed]
        query = _LINKS.format(type=type_, selected=rows.LINK_SELECTED)
        held = writing.rows(query, items=items, namespace=namespace) if items else []
        for source, target, there, *properties in held:
            link = changed[source, target]
            held_link = rows.link(source, target, kind, properties)
            now = _told(LINK_FIELDS.dump(held_link, sound=False)) if there else None
            if now not in (_told(link.before), _told(link.after)):
                found.append(f"the {kind} link from note {source} to note {target}")
    return found


def _drawn(tags: Any) -> frozenset[str]:
    return frozenset(rows.named(tags or ()))


def _told(side: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What people may change of a link."""
    if side is None:
        return None
    return {**{name: side[name] for name in LINK_FIELDS.by_hand}, "reason": side["reason"] or _DRAWN}
