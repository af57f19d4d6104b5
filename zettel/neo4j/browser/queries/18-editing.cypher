// Change a note: tag, link, archive
// What this shows is the note to be changed, with its tags and links. Below are the changes: copy one, fill in the ids,
// run it, and bring it back with `zettel neo4j pull`, which shows each change before it becomes a commit.
//
//   add a tag       MATCH (n:Note {namespace: "default", id: "..."})
//                   MERGE (t:Tag {namespace: "default", name: "garden"}) ON CREATE SET t.caption = t.name
//                   MERGE (n)-[:TAGGED]->(t)
//   take a tag off  MATCH (:Note {namespace: "default", id: "..."})-[r:TAGGED]->(:Tag {name: "garden"}) DELETE r
//   link two notes  MATCH (a:Note {namespace: "default", id: "..."}), (b:Note {namespace: "default", id: "..."})
//                   MERGE (a)-[r:SUPERSEDES]->(b) SET r.weight = 1.0, r.reason = "the date was moved"
//   unlink them     MATCH (:Note {namespace: "default", id: "..."})-[r:SIMILAR]->(:Note {id: "..."}) DELETE r
//   archive a note  MATCH (n:Note {namespace: "default", id: "..."}) SET n.status = "archived"
//   say more of it  MATCH (n:Note {namespace: "default", id: "..."}) SET n.keywords = ["roof", "slates"]
//
// id: how the note's id begins; "" takes the newest note.
WITH "default" AS namespace, "" AS id
MATCH (n:Note {namespace: namespace}) WHERE n.id STARTS WITH id AND n.ordinal > 0
WITH n ORDER BY n.ordinal DESC LIMIT 1
OPTIONAL MATCH tagged = (n)-[:TAGGED]->(:Tag)
OPTIONAL MATCH linked = (n)-[]-(:Note)
RETURN n, tagged, linked, n.id AS id, n.text AS text LIMIT 20
