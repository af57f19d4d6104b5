"""The sample conversation as a memory with a life: sessions that came one by one, links by hand, things put away.

In a graph it has every kind of node and relationship that there is.
"""

import re
from collections import Counter
from importlib import resources
from pathlib import Path

from zettel.memory import Memory

#: Which note replaces, denies or brings about which, by words that stand in one text alone.
_LINKS = (
    ("The fourth of October. I wrote", "We open on the first Saturday in September", "supersedes", "the roof is late"),
    ("We open on the sixth of December. It's", "The fourth of October. I wrote", "supersedes", "the storm"),
    ("sixty-six really is the ceiling", "sixty is the ceiling", "supersedes", "the roof costs more"),
    ("It's red or no permit", "The blue one, definitely", "supersedes", "a condition of the permit"),
    ("the old oxide red", "Harbour Blue it is", "contradicts", "the door was never blue"),
    ("That yellow has to go", "I want yellow, like the inside", "supersedes", "seen on the wall"),
    ("Safi has named him Fresnel", "Biscuit, for the time being", "supersedes", "the puppy is theirs, and has a name"),
    ("Ulrica is far too gentle", "Two metres by five", "causes", "the storm took the slates"),
    ("Two metres by five", "We can't open this Saturday", "causes", "there is a hole in the roof"),
    ("That room is Morning Watch", "I've named the guest rooms", "part_of", "one of the three rooms"),
    ("Silas was carrying a baby up the rocks", "Light out eleven minutes", "causes", "that is why he would not write"),
)
_ARCHIVED = "Thirteen days until we open"
_TAGGED = "That room is Morning Watch"
_TAKEN_OUT = "Remember to oil the hinges of the red door."
_BROUGHT_BACK = "The key to the coal shed hangs behind the clock."
_ERASED = "No. Don't look for those receipts."


def tell(memory: Memory, folder: Path) -> None:
    """Have a memory take in the conversation, from a file in ``folder``, as one commit a session."""
    text = resources.files("zettel.samples").joinpath("lighthouse.txt").read_text(encoding="utf-8")
    transcript = folder / "lighthouse.txt"
    with transcript.open("w", encoding="utf-8", newline="\n") as file:
        for session in filter(str.strip, re.split(r"^(?=# )", text, flags=re.MULTILINE)):
            file.write(session)
            file.flush()
            memory.ingest(transcript)


def live(memory: Memory) -> None:
    """What people do to the memory afterwards: link, tag, archive, add and take back, undo, erase."""
    ids = {note.id: note.text for note in memory.notes()}

    def find(words: str) -> str:
        (found,) = [note_id for note_id, text in ids.items() if words in text]
        return found

    for source, target, kind, reason in _LINKS:
        memory.link(find(source), find(target), kind, reason=reason)
    tagged = memory.get(find(_TAGGED))
    memory.update(tagged.id, tags=[*tagged.tags, "to check"])
    memory.forget(find(_ARCHIVED))
    memory.add(_TAKEN_OUT)
    memory.undo(memory.head)
    memory.add(_BROUGHT_BACK)
    memory.undo(memory.head)
    memory.undo(memory.head)
    triggered = [c for commit in memory.log() for c in commit.changes if c.type == "revision" and c.trigger]
    (most_revised, _), *_ = Counter(c.note_id for c in triggered).most_common(1)
    memory.undo(next(c.id for c in reversed(triggered) if c.note_id == most_revised))
    memory.forget(find(_ERASED), erase=True)
