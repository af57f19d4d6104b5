"""Notes with random vectors that lie in clusters, and indexes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.index import ExactIndex
from zettel.model import Note, Source
from zettel.protocols import Passages

DIM = 32
BITS = 128
NOON = datetime(2023, 5, 8, 12, tzinfo=UTC)
WORDS = ("lamp", "storm", "puppy", "violin", "harbor", "kitten", "tax", "garden", "letter", "bread")


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors at length 1, as a store gives them back: rounded to float16."""
    rounded = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)
    return rounded.astype(np.float32)


def vectors_of(number: int, clusters: int = 40) -> NDArray[np.float32]:
    """The passages of a note by its number: one, or for every fifth two, near the center of its cluster."""
    random = np.random.default_rng(number)
    center = np.random.default_rng(10**6 + int(random.integers(clusters))).normal(size=DIM)
    return unit(center + random.normal(size=(1 + (number % 5 == 0), DIM)))


def note_of(number: int, *, variant: int = 0, status: str = "active") -> Note:
    """A note by its number; ``variant`` changes its annotations, as evolution does."""
    words = np.random.default_rng(number).choice(WORDS, 2 + number % 4).tolist()
    return Note(
        id=f"n{number}", ordinal=number, text=f"The {' '.join(words)}.", created_at=NOON, status=status,
        keywords=(WORDS[(number + variant) % 10],), tags=(f"t{variant}",), metadata={"v": variant} if variant else {},
        time=NOON + timedelta(days=number) if number % 3 else None, time_precision="day" if number % 3 else None,
        speaker=(None, "Ann", "user")[number % 3],
        sources=(Source(conversation_id=f"c{number // 40}", session_id="s"),) if number % 7 else (),
    )  # fmt: skip


def passages_of(notes: Iterable[Note]) -> dict[str, Passages]:
    """The passages of notes, by id."""
    found = {note.id: vectors_of(note.ordinal) for note in notes}
    return {note_id: Passages(tuple((i, i + 1) for i in range(len(v))), v) for note_id, v in found.items()}


def index_of(notes: Sequence[Note], **options: Any) -> ExactIndex:
    """An index of notes, entered at once."""
    index = ExactIndex(2, **{"bits": BITS, **options})
    index.put(notes, passages_of(notes))
    return index
