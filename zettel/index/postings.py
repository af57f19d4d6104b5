"""An inverted index that notes enter and leave: which terms stand in which notes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import numpy as np

from zettel.protocols import Posting

_EMPTY = Posting(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))
_ROW = 32  # an entry is one number: row << 32 | count in the text << 1 | whether the annotations have the term
_COUNT = (1 << 31) - 1


class Postings:
    """Terms by row, in a note's text and in its annotations.

    A term's entries lie in one sorted array of 64-bit numbers: eight bytes each, where a dict takes a hundred.
    """

    def __init__(self) -> None:
        self._entries: dict[str, array[int]] = {}
        self._said: dict[int, tuple[str, ...]] = {}
        self._noted: dict[int, frozenset[str]] = {}
        self._postings: dict[str, Posting] = {}

    def put(self, row: int, text: Iterable[str], annotations: Iterable[str]) -> None:
        """Enter a new row's terms."""
        counts, noted = Counter(text), frozenset(annotations)
        self._said[row], self._noted[row] = tuple(counts), noted
        for term, count in counts.items():
            self._set(term, row, count, noted=term in noted)
        for term in noted.difference(counts):
            self._set(term, row, 0, noted=True)

    def annotate(self, row: int, annotations: Iterable[str]) -> None:
        """Exchange a row's annotation terms; those of its text stay."""
        before, after = self._noted[row], frozenset(annotations)
        self._noted[row] = after
        for term in before ^ after:
            self._set(term, row, self._count(term, row), noted=term in after)

    def remove(self, row: int) -> None:
        """Take a row's terms out; nothing where it has none."""
        for term in {*self._said.pop(row, ()), *self._noted.pop(row, ())}:
            self._set(term, row, 0, noted=False)

    def get(self, term: str) -> Posting:
        """The rows of a term, ascending."""
        found = self._postings.get(term)
        if found is None:
            found = self._postings[term] = self._unpacked(term)
        return found

    def _set(self, term: str, row: int, count: int, *, noted: bool) -> None:
        """Make, change or drop the entry of a term in a row."""
        self._postings.pop(term, None)
        entries = self._entries.get(term)
        if entries is None:
            entries = self._entries[term] = array("q")
        entry = row << _ROW | count << 1 | noted
        place = self._place(entries, row)
        there = place < len(entries) and entries[place] >> _ROW == row
        if not count and not noted:
            if there:
                del entries[place]
            if not entries:
                del self._entries[term]  # a word of a note that went
        elif there:
            entries[place] = entry
        else:
            entries.insert(place, entry)

    def _count(self, term: str, row: int) -> int:
        entries = self._entries.get(term)
        if entries is None:
            return 0
        place = self._place(entries, row)
        there = place < len(entries) and entries[place] >> _ROW == row
        return (entries[place] >> 1) & _COUNT if there else 0

    @staticmethod
    def _place(entries: array[int], row: int) -> int:
        """Where a row's entry stands or belongs; nearly always at the end."""
        if not entries or entries[-1] >> _ROW < row:
            return len(entries)
        return bisect_left(entries, row << _ROW)

    def _unpacked(self, term: str) -> Posting:
        entries = self._entries.get(term)
        if entries is None:
            return _EMPTY
        packed = np.array(entries, np.int64)  # a copy: a view would keep the array from growing
        text = ((packed >> 1) & _COUNT).astype(np.float32)
        return Posting(packed >> _ROW, text, (packed & 1).astype(np.float32))
