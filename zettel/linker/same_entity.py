"""Links between notes that name the same person, place or thing: from a note to the last one before it that named it.

Since each note is linked to the last mention only, the links form a chain through all mentions in order of arrival.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from zettel.linker._shared import is_person
from zettel.model import Evidence, Link, LinkKind, Note
from zettel.protocols import Arrival, Candidate
from zettel.text import shorten, terms

KIND: LinkKind = "same_entity"
DEGREE = 6

_NEW = 2  # an arriving note gets at most so many links
_NAME = 60  # a longer entity is cut to so many characters in a quotation
_RARITY = 0.6  # an entity that is less rare connects nothing: every other note may name it
_CALLED = (
    r"(?:^|[,.!?…]\s*|\b(?i:hi|hey|hello|thanks|thank you|bye|dear|well|yes|yeah|sure|night|morning|sorry|welcome)\s+)"
    r"{}\s*(?:[,.!?…]|$)"
)
_ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)


def links(arrival: Arrival) -> Iterable[Link]:
    """From the arriving note to the last note that names the same entity, for its rarest entities."""
    found: dict[str, Link] = {}
    for entity in arrival.note.entities:
        link = _link(arrival, _ARTICLE.sub("", entity))
        if link and link.weight > getattr(found.get(link.target_id), "weight", 0):
            found[link.target_id] = link
    return sorted(found.values(), key=lambda link: -link.weight)[:_NEW]


def _link(arrival: Arrival, entity: str) -> Link | None:
    stems = terms(entity)
    if not stems or any(is_person(word, arrival.people) for word in entity.split()) or not _names(arrival.note, entity):
        return None
    newest, count = arrival.saying(stems)
    rarity = arrival.rarity_of(count)
    last = next((near for near in newest if _is_mention(arrival, near, entity)), None)
    if last is None or rarity < _RARITY or last.note.id in {note.id for note in arrival.before}:
        return None
    name = shorten(entity, _NAME)
    return Link(
        source_id=arrival.note.id, target_id=last.note.id, kind=KIND, weight=round(rarity, 2),
        reason=f"both mention “{name}”", evidence=Evidence(terms=tuple(dict.fromkeys(stems)), quote=name),
        created_by="linker/same_entity",
    )  # fmt: skip


def _is_mention(arrival: Arrival, near: Candidate, entity: str) -> bool:
    """Whether a note names the same entity: in another conversation, a single word ("Max") may be somebody else."""
    ours, theirs = arrival.note.conversation, near.note.conversation
    elsewhere = ours is not None and theirs is not None and ours[0] != theirs[0]
    return _names(near.note, entity) and near.cosine >= arrival.usual and not (elsewhere and len(entity.split()) == 1)


def _names(note: Note, entity: str) -> bool:
    """Whether a note speaks of an entity, and does not only address somebody of that name ("Thanks, Bella!")."""
    name = re.escape(entity)
    called = len(re.findall(_CALLED.format(name), note.text))
    return len(re.findall(rf"(?<!\w){name}(?!\w)", note.text)) > called  # it may begin or end with no letter: "C++"
