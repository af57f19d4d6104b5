"""What some stores can do besides: supply candidates for a search, or be the replica of another store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from zettel.filters import Filter
from zettel.model import Commit, Note, Problem
from zettel.protocols.embedding import Vector
from zettel.protocols.storage import Passages, Reader, Store


@runtime_checkable
class CandidateSource(Reader, Protocol):
    """A store with indexes of its own, which names the notes that a question may find."""

    def census(self) -> tuple[int, int]:
        """The number of notes present, of any status, and of all terms (``text.terms``) of their texts."""
        ...

    def frequencies(self, stems: Sequence[str]) -> Mapping[str, int]:
        """How many notes present, of any status, have a stem in text or annotations; one of none may be missing."""
        ...

    def nearest_notes(self, vector: Vector, allowed: Filter, k: int) -> list[str]:
        """About the ``k`` notes let through that are nearest to a vector by their best passage, nearest first."""
        ...

    def notes_saying(self, stems: Sequence[str], allowed: Filter, k: int) -> list[str]:
        """The ``k`` notes let through that have most to do with stems, best first; only notes that have one."""
        ...

    def passing(self, allowed: Filter, at_most: int) -> list[str] | None:
        """All notes let through; None if they are more than ``at_most``."""
        ...

    def sampled(self, allowed: Filter, share: float) -> list[str]:
        """The notes let through whose sample key (``sampling.sample_key``) is below ``share``."""
        ...

    def around(self, ids: Sequence[str], window: int) -> list[str]:
        """The ``window`` messages before and after each note in its session, of those a search shows unasked."""
        ...

    def newest_time(self) -> datetime | None:
        """When the newest thing happened that a search shows unasked; None if that is unknown."""
        ...


@runtime_checkable
class Replica(Store, Protocol):
    """A store that can be a replica of another one; see ``store.neo4j``."""

    @property
    def role(self) -> str:
        """What the memory is: "primary", "replica", or "discarded" (in part); "" before its first commit."""
        ...

    @property
    def origin(self) -> str | None:
        """What a replica is one of, in words."""
        ...

    def receive(
        self, commits: Sequence[Commit], rows_: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages],
        *, rewrites: Sequence[Commit], erased: Set[str], origin: str, overwrite: bool,
        before: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """Replay commits of the memory that this is a replica of, those after its head, in one step."""
        ...

    def as_edited(self) -> tuple[list[tuple[Note, frozenset[str]]], list[Problem]]:
        """All notes as the graph shows them, each with the tags that it is connected with; and the unreadable ones."""
        ...

    def odd_links(self) -> list[tuple[str, str, str]]:
        """Relationships between notes that are no links: both ends and the type."""
        ...

    def n_revisions(self) -> int:
        """The number of revisions that it shows."""
        ...

    def promote(self) -> None:
        """Make it a memory of its own."""
        ...

    def discard(self) -> None:
        """Delete it."""
        ...
