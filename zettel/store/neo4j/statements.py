"""The Cypher that writes commits. Each statement unwinds ``$items``; values are parameters, never part of the text."""

from __future__ import annotations

from zettel.store.neo4j.rows import TIMED

# --------------------------------------------------------------------- the memory

LOCK = """
MERGE (m:Memory {namespace: $namespace})
ON CREATE SET m.head = 0, m.role = $role, m.origin = $origin, m.caption = $namespace, m.n_notes = 0, m.n_terms = 0,
              m.last_ordinal = 0, m.last_topic = 0
SET m.locked = true REMOVE m.locked
FOREACH (_ IN CASE WHEN m.head = 0 THEN [1] ELSE [] END | SET m.role = $role, m.origin = $origin)"""
MEMORY_STATE = "MATCH (m:Memory {namespace: $namespace}) RETURN m.head, m.role, m.last_ordinal, m.last_topic"
ADVANCE = """
MATCH (m:Memory {namespace: $namespace})
SET m.head = $head, m.last_ordinal = $last_ordinal, m.last_topic = $last_topic,
    m.n_notes = m.n_notes + $n_notes, m.n_terms = m.n_terms + $n_terms"""
COMMITS = "UNWIND $items AS item CREATE (c:Commit) SET c = item, c.at = datetime(item.at)"
MENTION = """
UNWIND $items AS item MATCH (n:{label} {{namespace: $namespace, ordinal: item[0]}})
SET n.commits = coalesce(n.commits, []) + item[1] RETURN item[0]"""

# ------------------------------------------------------------------------ vectors

PASSAGES = """
UNWIND $items AS item MERGE (p:Passage {key: item.key, number: item.number})
ON CREATE SET p.span = item.span, p.data = item.data, p.embedding = item.embedding
ON MATCH SET p.key = item.key"""  # setting it locks the node
LOCK_VECTORS = "UNWIND $keys AS key MATCH (p:Passage {key: key, number: 0}) SET p.locked = true REMOVE p.locked"
COUNT_VECTORS = "UNWIND $keys AS key MATCH (p:Passage {key: key, number: 0}) RETURN count(p)"
DROP_VECTORS = """
UNWIND $keys AS key MATCH (p:Passage {key: key}) WHERE p.number >= 0 SET p.locked = true REMOVE p.locked
WITH p WHERE NOT EXISTS { MATCH (n:Note {vector_key: p.key}) } AND NOT EXISTS { MATCH (n:Removed {vector_key: p.key}) }
DELETE p"""

# -------------------------------------------------------------------------- notes

_CREATED = ", ".join(f"n.{name} = datetime(item.{name})" for name in ("time", "created_at", *TIMED))
CREATE = f"""
UNWIND $items AS item CREATE (n:Note)
SET n = item, {_CREATED}"""
WORDS = """
UNWIND $ids AS id MATCH (n:Note {namespace: $namespace, id: id})
RETURN n.id, n.text, n.context, n.keywords, n.tags, n.entities"""
_REVISED = "".join(
    f"""
FOREACH (_ IN CASE WHEN item.fields.{name} IS NULL THEN [] ELSE [1] END |
    SET n.{name} = datetime(item.fields.{name}))"""
    for name in TIMED
)
REVISE = f"""
UNWIND $items AS item MATCH (n:Note {{namespace: $namespace, id: item.id}}) SET n += item.fields{_REVISED}
RETURN count(n)"""
TAKE_OUT = """
UNWIND $items AS item MATCH (n:Note {namespace: $namespace, ordinal: item})
OPTIONAL MATCH (n)-[r:TAGGED|MENTIONS|IN_SESSION|FROM|IN_TOPIC]->() DELETE r
WITH DISTINCT n OPTIONAL MATCH (n)<-[s:SAID]-() DELETE s
WITH DISTINCT n REMOVE n:Note SET n:Removed, n.topic = null
RETURN count(n), coalesce(sum(n.length), 0)"""
TOOK_OUT = """
UNWIND $items AS item MATCH (c:Commit {namespace: $namespace, id: item.commit})
MATCH (n:Removed {namespace: $namespace, ordinal: item.ordinal}) CREATE (c)-[:TOOK_OUT]->(n)"""
RETURNING = "UNWIND $items AS item MATCH (n:Removed {{namespace: $namespace, ordinal: item}}) RETURN {columns}"
_BACK = "".join(f", n.{name} = datetime(item.fields.{name})" for name in TIMED)
BRING_BACK = f"""
UNWIND $items AS item MATCH (n:Removed {{namespace: $namespace, ordinal: item.ordinal}})
REMOVE n:Removed SET n:Note, n += item.fields{_BACK}
RETURN count(n), coalesce(sum(n.length), 0)"""
CAME = """
UNWIND $items AS item MATCH (c:Commit {{namespace: $namespace, id: item.commit}})
MATCH (n:Note {{namespace: $namespace, id: item.id}}) CREATE (c)-[:{verb}]->(n)"""

