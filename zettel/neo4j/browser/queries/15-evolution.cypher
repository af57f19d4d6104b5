// How a note evolved
// A note in the middle, the revisions of it, the notes whose arrival triggered them, and the commits that made them.
// Click on a revision for what stood before and after; the table lists it. id: how the note's id begins; "" takes one
// of the most revised.
WITH "default" AS namespace, "" AS id
MATCH (n:Note {namespace: namespace}) WHERE n.id STARTS WITH id
WITH n ORDER BY COUNT { (n)<-[:REVISED]-() } DESC LIMIT 1
OPTIONAL MATCH change = (n)<-[:REVISED]-(r:Revision)<-[:MADE]-(:Commit)
OPTIONAL MATCH cause = (r)-[:TRIGGERED_BY]->(:Note)
OPTIONAL MATCH undoing = (r)-[:UNDOES]->(:Revision)
RETURN n, change, cause, undoing, r.at AS at, r.reason AS reason, r.fields AS fields,
       [field IN r.fields | r[field + "_before"]] AS before, [field IN r.fields | r[field + "_after"]] AS after
ORDER BY at LIMIT 20
