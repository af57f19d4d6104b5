"""What people changed by hand in the graph of a replica."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zettel.model import revisable_fields
from zettel.store import _neo4j_rows as rows
from zettel.store._neo4j_connection import Writing
from zettel.store._neo4j_effects import Effects
from zettel.store._neo4j_schema import LINK_TYPES

_TAGS = "OPTIONAL MATCH (n)-[:TAGGED]->(t:Tag) WITH n, collect(t.name) AS drawn"
AS_EDITED = f"MATCH (n:Note {{{{namespace: $ns}}}}) {_TAGS} RETURN {{columns}}, drawn"
ODD_LINKS = """
MATCH (a:Note {namespace: $ns})-[r]->(b:Note {namespace: $ns}) WHERE NOT type(r) IN $known
RETURN a.id, b.id, type(r)"""
DISCARD = """
MATCH (n:{label} {{namespace: $ns}}) WITH n LIMIT 2000 WITH collect(n) AS gone, collect(DISTINCT n.vector_key) AS keys
FOREACH (n IN gone | DETACH DELETE n) RETURN size(gone), keys"""
_FIELDS = f"""
UNWIND $ids AS id MATCH (n:Note {{namespace: $namespace, id: id}}) {_TAGS} RETURN {rows.SELECTED}, drawn"""
_LINKS = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (b:Note {{namespace: $namespace, id: item[1]}}) OPTIONAL MATCH (a)-[r:{type}]->(b)
RETURN item[0], item[1], r.weight, r.reason"""


def overwritten(writing: Writing, namespace: str, effects: Effects) -> list[str]:
    """What commits would change although people have changed it already: "tags of note 1f…", "the link …".

    A value is taken for theirs where it is neither what the memory had before the commits, nor what it has after.
    """
    found: list[str] = []
    for *row, drawn in writing.rows(_FIELDS, ids=list(effects.fields), namespace=namespace):
        note = rows.note("", row)
        now: dict[str, Any] = revisable_fields(note)
        for name, after in effects.fields[note.id].items():
            before = effects.before[note.id][name]
            same = now[name] in (before, after)
            if name == "tags":
                same = same and frozenset(drawn) in (_drawn(before), _drawn(after))
            if not same:
                found.append(f"{name} of note {note.id}")
    for kind, type_ in LINK_TYPES.items():
        changed = {key[:2]: link for key, link in effects.links.items() if key[2] == kind}
        items = [list(ends) for ends in changed]
        held = writing.rows(_LINKS.format(type=type_), items=items, namespace=namespace) if items else []
        for source, target, weight, reason in held:
            link = changed[source, target]
            if (weight, reason) not in (_told(link.before), _told(link.after)):
                found.append(f"the {kind} link from note {source} to note {target}")
    return found


def _drawn(tags: Any) -> frozenset[str]:
    return frozenset(rows.named(tags or ()))


def _told(side: Mapping[str, Any] | None) -> tuple[Any, Any]:
    return (None, None) if side is None else (side["weight"], side["reason"])
