"""Notes on the same subject: close in meaning, beyond what is usual here, and sharing words that say something.

Closeness alone is no reason: in a long chat the nearest notes are often two ways of saying thanks. So a link needs a
cosine well above the arriving note's mean (an adaptive threshold, in standard deviations), and words that both are
about and few others have. The older note has a say too: it keeps only its strongest links, which makes them mutual.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp

from zettel.linker._shared import quoted, shared_terms
from zettel.model import Evidence, Link, LinkKind, Note
from zettel.protocols import Arrival, Candidate

KIND: LinkKind = "similar"
DEGREE = 6

_TERMS = 12  # of those shared, kept as evidence: two long texts share hundreds
_NEW = 3  # links of an arriving note; the other places are left to what comes later
_COSINE = 0.5  # MiniLM's cosine below which two turns are rarely about one thing
_DEVIATIONS = 2.5
_RARITY = 1.2  # two rare words, or three that are less so
_RARITY_ELSEWHERE = 1.8  # between conversations, whose people are not the same
_PRIOR = 0.25, 0.13, 20  # mean and deviation of MiniLM's cosines in a chat, which count as much as this many notes


def links(arrival: Arrival) -> Iterable[Link]:
    """The strongest few."""
    floor = max(_COSINE, _usual(arrival))
    found = [link for near in arrival.nearest if near.cosine >= floor and (link := _link(arrival, near))]
    return sorted(found, key=lambda link: -link.weight)[:_NEW]


def _usual(arrival: Arrival) -> float:
    """The cosine that stands out among those the arriving note has; of few notes, mean and deviation are guesses."""
    mean, deviation, count = _PRIOR
    n = arrival.n_notes
    return (n * (arrival.usual + _DEVIATIONS * arrival.spread) + count * (mean + _DEVIATIONS * deviation)) / (n + count)


def _link(arrival: Arrival, near: Candidate) -> Link | None:
    shared = shared_terms(arrival.note, near.note, arrival.rarity, arrival.people)
    strength = sum(shared.values())
    if strength < (_RARITY if _together(arrival.note, near.note) else _RARITY_ELSEWHERE):
        return None
    return Link(
        source_id=arrival.note.id, target_id=near.note.id, kind=KIND,
        weight=round(min(near.cosine * (1 - exp(-strength)), 1), 2),
        reason=f"both speak of {quoted(shared, arrival.note)}, and are close in meaning ({near.cosine:.2f})",
        evidence=Evidence(terms=tuple(shared)[:_TERMS], cosine=round(near.cosine, 4)), created_by="linker/similar",
    )  # fmt: skip


def _together(one: Note, other: Note) -> bool:
    """Whether two notes come from one conversation, or at least not from two."""
    ours, theirs = one.conversation, other.conversation
    return ours is None or theirs is None or ours[0] == theirs[0]
