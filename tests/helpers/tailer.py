# ruff: noqa: T201  # it talks to the test over its output
"""A process that follows a memory which others write to: PATH. Ends when told so on stdin; prints how far it came."""

import select
import sys

from zettel import registry
from zettel.model import NoteChange, revisable_fields

memory = registry.open_memory(sys.argv[1], embedder="hashing", read_only=True)
print("open", flush=True)
seen, looks, ids = 0, 0, set()
told = False
while not told:
    told = bool(select.select([sys.stdin], [], [], 0)[0])
    commits = memory.log(after=seen)
    assert [c.id for c in commits] == list(range(seen + 1, seen + 1 + len(commits))), "a gap in the journal"
    arrived = {x.note_id: x for c in commits for x in c.changes if isinstance(x, NoteChange)}
    assert ids.isdisjoint(arrived), "a note arrived twice"
    ids |= arrived.keys()
    notes = {note.id: note for note in memory.notes()}
    assert ids <= notes.keys(), "a commit without its notes"
    assert all(revisable_fields(notes[i]) == x.after for i, x in arrived.items()), "a note that is not what came"
    ordinals = sorted(note.ordinal for note in notes.values())
    assert ordinals == list(range(1, len(ordinals) + 1)), "an ordinal that is missing or there twice"
    hits = memory.search("who says 7 and b", k=5)
    assert not notes or (hits and {hit.note.id for hit in hits} <= {note.id for note in memory.notes()})
    seen += len(commits)
    looks += 1
print(f"{seen} {looks}", flush=True)
