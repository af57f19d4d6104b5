// The tree of topics
// All topics, each beneath the one it belongs to, the memory itself at the root. While they are few, two notes stand for
// each.
// most: how many topics are shown.
WITH "default" AS namespace, 150 AS most
MATCH (t:Topic {namespace: namespace})
WITH most, t ORDER BY size(t.address), t.address
WITH most, collect(t) AS topics
UNWIND topics[..most] AS t
OPTIONAL MATCH branch = (t)-[:CHILD_OF]->()
CALL (t, topics) {
  WITH t WHERE size(topics) <= 20
  MATCH example = (t)<-[:IN_TOPIC]-(n:Note)
  RETURN example
  ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 2
  UNION
  WITH null AS example RETURN example
}
RETURN t, branch, example
