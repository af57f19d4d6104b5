"""Keyphrases of a text by relevance and diversity, from its words alone: no corpus, no model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log2

from zettel.vocabulary import NOUNS_IN_LY_ED

_MAX_WORDS = 3
_MAX_WORD_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    ``joined`` says that nothing but a space lies between it and the word before; ``opens`` that it begins a sentence, a
    line or a quotation, where a capital letter means nothing. ``content`` is False for words without a subject.
    """

    text: str
    lower: str
    joined: bool
    opens: bool
    content: bool

    @property
    def capitalized(self) -> bool:
        """True for "Caroline", "LGBTQ" and "iPhone"."""
        return self.text != self.lower


def keyphrases(words: Sequence[Word], limit: int) -> tuple[str, ...]:
    """Up to ``limit`` lower-case phrases of one to three words, the most telling first.

    A phrase is a run of content words. It counts for more when it is longer, named with a capital, repeated or early,
    and comes after the others when it shares a word with one already chosen.
    """
    counts: dict[tuple[str, ...], float] = {}
    places: dict[tuple[str, ...], int] = {}
    for place, phrase in enumerate(_phrases(words)):
        key = tuple(word.lower for word in phrase)
        counts[key] = counts.get(key, 0.0) + _worth(phrase)
        places.setdefault(key, place)
    # Repetition counts by its logarithm: in a long text the tenth "docker" says little more than the third.
    scores = {key: log2(1 + total) / (1 + places[key] / 40) for key, total in counts.items()}
    return _diverse(sorted(scores, key=lambda key: (-scores[key], places[key])), limit)


def _diverse(ranked: Iterable[tuple[str, ...]], limit: int) -> tuple[str, ...]:
    chosen: list[str] = []
    akin: list[tuple[str, ...]] = []
    covered: set[str] = set()
    for key in ranked:
        stems = {_stem(word) for word in key}
        if not stems & covered:
            chosen.append(" ".join(key))
            covered |= stems
        else:
            akin.append(key)
        if len(chosen) == limit:
            break
    for key in akin:
        stems = {_stem(word) for word in key}
        if len(chosen) < limit and not stems <= covered:
            chosen.append(" ".join(key))
            covered |= stems
    return tuple(chosen)


def _phrases(words: Sequence[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if not word.joined or not _usable(word):
            yield from _parts(run)
            run = []
        if _usable(word):
            run.append(word)
    yield from _parts(run)


def _usable(word: Word) -> bool:
    return word.content and 1 < len(word.text) <= _MAX_WORD_LENGTH


def _parts(run: list[Word]) -> Iterator[list[Word]]:
    """A run cut at deeds ("adopted", its own phrase) and manners ("slowly", none), in pieces of three words at most."""
    part: list[Word] = []
    for word in run:
        if _deed(word.lower):
            yield from _pieces(part)
            if word.lower.endswith("ed"):
                yield [word]
            part = []
        else:
            part.append(word)
    yield from _pieces(part)


def _pieces(part: list[Word]) -> Iterator[list[Word]]:
    """From the end: in English the last noun is the one that the words before it describe."""
    while part:
        yield part[-_MAX_WORDS:]
        part = part[:-_MAX_WORDS]


def _deed(lower: str) -> bool:
    return len(lower) > 4 and lower.endswith(("ed", "ly")) and lower not in NOUNS_IN_LY_ED


def _worth(phrase: list[Word]) -> float:
    if len(phrase) == 1 and _deed(phrase[0].lower):
        return 0.3
    total = 0.0
    for word in phrase:
        named = word.capitalized and not word.opens
        total += 1.0 + 0.5 * named + 0.2 * (len(word.lower) > 6) - 0.3 * word.lower.endswith("ing")
    return total / len(phrase) * (1 + 0.25 * (len(phrase) - 1))


def _stem(word: str) -> str:
    """Enough of a stem to see that "agencies" repeats "agency"."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("es", "e"), ("s", "")):
        if len(word) > len(ending) + 2 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word
