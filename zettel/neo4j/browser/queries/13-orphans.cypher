// Orphans: notes without links
// Notes that are linked with nothing but the messages beside them, the newest first, and the topics they lie in.
WITH "default" AS namespace
MATCH (n:Note {namespace: namespace}) WHERE n.ordinal > 0 AND n.status = "active"
  AND NOT EXISTS { (n)-[:!NEXT]-(:Note) }
WITH n ORDER BY n.ordinal DESC LIMIT 20
OPTIONAL MATCH place = (n)-[:IN_TOPIC]->(:Topic)
RETURN n, place
