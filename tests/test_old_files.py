"""A memory that an older zettel wrote: it opens, is brought up to date, and has lost nothing of its history.

``data/make_old_memory.py`` made the files, with the code of their time, and wrote down what that code showed.
"""

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zettel.errors import InputError, StoreVersionError
from zettel.memory import Memory
from zettel.model import STATUSES
from zettel.store._sqlite_file import MIGRATIONS

DATA = Path(__file__).parent / "data"
STORY = json.loads(gzip.decompress((DATA / "old-story.json.gz").read_bytes()))
#: Fields that the old code had not, with their defaults.
NEW = {"learned": [], "attachments": [], "evidence": {"terms": [], "cosine": None, "quote": ""}, "own": {}}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the old file."""
    path = tmp_path / "old.zettel"
    with gzip.open(DATA / "old.sqlite.gz") as packed, path.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return path


def without_new(value: Any) -> Any:
    """JSON without the fields that are new and have their default."""
    if isinstance(value, list):
        return [without_new(item) for item in value]
    if isinstance(value, dict):
        return {k: without_new(v) for k, v in value.items() if k not in NEW or v != NEW[k]}
    return value


def told(memory: Memory) -> dict[str, Any]:
    """What a memory shows and remembers, as the old code told it."""
    return {
        **shown(memory),
        "log": without_new([commit.model_dump(mode="json") for commit in memory.log()]),
        "found": {query: [hit.note.id for hit in memory.search(query)] for query in STORY["now"]["found"]},
    }


def shown(memory: Memory) -> dict[str, Any]:
    values = {"notes": memory.notes(status=list(STATUSES)), "links": memory.links(), "topics": memory.topics()}
    return {name: without_new([value.model_dump(mode="json") for value in some]) for name, some in values.items()}


def test_it_is_migrated_and_shows_what_it_showed(old: Path, opened: Any) -> None:
    memory = opened(old, namespace="old")
    assert memory.head == STORY["head"] and told(memory) == STORY["now"]
    assert memory.verify().problems == ()
    with closing(sqlite3.connect(old)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert STORY["user_version"] < len(MIGRATIONS)


def test_for_reading_only_it_says_what_to_do(old: Path, opened: Any) -> None:
    with pytest.raises(StoreVersionError, match="open it once for writing"):
        opened(old, namespace="old", read_only=True)


@pytest.mark.parametrize("number", STORY["then"])
def test_its_earlier_states_are_what_they_were(old: Path, opened: Any, number: str) -> None:
    assert told(opened(old, namespace="old").as_of(int(number))) == STORY["then"][number]


@pytest.mark.parametrize("number", STORY["undone"])
def test_each_commit_is_undone_and_put_back_as_it_was(old: Path, opened: Any, number: str) -> None:
    memory = opened(old, namespace="old")
    expected = STORY["undone"][number]
    if isinstance(expected, str):
        with pytest.raises(InputError):
            memory.undo(int(number), cascade=True)
        return
    undo = memory.undo(int(number), cascade=True)
    assert shown(memory) == expected[0]
    if undo.id > STORY["head"]:
        memory.undo(undo.id)
    assert shown(memory) == expected[1]
    assert memory.verify().problems == ()


def test_it_goes_on(old: Path, opened: Any) -> None:
    with opened(old, namespace="old") as memory:
        (note,) = memory.add_many(["Max the beagle has a blue bowl in the kitchen."])
        memory.forget(note.id, erase=True)
    again = opened(old, namespace="old")
    assert again.verify().problems == () and again.head == STORY["head"] + 2


def test_its_export_with_history_loads(opened: Any) -> None:
    memory = opened("new.zettel", namespace="old")
    memory.load(DATA / "old-history.jsonl")
    assert told(memory) == STORY["now"] and memory.verify().problems == ()


def test_its_export_without_history_loads(opened: Any) -> None:
    memory = opened("new.zettel", namespace="old")
    memory.load(DATA / "old-notes.jsonl")
    notes = {note["id"]: note for note in shown(memory)["notes"]}
    unlike = {"created_at", "address", "ordinal"}
    assert memory.verify().problems == () and notes.keys() == {note["id"] for note in STORY["now"]["notes"]}
    for note in STORY["now"]["notes"]:
        assert {k: v for k, v in notes[note["id"]].items() if k not in unlike} == {
            k: v for k, v in note.items() if k not in unlike
        }
    assert shown(memory)["links"] == STORY["now"]["links"]
