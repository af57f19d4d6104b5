"""A store that names candidates by looking at all its notes: what a server's own indexes are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from math import log
from typing import Any

from zettel.embedding import vector_key
from zettel.filters import SEARCHED, Filter
from zettel.model import Note
from zettel.protocols import Vector
from zettel.sampling import sample_key
from zettel.store import sqlite
from zettel.text import annotation_terms, terms


class Whole:
    """All notes of a store at one head, and what a server would find among them, computed plainly."""

    def __init__(self, store: Listing) -> None:
        self.head = store.head()
        self.notes = store.notes()
        keys = {note.id: vector_key(store.fingerprint() or "", note) for note in self.notes}
        passages = store.passages(keys.values())
        self.vectors = {note.id: passages[keys[note.id]].vectors for note in self.notes}
        self.said = {note.id: Counter(terms(note.text)) for note in self.notes}
        for note in self.notes:
            noted = annotation_terms(note.context, (*note.keywords, *note.tags, *note.entities))
            self.said[note.id].update(dict.fromkeys(noted, 0))

    @cached_property
    def sessions(self) -> dict[str, list[str]]:
        rows: dict[Any, list[str]] = {}
        for note in self.notes:
            if note.conversation is not None and note.status in SEARCHED:
                rows.setdefault(note.conversation, []).append(note.id)
        return {note_id: session for session in rows.values() for note_id in session}


class Listing(sqlite.SQLiteStore):
    """A store that names candidates, as a server does, by looking at all its notes."""

    seen: Whole | None = None
    asked: Counter[str]

    @property
    def whole(self) -> Whole:
        if self.seen is None or self.seen.head != self.head():
            self.seen = Whole(self)
        return self.seen

    def let_through(self, allowed: Filter) -> list[Note]:
        return [note for note in self.whole.notes if allowed.lets_through(note)]

    def census(self) -> tuple[int, int]:
        return len(self.whole.notes), sum(len(terms(note.text)) for note in self.whole.notes)

    def frequencies(self, stems: Iterable[str]) -> dict[str, int]:
        return {stem: sum(stem in said for said in self.whole.said.values()) for stem in stems}

    def nearest_notes(self, vector: Vector, allowed: Filter, k: int) -> list[str]:
        cosines = {note.id: float((self.whole.vectors[note.id] @ vector).max()) for note in self.let_through(allowed)}
        return sorted(cosines, key=lambda note_id: -cosines[note_id])[:k]

    def notes_saying(self, stems: Iterable[str], allowed: Filter, k: int) -> list[str]:
        n, df = len(self.whole.notes), self.frequencies(set(stems))
        scores = {
            note.id: sum(log(1 + n / df[s]) * (1 + said[s]) / (2 + said[s]) for s in sorted(df) if s in said)
            for note in self.let_through(allowed)
            if (said := self.whole.said[note.id]).keys() & df.keys()
        }
        return sorted(scores, key=lambda note_id: -scores[note_id])[:k]

    def passing(self, allowed: Filter, at_most: int) -> list[str] | None:
        found = [note.id for note in self.let_through(allowed)]
        return found if len(found) <= at_most else None

    def sampled(self, allowed: Filter, share: float) -> list[str]:
        return [note.id for note in self.let_through(allowed) if sample_key(note.ordinal) < share]

    def around(self, ids: Iterable[str], window: int) -> list[str]:
        found: list[str] = []
        for note_id in ids:
            session = self.whole.sessions.get(note_id, [note_id])
            place = session.index(note_id)
            found += session[max(place - window, 0) : place] + session[place + 1 : place + 1 + window]
        return found

    def newest_time(self) -> datetime | None:
        return max((n.time for n in self.whole.notes if n.time and n.status in SEARCHED), default=None)
