"""The exact index: every note's vectors and terms in memory, all of them scored by every search."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from zettel.filters import SEARCHED, UTC, interval
from zettel.index.postings import Postings
from zettel.model import STATUSES, Note
from zettel.protocols import Columns, Passages, Vector
from zettel.text import terms

_NEVER = float("nan")


class ExactIndex:
    """Notes as rows. Put and remove notes in any order; ``columns`` is the table that signals read.

    A removed note's row stays behind, dead. By row: ``ids``, and what filters read beside the columns: ``tags`` and
    ``metadata``. ``head`` is the commit that the index covers, kept by its owner.
    """

    def __init__(self, window: int, zone: ZoneInfo = UTC) -> None:
        self.head = 0
        self.ids: list[str] = []
        self.tags: list[frozenset[str]] = []
        self.metadata: list[Mapping[str, Any]] = []
        self._window = window
        self._zone = zone
        self._ordinals: list[int] = []
        self._status: list[int] = []
        self._session_of: list[tuple[str, str] | None] = []
        self._row: dict[str, int] = {}
        self._alive: list[bool] = []
        self._vectors = np.empty((0, 0), np.float32)
        self._first: list[int] = []
        self._n_passages = 0
        self._times: list[tuple[float, float]] = []
        self._lengths: list[int] = []
        self._speaker: list[int] = []
        self._speakers: dict[str, int] = {}
        self._postings = Postings()
        self._sessions: dict[tuple[str, str], list[int]] = {}
        self._windows: list[list[int]] = []
        self._norms: list[float] = []
        self._stale: set[int] = set()  # rows whose window changed since its norm was computed
        self._columns: Columns | None = None
        self._newest: float | None = None  # NaN: no time is known

    def __len__(self) -> int:
        """Number of notes, dead rows not counted."""
        return len(self._row)

    @property
    def is_mostly_dead(self) -> bool:
        """Whether it is time to build it anew, since most rows are left over from notes that went."""
        return len(self.ids) > 2 * len(self._row) + 1000

    def row(self, note_id: str) -> int | None:
        """A note's row; None where it is not in the index."""
        return self._row.get(note_id)

    # ---------------------------------------------------------------- changes

    def put(self, notes: Iterable[Note], passages: Mapping[str, Passages]) -> None:
        """Enter notes, or bring the annotations of those already there up to date.

        ``passages`` holds the vectors of the notes that are new, by note id.
        """
        notes = list(notes)
        self._reserve([passages[n.id] for n in notes if n.id not in self._row])
        for note in notes:
            row = self._row.get(note.id)
            if row is None:
                row = self._append(note, passages[note.id])
            self._status[row] = STATUSES.index(note.status)
            self._seat(row, lends=note.status in SEARCHED)
            self.tags[row], self.metadata[row] = frozenset(note.tags), note.metadata
            text = terms(note.text)
            self._lengths[row] = len(text)
            self._postings.put(row, text, _annotation_terms(note))
        self._columns = None

    def remove(self, ids: Iterable[str]) -> None:
        """Take notes out; those not in the index are passed over."""
        for note_id in ids:
            row = self._row.pop(note_id, None)
            if row is not None:
                self._alive[row] = False
                self._postings.remove(row)
                self._seat(row, lends=False)
                self._wipe(row)
        self._columns = None

    def _wipe(self, row: int) -> None:
        """Leave nothing of a note in its row: it may have been erased."""
        self.ids[row] = ""
        self.tags[row], self.metadata[row] = frozenset(), {}
        self._vectors[self._first[row] : self._end(row)] = 0
        self._times[row] = _NEVER, _NEVER

    def _append(self, note: Note, passages: Passages) -> int:
        row = self._row[note.id] = len(self.ids)
        self.ids.append(note.id)
        self._ordinals.append(note.ordinal)
        self._status.append(0)
        self.tags.append(frozenset())
        self.metadata.append({})
        self._session_of.append(note.conversation)
        self._alive.append(True)
        self._first.append(self._n_passages)
        end = self._n_passages + len(passages.vectors)
        self._vectors[self._n_passages : end] = passages.vectors
        self._n_passages = end
        happened = interval(note, self._zone)
        self._times.append((happened[0].timestamp(), happened[1].timestamp()) if happened else (_NEVER, _NEVER))
        self._lengths.append(0)
        code = -1 if note.speaker is None else self._speakers.setdefault(note.speaker, len(self._speakers))
        self._speaker.append(code)
        self._windows.append([-1] * (2 * self._window))
        self._norms.append(1.0)
        self._stale.add(row)
        return row

    def _seat(self, row: int, *, lends: bool) -> None:
        """Place a row among the messages of its session, or take it out: what was put away lends no context."""
        conversation = self._session_of[row]
        if conversation is None:
            return
        session = self._sessions.setdefault(conversation, [])
        place = bisect_left(session, self._ordinals[row], key=self._ordinals.__getitem__)  # nearly always at the end
        seated = place < len(session) and session[place] == row
        if lends and not seated:
            session.insert(place, row)
            self._slide(session, place)
        elif seated and not lends:
            del session[place]
            self._slide(session, place)
            self._windows[row] = [-1] * (2 * self._window)
            self._stale.add(row)

    def _slide(self, session: list[int], place: int) -> None:
        """Set the windows of the rows near ``place`` anew, where a row came or went."""
        w = self._window
        for i in range(max(place - w, 0), min(place + w + 1, len(session))):
            before = [session[i - d] if i >= d else -1 for d in range(1, w + 1)]
            after = [session[i + d] if i + d < len(session) else -1 for d in range(1, w + 1)]
            self._windows[session[i]] = before + after
            self._stale.add(session[i])

    def _reserve(self, coming: list[Passages]) -> None:
        """Make room for vectors, doubling, so that notes entered one by one cost constant time each."""
        if not coming:
            return
        needed = self._n_passages + sum(len(p.vectors) for p in coming)
        if needed > len(self._vectors):
            grown = np.empty((max(needed, 2 * len(self._vectors), 64), coming[0].vectors.shape[1]), np.float32)
            if self._n_passages:
                grown[: self._n_passages] = self._vectors[: self._n_passages]
            self._vectors = grown

    # ---------------------------------------------------------------- reading

    def columns(self) -> Columns:
        """The table of all rows, made anew after a change."""
        if self._columns is None:
            self._newest = None
            self._refresh_norms()
            times = np.array(self._times, np.float64).reshape(-1, 2)
            self._columns = Columns(
                alive=np.array(self._alive, np.bool_),
                ordinals=np.array(self._ordinals, np.int64),
                status=np.array(self._status, np.int64),
                vectors=self._vectors[: self._n_passages],
                first=np.array(self._first, np.int64),
                windows=np.array(self._windows, np.int64).reshape(len(self.ids), 2 * self._window),
                norms=np.array(self._norms, np.float32),
                lengths=np.array(self._lengths, np.float32),
                times=times[:, 0],
                until=times[:, 1],
                speaker=np.array(self._speaker, np.int64),
                speakers=tuple(self._speakers),
                posting=self._postings.get,
                said=self._postings.said,
                noted=self._postings.noted,
            )
        return self._columns

    def newest(self) -> float | None:
        """When the newest thing happened that a search shows unasked, in seconds since 1970; None where unknown."""
        columns = self.columns()  # made anew after a change, which makes this unknown again
        if self._newest is None:
            shown = columns.alive & np.array([s in SEARCHED for s in STATUSES])[columns.status]
            times = columns.times[shown]
            self._newest = float(np.nanmax(times)) if np.isfinite(times).any() else _NEVER
        return None if isnan(self._newest) else self._newest

    def _refresh_norms(self) -> None:
        for row in self._stale:
            own = self._mean(row)
            total = own + sum((self._mean(r) for r in self._windows[row] if r >= 0), start=np.zeros_like(own))
            self._norms[row] = max(float(np.linalg.norm(total)), 1e-6)
        self._stale.clear()

    def _mean(self, row: int) -> Vector:
        """The mean of a note's passages: what it lends to its neighbors."""
        mean: NDArray[np.float32] = self._vectors[self._first[row] : self._end(row)].mean(axis=0)
        return mean

    def _end(self, row: int) -> int:
        return self._first[row + 1] if row + 1 < len(self._first) else self._n_passages


_PLACE = re.compile(r"\((?:session|conversation)\b[^)]*\)")  # its number would be found by the day of a month


def _annotation_terms(note: Note) -> list[str]:
    return terms(" ".join((_PLACE.sub("", note.context), *note.keywords, *note.tags, *note.entities)))
