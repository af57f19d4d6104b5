// What one commit did
// A commit, notes it added or took out, revisions with the notes they changed, and links it made.
// number: the commit's; 0 takes the one that changed the most.
WITH "default" AS namespace, 0 AS number
MATCH (c:Commit {namespace: namespace}) WHERE number IN [0, c.id]
WITH c ORDER BY c.n_changes DESC LIMIT 1
CALL (c) {
  MATCH deed = (c)-[:ADDED|BROUGHT_BACK|TOOK_OUT|ERASED]->(n) RETURN deed ORDER BY n.ordinal LIMIT 8
  UNION
  MATCH deed = (c)-[:MADE]->(:Revision)-[:REVISED]->(:Note) RETURN deed LIMIT 5
  UNION
  MATCH (n:Note {namespace: c.namespace}) WHERE c.id IN n.commits
  MATCH deed = (n)-[:!NEXT {commit: c.id}]->(:Note) RETURN deed LIMIT 4
}
RETURN c, deed