# ------------------------------------------ tags, entities, people, sessions, sources

_NOTE = "UNWIND $items AS item MATCH (n:Note {namespace: $namespace, id: item[0]})"
TAGGED = f"""
{_NOTE} MERGE (t:Tag {{namespace: $namespace, name: item[1]}}) ON CREATE SET t.caption = item[1]
MERGE (n)-[:TAGGED]->(t)"""
MENTIONS = f"""
{_NOTE} MERGE (e:Entity {{namespace: $namespace, name: item[1]}}) ON CREATE SET e.caption = item[1]
MERGE (n)-[:MENTIONS]->(e)"""
UNTAG = f"""
{_NOTE} MATCH (n)-[r:TAGGED]->(t:Tag) WHERE t.name IS NULL OR NOT t.name IN item[1] DELETE r
WITH DISTINCT t WHERE t.namespace = $namespace AND NOT EXISTS {{ (t)<-[:TAGGED]-() }} DETACH DELETE t"""
UNMENTION = f"""
{_NOTE} MATCH (n)-[r:MENTIONS]->(e:Entity) WHERE e.name IS NULL OR NOT e.name IN item[1] DELETE r
WITH DISTINCT e WHERE e.namespace = $namespace AND NOT EXISTS {{ (e)<-[:MENTIONS]-() }} DETACH DELETE e"""
NAMES = """
UNWIND $items AS item MERGE (x:{label} {{namespace: $namespace, name: item}}) ON CREATE SET x.caption = item"""
ORIGINS = """
UNWIND $items AS item MERGE (x:{label} {{namespace: $namespace, key: item.key}}) ON CREATE SET x = item"""
TO_NAME = """
UNWIND $items AS item MATCH (n:Note {{namespace: $namespace, id: item[0]}})
MATCH (x:{label} {{namespace: $namespace, name: item[1]}}) CREATE (n)-[:{type}]->(x)"""
SAID = """
UNWIND $items AS item MATCH (n:Note {namespace: $namespace, id: item[0]})
MATCH (p:Person {namespace: $namespace, name: item[1]}) CREATE (p)-[:SAID]->(n)"""
TO_ORIGIN = """
UNWIND $items AS item MATCH (n:Note {{namespace: $namespace, id: item[0]}})
MATCH (x:{label} {{namespace: $namespace, key: item[1]}}) CREATE (n)-[r:{type}]->(x) SET r = item[2]"""
AROUND = """
UNWIND $ordinals AS ordinal MATCH (n:{label} {{namespace: $namespace, ordinal: ordinal}})
MATCH (n)-[:TAGGED|MENTIONS|IN_SESSION|FROM|SAID]-(x) WHERE x.namespace = $namespace RETURN DISTINCT elementId(x)"""
TIDY = """
UNWIND $elements AS element MATCH (x) WHERE elementId(x) = element
  AND NOT EXISTS { (x)<-[:TAGGED|MENTIONS|IN_SESSION|FROM]-() } AND NOT EXISTS { (x)-[:SAID]->() }
DETACH DELETE x"""

# -------------------------------------------------------------------------- links

LINK = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (b:Note {{namespace: $namespace, id: item[1]}}) {make} (a)-[r:{type}]->(b) SET r = item[2] RETURN count(r)"""
RELINK = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (a)-[r:{type}]->(b:Note {{namespace: $namespace, id: item[1]}}) SET r = item[2] RETURN count(r)"""
UNLINK = """
UNWIND $items AS item MATCH (a:Note {{namespace: $namespace, id: item[0]}})
MATCH (a)-[r:{type}]->(b:Note {{namespace: $namespace, id: item[1]}}) DELETE r RETURN count(*)"""

# ------------------------------------------------------------------------- topics

