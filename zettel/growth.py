"""What an arriving note does to the memory: it gets a place among the topics and links, and its neighbors evolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log

import numpy as np

from zettel.config import Config
from zettel.evolution import evolve
from zettel.filters import SEARCHED
from zettel.index import ExactIndex, Material, Nearest, TopicTree
from zettel.linker import link
from zettel.model import Change, Link, LinkChange, Note, Revision, TreeChange, day_of, parsed_fields
from zettel.protocols import Arrival, Candidate, Columns, Encounter, LinkRule, Passages, Policy, Store, Vector
from zettel.text import words
from zettel.vocabulary import SIGNS

_NEAREST = 10  # neighbors by cosine that the rules see
_SAYING = 8  # notes with an entity that they see


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A note that is to be taken in, its vectors, and the id of the message it answers."""

    note: Note
    passages: Passages
    answers: str | None


class Materials:
    """What notes may name topics by; read from the store when a note is first asked for."""

    def __init__(self, read: Callable[[], Iterable[Note]]) -> None:
        self._read = read
        self._held: dict[str, Material] = {}

    def put(self, note: Note) -> None:
        """Enter a note, or bring it up to date."""
        subjects = tuple(tag for tag in note.tags if tag not in SIGNS)
        self._held[note.id] = Material(note.keywords, subjects, note.entities, note.speaker)

    def get(self, note_id: str) -> Material:
        """A note's material; nothing for one that is not there any more."""
        if note_id not in self._held:
            for note in self._read():
                if note.id not in self._held:  # what a draft has made of a note is newer than the store
                    self.put(note)
        return self._held.setdefault(note_id, Material())


