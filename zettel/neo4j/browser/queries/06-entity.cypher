// Notes that name the same person, place or thing
// An entity, the notes that mention it, and who said them.
// name: the entity's; "" takes the one that is mentioned most.
WITH "default" AS namespace, "" AS name
MATCH (e:Entity {namespace: namespace}) WHERE e.name STARTS WITH name
WITH e ORDER BY COUNT { (e)<-[:MENTIONS]-() } DESC LIMIT 1
MATCH mention = (e)<-[:MENTIONS]-(n:Note)
WITH n, mention ORDER BY n.ordinal DESC LIMIT 25
OPTIONAL MATCH said = (n)<-[:SAID]-(:Person)
RETURN mention, said
