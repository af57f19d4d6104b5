// What supersedes, contradicts or causes what
// Notes that replace earlier ones, speak against them or led to them, the newest first.
WITH "default" AS namespace
MATCH dispute = (a:Note {namespace: namespace})-[r:SUPERSEDES|CONTRADICTS|CAUSES]->(:Note)
RETURN dispute, type(r) AS kind, r.reason AS reason ORDER BY a.ordinal DESC LIMIT 25
