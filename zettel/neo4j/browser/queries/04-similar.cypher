// What is close in meaning
// The notes whose vectors are nearest to a note's, by the server's vector index, linked with it or not; the table has
// how near. id: how the note's id begins; "" takes the most linked note.
WITH "default" AS namespace, "" AS id
MATCH (n:Note {namespace: namespace}) WHERE n.id STARTS WITH id
WITH n ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 1
MATCH (p:Passage {key: n.vector_key, number: 0})
CALL db.index.vector.queryNodes("zettel_passage_embedding", 40, p.embedding) YIELD node, score
MATCH (m:Note {vector_key: node.key}) WHERE m.namespace = n.namespace
WITH n, m, max(score) AS nearness ORDER BY nearness DESC LIMIT 12
RETURN n, m, nearness
