"""What people changed by hand in the graph of a replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zettel.model import STATUSES, revisable_fields
from zettel.store.neo4j import rows
from zettel.store.neo4j.connection import Writing
from zettel.store.neo4j.effects import Effects
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
RETURN item[0], item[1], r IS NOT NULL, coalesce(r.weight, 1.0), coalesce(r.reason, '')"""
_DRAWN = "drawn in the graph"  # the reason of a link that people have drawn without one; see ``replication``


def fault(row: Sequence[Any], drawn: Sequence[Any]) -> str:
    """Why the columns of a note's node, and the names of its tags, make no note; "" where they do."""
    held = dict(zip(rows.COLUMNS, row, strict=True))
    if held["id"] is None or held["text"] is None or not isinstance(held["ordinal"], int):
        return "it was made in the graph: add it to the memory"
    for name in ("id", "text", "context", "status", "analyzed_by"):
        if not isinstance(held[name], str | None):
            return f"its {name} is {held[name]!r}: it must be a text"
    for name, value in (*((name, held[name]) for name in ("keywords", "tags", "entities")), ("TAGGED tags", drawn)):
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            return f"its {name} are {value!r}: they must be a list of texts"
    if held["status"] not in (None, *STATUSES):
        return f"its status is {held['status']!r}: use {', '.join(STATUSES)}"
    try:
        found = rows.note("", row)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return f"it holds what no zettel wrote ({error})"
    return "" if isinstance(found.metadata, dict) else f"its metadata are {held['metadata']!r}: they must be an object"


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
            key[:2]: link
            for key, link in effects.links.items()
            if key[2] == kind and effects.created.keys().isdisjoint(key[:2])
        }
        items = [list(ends) for ends in changed]
        held = writing.rows(_LINKS.format(type=type_), items=items, namespace=namespace) if items else []
        for source, target, there, weight, reason in held:
            link = changed[source, target]
            now = (weight, reason or _DRAWN) if there else None
            if now not in (_told(link.before), _told(link.after)):
                found.append(f"the {kind} link from note {source} to note {target}")
    return found


def _drawn(tags: Any) -> frozenset[str]:
    return frozenset(rows.named(tags or ()))


def _told(side: Mapping[str, Any] | None) -> tuple[Any, Any] | None:
    return None if side is None else (side["weight"], side["reason"] or _DRAWN)
