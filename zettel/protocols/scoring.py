"""The protocol of signals, and the table of notes that they read."""

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
    """The notes that have a term: their rows, its count in each text, and whether the annotations have it (0 or 1)."""

    rows: NDArray[np.int64]
    text: NDArray[np.float32]
    annotations: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the index that a signal declares in its ``COLUMNS`` and reads as ``scan.columns.own[name]``.

    ``value_of(note)`` gives the value of a note; it is called again whenever the note's annotations change. ``dtype``
    is numpy's. Saved indexes with another ``version`` are built again.
    """

    name: str
    dtype: type[np.generic]
    value_of: Callable[[Note], float | int | bool]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """The notes of a memory as a table that signals read: ``n`` rows, one for each note.

    - ``alive``: whether the row is a note. Other rows are left over from removed notes, and never searched.
    - ``ordinals``: the order of arrival. ``status``: an index into ``model.STATUSES``.
    - ``vectors``: the passages of all rows; those of a row begin at ``first[row]``. ``several``: the rows with more
      than one passage.
    - ``windows``: the rows of the messages around each note, shape ``(n, 2 * window)``, those before it first, each
      side from the nearest on; -1 if there is none. ``norms``: the length of the sum of the note's vector and theirs.
    - ``lengths``: the number of terms of each text.
    - ``times``: the beginning of the note's time in seconds since 1970, NaN if unknown. ``until``: its end, which
      depends on the precision.
    - ``speaker``: an index into ``speakers``, -1 for none. ``topics``: the id of the leaf that has the note, -1 for
      none. ``own``: the columns that signals declare.
    - ``sample_keys``: see ``sampling.sample_key``; the rows with keys below 0.1 are a sample of a tenth.
    - ``estimates(vector, passages)``: estimated cosines of a vector and all passages, or those given.
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
    sample_keys: NDArray[np.float32]
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
        """The passages of rows, row by row, and the place in this list at which each row's passages begin."""
        last = self.n - 1
        ends = np.where(rows < last, self.first[np.minimum(rows + 1, last)], len(self.vectors))
        counts = ends - self.first[rows]
        starts = np.cumsum(counts) - counts
        return np.repeat(self.first[rows] - starts, counts) + np.arange(counts.sum()), starts


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it was read: terms, vector, the time it is asked ``at``, and the time it speaks of (half-open)."""

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

    ``NAME`` is the file's name. ``WEIGHT`` is its weight in the sum; a comment says how it was found. ``STANDARDIZED``
    says whether values are turned into z-scores over the searched notes before they are weighted. That is right for
    measures, and wrong for marks that few notes have.
    """

    NAME: str
    WEIGHT: float
    STANDARDIZED: bool

    def values(self, scan: Scan) -> NDArray[np.float64]:
        """A value a row, higher is better, shape ``(n,)``. Pure: the same scan gives the same values."""
        ...

    def reason(self, scan: Scan, row: int) -> str | None:
        """The reason for the note of ``row``, as part of a sentence; None if there is none."""
        ...


class Scan(Protocol):
    """A query compared with the columns; what several signals need is computed once."""

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
        """The words of the query that a note's text has, in the order of the query."""
        ...

    def noted(self, row: int) -> list[str]:
        """The words of the query that a note's annotations have, but not its text."""
        ...

    def said_around(self, row: int) -> list[str]:
        """The words of the query that the texts of a note's window have, but not its own."""
        ...
