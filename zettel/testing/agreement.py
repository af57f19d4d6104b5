"""Whether a store shows what a journal amounts to: the oracle of the suite for stores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from zettel.model import Change, Commit, Link, Note, parsed_fields, touched
from zettel.protocols import Store, TopicRow
from zettel.testing.journal_world import World


def shown(world: World) -> list[Note]:
    """The notes that a reader should show."""
    notes = [
        world.rows[n][0].model_copy(update={**parsed_fields(fields), "address": world.address(world.now.places.get(i))})
        for i, (n, fields) in world.now.notes.items()
    ]
    return sorted(notes, key=lambda note: note.ordinal)


def mentioned(change: Change) -> set[str]:
    """The ids of all notes that a change speaks of."""
    return {*touched(change), *getattr(change, "derived_from", ()), getattr(change, "trigger", None)} - {None}


def agree(store: Store, world: World) -> None:
    """Every reading method, against what the journal amounts to."""
    n = world.head
    ever = set(world.ids.values())
    assert store.head() == n
    assert list(store.commits()) == world.commits
    assert list(store.commits(n // 2)) == world.commits[n // 2 :]
    assert list(store.commits(n // 3, n // 2)) == world.commits[n // 3 : n // 2]
    assert list(store.commits(0, n + 5)) == world.commits
    assert list(store.commits(n)) == []
    for note_id in {*ever, "never"}:
        found = [c for c in world.commits if any(note_id in mentioned(x) for x in c.changes)]
        assert list(store.commits_of(note_id)) == found
    notes = shown(world)
    assert store.notes() == notes
    assert [note.model_dump() for note in store.notes()] == [note.model_dump() for note in notes]
    some = [note.id for note in notes[::2]]
    assert store.notes([*some, *some, "never"]) == notes[::2]
    assert store.notes([]) == []
    for session in ("s", "", "t"):
        there = [note for note in notes if note.conversation == ("c", session)]
        for k in (0, 1, 2, 99):
            assert store.tail("c", session, k) == (there[-k:] if k else [])
    arrived = store.arrived(range(max(world.ids, default=0) + 2))
    assert arrived.keys() == world.rows.keys()
    for ordinal, note in arrived.items():
        row = world.rows[ordinal][0]
        for name in ("id", "ordinal", "text", "time", "time_precision", "created_at", "speaker", "sources"):
            assert getattr(note, name) == getattr(row, name)
    assert store.last_ordinal() == max(world.ids, default=0)
    assert store.erased() == world.erased
    assert store.known([*ever, "never"]) == set(world.now.notes) | world.erased
    present = [{"source_id": a, "target_id": b, "kind": kind, **f} for (a, b, kind), f in world.now.links.items()]
    links = sorted(map(Link.model_validate, present), key=lambda link: link.key)
    assert store.links() == links
    assert store.links([]) == []
    assert store.links(kinds=["causes", "next"]) == [k for k in links if k.kind in ("causes", "next")]
    assert store.links(kinds=[]) == []
    for note_id in {*ever, "never"}:
        of_it = [k for k in links if note_id in k.key[:2]]
        assert store.links([note_id]) == of_it
        assert store.links([note_id], ["causes"]) == [k for k in of_it if k.kind == "causes"]
    tree_agrees(store, world)
    vectors_agree(store, world)


def tree_agrees(store: Store, world: World) -> None:
    """The reading methods of the topic tree, and the counts of rewrites."""
    assert store.topics() == {t: TopicRow(**fields) for t, fields in world.now.topics.items()}
    assert store.places() == world.now.places
    assert store.last_topic() == world.now.last_topic
    for day in world.days:
        expected: Mapping[str, int] = world.rewrites.get(day, {})
        assert store.rewrites([*world.ordinals, "never"], day) == expected
        assert store.rewrites(["a"], day) == {i: n for i, n in expected.items() if i == "a"}


def vectors_agree(store: Store, world: World) -> None:
    """The vectors, up to what rounding to 16 bits loses."""
    kept = {key for _, key in world.rows.values()}
    found = store.passages([*world.passages, "never"])
    assert found.keys() == kept
    for key in kept:
        assert found[key].spans == world.passages[key].spans
        assert found[key].vectors.dtype == np.float32
        np.testing.assert_allclose(found[key].vectors, world.passages[key].vectors, atol=1e-3)


def send(store: Store, world: World, cause: Any = "update") -> Commit:
    """Append what is pending in the world, and let the world have it so."""
    draft = world.draft(cause)
    commit = store.append(draft, world.head)
    assert (commit.id, commit.cause) == (world.head + 1, cause)
    assert commit.at >= (world.commits[-1].at if world.commits else datetime.min.replace(tzinfo=UTC))
    return world.accept(commit)


def small(store: Store) -> World:
    """Three notes, two of them linked and in the tree, one revised; two commits."""
    world = World()
    world.add("a")
    world.add("b", session=None, derived_from=["a"], metadata={"deep": {"er": [1, 2.5, None, "ü"]}})
    world.add("c", session="", text="NUL \0, newline \n, \U0001f600, quote ' and \"")
    world.link("a", "b")
    world.grow(1)
    world.grow(2, parent=1, number=7)
    world.place("a", 2)
    send(store, world, "add")
    world.place("b", 2)
    world.revise("a", trigger="b", context="x", tags=["t"], valid_until="2025-01-01T00:00:00Z", trust=0.25)
    world.link("c", "a", "causes")
    send(store, world)
    return world
