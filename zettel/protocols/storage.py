"""The protocol of stores, which keep the journal of one namespace and everything that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from zettel.model import Cause, Change, Commit, Link, LinkKind, Note, Problem
from zettel.protocols.embedding import Span, Vector


@dataclass(frozen=True, slots=True)
class Passages:
    """The vectors of one embedded string: ``spans`` of its text, and their vectors ``(len(spans), dimension)``."""

    spans: tuple[Span, ...]
    vectors: Vector

    def unit(self) -> Vector:
        """The direction of the whole text, shape ``(dimension,)``: the mean of its passages, normalized."""
        mean = self.vectors.mean(axis=0, dtype=np.float32)
        length = float(np.sqrt(np.vecdot(mean, mean)))
        whole: Vector = mean / np.float32(length) if length else mean
        return whole


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic as its last change left it; see ``model.TopicChange``."""

    parent: int | None
    number: int
    name: str
    named_at: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit before it has a number and a time: its changes (ids still empty) and the rows they need.

    ``arrivals`` are the rows of notes the memory has never held, with the key their vectors are kept under;
    ``passages`` the vectors not yet in the store, by key. ``rewrites`` replaces earlier commits, number by number:
    only an erasure does that, to blank what they quoted.
    """

    cause: Cause
    changes: tuple[Change, ...]
    arrivals: tuple[tuple[Note, str], ...] = ()
    passages: Mapping[str, Passages] = field(default_factory=dict)
    rewrites: tuple[Commit, ...] = ()


@runtime_checkable
class Reader(Protocol):
    """What can be read of one namespace: its journal, and what that amounts to.

    Notes are listed by ordinal, links by key, commits by number. A note that was removed or erased is not present.
    """

    def at_one_head(self) -> AbstractContextManager[None]:
        """Inside it, all reads see the same head, whatever others write meanwhile. For reading only; may be nested.

        Raises:
            HeadMovedError: at its end, if the store can't keep others from writing and they wrote: read again.
        """
        ...

    def head(self) -> int:
        """The number of the newest commit; 0 for a namespace without any."""
        ...

    def commits(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        """The commits with ``after < id <= upto``, oldest first."""
        ...

    def commits_of(self, note_id: str) -> Iterator[Commit]:
        """The commits that touch a note or quote its text, oldest first."""
        ...

    def n_notes(self) -> int:
        """The number of notes present."""
        ...

    def notes(self, ids: Iterable[str] | None = None) -> list[Note]:
        """The notes present, of all or of those named; a name that is not present is passed over."""
        ...

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """The last ``k`` notes present of a session, by ordinal; ``session_id`` is "" for none."""
        ...

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """Notes by ordinal, removed ones included, erased ones missing: for the fields that never change."""
        ...

    def last_ordinal(self) -> int:
        """The ordinal of the last note that ever arrived; 0 before the first."""
        ...

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that are present, or were erased: what an ingestion passes over."""
        ...

    def erased(self) -> set[str]:
        """The ids of all erased notes."""
        ...

    def links(self, ids: Iterable[str] | None = None, kinds: Sequence[LinkKind] | None = None) -> list[Link]:
        """The links present, of all or with an end among ``ids``, and of all or of some kinds."""
        ...

    def topics(self) -> dict[int, TopicRow]:
        """The topics present, by id."""
        ...

    def places(self) -> dict[str, int]:
        """The topic of each note that is in the tree, by note id."""
        ...

    def last_topic(self) -> int:
        """The highest id that a topic ever had; 0 before the first. Ids are never given again."""
        ...

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """The vectors kept under ``keys``; a key without any is missing. Vectors outlive the removal of their note."""
        ...


@runtime_checkable
class Store(Reader, Protocol):
    """One namespace of a place where memories are kept.

    A file in ``store/`` defines ``SCHEMES``, the beginnings of the addresses it serves ("neo4j://"; "" for a path), and
    ``open_store(address, *, namespace, read_only, config) -> Store``.

    Promises: an append is atomic and durable when it returns; several processes may append at once. Does not promise:
    that two reads in a row see the same head, outside of ``at_one_head``.
    """

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        ...

    @property
    def beside(self) -> Path | None:
        """The folder for derived data, which may be deleted at any time; None if the store can't have one."""
        ...

    def append(self, draft: Draft, head: int) -> Commit:
        """Make ``draft`` the commit after ``head``, and give it its number, its time and its changes' ids.

        Raises:
            HeadMovedError: the newest commit is no longer ``head``; nothing was written.
            StoreLockedError, StoreFullError, ReadOnlyError: nothing was written.
            StoreError: an erasure was written, but pages from before are kept alive by another process.
        """
        ...

    def rewrites(self, ids: Iterable[str], day: str) -> dict[str, int]:
        """How often each note was ever revised for triggers of a day (``model.day_of``); one never revised is missing.

        Revisions that were undone count too.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Inside it nobody else appends; what is appended inside is durable when it ends. Not for erasures."""
        ...

    def fingerprint(self) -> str | None:
        """The fingerprint of the embedder that made the store's vectors; None before the first was named."""
        ...

    def set_fingerprint(self, fingerprint: str) -> str:
        """Record the embedder's fingerprint, unless one is recorded already; returns the recorded one."""
        ...

    def namespaces(self) -> list[str]:
        """All namespaces in this place that hold a commit, sorted."""
        ...

    def restore(
        self, commits: Iterable[Commit], notes: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages]
    ) -> None:
        """Write a whole journal, numbers and times kept, into an empty namespace in one step.

        ``notes`` are the rows of all notes that ever arrived but erased ones, by ordinal, with their vectors' keys;
        ``passages`` the vectors not yet in the store, by key.
        """
        ...

    def check(self) -> list[Problem]:
        """What the store itself finds wrong with its files or its server."""
        ...

    def end_left_over(self) -> None:
        """End what a call has left open that was broken off, such as a transaction. Called while nobody is inside."""
        ...

    def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
        ...
