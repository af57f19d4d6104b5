// Hubs: the notes with the most links
// Five notes that much is linked with, and what that is.
WITH "default" AS namespace
MATCH (n:Note {namespace: namespace})
WITH n ORDER BY COUNT { (n)-[:SIMILAR|SAME_ENTITY|ELABORATES]-() } DESC LIMIT 5
MATCH near = (n)-[:!NEXT]-(:Note)
RETURN n, near LIMIT 60
