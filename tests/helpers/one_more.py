"""Lives with a copy of zettel to which one line was added: a field of a note, a field of a link, or a kind of link.

    PYTHONPATH=COPY python one_more.py mood|since|inspires FILE [NEO4J_ADDRESS]
"""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from zettel import Config, registry
from zettel.memory import Memory
from zettel.model import Link, LinkChange, link_fields
from zettel.protocols import Draft, Store
from zettel.replication import compare, find_edits, push

PLAIN: dict[str, Any] = {"embedder": "hashing:64"}
SECRET = "the gloomy ZEBRA"


def of(memory: Memory) -> Store:
    """The store that a memory is kept in."""
    assert memory._store is not None
    return memory._store


def begin(path: Path) -> None:
    with registry.open_memory(path, **PLAIN) as memory:
        memory.add("Max sleeps in the kitchen.", id="max")
        memory.add("The roof is red.", id="roof")
        memory.add("What nobody may know.", id="secret")


def mood(path: Path) -> None:
    """A field of a note: revised, undone, taken along by an export, erased."""
    begin(path)
    with registry.open_memory(path, **PLAIN) as memory:
        assert memory.get("max").mood == ""  # type: ignore[attr-defined]
        memory.update("max", mood="cheerful")
        memory.update("roof", mood="dull")
        memory.undo(memory.head)
        memory.update("secret", mood=SECRET)
        memory.forget("secret", erase=True)
        memory.export(path.with_suffix(".jsonl"), history=True)
    with registry.open_memory(path, **PLAIN) as memory:
        assert [memory.get(i).mood for i in ("max", "roof")] == ["cheerful", ""]  # type: ignore[attr-defined]
        assert memory.as_of(3).get("max").mood == ""  # type: ignore[attr-defined]
        assert memory.verify().problems == () and SECRET not in repr(memory.log())
    with registry.open_memory(path.with_suffix(".copy"), **PLAIN) as memory:
        memory.load(path.with_suffix(".jsonl"))
        assert memory.get("max").mood == "cheerful" and memory.verify().problems == ()  # type: ignore[attr-defined]
    assert not any(b"ZEBRA" in file.read_bytes() for file in path.parent.iterdir() if file.is_file())


def since(path: Path) -> None:
    """A field of a link."""
    begin(path)
    with registry.open_memory(path, **PLAIN) as memory:
        linked: dict[str, Any] = {"source_id": "max", "target_id": "roof", "kind": "causes", "weight": 0.5}
        link = Link(**linked, reason="", created_by="me", since="May")
        change = LinkChange(id="", source_id="max", target_id="roof", kind="causes", after=link_fields(link))
        of(memory).append(Draft("edit", (change,)), memory.head)
        memory.link("roof", "max", "causes", reason="without it")
        memory.export(path.with_suffix(".jsonl"), history=False)
    with registry.open_memory(path, **PLAIN) as memory:
        assert {link.source_id: link.since for link in memory.links("max", "causes")} == {"max": "May", "roof": ""}  # type: ignore[attr-defined]
        assert memory.verify().problems == ()
    with registry.open_memory(path.with_suffix(".copy"), **PLAIN) as memory:
        memory.load(path.with_suffix(".jsonl"))
        assert {link.since for link in memory.links("max", "causes")} == {"May", ""}  # type: ignore[attr-defined]


def inspires(path: Path) -> None:
    """A kind of link."""
    begin(path)
    with registry.open_memory(path, **PLAIN) as memory:
        memory.link("max", "roof", "inspires", reason="a red dog", weight=0.25)  # type: ignore[arg-type]
        memory.unlink("max", "roof")
        memory.undo(memory.head)
    with registry.open_memory(path, **PLAIN) as memory:
        assert [link.kind for link in memory.links("max", "inspires")] == ["inspires"]  # type: ignore[arg-type, comparison-overlap]
        assert memory.verify().problems == ()


EDITS = {
    "mood": "MATCH (n:Note {id: 'roof'}) SET n.mood = 'bright'",
    "since": "MATCH (:Note {id: 'max'})-[r:CAUSES]->(:Note {id: 'roof'}) SET r.since = 'June'",
    "inspires": "MATCH (n:Note {id: 'roof'}), (m:Note {id: 'max'}) CREATE (n)-[:INSPIRES {weight: 0.5}]->(m)",
}


def replicate(what: str, path: Path, address: str) -> None:
    """Push it to a server, edit it there, and pull that."""
    with (
        registry.open_memory(path, **PLAIN) as memory,
        closing(registry.open_store(address, namespace="default", read_only=False, config=Config())) as graph,
    ):
        replica: Any = graph
        push(of(memory), replica, origin="it")
        assert compare(of(memory), replica).problems == () and find_edits(of(memory), replica).edits == ()
        replica._connection.write(lambda writing: writing.rows(EDITS[what]))
        found = find_edits(of(memory), replica)
        assert len(found.edits) == 1 and found.refused == (), found
        memory.take_edits(found.edits)
        shown: Any = {
            "mood": lambda: memory.get("roof").mood == "bright",  # type: ignore[attr-defined]
            "since": lambda: {link.since for link in memory.links("max", "causes")} == {"June", ""},  # type: ignore[attr-defined]
            "inspires": lambda: len(memory.links("max", "inspires")) == 2,  # type: ignore[arg-type]
        }
        assert shown[what]()
        push(of(memory), replica, origin="it")
        assert compare(of(memory), replica).problems == () and find_edits(of(memory), replica).edits == ()


if __name__ == "__main__":
    what, file = sys.argv[1], Path(sys.argv[2])
    {"mood": mood, "since": since, "inspires": inspires}[what](file)
    if len(sys.argv) > 3:
        replicate(what, file, sys.argv[3])
