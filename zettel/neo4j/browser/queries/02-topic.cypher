// A topic's map
// The notes of one topic that are linked most, with the links among them, and the topics above it.
// address: the topic's, as in "3" or "3.1"; "" takes the topic with the most notes.
WITH "default" AS namespace, "" AS address
MATCH (t:Topic {namespace: namespace}) WHERE address IN ["", t.address]
WITH t ORDER BY COUNT { (t)<-[:IN_TOPIC]-() } DESC LIMIT 1
OPTIONAL MATCH above = (t)-[:CHILD_OF]->+(:Topic)
WITH t, collect(above) AS above
OPTIONAL MATCH held = (t)<-[:IN_TOPIC]-(n:Note)
WITH t, above, held
ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 20
RETURN t, above, held
