"""Linking: each rule is a file of this package, and this module keeps the bounds that hold for all of them.

A rule proposes links between an arriving note and notes of the memory. No note gets more links of a kind than the rule
allows: a stronger link replaces the weakest link that a rule has made. Links that people made are never replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zettel.asking import Asking, links_of
from zettel.model import Link, LinkChange, LinkKind, link_fields
from zettel.protocols import Arrival, LinkRule


def link(
    arrival: Arrival, rules: Sequence[LinkRule], known_links: Callable[[str], Sequence[Link]],
    asking: Asking | None = None,
) -> list[LinkChange]:  # fmt: skip
    """The changes that link an arriving note. ``known_links`` returns the links of a note before the arrival.

    Rules propose in the order given; if two rules propose the same link, the first rule's is made. A rule with an
    unanswered question proposes nothing, and ``asking`` keeps the question. A link that does not name its rule gets the
    name of its kind.
    """
    bounds, asking = _Bounds(known_links), asking or Asking()
    for rule in rules:
        for new in sorted(links_of(rule, arrival, asking), key=lambda new: (-new.weight, new.key)):
            if new.kind == rule.KIND and new.source_id != new.target_id and arrival.note.id in new.key[:2]:
                bounds.propose(new if new.by_rule else _signed(new), arrival.note.id, rule.DEGREE)
    return bounds.changes


def _signed(link: Link) -> Link:
    return link.model_copy(update={"created_by": f"linker/{link.kind}"})


class _Bounds:
    """The links of notes as the changes so far leave them, and whether there is room for more."""

    def __init__(self, known_links: Callable[[str], Sequence[Link]]) -> None:
        self.changes: list[LinkChange] = []
        self._known_links = known_links
        self._links: dict[str, dict[tuple[str, str, str], Link]] = {}

    def propose(self, new: Link, arriving: str, degree: int) -> None:
        """Add a link if the arriving note has room for it, and the other note has room too or a weaker link."""
        if new.key in self._of(arriving) or len(self._made(arriving, new.kind)) >= degree:
            return
        present = self._made(new.target_id if new.source_id == arriving else new.source_id, new.kind)
        if len(present) >= degree:
            weakest = min(present, key=lambda old: (old.weight, old.key))
            if weakest.weight >= new.weight:
                return
            self.changes.append(link_change(weakest, gone=True))
            for end in weakest.key[:2]:
                self._of(end).pop(weakest.key, None)
        self.changes.append(link_change(new))
        for end in new.key[:2]:
            self._of(end)[new.key] = new

    def _of(self, note_id: str) -> dict[tuple[str, str, str], Link]:
        if note_id not in self._links:
            self._links[note_id] = {old.key: old for old in self._known_links(note_id)}
        return self._links[note_id]

    def _made(self, note_id: str, kind: LinkKind) -> list[Link]:
        """The links of a kind that rules have made."""
        return [old for old in self._of(note_id).values() if old.by_rule and old.kind == kind]


def link_change(link: Link, *, replaces: Link | None = None, gone: bool = False) -> LinkChange:
    """The change that adds a link, or replaces ``replaces`` by it; with ``gone`` the change that removes it."""
    before = link if gone else replaces
    return LinkChange(
        id="", source_id=link.source_id, target_id=link.target_id, kind=link.kind,
        before=None if before is None else link_fields(before), after=None if gone else link_fields(link),
    )  # fmt: skip
