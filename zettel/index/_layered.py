"""A mapping laid over another that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Layered(MutableMapping[K, V]):
    """The entries of ``base``, with changes that only this mapping sees."""

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base = base
        self._set: dict[K, V] = {}
        self._deleted: set[K] = set()  # keys of the base; none of them is in `_set`

    def __getitem__(self, key: K) -> V:
        if key in self._set:
            return self._set[key]
        if key in self._deleted:
            raise KeyError(key)
        return self._base[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._set[key] = value
        self._deleted.discard(key)

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._set.pop(key, None)
        if key in self._base:
            self._deleted.add(key)

    def __contains__(self, key: object) -> bool:
        return key in self._set or (key not in self._deleted and key in self._base)

    def __iter__(self) -> Iterator[K]:
        yield from self._set
        yield from (key for key in self._base if key not in self._set and key not in self._deleted)

    def __len__(self) -> int:
        return len(self._base) - len(self._deleted) + sum(key not in self._base for key in self._set)
