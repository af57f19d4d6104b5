// Notes with a tag
// A tag, the notes that bear it, and the other tags they bear. name: the tag's; "" takes the one that most notes bear.
WITH "default" AS namespace, "" AS name
MATCH (t:Tag {namespace: namespace}) WHERE t.name STARTS WITH name
WITH t ORDER BY COUNT { (t)<-[:TAGGED]-() } DESC LIMIT 1
MATCH (t)<-[:TAGGED]-(n:Note)
WITH n ORDER BY n.ordinal DESC LIMIT 12
MATCH tagged = (n)-[:TAGGED]->(:Tag)
RETURN tagged
