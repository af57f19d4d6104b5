"""Linking: one file a rule, and the bounds that all of them keep.

A rule proposes links between an arriving note and notes that are there. No note gets more links of a kind than the rule
allows: a stronger link takes the place of the weakest that a rule has made. What people link stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import JsonValue

from zettel.model import Link, LinkChange
from zettel.protocols import Arrival, LinkRule

MADE_BY_RULES = "linker/"


def link(
    arrival: Arrival, rules: Sequence[LinkRule], standing: Callable[[str], Sequence[Link]]
) -> list[LinkChange]:
    """The changes that link an arriving note. ``standing`` gives a note's links as they are before."""
    changes: list[LinkChange] = []
    for rule in rules:
        strongest = sorted(rule.links(arrival), key=lambda new: (-new.weight, new.key))
        for new in strongest[: rule.DEGREE]:
            other = new.target_id if new.source_id == arrival.note.id else new.source_id
            held = [old for old in standing(other) if old.kind == new.kind and old.created_by.startswith(MADE_BY_RULES)]
            if len(held) < rule.DEGREE:
                changes.append(link_change(new))
            elif (weakest := min(held, key=lambda old: (old.weight, old.key))).weight < new.weight:
                changes += [link_change(weakest, gone=True), link_change(new)]
    return changes


def link_change(link: Link, *, replaces: Link | None = None, gone: bool = False) -> LinkChange:
    """The change that brings a link, in place of another of its key or of none, or that takes it out."""
    before = link if gone else replaces
    return LinkChange(
        id="", source_id=link.source_id, target_id=link.target_id, kind=link.kind,
        before=None if before is None else _fields(before), after=None if gone else _fields(link),
    )  # fmt: skip


def _fields(link: Link) -> dict[str, JsonValue]:
    return link.model_dump(include={"weight", "reason", "created_by"})
