"""Sums of vectors that are exact in any order, and the division of points into two clusters.

Vectors are rounded to whole multiples of 2**-16, which is about the precision of float16, and kept as whole numbers in
float64. Sums of them, and products of a vector and such a sum, stay below 2**53 for up to two million unit vectors.
So they are exact: they don't depend on the order of adding and removing, on the machine, or on batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Vector

Whole = NDArray[np.float64]  # whole numbers, stored as float64

_Number = TypeVar("_Number", bound=np.generic)

_SCALE = 2.0**16
_ROUNDS = 20


def whole(vectors: Vector) -> Whole:
    """Vectors ``(..., d)`` in multiples of 2**-16."""
    return np.rint(np.multiply(vectors, _SCALE, dtype=np.float64))


class Sums:
    """The sum and the number of the vectors in each of many clusters, by slot.

    As in BIRCH (Zhang, Ramakrishnan & Livny 1996), the sum of a cluster of clusters is the sum of their sums. The
    direction of the sum is the cluster's centroid for cosine similarity.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(8, np.int64)
        self._values: Whole = np.zeros((8, 0))
        self._norms = np.zeros(8)
        self._units = np.zeros((8, 0), np.float32)
        self._stale: set[int] = set()
        self._free: list[int] = []
        self._used = 0

    def take(self) -> int:
        """A free slot, for a cluster that has no vectors yet."""
        slot = self._free.pop() if self._free else self._new()
        self._values[slot], self.counts[slot] = 0, 0  # a draft that was dropped may have used it
        self._stale.add(slot)
        return slot

    def copied(self, slot: int) -> int:
        """A new slot with the same vectors as another."""
        new = self.take()
        self._values[new], self.counts[new] = self._values[slot], self.counts[slot]
        return new

    def draft(self) -> Sums:
        """Sums that begin as these and take new slots only, so that these stay as they are.

        Both share their arrays, and a draft writes only behind the slots in use. So only the newest draft may be used,
        and no draft after these sums have changed.
        """
        self._refresh()
        draft = copy(self)
        draft._free, draft._stale = [], set()
        return draft

    def _new(self) -> int:
        if self._used == len(self.counts):
            self.counts, self._norms = _doubled(self.counts), _doubled(self._norms)
            self._values, self._units = _doubled(self._values), _doubled(self._units)
        self._used += 1
        return self._used - 1

    def give_back(self, slot: int) -> None:
        """Free the slot of a cluster that is empty again."""
        self._free.append(slot)

    def add(self, slots: Sequence[int], total: Whole, count: int) -> None:
        """Add a sum of ``count`` vectors to each of several clusters; -total and -count remove it."""
        if self._values.shape[1] != len(total):
            self._values = np.zeros((len(self.counts), len(total)))
            self._units = np.zeros((len(self.counts), len(total)), np.float32)
        rows = list(slots)
        self._values[rows] += total
        self.counts[rows] += count
        self._stale.update(rows)

    def total(self, slots: Sequence[int]) -> Whole:
        """The sums of clusters, ``(n, d)``."""
        return self._values[list(slots)]

    def by_nearness(self, slots: Sequence[int], vector: Whole) -> list[int]:
        """The positions in ``slots``, ordered by the cosines of their centroids with a vector, the nearest first."""
        self._refresh()
        rows = list(slots)
        cosines = self._values[rows] @ vector / self._norms[rows]
        return [int(row) for row in np.argsort(-cosines, kind="stable")]

    def cosines(self, query: Vector) -> NDArray[np.float32]:
        """The cosine of a unit vector with the centroid of every slot."""
        self._refresh()
        result: NDArray[np.float32] = self._units[: self._used] @ query
        return result

    def means(self, slots: Sequence[int]) -> Vector:
        """The mean of each cluster's vectors, ``(n, d)``; zero if a cluster has none."""
        rows = list(slots)
        return (self._values[rows] / (_SCALE * np.maximum(self.counts[rows], 1))[:, None]).astype(np.float32)

    def _refresh(self) -> None:
        """Bring norms and directions up to date. This is not done at each addition, since a split makes dozens."""
        if self._stale:
            rows = list(self._stale)
            values = self._values[rows]
            norms = np.maximum(np.sqrt(np.vecdot(values, values)), 1.0)
            self._norms[rows] = norms
            self._units[rows] = values / norms[:, None]
            self._stale.clear()


def _doubled(column: NDArray[_Number]) -> NDArray[_Number]:
    return np.concatenate([column, np.zeros_like(column)])


def halves(points: Whole, least: int = 1) -> tuple[list[int], list[int]]:
    """Divide points ``(n, d)`` into two parts by spherical 2-means (Dhillon & Modha 2001), the larger part first.

    Each part has at least a quarter of the points, and at least ``least``. Nothing is random: the division starts from
    the outermost point and the point opposite.
    """
    n = len(points)
    least = max(least, -(-n // 4))
    gram = points @ points.T
    sizes = np.sqrt(np.maximum(gram.diagonal(), 1.0))
    cosines = gram / sizes[:, None] / sizes
    outermost = int(np.argmin(gram.sum(axis=1) / sizes))
    opposite = int(np.argmin(cosines[outermost]))
    leaning = cosines[outermost] - cosines[opposite]
    first = np.zeros(n, np.bool_)
    for _ in range(_ROUNDS):
        chosen = np.zeros(n, np.bool_)
        chosen[np.argsort(-leaning, kind="stable")[: min(max(int((leaning > 0).sum()), least), n - least)]] = True
        if (chosen == first).all():
            break
        first = chosen
        leaning = (_pull(gram, first) - _pull(gram, ~first)) / sizes
    if 2 * first.sum() < n or (2 * first.sum() == n and not first[0]):
        first = ~first
    return np.flatnonzero(first).tolist(), np.flatnonzero(~first).tolist()


def relocated(points: Whole, homes: NDArray[np.int64], *, least: int, most: int) -> NDArray[np.int64]:
    """The clusters of the points ``(n, d)`` after one round of k-means, in which points move to a nearer cluster.

    ``homes`` are their clusters before it: 0, 1, 2 ... The points that gain most by moving move first. A move must not
    make a cluster smaller than ``least`` or larger than ``most``.
    """
    members = homes == np.arange(homes.max() + 1)[:, None]
    totals = members.astype(np.float64) @ points
    nearness = points @ totals.T / np.maximum(np.sqrt(np.vecdot(totals, totals)), 1.0)
    wanted = nearness.argmax(axis=1)
    rows = np.arange(len(points))
    gains = nearness[rows, wanted] - nearness[rows, homes]
    result, sizes = homes.copy(), np.bincount(homes)
    for row in np.argsort(-gains, kind="stable")[: int((gains > 0).sum())]:
        home, target = homes[row], wanted[row]
        if sizes[home] > least and sizes[target] < most:
            result[row] = target
            sizes[home] -= 1
            sizes[target] += 1
    return result


def _pull(gram: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The product of each point with the direction of the members' sum."""
    products = gram[:, members].sum(axis=1)
    pull: NDArray[np.float64] = products / np.sqrt(np.maximum(products[members].sum(), 1.0))
    return pull
