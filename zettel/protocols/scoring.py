"""What signals implement, and the table of notes that they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zettel.model import Note
from zettel.protocols.embedding import Vector


@dataclass(frozen=True, slots=True)
class Posting:
    """The notes a term stands in: their rows, its count in each text, and whether annotations have it (0 or 1)."""

    rows: NDArray[np.int64]
    text: NDArray[np.float32]
    annotations: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the index that a signal declares in its ``COLUMNS`` and reads as ``scan.columns.own[name]``.

    ``value_of(note)`` is the note's value, as often asked as the note's annotations change; ``dtype`` is numpy's, and a
    change of ``version`` has saved indexes built anew.
    """

    name: str
    dtype: type[np.generic]
    value_of: Callable[[Note], float | int | bool]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """The notes of a memory as a table that signals read: one row a note, ``n`` rows.

    ``alive`` tells the rows that are notes still; the others are left over and never searched. ``ordinals`` is the
    order in which they arrived, ``status`` the place of their status in ``model.STATUSES``. Passages of a row lie
    together in ``vectors``, from ``first[row]`` on; ``several`` are the rows that have more than one. ``windows`` holds
    the rows of the messages around each note, shape ``(n, 2 * window)``, nearest before first, -1 where there is none;
    ``norms`` the length of the sum of a note's own vector and theirs. ``times`` are seconds since 1970 (NaN: unknown),
    ``until`` where the note's time ends, by its precision. ``lengths`` counts the terms of each text. ``speaker``
    indexes ``speakers``, -1 for none. ``topics`` are the leaves of the topic tree that the notes are in, -1 for none;
    ``own`` the columns that signals declare. ``lots`` are numbers in [0, 1) that each row once drew: those below 0.1
    are a sample of a tenth. ``estimates(vector, passages)`` guesses the cosines of a vector and all passages, or those
    named.
    """

    alive: NDArray[np.bool_]
    ordinals: NDArray[np.int64]
    status: NDArray[np.int64]
    vectors: Vector
    first: NDArray[np.int64]
    several: NDArray[np.int64]
    windows: NDArray[np.int64]
    norms: NDArray[np.float32]
    lengths: NDArray[np.float32]
    times: NDArray[np.float64]
    until: NDArray[np.float64]
    speaker: NDArray[np.int64]
    lots: NDArray[np.float32]
    topics: NDArray[np.int64]
    own: Mapping[str, NDArray[Any]]
    speakers: Sequence[str]
    posting: Callable[[str], Posting]
    estimates: Callable[[Vector, NDArray[np.int64] | None], NDArray[np.float64]]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.alive)

    def passages(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The passages of rows, row by row, and where in them each row's begin."""
        last = self.n - 1
        ends = np.where(rows < last, self.first[np.minimum(rows + 1, last)], len(self.vectors))
        counts = ends - self.first[rows]
        starts = np.cumsum(counts) - counts
        return np.repeat(self.first[rows] - starts, counts) + np.arange(counts.sum()), starts


@dataclass(frozen=True, slots=True)
class Query:
    """A question, read: its stems, its vector, the moment of asking, and the time it speaks of (half-open)."""

    text: str
    terms: tuple[str, ...]
    vector: Vector
    at: datetime
    since: datetime | None = None
    until: datetime | None = None


@runtime_checkable
class Signal(Protocol):
    """One reason for a note to be an answer. A file in ``scoring/`` has these names at its top level.

    A file that needs a column of its own declares it as ``COLUMNS``, a tuple of ``Column``.

    ``NAME`` is the file's name. ``WEIGHT`` is its weight in the sum, with where it comes from. ``STANDARDIZED`` tells
    whether values are turned into z-scores over the notes searched before they are weighted: right for measures, wrong
    for marks that few notes bear.
    """

    NAME: str
    WEIGHT: float
    STANDARDIZED: bool

    def values(self, scan: Scan) -> NDArray[np.float64]:
        """A value a row, higher is better, shape ``(n,)``. Pure: the same scan gives the same values."""
        ...

    def reason(self, scan: Scan, row: int) -> str | None:
        """What speaks for the note of ``row``, as part of a sentence; None where nothing does."""
        ...


class Scan(Protocol):
    """A query laid against the columns, with what several signals share computed once."""

    query: Query
    columns: Columns

    @property
    def cosines(self) -> NDArray[np.float64]:
        """Cosine of the query and each note's best passage, shape ``(n,)``."""
        ...

    @property
    def context_cosines(self) -> NDArray[np.float64]:
        """Cosine of the query and the sum of a note's vector and those of its window, shape ``(n,)``."""
        ...

    def bm25(self, *, context: bool) -> NDArray[np.float64]:
        """BM25 of the query's terms in each note, its window's texts included or not, shape ``(n,)``."""
        ...

    def said(self, row: int) -> list[str]:
        """The words of the query that stand in a note's text, in the query's order."""
        ...

    def noted(self, row: int) -> list[str]:
        """Those that stand in its annotations, but not in its text."""
        ...

    def said_around(self, row: int) -> list[str]:
        """Those that stand in the texts of its window, but not in its own."""
        ...
