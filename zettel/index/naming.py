"""Names for topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from math import log

from zettel.text import terms

MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Material:
    """What of a note its topics may be named from."""

    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    speaker: str | None = None


class Vocabulary:
    """Counts in how many notes each term stands."""

    def __init__(self, material_of: Callable[[str], Material]) -> None:
        self._material_of = material_of
        self._terms: dict[str, dict[str, str]] = {}
        self._counts: Counter[str] = Counter()
        self._uncounted: dict[str, None] = {}

    def add(self, ids: Iterable[str]) -> None:
        self._uncounted.update(dict.fromkeys(ids))

    def remove(self, ids: Iterable[str]) -> None:
        for note_id in ids:
            self._uncounted.pop(note_id, None)
            self._counts.subtract(self._terms.pop(note_id, {}).keys())

    def name(self, notes: Collection[str], avoid: Collection[str] = ()) -> str:
        for note_id in self._uncounted:
            self._terms[note_id] = self._of(note_id)
            self._counts.update(self._terms[note_id].keys())
        self._uncounted.clear()
        counts: Counter[str] = Counter()
        surface: dict[str, Counter[str]] = {}
        for note in sorted(notes):
            for key, form in self._of(note).items():
                counts[key] += 1
                surface.setdefault(key, Counter())[form] += 1
        total = sum(counts.values())
        taken = {key for name in avoid for part in name.split(" · ") for key in terms(part)}
        worth = {key: counts[key] * log(1 + total / max(self._counts[key], 1)) for key in counts}
        ranked = sorted(counts, key=lambda key: (-worth[key] * (0.5 if set(key.split()) & taken else 1), key))
        chosen: list[str] = []
        used: set[str] = set()
        for key in ranked:
            if not used & set(key.split()):
                form = max(surface[key], key=lambda f: (surface[key][f], f))
                if len(" · ".join([*chosen, form])) <= MAX_NAME:
                    chosen.append(form)
                    used |= set(key.split())
            if len(chosen) == 2:
                break
        return " · ".join(chosen) or "small talk"

    def _of(self, note_id: str) -> dict[str, str]:
        if note_id in self._terms:
            return self._terms[note_id]
        material = self._material_of(note_id)
        found: dict[str, str] = {}
        for phrase in (*material.keywords, *material.entities):
            key = " ".join(terms(phrase))
            if key:
                found.setdefault(key, phrase)
        return found
