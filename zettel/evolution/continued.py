"""A note learns what a later session says about its subject."""

from __future__ import annotations

from zettel.evolution._quoting import is_said_in, lesson, quotation, speaker
from zettel.model import Link
from zettel.protocols import Encounter, Rewrite
from zettel.text import shorten, terms

_KINDS = ("similar", "same_entity")
_RAREST = 3  # the sentence to quote is chosen by so many terms
_WEIGHT = 0.55  # two notes with a weaker link share a subject, but the later one need not continue it


def rewrite(encounter: Encounter) -> Rewrite | None:
    """Teach the older note what the arriving one says, if both speak of one subject."""
    arrived, older = encounter.arrived, encounter.neighbor
    link = max((x for x in encounter.links if x.kind in _KINDS), key=lambda x: x.weight, default=None)
    if link is None or link.weight < _WEIGHT or _in_one_session(encounter):
        return None
    said = quotation(arrived, _subject(link))
    if not said or is_said_in(said, older):
        return None  # nothing, or nothing but the same again
    return Rewrite(
        fields={},
        reason=f"{speaker(arrived)} comes back to it: {link.reason}; “{shorten(said, 60)}”",
        lessons=(lesson("later", arrived, said),),
    )


def _subject(link: Link) -> set[str]:
    """The terms of the entity that a link rests on, else the rarest terms that both notes share; there may be none."""
    return set(terms(link.evidence.quote) or link.evidence.terms[:_RAREST])


def _in_one_session(encounter: Encounter) -> bool:
    """Whether both notes are in one session; then they are read together anyway."""
    ours, theirs = encounter.arrived.conversation, encounter.neighbor.conversation
    return ours is not None and ours == theirs
