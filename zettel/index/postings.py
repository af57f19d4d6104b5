"""An inverted index that notes enter and leave: which terms stand in which notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from zettel.protocols import Posting

_EMPTY = Posting(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))


class Postings:
    """Terms by row, in a note's text and in its annotations."""

    def __init__(self) -> None:
        self._text: dict[str, dict[int, int]] = {}
        self._annotations: dict[str, set[int]] = {}
        self._terms: dict[int, tuple[Counter[str], frozenset[str]]] = {}
        self._arrays: dict[str, Posting] = {}

    def put(self, row: int, text: Iterable[str], annotations: Iterable[str]) -> None:
        """Enter a row's terms, in place of any it had."""
        self.remove(row)
        terms = Counter(text), frozenset(annotations)
        self._terms[row] = terms
        for term, count in terms[0].items():
            self._text.setdefault(term, {})[row] = count
            self._arrays.pop(term, None)
        for term in terms[1]:
            self._annotations.setdefault(term, set()).add(row)
            self._arrays.pop(term, None)

    def remove(self, row: int) -> None:
        """Take a row's terms out; nothing where it has none."""
        counts, annotations = self._terms.pop(row, (Counter(), frozenset()))
        for term in counts:
            del self._text[term][row]
            self._arrays.pop(term, None)
        for term in annotations:
            self._annotations[term].discard(row)
            self._arrays.pop(term, None)

    def get(self, term: str) -> Posting:
        """The rows of a term, ascending."""
        if term not in self._arrays:
            self._arrays[term] = self._gather(term)
        return self._arrays[term]

    def said(self, row: int, term: str) -> bool:
        """Whether a term stands in a row's text."""
        return row in self._text.get(term, ())

    def noted(self, row: int, term: str) -> bool:
        """Whether a term stands in a row's annotations."""
        return row in self._annotations.get(term, ())

    def _gather(self, term: str) -> Posting:
        counts, marked = self._text.get(term, {}), self._annotations.get(term, set())
        rows = sorted(counts.keys() | marked)
        if not rows:
            return _EMPTY
        text = np.array([counts.get(r, 0) for r in rows], np.float32)
        return Posting(np.array(rows, np.int64), text, np.array([r in marked for r in rows], np.float32))
