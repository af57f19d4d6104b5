"""An inverted index to which notes are added and from which they are removed: the notes that have each term."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zettel.protocols import Posting

_EMPTY = Posting(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))
_ROW = 32  # an entry is one number: row << 32 | count in the text << 1 | whether the annotations have the term
_REST = (1 << _ROW) - 1


class Postings:
    """The rows of each term, in texts and in annotations.

    The entries of a term are a sorted array of 64-bit numbers: eight bytes each, while a dict needs a hundred.
    """

    def __init__(self) -> None:
        self._entries: dict[str, array[int]] = {}
        self._said: dict[int, tuple[str, ...]] = {}
        self._noted: dict[int, frozenset[str]] = {}
        self._is_turned = True  # whether `_said` and `_noted` have every row
        self._postings: dict[str, Posting] = {}

    def put(self, row: int, text: Iterable[str], annotations: Iterable[str]) -> None:
        """Add the terms of a new row."""
        counts, noted = Counter(text), frozenset(annotations)
        self._said[row], self._noted[row] = tuple(counts), noted
        for term, count in counts.items():
            self._set(term, row, count, noted=term in noted)
        for term in noted.difference(counts):
            self._set(term, row, 0, noted=True)

    def annotate(self, row: int, annotations: Iterable[str]) -> None:
        """Replace the annotation terms of a row; the terms of its text stay."""
        self._turn(row)
        before, after = self._noted.get(row, frozenset()), frozenset(annotations)
        self._noted[row] = after
        for term in before ^ after:
            self._set(term, row, self._count(term, row), noted=term in after)

    def remove(self, row: int) -> None:
        """Remove the terms of a row, if it has any."""
        self._turn(row)
        for term in {*self._said.pop(row, ()), *self._noted.pop(row, ())}:
            self._set(term, row, 0, noted=False)

    def get(self, term: str) -> Posting:
        """The rows of a term, ascending."""
        found = self._postings.get(term)
        if found is None:
            found = self._postings[term] = self._unpacked(term)
        return found

    # ------------------------------------------------------------ saving, loading

    def packed(self, renumbered: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """All terms, the number of entries of each, and the entries. ``renumbered`` gives rows new numbers."""
        names = sorted(self._entries)
        lengths = np.array([len(self._entries[term]) for term in names], np.int64)
        entries = self._all(names)
        packed = renumbered[entries >> _ROW] << _ROW | entries & _REST
        return names, lengths, packed[np.lexsort((packed, np.repeat(np.arange(len(names)), lengths)))]

    def unpack(self, names: Sequence[str], lengths: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Replace everything by the result of ``packed``."""
        ends = np.cumsum(lengths)
        packed = memoryview(entries.tobytes())
        for term, start, end in zip(names, (ends - lengths).tolist(), ends.tolist(), strict=True):
            own = self._entries[term] = array("q")
            own.frombytes(packed[8 * start : 8 * end])
        self._is_turned = False

    def _turn(self, row: int) -> None:
        """List the terms of each row, if they were loaded by term. The first change needs this; no search does."""
        if self._is_turned or row in self._noted:
            return
        names = list(self._entries)
        entries = self._all(names)
        term = np.repeat(np.arange(len(names)), [len(own) for own in self._entries.values()])
        rows, marked, spoken = entries >> _ROW, entries & 1 > 0, entries & _REST > 1
        words = np.array(names, np.object_)
        for other, said in _grouped(rows[spoken], words[term[spoken]]):
            self._said.setdefault(other, tuple(said))
        for other, noted in _grouped(rows[marked], words[term[marked]]):
            self._noted.setdefault(other, frozenset(noted))
        self._is_turned = True

    def _all(self, names: Iterable[str]) -> NDArray[np.int64]:
        packed = b"".join(self._entries[term].tobytes() for term in names)
        return np.frombuffer(packed, np.int64)

    # ------------------------------------------------------------------- entries

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
                del self._entries[term]  # no note has the term any more
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
        return (entries[place] & _REST) >> 1 if there else 0

    @staticmethod
    def _place(entries: array[int], row: int) -> int:
        """The place of a row's entry, or the place to insert it: nearly always the end."""
        if not entries or entries[-1] >> _ROW < row:
            return len(entries)
        return bisect_left(entries, row << _ROW)

    def _unpacked(self, term: str) -> Posting:
        entries = self._entries.get(term)
        if entries is None:
            return _EMPTY
        packed = np.array(entries, np.int64)  # a copy: a view would keep the array from growing
        text = ((packed & _REST) >> 1).astype(np.float32)
        return Posting(packed >> _ROW, text, (packed & 1).astype(np.float32))


def _grouped(rows: NDArray[np.int64], words: NDArray[np.object_]) -> Iterable[tuple[int, list[str]]]:
    """Words by row, from pairs in any order."""
    if not len(rows):
        return ()
    order = np.argsort(rows, kind="stable")
    rows, ordered = rows[order], words[order].tolist()
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    ends = np.append(starts[1:], len(rows))
    pairs = zip(rows[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)
    return ((row, ordered[start:end]) for row, start, end in pairs)
