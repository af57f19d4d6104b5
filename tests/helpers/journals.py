"""Journals of a ``World`` in real stores, and whether two stores show the same."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from zettel.embedding import vector_key
from zettel.model import Commit
from zettel.protocols import Reader, Store
from zettel.testing.journal_world import World, step

FINGERPRINT = "steps/8/1"


class Keyed(World):
    """A world whose vectors are found under the keys that a memory finds them by."""

    def add(self, note_id: str, **options: Any) -> None:
        """See ``World``."""
        super().add(note_id, **options)
        note, key = self._arrivals.pop()
        real = vector_key(FINGERPRINT, note)
        self.passages[real] = self.passages.pop(key)
        self._arrivals.append((note, real))
        self.rows[note.ordinal] = note, real


def send(store: Store, world: World, cause: Any = "update") -> Commit:
    """Append what is pending in the world, and let the world have it so."""
    return world.accept(store.append(world.draft(cause), world.head))


def grow(store: Store, world: World, data: st.DataObject, steps: int) -> None:
    """Some commits at random."""
    for _ in range(steps):
        if cause := step(world, data.draw):
            send(store, world, cause)


def alike(ours: Reader, theirs: Reader) -> None:
    """Every reading method of both gives the same."""
    assert theirs.head() == ours.head()
    commits = list(ours.commits())
    assert list(theirs.commits()) == commits
    changes = [change for commit in commits for change in commit.changes]
    ever = sorted({change.note_id for change in changes if change.type == "note"})
    ordinals = range(ours.last_ordinal() + 2)
    for note_id in ever:
        assert list(theirs.commits_of(note_id)) == list(ours.commits_of(note_id)), note_id
    assert [note.model_dump() for note in theirs.notes()] == [note.model_dump() for note in ours.notes()]
    rows, others = ours.arrived(ordinals), theirs.arrived(ordinals)
    assert {n: (row.id, row.text, row.created_at) for n, row in rows.items()} == {
        n: (row.id, row.text, row.created_at) for n, row in others.items()
    }
    for name in ("n_notes", "last_ordinal", "last_topic", "erased", "links", "topics", "places"):
        assert getattr(theirs, name)() == getattr(ours, name)(), name
    assert theirs.known([*ever, "never"]) == ours.known([*ever, "never"])
    days = {note.time.date().isoformat() for note in rows.values() if note.time} | {"arrivals 0+"}
    for day in days:
        assert theirs.rewrites(ever, day) == ours.rewrites(ever, day), day
    for conversation in {note.conversation for note in rows.values() if note.conversation}:
        assert theirs.tail(*conversation, 5) == ours.tail(*conversation, 5)


def vectors_alike(ours: Reader, theirs: Reader, keys: Any) -> None:
    """Both have the same vectors under some keys."""
    mine, others = ours.passages(keys), theirs.passages(keys)
    assert mine.keys() == others.keys()
    for key, found in mine.items():
        assert others[key].spans == found.spans
        np.testing.assert_array_equal(others[key].vectors, found.vectors)
