"""Columns that rows are appended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Column


class Table:
    """Columns with room to grow; the first rows are in use. See ``protocols.Columns``.

    ``own`` are the columns that signals declare. All columns are attributes, so that code that copies, saves or
    enlarges the table need not know their names.
    """

    def __init__(self, window: int, own: Sequence[Column] = ()) -> None:
        self.alive = np.empty(0, np.bool_)
        self.searched = np.empty(0, np.bool_)  # alive, and searched unless a filter says otherwise
        self.ordinals = np.empty(0, np.int64)
        self.status = np.empty(0, np.int64)
        self.first = np.empty(0, np.int64)
        self.windows = np.empty((0, 2 * window), np.int64)
        self.norms = np.empty(0, np.float32)
        self.lengths = np.empty(0, np.float32)
        self.times = np.empty(0, np.float64)
        self.until = np.empty(0, np.float64)
        self.speaker = np.empty(0, np.int64)
        self.sample_keys = np.empty(0, np.float32)
        self.topics = np.empty(0, np.int64)
        for column in own:
            setattr(self, own_name(column), np.empty(0, column.dtype))

    def column(self, column: Column) -> NDArray[Any]:
        """The values of a column that a signal declares."""
        values: NDArray[Any] = getattr(self, own_name(column))
        return values

    def reserve(self, n: int) -> None:
        """Make room for ``n`` rows."""
        if n > len(self.alive):
            for name, column in vars(self).items():
                setattr(self, name, grown(column, n))


def own_name(column: Column) -> str:
    """The attribute of a column that a signal declares; its prefix keeps it apart from the table's own."""
    return f"own_{column.name}"


def grown(array: NDArray[Any], n: int) -> NDArray[Any]:
    """The array with room for ``n`` rows, doubled, so that rows that come one by one cost constant time each."""
    room = np.empty((max(n, 2 * len(array), 64), *array.shape[1:]), array.dtype)
    room[: len(array)] = array
    return room
