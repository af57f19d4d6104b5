"""What link rules share: the words that two notes have in common, and how rare these are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from zettel.attachments import spoken
from zettel.model import Note
from zettel.text import shorten, surface, terms
from zettel.vocabulary import FILLERS

_WORD = 40  # a longer word is cut to so many characters in a quotation
_FILLERS = frozenset(term for word in FILLERS for term in terms(word))


def shared_terms(one: Note, other: Note, rarity: Callable[[str], float], people: frozenset[str]) -> dict[str, float]:
    """The terms that one note is about and that the other note has, each with its rarity, rarest first.

    A note is about its keywords and entities. Filler words, names of speakers and descriptions of attachments are left
    out.
    """
    ours, theirs = content(one, people), content(other, people)
    both = (_about(one) & ours & theirs) | (_about(other) & ours & theirs)
    weighted = {term: rarity(term) for term in both}
    return dict(sorted(weighted.items(), key=lambda item: (-item[1], item[0])))


def _about(note: Note) -> set[str]:
    return set(terms(" ".join((*note.keywords, *note.entities))))


def quoted(shared: Iterable[str], note: Note, k: int = 3) -> str:
    """The first ``k`` terms as the note writes them: “pride”, “parade” and “flags”."""
    written = surface(note.text)
    words = [f"“{shorten(written[term], _WORD)}”" for term in shared if term in written][:k]
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1] if words else "") if part)


def content(note: Note, people: frozenset[str]) -> set[str]:
    """The telling terms of a note: without filler words, names of speakers and descriptions of attachments."""
    return telling(spoken(note), people)


def telling(text: str, people: frozenset[str]) -> set[str]:
    """The terms of a text, without filler words and names of speakers."""
    written = surface(text)
    return {term for term, word in written.items() if term not in _FILLERS and not is_person(word, people)}


def is_person(word: str, people: frozenset[str]) -> bool:
    """Whether a capitalized word is a speaker's name, or short for it; such names occur in every note."""
    return len(word) > 1 and word[0].isupper() and _begins(word.lower().removesuffix("'s").removesuffix("’s"), people)


@lru_cache(maxsize=4096)
def _begins(name: str, people: frozenset[str]) -> bool:
    return any(person.startswith(name) for person in people)