class Growth:
    """The notes of one draft, taken in one by one: each sees what those before it have changed.

    Index and tree are changed at once, since the next note must find this one in them. Where the draft is not written
    after all, ``take_back`` makes them what they were.
    """

    def __init__(
        self, store: Store, index: ExactIndex, tree: TopicTree, materials: Materials, rules: Sequence[LinkRule],
        policies: Sequence[Policy], config: Config,
    ) -> None:  # fmt: skip
        self._store = store
        self._index = index
        self._tree = tree
        self._materials = materials
        self._rules = rules
        self._policies = policies
        self._config = config
        self._notes: dict[str, Note] = {}  # as the draft has left them
        self._first: dict[str, Note] = {}  # those it revises, as they were before it
        self._links: dict[str, dict[tuple[str, str, str], Link]] = {}
        self._rewritten: Counter[tuple[str, str]] = Counter()
        self._arrived: list[str] = []
        self._moved: list[TreeChange] = []

    def take_in(self, newcomer: Newcomer) -> list[Change]:
        """The changes that follow on a note's arrival, in order."""
        note, index = newcomer.note, self._index
        vector = newcomer.passages.unit()
        nearest = index.nearest(vector, _NEAREST + self._config.window)  # before it is there itself
        index.put([note], {note.id: newcomer.passages})
        self._materials.put(note)
        self._notes[note.id] = note
        self._arrived.append(note.id)
        moved = self._tree.settle([], [note.id])
        self._moved += moved
        links = link(self._arrival(newcomer, vector, nearest), self._rules, self._standing)
        for change in links:
            self._enter_link(change)
        return [*moved, *links, *self._evolve(note, links)]

    def adopt(self) -> list[TreeChange]:
        """Seats for searched notes that have none: those of a memory from before there were topics."""
        if len(self._tree) == self._index.n_searched:
            return []
        strays = [note_id for note_id in self._index.searched() if self._tree.place(note_id) is None]
        moved = self._tree.settle([], strays)
        self._moved += moved
        return moved

    def take_back(self) -> None:
        """Undo what was done to index and tree."""
        self._tree.revert(self._moved)
        self._index.remove(self._arrived)
        self._renew([note for note in self._first.values() if note.id not in self._arrived])

    def note(self, note_id: str) -> Note:
        """A note that arrived with this draft, as it is at its end, with its address."""
        place = self._tree.place(note_id)
        address = "" if place is None else self._tree.address(place)
        return self._notes[note_id].model_copy(update={"address": address})

    # ---------------------------------------------------------------- linking

    def _arrival(self, newcomer: Newcomer, vector: Vector, nearest: Nearest) -> Arrival:
        index, note = self._index, newcomer.note
        before = [index.ids[row] for row in index.before(note.id)]
        near = [
            (index.ids[row], cosine)
            for row, cosine in zip(nearest.rows.tolist(), nearest.cosines.tolist(), strict=True)
            if index.ids[row] not in before
        ][:_NEAREST]
        answers = [newcomer.answers] if newcomer.answers else []
        held = self._current([*before, *answers, *(note_id for note_id, _ in near)])
        rarity_of = partial(_rarity, len(index) - 1)
        return Arrival(
            note=note, before=tuple(held[i] for i in before), answered=held.get(newcomer.answers or ""),
            nearest=tuple(Candidate(held[i], cosine) for i, cosine in near),
            usual=nearest.mean, spread=nearest.deviation, n_notes=nearest.n, rarity_of=rarity_of,
            rarity=lambda term: rarity_of(index.n_with(term) - 1),
            saying=partial(self._saying, note, vector), people=_people(_speakers(index.columns())),
        )  # fmt: skip

    def _saying(self, note: Note, vector: Vector, stems: Sequence[str]) -> tuple[list[Candidate], int]:
        """The newest notes, besides the arriving one, whose text has all of some stems, and how many there are."""
        index = self._index
        rows = [row for row in index.rows_saying(stems) if index.ids[row] != note.id]
        newest = rows[-_SAYING:][::-1]
        cosines = index.cosines(newest, vector)
        held = self._current(index.ids[row] for row in newest)
        return [Candidate(held[index.ids[r]], c) for r, c in zip(newest, cosines.tolist(), strict=True)], len(rows)

    def _standing(self, note_id: str) -> Sequence[Link]:
        """A note's links as the draft has left them, in an order that tells nothing of when they were made."""
        if note_id not in self._links:
            stored = () if note_id in self._arrived else self._store.links([note_id])
            self._links[note_id] = {link.key: link for link in stored}
        return sorted(self._links[note_id].values(), key=lambda link: link.key)

    def _enter_link(self, change: LinkChange) -> None:
        key = change.source_id, change.target_id, change.kind
        for note_id in key[:2]:
            self._standing(note_id)
            if change.after is None:
                self._links[note_id].pop(key, None)
            else:
                self._links[note_id][key] = as_link(change)

    # --------------------------------------------------------------- evolving

    def _evolve(self, note: Note, changes: Sequence[LinkChange]) -> list[Revision]:
        by_neighbor: dict[str, list[Link]] = {}
        for change in changes:
            if change.after is not None:
                link = as_link(change)
                by_neighbor.setdefault(_other(link, note.id), []).append(link)
        day = day_of(note.time, note.ordinal)
        counts = Counter(self._store.rewrites(by_neighbor, day)) if by_neighbor else Counter[str]()
        counts.update({i: self._rewritten[i, day] for i in by_neighbor})
        revisions = evolve(
            [self._encounter(note, neighbor, tuple(links)) for neighbor, links in by_neighbor.items()],
            self._policies, counts, per_add=self._config.rewrites_per_add, per_day=self._config.rewrites_per_day,
        )  # fmt: skip
        for revision in revisions:
            self._rewritten[revision.note_id, day] += 1
            self._renew([self._revised(revision)])
        return revisions

    def _encounter(self, note: Note, neighbor: str, links: tuple[Link, ...]) -> Encounter:
        others = [link for link in self._standing(neighbor) if note.id not in link.key]
        held = self._current([neighbor, *(_other(link, neighbor) for link in others)])
        ends = [(link, held.get(_other(link, neighbor))) for link in others]
        around = tuple((link, end) for link, end in ends if end is not None and end.status in SEARCHED)
        return Encounter(note, held[neighbor], links, around)

    def _revised(self, revision: Revision) -> Note:
        before = self._notes[revision.note_id]
        self._first.setdefault(before.id, before)
        after = self._notes[before.id] = before.model_copy(update=parsed_fields(revision.after))
        return after

    def _renew(self, notes: Sequence[Note]) -> None:
        """Bring what index and tree know of annotations up to date."""
        self._index.put(notes, {})
        for note in notes:
            self._materials.put(note)
        self._tree.refresh([note.id for note in notes])

    def _current(self, ids: Iterable[str]) -> dict[str, Note]:
        """Notes by id, as the draft has left them."""
        wanted = list(dict.fromkeys(ids))
        missing = [note_id for note_id in wanted if note_id not in self._notes]
        if missing:
            self._notes.update((note.id, note) for note in self._store.notes(missing))
        return {note_id: self._notes[note_id] for note_id in wanted if note_id in self._notes}


def as_link(change: LinkChange) -> Link:
    """The link that a change brings."""
    return Link(
        source_id=change.source_id, target_id=change.target_id, kind=change.kind, **(change.after or {}),  # type: ignore[arg-type]  # checked when it was made
    )  # fmt: skip


def _other(link: Link, note_id: str) -> str:
    return link.target_id if link.source_id == note_id else link.source_id


def _rarity(n: int, count: int) -> float:
    """How much it says that ``count`` of ``n`` notes have something: 1 where none has, 0 where all have."""
    return log((n + 2) / (count + 1)) / log(n + 2)


def _speakers(columns: Columns) -> tuple[str, ...]:
    """Those who speak in the notes that are there: the table also knows those of notes that went."""
    counts = np.bincount(columns.speaker[columns.alive] + 1, minlength=len(columns.speakers) + 1)
    return tuple(name for name, n in zip(columns.speakers, counts[1:].tolist(), strict=True) if n)


@lru_cache(maxsize=16)
def _people(speakers: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for speaker in speakers for word in words(speaker))
