// Notes by words
// Notes whose text has some words, upper or lower case, with the sessions they are from.
// words: what to look for; "" takes the entity that is mentioned most.
WITH "default" AS namespace, "" AS words
OPTIONAL MATCH (e:Entity {namespace: namespace}) WHERE words = ""
WITH namespace, words, e ORDER BY COUNT { (e)<-[:MENTIONS]-() } DESC LIMIT 1
WITH namespace, toLower(coalesce(e.name, words)) AS wanted
MATCH (n:Note {namespace: namespace}) WHERE toLower(n.text) CONTAINS wanted
WITH n ORDER BY n.ordinal DESC LIMIT 25
OPTIONAL MATCH occasion = (n)-[:IN_SESSION]->(:Session)
RETURN n, occasion
