"""Makes the files of an older zettel that ``tests/test_old_files.py`` opens: run by the code of that time, once.

    git worktree add ../old f07ac58
    PYTHONPATH=../old python tests/data/make_old_memory.py tests/data

The last commit before the payloads of version 3 and the schema of version 3 is f07ac58. A memory with a life is kept as
SQL text, with its exports, and with what the code of that time told of it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zettel
from zettel import Message
from zettel.memory import Memory

_SESSIONS = (
    (
        ("Caroline", "2023-05-08", "I adopted a beagle puppy from the shelter in Ghent last Saturday."),
        ("Melanie", "2023-05-08", "How lovely, a beagle! What is the puppy's name?"),
        ("Caroline", "2023-05-08", "The puppy's name is Max, and he sleeps in the kitchen."),
        ("Melanie", "2023-05-08", "Does Max like the kitchen? Where is his basket?"),
        ("Caroline", "2023-05-08", "His basket stands beside the stove, Max would not sleep anywhere else."),
    ),
    (
        ("Melanie", "2023-06-02", "My pottery class in Antwerp starts on Monday, I am so excited about the pottery."),
        ("Caroline", "2023-06-02", "What will you make in the pottery class first?"),
        ("Melanie", "2023-06-02", "A blue bowl for Max, the beagle needs a bowl of his own."),
        ("Caroline", "2023-06-02", "Max broke his bowl in the kitchen yesterday, so a blue bowl is perfect."),
    ),
    (
        ("Caroline", "2023-07-11", "Max the beagle ran away at the beach in Ostend this morning."),
        ("Melanie", "2023-07-11", "Oh no! Did you find Max at the beach?"),
        ("Caroline", "2023-07-11", "A lifeguard found Max at the beach, asleep in a boat beside the pier of Ostend."),
        ("Melanie", "2023-07-11", "The blue bowl from my pottery class is ready, I will bring the bowl to Ghent."),
        ("Caroline", "2023-07-11", "Nothing that anyone says here matters to the fishmonger Vandamme."),
    ),
)


def live(memory: Memory) -> None:
    """Sessions that answer and go on, then all that a person can do to notes, and undo."""
    ids: dict[str, str] = {}
    for number, session in enumerate(_SESSIONS, 1):
        messages = [
            Message(text=text, speaker=speaker, time=day, conversation_id="c", session_id=f"s{number}",
                    message_id=f"{number}.{n}")
            for n, (speaker, day, text) in enumerate(session, 1)
        ]  # fmt: skip
        ids |= {note.text: note.id for note in memory.add_many(messages)}
    lone = memory.add(
        "Remember to oil the hinges of the red door.", id="lone", time="2023-08", metadata={"from": ["a", None]},
        tags=["chores"], source="notes.txt",
    )  # fmt: skip

    def find(words: str) -> str:
        (found,) = [note_id for text, note_id in ids.items() if words in text]
        return found

    memory.update(lone.id, trust=0.5, valid_until="2024-01-01", keywords=["hinges", "oil"], metadata={"n": 1})
    memory.update(find("lifeguard"), context="said by the sea\nand written by hand")
    memory.link(find("ran away"), find("lifeguard"), "causes", reason="so somebody looked for him", weight=0.75)
    memory.link(find("broke his bowl"), find("bowl for Max"), "supersedes", reason="the old one is gone")
    memory.unlink(find("broke his bowl"), find("bowl for Max"), "supersedes")
    memory.mark_used([lone.id, find("sleeps in the kitchen")])
    memory.forget(find("What will you make"))
    memory.undo(memory.head)
    memory.forget(find("so excited"))
    memory.undo(7)  # the link by hand that says "causes"
    memory.undo(memory.head)  # and back
    memory.add("This was a mistake.", id="mistake")
    memory.undo(memory.head)
    triggered = [c for commit in memory.log() for c in commit.changes if c.type == "revision" and c.trigger]
    memory.undo(triggered[0].id, cascade=True)
    memory.forget(find("fishmonger"), erase=True)
    memory.forget(find("What is the puppy's name"), erase=True)


def told(memory: Memory) -> dict[str, Any]:
    """What a memory shows and remembers, as JSON."""
    return {
        "notes": [note.model_dump(mode="json") for note in memory.notes(status=list(zettel.model.STATUSES))],
        "links": [link.model_dump(mode="json") for link in memory.links()],
        "topics": [topic.model_dump(mode="json") for topic in memory.topics()],
        "log": [commit.model_dump(mode="json") for commit in memory.log()],
        "found": {query: [hit.note.id for hit in memory.search(query)] for query in ("Max the beagle", "a blue bowl")},
    }


def main(folder: Path) -> None:
    """Write the files."""
    with TemporaryDirectory() as place:
        path = Path(place) / "old.zettel"
        with zettel.open_memory(path, embedder="hashing", namespace="old") as memory:
            live(memory)
            assert memory.verify().ok, memory.verify().problems
            memory.export(folder / "old-history.jsonl", history=True)
            memory.export(folder / "old-notes.jsonl", history=False)
            head = memory.head
            story: dict[str, Any] = {"now": told(memory), "head": head}
            story["then"] = {str(number): told(memory.as_of(number)) for number in (0, 3, 8, head - 1)}
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            story["user_version"] = db.execute("PRAGMA user_version").fetchone()[0]
        with open(path, "rb") as plain, gzip.GzipFile(folder / "old.sqlite.gz", "wb", mtime=0) as packed:
            shutil.copyfileobj(plain, packed)
        for number in range(1, head + 1):  # what undoing each commit, and taking that back, leads to
            copy = Path(place) / f"undo{number}.zettel"
            shutil.copy(path, copy)
            with zettel.open_memory(copy, embedder="hashing", namespace="old") as memory:
                try:
                    undo = memory.undo(number, cascade=True)
                except zettel.ZettelError as error:
                    story.setdefault("undone", {})[str(number)] = type(error).__name__
                    continue
                shown = told(memory)
                if undo.id > head:
                    memory.undo(undo.id)
                again = told(memory)
                story.setdefault("undone", {})[str(number)] = [_sum(shown), _sum(again)]
    with gzip.GzipFile(folder / "old-story.json.gz", "wb", mtime=0) as packed:
        packed.write(json.dumps(story, ensure_ascii=False, sort_keys=True).encode())


def _sum(shown: dict[str, Any]) -> dict[str, Any]:
    """The part of what is told that can be compared: without commits, whose times are of now."""
    return {key: shown[key] for key in ("notes", "links", "topics")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
