"""Words: how texts, annotations and questions become terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import Stemmer

from zettel import wordlists

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_PLACE = re.compile(r"\((?:session|conversation)\b[^)]*\)")  # its number would be found by the day of a month

#: Words that say nothing of what a text is about: articles, pronouns, auxiliaries, prepositions, conjunctions, fillers.
STOP_WORDS = wordlists.words("stop_words")

_stemmer = Stemmer.Stemmer("english")


@lru_cache(maxsize=65_536)
def _term(word: str) -> str:
    """A word's stem, without a possessive ending; "" for a stop word."""
    word = word.replace("’", "'")
    if word in STOP_WORDS:
        return ""
    return str(_stemmer.stemWord(word.removesuffix("'s")))


def terms(text: str) -> list[str]:
    """The stems of a text's words in order, lower-cased, without stop words (Porter's English Snowball stemmer)."""
    return [term for word in _WORD.findall(text.lower()) if (term := _term(word))]


def annotation_terms(context: str, items: Iterable[str]) -> list[str]:
    """The stems by which a note is found besides those of its text: of its context, and of keywords, tags, entities."""
    # Of the context its first line: what evolution adds below it is for readers, and found nothing more when measured.
    first = _PLACE.sub("", context.split("\n", maxsplit=1)[0])
    return terms(" ".join((first, *items)))


def words(text: str) -> list[str]:
    """A text's words in order, lower-cased, without possessive endings: for names, which are never stemmed."""
    return [word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(text.lower())]


def surface(text: str) -> dict[str, str]:
    """The terms of ``text`` in order, each with the first word it was made from, as written."""
    first: dict[str, str] = {}
    for word in _WORD.findall(text):
        if term := _term(word.lower()):
            first.setdefault(term, word)
    return first


def shorten(text: str, width: int) -> str:
    """``text`` on one line, cut at a word and closed with an ellipsis where it is longer than ``width`` characters."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    head = line[: width - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[width // 2 :] else head).rstrip(" ,;:-–") + "…"
