"""Notes, arrivals and encounters made by hand, for rules and policies that see nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from math import log
from typing import Any

from zettel.model import Evidence, Link, LinkKind, Note, Source
from zettel.protocols import Arrival, Candidate, Encounter
from zettel.text import terms, words

NOW = datetime(2025, 3, 4, tzinfo=UTC)
_ordinals = count(1)


def note(
    text: str, id: str = "", *, speaker: str | None = None, at: str | None = None, conversation: str | None = "chat",
    session: str | None = "s1", **fields: Any,
) -> Note:  # fmt: skip
    """A note that stands in a session of a conversation; in none where ``conversation`` is None."""
    ordinal = next(_ordinals)
    source = Source(conversation_id=conversation, session_id=session)
    return Note(
        id=id or f"n{ordinal}", ordinal=ordinal, text=text, speaker=speaker, created_at=NOW,
        time=datetime.fromisoformat(at).replace(tzinfo=UTC) if at else None, time_precision="minute" if at else None,
        sources=(source,) if conversation is not None else (), **fields,
    )  # fmt: skip


def arrival(
    arrived: Note, others: Sequence[Note] = (), *, near: Mapping[str, float] | None = None, before: Sequence[Note] = (),
    answered: Note | None = None, usual: float = 0.1, spread: float = 0.1, n_notes: int = 1000,
    counts: Mapping[str, int] | None = None,
) -> Arrival:  # fmt: skip
    """What a rule sees of a note that arrives where ``others`` are.

    ``near`` are cosines by id (0 for those not named); ``counts`` tells of words in how many of ``n_notes`` they stand,
    one of a thousand if nothing is known.
    """
    cosines = dict(near or {})
    stems = {stem: n for word, n in (counts or {}).items() for stem in terms(word)}
    everyone = [arrived, *others, *before, *([answered] if answered else [])]

    def rarity_of(n: int) -> float:
        return log((n_notes + 2) / (n + 1)) / log(n_notes + 2)

    def saying(wanted: Sequence[str]) -> tuple[list[Candidate], int]:
        found = [other for other in others if set(wanted) <= set(terms(other.text))]
        newest = sorted(found, key=lambda other: -other.ordinal)[:8]
        n = max((stems[stem] for stem in wanted if stem in stems), default=len(found))
        return [Candidate(other, cosines.get(other.id, 0.0)) for other in newest], n

    nearest = sorted((o for o in others if o.id in cosines), key=lambda o: -cosines[o.id])
    return Arrival(
        note=arrived, before=tuple(before), answered=answered,
        nearest=tuple(Candidate(other, cosines[other.id]) for other in nearest), usual=usual, spread=spread,
        n_notes=n_notes, rarity=lambda term: rarity_of(stems.get(term, 1)), rarity_of=rarity_of, saying=saying,
        people=frozenset(word for one in everyone if one.speaker for word in words(one.speaker)),
    )  # fmt: skip


def link(
    source: Note, target: Note, kind: LinkKind = "similar", weight: float = 0.8, reason: str = "both speak of “tea”",
    created_by: str = "", evidence: Evidence | None = None,
) -> Link:  # fmt: skip
    """A link as the rule of its kind would make it."""
    return Link(
        source_id=source.id, target_id=target.id, kind=kind, weight=weight, reason=reason,
        created_by=created_by or f"linker/{kind}", evidence=evidence or Evidence(),
    )  # fmt: skip


def encounter(arrived: Note, neighbor: Note, *links: Link, others: Sequence[tuple[Link, Note]] = ()) -> Encounter:
    """An arriving note and a neighbor, linked as similar if nothing else is given."""
    return Encounter(arrived, neighbor, links or (link(arrived, neighbor),), tuple(others))
