"""What an arriving note does to a memory: it gets links and a place among the topics, and its neighbors evolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log

from zettel.asking import Asking
from zettel.config import Config
from zettel.evolution import evolve
from zettel.filters import SEARCHED
from zettel.index.draft import IndexDraft, NearNotes
from zettel.linker import link
from zettel.model import Change, Link, LinkChange, Note, Revision, TreeChange, day_of, parsed_fields
from zettel.protocols import Arrival, Candidate, Encounter, LinkRule, Passages, Policy, Store, Vector
from zettel.text import words

_NEAREST = 10  # link rules see so many of the notes nearest by cosine
_SAYING = 8  # link rules see so many of the notes that name an entity


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A note that is to be taken in, with its vectors and the id of the message that it answers."""

    note: Note
    passages: Passages
    answers: str | None


class Arrivals:
    """The notes of one plan, taken in one by one: each sees what the notes before it have changed.

    Only two things are written to: ``draft``, which lies over the index at the head, and ``asking``, which collects the
    questions that rules and policies could not answer.
    """

    def __init__(
        self, store: Store, draft: IndexDraft, rules: Sequence[LinkRule], policies: Sequence[Policy], config: Config,
        asking: Asking,
    ) -> None:  # fmt: skip
        self._store = store
        self._draft = draft
        self._rules = rules
        self._policies = policies
        self._config = config
        self._asking = asking
        self._notes: dict[str, Note] = {}  # as the plan leaves them
        self._links: dict[str, dict[tuple[str, str, str], Link]] = {}
        self._rewritten: Counter[tuple[str, str]] = Counter()
        self._arrived: set[str] = set()

    def take_in(self, newcomer: Newcomer) -> list[Change]:
        """The changes that a note's arrival causes, in order."""
        note, draft = newcomer.note, self._draft
        vector = newcomer.passages.unit()
        nearest = draft.nearest(vector, _NEAREST + self._config.window)  # before the note itself is in the draft
        draft.enter(note, newcomer.passages)
        self._notes[note.id] = note
        self._arrived.add(note.id)
        moved = draft.tree.rearrange([], [note.id])
        links = link(self._arrival(newcomer, vector, nearest), self._rules, self._links_of, self._asking)
        for change in links:
            self._enter_link(change)
        return [*moved, *links, *self._evolve(note, links)]

    def adopt(self) -> list[TreeChange]:
        """Insert searched notes that have no place: those of a memory made before there were topics."""
        if len(self._draft.tree) == self._draft.n_searched:
            return []
        return self._draft.tree.rearrange([], self._draft.unplaced())

    def note(self, note_id: str) -> Note:
        """A note that arrived with this plan, with its address, as it is at the end of the plan."""
        place = self._draft.tree.place(note_id)
        address = "" if place is None else self._draft.tree.address(place)
        return self._notes[note_id].model_copy(update={"address": address})

    # ---------------------------------------------------------------- linking

    def _arrival(self, newcomer: Newcomer, vector: Vector, nearest: NearNotes) -> Arrival:
        draft, note = self._draft, newcomer.note
        before = draft.before(note, self._config.window)
        near = [pair for pair in zip(nearest.ids, nearest.cosines, strict=True) if pair[0] not in before][:_NEAREST]
        answers = [newcomer.answers] if newcomer.answers else []
        current = self._current([*before, *answers, *(note_id for note_id, _ in near)])
        rarity_of = partial(_rarity, len(draft) - 1)
        return Arrival(
            note=note, before=tuple(current[i] for i in before), answered=current.get(newcomer.answers or ""),
            nearest=tuple(Candidate(current[i], cosine) for i, cosine in near),
            usual=nearest.mean, spread=nearest.deviation, n_notes=nearest.n, rarity_of=rarity_of,
            rarity=lambda term: rarity_of(draft.n_with(term) - 1),
            saying=partial(self._saying, note, vector), people=_people(draft.speakers()),
        )  # fmt: skip

    def _saying(self, note: Note, vector: Vector, stems: Sequence[str]) -> tuple[list[Candidate], int]:
        """The newest notes, without the arriving one, whose text has all of some stems; and the number of all such."""
        ids = [note_id for note_id in self._draft.saying(stems) if note_id != note.id]
        newest = ids[-_SAYING:][::-1]
        current, cosines = self._current(newest), self._draft.cosines(newest, vector)
        return [Candidate(current[i], cosine) for i, cosine in zip(newest, cosines, strict=True)], len(ids)

    def _links_of(self, note_id: str) -> Sequence[Link]:
        """A note's links as the draft leaves them, in an order that does not depend on when they were made."""
        if note_id not in self._links:
            stored = () if note_id in self._arrived else self._store.links([note_id])
            self._links[note_id] = {link.key: link for link in stored}
        return sorted(self._links[note_id].values(), key=lambda link: link.key)

    def _enter_link(self, change: LinkChange) -> None:
        key = change.source_id, change.target_id, change.kind
        for note_id in key[:2]:
            self._links_of(note_id)
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
            asking=self._asking,
        )  # fmt: skip
        for revision in revisions:
            self._rewritten[revision.note_id, day] += 1
            self._revise(revision)
        return revisions

    def _encounter(self, note: Note, neighbor: str, links: tuple[Link, ...]) -> Encounter:
        others = [link for link in self._links_of(neighbor) if note.id not in link.key]
        current = self._current([neighbor, *(_other(link, neighbor) for link in others)])
        ends = [(link, current.get(_other(link, neighbor))) for link in others]
        around = tuple((link, end) for link, end in ends if end is not None and end.status in SEARCHED)
        return Encounter(note, current[neighbor], links, around)

    def _revise(self, revision: Revision) -> None:
        before = self._notes[revision.note_id]
        after = self._notes[before.id] = before.model_copy(update=parsed_fields(revision.after))
        self._draft.revise(after)

    def _current(self, ids: Iterable[str]) -> dict[str, Note]:
        """Notes by id, as the draft leaves them."""
        wanted = list(dict.fromkeys(ids))
        missing = [note_id for note_id in wanted if note_id not in self._notes]
        if missing:
            self._notes.update((note.id, note) for note in self._store.notes(missing))
        return {note_id: self._notes[note_id] for note_id in wanted if note_id in self._notes}


def as_link(change: LinkChange) -> Link:
    """The link that a change adds."""
    return Link(
        source_id=change.source_id, target_id=change.target_id, kind=change.kind, **(change.after or {}),  # type: ignore[arg-type]  # checked when it was made
    )  # fmt: skip


def _other(link: Link, note_id: str) -> str:
    return link.target_id if link.source_id == note_id else link.source_id


def _rarity(n: int, count: int) -> float:
    """How rare it is that ``count`` of ``n`` notes have something: 1 if no note has it, 0 if all have it."""
    return log((n + 2) / (count + 1)) / log(n + 2)


@lru_cache(maxsize=16)
def _people(speakers: frozenset[str]) -> frozenset[str]:
    return frozenset(word for speaker in speakers for word in words(speaker))