WRITE_TOPICS = """
UNWIND $items AS item MERGE (t:Topic {namespace: $namespace, id: item.id}) SET t += item.fields"""
DETACH_TOPICS = """
UNWIND $items AS item MATCH (:Topic {namespace: $namespace, id: item})-[r:CHILD_OF]->() DELETE r"""
ATTACH = """
UNWIND $items AS item MATCH (t:Topic {namespace: $namespace, id: item[0]})
MATCH (p:Topic {namespace: $namespace, id: item[1]}) MERGE (t)-[:CHILD_OF]->(p) RETURN count(p)"""
ATTACH_TO_MEMORY = """
UNWIND $items AS item MATCH (t:Topic {namespace: $namespace, id: item}) MATCH (m:Memory {namespace: $namespace})
MERGE (t)-[:CHILD_OF]->(m)"""
REMOVE_TOPICS = """
UNWIND $items AS item MATCH (t:Topic {namespace: $namespace, id: item}) DETACH DELETE t RETURN count(*)"""
UNPLACE = f"""
{_NOTE} OPTIONAL MATCH (n)-[r:IN_TOPIC]->() DELETE r WITH DISTINCT n, item SET n.topic = item[1]"""
PLACE = f"""
{_NOTE} MATCH (t:Topic {{namespace: $namespace, id: item[1]}}) CREATE (n)-[:IN_TOPIC]->(t) RETURN count(t)"""

# -------------------------------------------------------------------- the journal

REVISIONS = """
UNWIND $items AS item CREATE (r:Revision) SET r = item.properties, r.at = datetime(item.properties.at)
WITH r, item MATCH (c:Commit {namespace: $namespace, id: item.commit}) CREATE (c)-[:MADE]->(r)"""
_REVISION = "UNWIND $items AS item MATCH (r:Revision {namespace: $namespace, id: item[0]})"
REVISED = f"{_REVISION} MATCH (n:Note {{namespace: $namespace, id: item[1]}}) CREATE (r)-[:REVISED]->(n)"
TRIGGERED = f"{_REVISION} MATCH (n:Note {{namespace: $namespace, id: item[1]}}) CREATE (r)-[:TRIGGERED_BY]->(n)"
UNDOES = f"{_REVISION} MATCH (o:Revision {{namespace: $namespace, id: item[1]}}) CREATE (r)-[:UNDOES]->(o)"
DAYS = """
MATCH (n:Note {namespace: $namespace}) WHERE n.ordinal IN $ordinals RETURN n.ordinal, toString(n.time) AS t
UNION MATCH (n:Removed {namespace: $namespace}) WHERE n.ordinal IN $ordinals RETURN n.ordinal, toString(n.time) AS t"""

# ------------------------------------------------------------------------ erasing

ERASE_SHOWN = """
MATCH (n:Note {namespace: $namespace, id: $id})
WITH n, n.length AS length, n.vector_key AS key DETACH DELETE n RETURN length, key"""
ERASE_REMOVED = """
MATCH (n:Removed {namespace: $namespace, id: $id})
WITH n, n.vector_key AS key DETACH DELETE n RETURN key"""
TOMBSTONES = """
UNWIND $items AS item MERGE (e:Erased {namespace: $namespace, ordinal: item[0]})
SET e.id = item[1], e.commit = item[2], e.caption = 'erased', e.commits = coalesce(e.commits, item[3])
WITH e, item MATCH (c:Commit {namespace: $namespace, id: item[2]}) CREATE (c)-[:ERASED]->(e)"""
ALREADY_ERASED = """
UNWIND $items AS item MERGE (e:Erased {namespace: $namespace, ordinal: item[0]})
ON CREATE SET e.id = item[1], e.caption = 'erased', e.commits = []
SET e.commits = e.commits + item[2]"""
COMMITS_OF = """
MATCH (n:Note {namespace: $namespace, id: $id}) RETURN n.ordinal, n.commits
UNION MATCH (n:Removed {namespace: $namespace, id: $id}) RETURN n.ordinal, n.commits
UNION MATCH (n:Erased {namespace: $namespace, id: $id}) RETURN n.ordinal, n.commits"""
UNCOUNT = """
MATCH (n:{label} {{namespace: $namespace, id: $id}})<-[:REVISED|TRIGGERED_BY]-(r:Revision) REMOVE r.day"""
REWRITE = """
UNWIND $items AS item MATCH (c:Commit {namespace: $namespace, id: item[0]})
SET c.payload = item[1] RETURN count(c)"""
BLANK = """
UNWIND $items AS item MATCH (r:Revision {namespace: $namespace, id: item[0]})
WITH r, item, r.day AS day SET r = item[1], r.day = day, r.at = datetime(item[1].at)"""
