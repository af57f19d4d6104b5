"""A note takes on keywords and tags that two of its neighbors have, the arriving one among them."""

from __future__ import annotations

from pydantic import JsonValue

from zettel.model import Note
from zettel.protocols import Encounter, Rewrite
from zettel.text import shorten, terms
from zettel.vocabulary import SIGNS

_KEYWORDS = 8  # a card has at most so many; an analyzer finds six
_QUOTE = 40


def rewrite(encounter: Encounter) -> Rewrite | None:
    """Give the neighbor more specific keywords for what it speaks of, and tags of its subject."""
    kin = [note for link, note in encounter.others if link.kind == "similar"]
    if not kin or not any(link.kind == "similar" for link in encounter.links):
        return None
    arrived, neighbor = encounter.arrived, encounter.neighbor
    keywords = [k for k in arrived.keywords if _is_new(k, neighbor) and any(_has(note, k) for note in kin)]
    keywords = keywords[: max(_KEYWORDS - len(neighbor.keywords), 0)]
    tags = [t for t in arrived.tags if t not in (*neighbor.tags, *SIGNS) and any(t in note.tags for note in kin)]
    if not keywords and not tags:
        return None
    said = [*(f"“{shorten(k, _QUOTE)}”" for k in keywords), *(f"the tag “{shorten(t, _QUOTE)}”" for t in tags)]
    fields: dict[str, JsonValue] = {"keywords": [*neighbor.keywords, *keywords], "tags": [*neighbor.tags, *tags]}
    return Rewrite(
        fields=fields, reason=f"two notes on its subject share {', '.join(said)}",
        derived_from=tuple(note.id for note in kin if any(_has(note, k) for k in keywords)),
    )  # fmt: skip


def _is_new(keyword: str, note: Note) -> bool:
    """Whether a keyword has a word of the note, and another word that none of the note's keywords has."""
    stems = set(terms(keyword))
    known = set(terms(" ".join(note.keywords)))
    return bool(stems & set(terms(note.text))) and not stems <= known


def _has(note: Note, keyword: str) -> bool:
    stems = set(terms(keyword))
    return stems <= set(terms(" ".join(note.keywords)))
