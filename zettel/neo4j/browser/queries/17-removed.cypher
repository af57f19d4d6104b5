// What was archived, taken out or erased
// Notes that are out of sight, and the commits and revisions that put them there. What was erased left no text.
WITH "default" AS namespace
CALL (namespace) {
  MATCH (n:Note {namespace: namespace}) WHERE n.status IN ["archived", "quarantined"]
  WITH n ORDER BY n.ordinal DESC LIMIT 15
  MATCH deed = (:Commit)-[:MADE]->(r:Revision)-[:REVISED]->(n) WHERE "status" IN r.fields RETURN deed
  UNION
  MATCH deed = (:Commit)-[:TOOK_OUT]->(n:Removed {namespace: namespace}) RETURN deed ORDER BY n.ordinal DESC LIMIT 15
  UNION
  MATCH deed = (:Commit)-[:ERASED]->(n:Erased {namespace: namespace}) RETURN deed ORDER BY n.ordinal DESC LIMIT 15
}
RETURN deed
