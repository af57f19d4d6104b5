"""From text to words and terms: texts, annotations and questions are all read by these functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import Stemmer

from zettel import wordlists

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_PLACE = re.compile(r"\((?:session|conversation)\b[^)]*\)")

#: Words that say nothing about the subject of a text; they are no terms.
STOP_WORDS = wordlists.words("stop_words")

_stemmer = Stemmer.Stemmer("english")


@lru_cache(maxsize=65_536)
def _term(word: str) -> str:
    """The stem of a word without a possessive ending; "" for a stop word."""
    word = word.replace("’", "'")
    if word in STOP_WORDS:
        return ""
    return str(_stemmer.stemWord(word.removesuffix("'s")))


def terms(text: str) -> list[str]:
    """The stems of a text's words in order, lower-cased, without stop words (Porter's English Snowball stemmer)."""
    return [term for word in _WORD.findall(text.lower()) if (term := _term(word))]


def annotation_terms(context: str, items: Iterable[str]) -> list[str]:
    """The terms of a note's annotations: those of its context and of its keywords, tags and entities.

    The number of the session is cut out of the context, since the "8" in a question about 8 May would match session 8.
    It is found by its form, not by ``Note.session``: any analyzer or person writes the context, in which the session
    may be named differently, or be another one.
    """
    # Only the first line counts. In older memories, evolution added further lines for readers; they improved no recall.
    first = _PLACE.sub("", context.split("\n", maxsplit=1)[0])
    return terms(" ".join((first, *items)))


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case, without possessive endings: for names, which are never stemmed."""
    return [word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(text.lower())]


def surface(text: str) -> dict[str, str]:
    """The terms of ``text`` in order, each with the first word that has it, as written."""
    first: dict[str, str] = {}
    for word in _WORD.findall(text):
        if term := _term(word.lower()):
            first.setdefault(term, word)
    return first


def shorten(text: str, width: int) -> str:
    """``text`` on one line; beyond ``width`` characters it is cut between words and ends in an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    head = line[: width - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[width // 2 :] else head).rstrip(" ,;:-–") + "…"
