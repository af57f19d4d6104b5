// What a person said, and when
// A person's notes, each in its session; sessions follow their days. The table lists them in order.
// name: whose; "" takes who said the most. Days are from and until, both included.
WITH "default" AS namespace, "" AS name, date("0001-01-01") AS from, date("9999-12-31") AS until
MATCH (p:Person {namespace: namespace}) WHERE p.name STARTS WITH name
WITH p, from, until ORDER BY COUNT { (p)-[:SAID]->() } DESC LIMIT 1
MATCH said = (p)-[:SAID]->(n:Note) WHERE n.time IS NULL OR from <= date(n.time) <= until
WITH n, said ORDER BY n.time DESC, n.ordinal DESC LIMIT 20
OPTIONAL MATCH occasion = (n)-[:IN_SESSION]->(:Session)
RETURN said, occasion, n.time AS time, n.text AS text ORDER BY time, n.ordinal
