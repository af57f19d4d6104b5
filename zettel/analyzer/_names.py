"""Names in a text, by capital letters and quotation marks: who, where, which organization, which title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from zettel.analyzer._phrases import Word
from zettel.vocabulary import ORGANIZATION_PARTS, PERSON_BEFORE, PLACE_PARTS, PLACES

Kind: TypeAlias = Literal["person", "place", "organization", "title", ""]

_TITLE = re.compile(r"[\"“]([^\"“”\n]{2,60})[\"”]")
_INSIDE = frozenset({"of", "the", "de", "da", "del", "la", "van", "von"})
_SMALL = frozenset("a an and as at by for from in is it of on or the to with".split())  # noqa: SIM905
_MAX_WORDS = 6


@dataclass(frozen=True, slots=True)
class Name:
    """A name as written, and what it names; ``kind`` is "" if the rules don't decide it."""

    text: str
    kind: Kind


def names(text: str, words: Sequence[Word]) -> list[Name]:
    """The names in ``words``, the words of ``text``, in order of appearance, each once.

    A capital that opens a sentence makes no name, unless the word has one elsewhere too, is written like no common word
    ("LGBTQ"), is a known place, or is part of a longer name.
    """
    found: dict[str, Name] = {}
    for title in titles(text):
        found.setdefault(title.text.lower(), title)
    covered = " ".join(found)
    elsewhere = {w.lower for w in words if w.capitalized and not w.opens and w.content} | _listed(words)
    for capitals, before in _runs(words):
        run = _trimmed(capitals)
        if not run or not _is_name(run, elsewhere):
            continue
        name = " ".join(word.text for word in run)
        if name.lower() not in covered:
            found.setdefault(name.lower(), Name(name, _kind(run, before)))
    return list(found.values())


def _listed(words: Sequence[Word]) -> set[str]:
    """The words that open a sentence and share it with a name: "Luna and Oliver"."""
    return {
        one.lower
        for one, link, other in zip(words, words[1:], words[2:], strict=False)
        if one.capitalized and one.opens and one.content and link.lower == "and" and link.joined
        and other.joined and other.capitalized and other.content
    }  # fmt: skip


def titles(text: str) -> Iterator[Name]:
    """Quoted titles of works: every word of weight begins with a capital, and it is not a sentence."""
    for match in _TITLE.finditer(text):
        title = match[1].strip(" ,")
        parts = title.split()
        weighty = [part for part in parts if part.lower() not in _SMALL]
        sentence = title.endswith((".", "!", "?", ":"))
        if weighty and len(parts) <= _MAX_WORDS and not sentence and all(p[0].isupper() for p in [parts[0], *weighty]):
            yield Name(title, "title")


def with_known(named: Sequence[Name], words: Sequence[Word], known: str | None) -> list[Name]:
    """The names, and the person spoken to, in any spelling that the words name them by: under theirs, or their own."""
    found = {name.text.lower(): name for name in named}
    full = " ".join((known or "").split())
    own = full.split(" ")[0]
    first = own.lower()
    written = next((word.text for word in words if word.lower == first), None)
    if written is None:
        return list(named)
    key = full.lower() if full.lower() in found else first
    spelled = found[key].text if key in found else written if written != first else own
    found[key] = Name(spelled, "person")
    return list(found.values())


def with_labels(found: list[Name], labelled: Sequence[Name]) -> list[Name]:
    """``found``, each with a kind from a trained pipeline if the rules gave none, and further names that it found."""
    kinds = {name.text.lower(): name.kind for name in labelled}
    labeled = [Name(name.text, name.kind or kinds.get(name.text.lower(), "")) for name in found]
    known = [name.text.lower() for name in found]
    return labeled + [name for name in labelled if not any(_overlap(name.text.lower(), other) for other in known)]


def _overlap(one: str, other: str) -> bool:
    return one in other or other in one


def _runs(words: Sequence[Word]) -> Iterator[tuple[list[Word], Word | None]]:
    """Runs of capitalized words, "of" and the like inside them included, each with the word before it."""
    run: list[Word] = []
    before: Word | None = None
    for position, word in enumerate(words):
        if run and word.joined and (word.capitalized or _links(words, position)):
            run.append(word)
            continue
        if run:
            yield run, before
        before = words[position - 1] if position and word.joined else None
        run = [word] if word.capitalized else []
    if run:
        yield run, before


def _links(words: Sequence[Word], position: int) -> bool:
    """True for "of" in "Lord of the Rings": a small word from which a capital is at most one small word away."""
    ahead = words[position : position + 3]
    for number, word in enumerate(ahead):
        if number and not word.joined:
            return False
        if word.lower not in _INSIDE or word.capitalized:
            return number > 0 and word.capitalized and word.content
    return False


def _trimmed(run: list[Word]) -> list[Word]:
    """The run without words of no subject at its ends ("Hey Caroline"), but with "The" of "The Office"."""
    start, end = 0, len(run)
    while start < end and not run[start].content and (run[start].text != "New" or end - start == 1):
        start += 1
    while end > start and not run[end - 1].content:
        end -= 1
    if end - start > 1 and run[start].opens and not run[start + 1].text.istitle():
        start += 1  # "Monitor API": the capital of the first is the sentence's, that of the second its own
    if start and start < end and run[start - 1].text == "The" and not run[start - 1].opens:
        start -= 1
    return run[start:end] if end - start <= _MAX_WORDS else []


def _is_name(run: list[Word], elsewhere: set[str]) -> bool:
    first = run[0]
    if len(run) > 1 or not first.opens:
        return len(first.text) > 1 and any(c.isalpha() for c in first.text)
    written = first.text[1:] != first.text[1:].lower() and len(first.text) > 1
    return written or first.lower in elsewhere or first.lower in PLACES


def _kind(run: list[Word], before: Word | None) -> Kind:
    lower = " ".join(word.lower for word in run)
    if lower in PLACES:
        return "place"
    if before is not None and (before.lower in PERSON_BEFORE or before.lower == "named"):
        return "person"
    if len(run) > 1:
        if run[0].lower in PERSON_BEFORE:
            return "person"
        if run[-1].lower in PLACE_PARTS or run[0].lower in ("mount", "lake", "port"):
            return "place"
        if run[-1].lower in ORGANIZATION_PARTS or run[0].lower in ("university", "institute"):
            return "organization"
    return ""
