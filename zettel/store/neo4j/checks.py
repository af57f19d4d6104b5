"""Checks of what a memory's graph stores twice: queries that return the places at which the two differ."""

from __future__ import annotations

from zettel.store.neo4j.rows import LONGEST_NAME

_NAMED = f"""
MATCH (n:Note {{{{namespace: $ns}}}}) WHERE n.ordinal > 0
OPTIONAL MATCH (n)-[:{{type}}]->(x)
WITH n, collect(x.name) AS linked
WITH n, linked, [name IN coalesce(n.{{field}}, []) WHERE name <> '' AND size(name) <= {LONGEST_NAME}] AS kept
WHERE any(x IN linked WHERE NOT x IN kept) OR any(x IN kept WHERE NOT x IN linked)
RETURN 'note ' + n.id"""

#: Queries, each with the problem of the places that it returns.
CHECKS: tuple[tuple[str, str], ...] = (
    (
        """MATCH (m:Memory {namespace: $ns})
           WITH m, COUNT { MATCH (n:Note {namespace: $ns}) } AS n WHERE n <> m.n_notes
           RETURN m.namespace + ': ' + n + ' notes'""",
        "its journal left another number of notes: one was added or deleted by hand",
    ),
    (
        """MATCH (m:Memory {namespace: $ns})
           WITH m, COUNT { MATCH (c:Commit {namespace: $ns}) } AS n WHERE n <> m.head
           RETURN m.namespace + ': ' + n + ' commits'""",
        "its head is another number: one was added or deleted by hand",
    ),
    (_NAMED.format(field="tags", type="TAGGED"), "its tags and its TAGGED relationships differ: edited by hand"),
    (
        _NAMED.format(field="entities", type="MENTIONS"),
        "its entities and its MENTIONS relationships differ: edited by hand",
    ),
    (
        """MATCH (n:Note {namespace: $ns}) WHERE n.ordinal > 0
           OPTIONAL MATCH (n)-[:IN_TOPIC]->(t:Topic)
           WITH n, collect(t.id) AS linked WHERE linked <> CASE WHEN n.topic IS NULL THEN [] ELSE [n.topic] END
           RETURN 'note ' + n.id""",
        "its topic and its IN_TOPIC relationship differ: edited by hand",
    ),
    (
        """MATCH (t:Topic {namespace: $ns}) WHERE t.id > 0
           OPTIONAL MATCH (t)-[:CHILD_OF]->(p:Topic)
           WITH t, collect(p.id) AS linked WHERE linked <> CASE WHEN t.parent IS NULL THEN [] ELSE [t.parent] END
           RETURN 'topic ' + t.id""",
        "its parent and its CHILD_OF relationship differ: edited by hand",
    ),
    (
        """MATCH (p:Passage)
           WHERE NOT EXISTS { MATCH (n:Note {vector_key: p.key}) }
             AND NOT EXISTS { MATCH (n:Removed {vector_key: p.key}) }
           RETURN DISTINCT 'vectors ' + p.key""",
        "no note uses them: a note was deleted by hand",
    ),
)
