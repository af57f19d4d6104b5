"""What ``verify`` finds where a store shows another topic tree than its journal amounts to, or an unsound one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from zettel.config import Config
from zettel.snapshot import Snapshot
from zettel.store.sqlite import SQLiteStore, open_store
from zettel.testing.journal_world import World
from zettel.verification import _against_journal


def found(path: Path) -> list[tuple[str, str]]:
    with closing(opened(path)) as store:
        return [(p.place, p.reason) for p in _against_journal(store, store.notes(), named=True)]


def opened(path: Path) -> SQLiteStore:
    return open_store(str(path), namespace="x", read_only=False, config=Config())


def planted(path: Path, *, then: Callable[[World], None] = lambda _: None) -> None:
    """Notes a and b in topics 2 and 3, beneath topic 1; then what else is done to the world."""
    world = World()
    for note in "ab":
        world.add(note)
    world.grow(1)
    world.grow(2, parent=1)
    world.grow(3, parent=1, number=2)
    world.place("a", 2)
    world.place("b", 3)
    then(world)
    with closing(opened(path)) as store:
        world.accept(store.append(world.draft("add"), 0))


def test_a_sound_tree_is_none_to_complain_about(tmp_path: Path) -> None:
    planted(tmp_path / "a.zettel")
    assert found(tmp_path / "a.zettel") == []


@pytest.mark.parametrize(
    ("statement", "places"),
    [
        ("UPDATE topics SET name = 'other' WHERE id = 2", ["topic 2"]),
        ("UPDATE topics SET number = 7 WHERE id = 3", ["topic 3"]),
        ("UPDATE topics SET named_at = 7 WHERE id = 3", ["topic 3"]),
        ("UPDATE topics SET parent = NULL WHERE id = 3", ["topic 3"]),
        ("UPDATE topics SET id = 4 WHERE id = 3; UPDATE notes SET topic = 4 WHERE topic = 3",
         ["topic 3", "topic 4", "the place of note b"]),
        ("UPDATE notes SET topic = 3 WHERE id = 'a'", ["the place of note a"]),
        ("UPDATE notes SET topic = NULL WHERE id = 'a'", ["the place of note a"]),
        ("INSERT INTO topics VALUES (1, 9, NULL, 0, '', 0, 0)", ["the last topic's id"]),
    ],
)  # fmt: skip
def test_a_tree_that_is_not_the_journals_is_found(tmp_path: Path, statement: str, places: list[str]) -> None:
    planted(tmp_path / "a.zettel")
    with closing(sqlite3.connect(tmp_path / "a.zettel")) as db:
        db.executescript(statement)
    problems = found(tmp_path / "a.zettel")
    assert [place for place, _ in problems] == places
    assert all("not what the journal amounts to" in reason for _, reason in problems)


UNSOUND: dict[str, tuple[Callable[[World], None], list[str]]] = {
    "two of a number": (lambda world: world.grow(3, number=1), ["topic 2", "topic 3"]),
    "notes beside topics": (lambda world: world.place("a", 1), ["topic 1"]),
    "no name": (lambda world: world.grow(2, name=""), ["topic 2"]),
}


@pytest.mark.parametrize(("then", "places"), UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_tree_is_found(tmp_path: Path, then: Callable[[World], None], places: list[str]) -> None:
    planted(tmp_path / "a.zettel", then=then)
    assert [place for place, _ in found(tmp_path / "a.zettel")] == places


def test_an_address_that_is_not_that_of_its_topic_is_found(tmp_path: Path) -> None:
    planted(tmp_path / "a.zettel")
    with closing(opened(tmp_path / "a.zettel")) as store:
        notes = [note.model_copy(update={"address": "7"}) for note in store.notes()]
        problems = list(_against_journal(store, notes, named=True))
    assert [problem.place for problem in problems] == ["note a", "note b"]


def test_an_earlier_state_may_have_topics_that_lost_their_name(tmp_path: Path) -> None:
    planted(tmp_path / "a.zettel", then=lambda world: world.grow(2, name=""))
    with closing(opened(tmp_path / "a.zettel")) as store:
        past = Snapshot(store, 1)
        assert list(_against_journal(past, past.notes(), named=False)) == []
