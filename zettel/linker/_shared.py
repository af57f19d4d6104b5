"""What two notes share: the words that both are about, and how much these say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from zettel.attachments import spoken
from zettel.model import Note
from zettel.text import shorten, surface, terms
from zettel.vocabulary import FILLERS

_WORD = 40  # characters of a word that are quoted
_FILLERS = frozenset(term for word in FILLERS for term in terms(word))


def shared_terms(one: Note, other: Note, rarity: Callable[[str], float], people: frozenset[str]) -> dict[str, float]:
    """The terms that one note is about and the other speaks of, each with its rarity, rarest first.

    A note is about its keywords and entities. Fillers, the names of those who speak, and descriptions of attachments
    are passed over.
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
    """The terms by which a note says something: no fillers, no names of those who speak, nothing of an attachment."""
    return telling(spoken(note), people)


def telling(text: str, people: frozenset[str]) -> set[str]:
    """The terms of a text that say something."""
    written = surface(text)
    return {term for term, word in written.items() if term not in _FILLERS and not is_person(word, people)}


def is_person(word: str, people: frozenset[str]) -> bool:
    """Whether a capitalized word is the name of one who speaks, or short for it: those are named in every note."""
    return len(word) > 1 and word[0].isupper() and _begins(word.lower().removesuffix("'s").removesuffix("’s"), people)


@lru_cache(maxsize=4096)
def _begins(name: str, people: frozenset[str]) -> bool:
    return any(person.startswith(name) for person in people)
