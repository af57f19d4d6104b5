"""A note learns what came of its subject in a later session."""

from __future__ import annotations

from zettel.evolution._card import dated, is_said_in, quotation, speaker, with_line
from zettel.model import Link
from zettel.protocols import Encounter, Rewrite
from zettel.text import shorten, terms

_KINDS = ("similar", "same_entity")
_WEIGHT = 0.55  # links below it share a subject, but need not carry it on


def rewrite(encounter: Encounter) -> Rewrite | None:
    """The older note's card gets a line that quotes the arriving one, where both speak of one subject."""
    arrived, older = encounter.arrived, encounter.neighbor
    link = max((x for x in encounter.links if x.kind in _KINDS), key=lambda x: x.weight, default=None)
    if link is None or link.weight < _WEIGHT or _in_one_session(encounter):
        return None
    said = quotation(arrived, _subject(link))
    if not said or is_said_in(said, older):
        return None  # nothing, or nothing but the same again
    who = dated(arrived)
    return Rewrite(
        fields={"context": with_line(older.context, f"Later{', ' if who else ''}{who}: “{said}”")},
        reason=f"{speaker(arrived)} comes back to it: {link.reason}; “{shorten(said, 60)}”",
    )


def _subject(link: Link) -> set[str]:
    """The terms that a link's reason quotes."""
    return set(terms(" ".join(part.split("”")[0] for part in link.reason.split("“")[1:])))


def _in_one_session(encounter: Encounter) -> bool:
    """Whether both stand in one session, where the one is read with the other anyway."""
    ours, theirs = encounter.arrived.conversation, encounter.neighbor.conversation
    return ours is not None and ours == theirs
