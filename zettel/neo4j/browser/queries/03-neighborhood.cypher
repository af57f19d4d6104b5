// A note and its neighborhood
// What a note is linked with, one step and two, and the topic it lies in. Click on a line to read the reason for it.
// id: how the note's id begins, as in z1f0e; "" takes the most linked note.
WITH "default" AS namespace, "" AS id
MATCH (n:Note {namespace: namespace}) WHERE n.id STARTS WITH id
WITH n ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 1
OPTIONAL MATCH place = (n)-[:IN_TOPIC]->(:Topic)
OPTIONAL MATCH near = (n) ((:Note)-[:!NEXT]-(:Note)){1,2}
RETURN n, place, near ORDER BY length(near) LIMIT 30
