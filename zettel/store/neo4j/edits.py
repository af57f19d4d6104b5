"""Finding what people changed by hand in the graph of a replica."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zettel.effects import Effects
from zettel.field_marks import KeptField
from zettel.model import LINK_FIELDS, NOTE_FIELDS, Note, revisable_fields
from zettel.store.neo4j import rows
from zettel.store.neo4j.connection import Writing
from zettel.store.neo4j.schema import LINK_TYPES

_TAGS = "OPTIONAL MATCH (n)-[:TAGGED]->(t:Tag) WITH n, collect(t.name) AS tagged"
AS_EDITED = f"MATCH (n:Note {{{{namespace: $ns}}}}) {_TAGS} RETURN {{columns}}, tagged"
ODD_LINKS = """
MATCH (a:Note {namespace: $ns})-[r]->(b:Note) WHERE NOT type(r) IN $known OR b.namespace <> $ns OR b.namespace IS NULL
RETURN a.id, b.id, type(r)"""
DISCARD = """
MATCH (n:{label} {{namespace: $ns}}) WITH n LIMIT 2000 WITH collect(n) AS gone, collect(DISTINCT n.vector_key) AS keys
FOREACH (n IN gone | DETACH DELETE n) RETURN size(gone), keys"""
_FIELDS = f"""
UNWIND $ids AS id MATCH (n:Note {{namespace: $namespace, id: id}}) {_TAGS} RETURN {rows.SELECTED}, tagged"""
_LINKS = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (b:Note {{namespace: $namespace, id: item[1]}}) OPTIONAL MATCH (a)-[r:{type}]->(b)
RETURN item[0], item[1], r IS NOT NULL, {selected}"""
_NO_REASON = "drawn in the graph"  # the reason of a link that people made without giving one; see ``replication``


def fault(row: Sequence[Any], tagged: Sequence[Any]) -> str:
    """Why the columns of a node, and the names of its tag nodes, don't make a note; "" if they do."""
    values = dict(zip(rows.COLUMNS, row, strict=True))
    if values["id"] is None or values["text"] is None or not isinstance(values["ordinal"], int):
        return "it was made in the graph: add it to the memory"
    for name in ("id", "text"):
        if not isinstance(values[name], str):
            return f"its {name} is {values[name]!r}: it must be a text"
    for field in NOTE_FIELDS:
        if why := _unlike(field, values[field.name]):
            return why
    if not _are_texts(tagged):
        return f"its TAGGED tags are {tagged!r}: they must be a list of texts"
    try:
        found = rows.note("", row)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return f"it holds what no zettel wrote ({error})"
    return next((f"its {name} is {values[name]!r}: {why}" for name, why in _misshapen(found)), "")


def _unlike(field: KeptField, value: Any) -> str:
    """Why a property can't be the value of a field; "" if it can."""
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
    """The fields whose JSON must be an object or a list, and is not; each with the reason."""
    for field in NOTE_FIELDS:
        if field.form == "json" and not isinstance(getattr(note, field.name), type(field.default)):
            yield field.name, f"it must be {'an object' if isinstance(field.blank, dict) else 'a list'}"


def overwritten(
    writing: Writing, namespace: str, effects: Effects, known: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Values that commits would change although people have changed them already: "tags of note 1f…", "the link …".

    People have changed a value if it is neither what the memory had before the commits, nor what it has after them.
    ``known`` has the fields of notes before the commits, by id, if the commits don't say.
    """
    found: list[str] = []
    for *row, tagged in writing.rows(_FIELDS, ids=list(effects.fields), namespace=namespace) if effects.fields else ():
        if why := fault(row, tagged):
            found.append(f"note {row[rows.COLUMNS.index('id')]} ({why})")
            continue
        note = rows.note("", row)
        values: dict[str, Any] = revisable_fields(note)
        for name, after in effects.fields[note.id].items():
            before = known.get(note.id, effects.before[note.id])[name]
            same = values[name] in (before, after)
            if name == "tags":
                same = same and frozenset(tagged) in (_with_nodes(before), _with_nodes(after))
            if not same:
                found.append(f"{name} of note {note.id}")
    for kind, type_ in LINK_TYPES.items():
        # Nobody can have made links of notes that are new.
        changed = {
            key[:2]: link for key, link in effects.links.items() if key[2] == kind and not effects.are_new(key[:2])
        }
        items = [list(ends) for ends in changed]
        query = _LINKS.format(type=type_, selected=rows.LINK_SELECTED)
        present = writing.rows(query, items=items, namespace=namespace) if items else []
        for source, target, there, *properties in present:
            link = changed[source, target]
            shown = rows.link(source, target, kind, properties)
            now = _by_hand(LINK_FIELDS.dump(shown, sound=False)) if there else None
            if now not in (_by_hand(link.before), _by_hand(link.after)):
                found.append(f"the {kind} link from note {source} to note {target}")
    return found


def _with_nodes(tags: Any) -> frozenset[str]:
    return frozenset(rows.named(tags or ()))


def _by_hand(side: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The fields of a link that people may change."""
    if side is None:
        return None
    return {**{name: side[name] for name in LINK_FIELDS.by_hand}, "reason": side["reason"] or _NO_REASON}
