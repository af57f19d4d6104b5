// A session as it ran
// The messages of one session, each followed by the next, and what answers what.
// id: how the session's id begins, as in "2025-03"; "" takes the newest session.
WITH "default" AS namespace, "" AS id
MATCH (s:Session {namespace: namespace}) WHERE coalesce(s.session_id, s.conversation_id) STARTS WITH id
CALL (s) { MATCH (n:Note {namespace: s.namespace, session: s.key}) RETURN max(n.ordinal) AS newest }
WITH s ORDER BY newest DESC LIMIT 1
MATCH (n:Note {namespace: s.namespace, session: s.key}) WHERE n.ordinal > 0
WITH n ORDER BY n.ordinal LIMIT 30
OPTIONAL MATCH step = (n)-[:NEXT]->(m:Note) WHERE m.session = n.session
RETURN n, step
