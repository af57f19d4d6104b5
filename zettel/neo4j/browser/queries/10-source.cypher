// What came from one source
// A file or conversation and notes that came from it; on each line stands the place in the file.
// name: a part of the source's name; "" takes the one with the most notes. 25 are shown: raise skip for the next.
WITH "default" AS namespace, "" AS name, 0 AS skip
MATCH (s:Source {namespace: namespace}) WHERE coalesce(s.uri, s.conversation_id) CONTAINS name
WITH s, skip ORDER BY COUNT { (s)<-[:FROM]-() } DESC LIMIT 1
MATCH origin = (n:Note)-[:FROM]->(s)
WITH origin, n, skip ORDER BY n.ordinal
WITH collect(origin) AS origins, skip
UNWIND origins[skip..skip + 25] AS origin
RETURN origin
