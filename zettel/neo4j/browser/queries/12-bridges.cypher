// Bridges: links between topics
// Notes whose links lead into other topics, and those topics: where one subject touches another.
WITH "default" AS namespace
MATCH (n:Note {namespace: namespace})
WITH n ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 500
MATCH (n)-[:!NEXT]-(m:Note) WHERE n.topic <> m.topic
WITH n, collect(DISTINCT m)[..4] AS others, count(DISTINCT m.topic) AS topics ORDER BY topics DESC, n.ordinal LIMIT 5
UNWIND others AS m
MATCH bridge = (n)-[:!NEXT]-(m)
MATCH here = (n)-[:IN_TOPIC]->(:Topic)
MATCH there = (m)-[:IN_TOPIC]->(:Topic)
RETURN bridge, here, there
