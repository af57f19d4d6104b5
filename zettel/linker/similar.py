"""Links between notes on the same subject: closer in meaning than usual in this memory, and with rare words in common.

Closeness alone is not enough: in a long chat the nearest notes are often two ways of saying thanks. So a link needs a
cosine well above the arriving note's mean (the threshold is a number of standard deviations), and words that both notes
are about and few other notes have. The older note also keeps only its strongest links, so both notes must rank the link
high.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp

from zettel.linker._shared import quoted, shared_terms
from zettel.model import Evidence, Link, LinkKind, Note
from zettel.protocols import Arrival, Candidate

KIND: LinkKind = "similar"
DEGREE = 6

_TERMS = 12  # so many shared terms are kept as evidence: two long texts share hundreds
_NEW = 3  # an arriving note gets at most so many links; the rest of its links is left to later notes
_COSINE = 0.5  # two turns with a lower cosine (MiniLM's) are rarely about one thing
_DEVIATIONS = 2.5
_RARITY = 1.2  # the sum of rarities that is needed: two rare words, or three less rare ones
_RARITY_ELSEWHERE = 1.8  # between conversations, whose people are not the same
_PRIOR = 0.25, 0.13, 20  # mean and deviation of MiniLM's cosines in a chat; together they count as so many notes


def links(arrival: Arrival) -> Iterable[Link]:
    """The strongest few links between the arriving note and those nearest to it."""
    floor = max(_COSINE, _usual(arrival))
    found = [link for near in arrival.nearest if near.cosine >= floor and (link := _link(arrival, near))]
    return sorted(found, key=lambda link: -link.weight)[:_NEW]


def _usual(arrival: Arrival) -> float:
    """The cosine above which a note is unusually near to the arriving one; if notes are few, the prior decides most."""
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
    """Whether two notes may come from one conversation: they are not from two different ones."""
    ours, theirs = one.conversation, other.conversation
    return ours is None or theirs is None or ours[0] == theirs[0]
