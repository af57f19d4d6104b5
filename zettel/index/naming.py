"""Names of topics, made of the words of their notes.

A name has one to three words or phrases that many notes of the topic have and few other notes: class-based TF-IDF
(Grootendorst 2022, arXiv 2203.05794) over what the analyzer found in each note. A topic whose notes share no words is
called small talk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import log, sqrt

from zettel.model import Note
from zettel.text import terms
from zettel.vocabulary import NOUNS_IN_LY_ED, SIGNS, VAGUE

MAX_NAME = 60
"""The highest number of characters of a name."""

FEW = 8
"""In a topic with at least so many notes, several of them must share a word for it to be in the name."""

CHATTER = "small talk"
"""The name of a topic without a subject."""

_BETWEEN = " · "
_TAG, _NO_NOUN = "#", "~"  # they mark the key of a tag, and the count of a word as a modifier or a verb
_WORD = re.compile(r"\w(?:[\w'’.&/-]*\w)?[+#]*")


@dataclass(frozen=True, slots=True)
class Material:
    """The words of a note that may be in the name of its topics.

    ``subjects`` are the tags that say what it is about, not what it does or contains. ``speaker`` is needed to keep the
    names of speakers out.
    """

    keywords: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    speaker: str | None = None


def material_of(note: Note) -> Material:
    """The words of a note that topics may be named by."""
    subjects = tuple(tag for tag in note.tags if tag not in SIGNS)
    return Material(note.keywords, subjects, note.entities, note.speaker)


class Vocabulary:
    """The number of notes in the tree that have each term; the notes of one topic are compared with it.

    Terms are the stems of words ("adopt") and phrases ("adopt agenc"), and the subjects ("#family"). The material of a
    new note is read when the next name is asked for, and its count is kept until the note is removed. A vocabulary with
    a ``base`` begins with the base's counts and does not change the base.
    """

    def __init__(self, material_of: Callable[[str], Material], base: Vocabulary | None = None) -> None:
        self._material_of = material_of
        self._base = base
        self._uncounted: dict[str, None] = {}
        self._removed: dict[str, None] = {}  # removed notes of the base that are not subtracted from the count yet
        self._reset()

    def _reset(self) -> None:
        self._forms: dict[str, Mapping[str, str]] = {}  # by note: its terms, and how it writes them
        self._speaker: dict[str, str | None] = {}
        self._notes_with: Counter[str] = Counter()
        self._notes_by: Counter[str | None] = Counter()
        self._n_notes = 0
        self._subtracted: set[str] = set()  # notes of the base that are subtracted from the count
        self._is_counting = False

    def draft(self, material_of: Callable[[str], Material]) -> Vocabulary:
        """A vocabulary that begins as this one and can be changed without changing it."""
        return Vocabulary(material_of, self)

    def add(self, ids: Iterable[str]) -> None:
        """Count the notes that are not counted yet."""
        self._uncounted.update(dict.fromkeys(ids))

    def remove(self, ids: Iterable[str]) -> None:
        """Remove notes from the count, each with the terms that it was counted with."""
        for note_id in ids:
            self._uncounted.pop(note_id, None)
            if note_id in self._forms:
                self._take_out(self._forms.pop(note_id), self._speaker.pop(note_id))
            elif self._base is not None and self._base.has(note_id):
                self._removed[note_id] = None

    def has(self, note_id: str) -> bool:
        """Whether a note is counted, or will be once a name is asked for."""
        if note_id in self._forms or note_id in self._uncounted:
            return True
        return self._base is not None and note_id not in self._removed and self._base.has(note_id)

    def name(self, parts: Sequence[Collection[str]], avoid: Collection[str] = ()) -> str:
        """A name for a topic; ``parts`` are the notes of each topic below it, or a single part with those of a leaf.

        The name differs from the names in ``avoid`` if the notes allow it. Words that all parts have are preferred;
        names of speakers are never used.
        """
        self._count()
        forms = [[self._read(note_id)[0] for note_id in sorted(part)] for part in parts]
        people = frozenset(stem for name in self._speakers() for stem in terms(name))
        return _composed(_Subject(forms, self._n_with, self._total(), people, avoid))

    def counted(self) -> tuple[Mapping[str, int], Mapping[str | None, int]]:
        """The number of notes with each term, and the number of notes by each speaker."""
        self._count()
        notes_with, notes_by = Counter(self._notes_with), Counter(self._notes_by)
        if self._base is not None:
            terms_below, speakers_below = self._base.counted()
            notes_with.update(terms_below)
            notes_by.update(speakers_below)
        return +notes_with, +notes_by

    def _n_with(self, term: str) -> int:
        """The number of notes with a term."""
        return self._notes_with.get(term, 0) + (self._base._n_with(term) if self._base else 0)

    def _total(self) -> int:
        """The number of notes counted."""
        return self._n_notes + (self._base._total() if self._base else 0)

    def _n_by(self, speaker: str) -> int:
        """The number of notes by a speaker."""
        return self._notes_by.get(speaker, 0) + (self._base._n_by(speaker) if self._base else 0)

    def _speakers(self) -> set[str]:
        """The speakers of the notes that are counted."""
        named = {*self._notes_by, *(self._base._speakers() if self._base else ())}
        return {name for name in named if name and self._n_by(name) > 0}

    def _count(self) -> None:
        """Bring the count up to date."""
        if self._base is not None:
            self._base._count()
        if self._is_counting:  # an earlier count was interrupted at an unknown place
            self._uncounted = dict.fromkeys([*self._forms, *self._uncounted])
            self._reset()
        self._is_counting = True
        for note_id in self._removed:
            if note_id not in self._subtracted and self._base is not None:
                self._subtracted.add(note_id)
                self._take_out(*self._base._read(note_id))
        for note_id in self._uncounted:
            forms, speaker = self._read(note_id)
            self._forms[note_id], self._speaker[note_id] = forms, speaker
            self._notes_with.update(forms.keys())
            self._notes_by[speaker] += 1
            self._n_notes += 1
        self._uncounted.clear()
        self._is_counting = False

    def _take_out(self, forms: Mapping[str, str], speaker: str | None) -> None:
        self._notes_with.subtract(forms.keys())
        for term in forms:
            if not self._notes_with[term]:
                del self._notes_with[term]  # a word of a note that went
        self._notes_by[speaker] -= 1
        self._n_notes -= 1

    def _read(self, note_id: str) -> tuple[Mapping[str, str], str | None]:
        """A note's terms and its speaker: as they were counted, or else from its material."""
        if note_id in self._forms:
            return self._forms[note_id], self._speaker[note_id]
        if self._base is not None and note_id not in self._removed and self._base.has(note_id):
            return self._base._read(note_id)
        material = self._material_of(note_id)
        return dict(_terms(material)), material.speaker


class _Subject:
    """What the notes of one topic have in common: how many of them have each term, and its worth in a name."""

    def __init__(
        self,
        parts: Sequence[Sequence[Mapping[str, str]]],
        n_with: Callable[[str], int],
        n_notes: int,
        people: frozenset[str],
        avoid: Collection[str],
    ) -> None:
        self.forms = [forms for part in parts for forms in part]
        self.counts = Counter(chain.from_iterable(self.forms))
        self.people = people
        self.avoid = avoid
        n = len(self.forms)
        self._share = n / max(n_notes, n, 1)
        self.n_terms = 2 if len(parts) < 2 else 3
        # About a seventh of a leaf's notes must share a word of its name; a topic of topics has many subjects. If there
        # are only few notes, or they are most of the memory, a word of a single note is better than nothing.
        self._few = n < FEW or self._share > 0.5
        self._solid = max(2.0, (0.15 if len(parts) < 2 else 0.015) * n)
        self._n_with = n_with
        self._by_part = [Counter(chain.from_iterable(part)) for part in parts] if len(parts) > 1 else []
        self._taken = {" ".join(terms(part)) for name in avoid for part in name.split(_BETWEEN)}
        enough = 1.0 if self._few else max(2.0, 0.6 * self._solid)
        self.worth = {key: self._worth(key, k) for key, k in self.counts.items() if k >= enough and self._names(key, k)}

    def _names(self, key: str, k: int) -> bool:
        """Whether a term can be in a name: it is no speaker, no verb, no modifier, and not common."""
        if key.endswith(_NO_NOUN) or key in VAGUE or self.counts[key + _NO_NOUN] > 0.6 * k:
            return False
        return (self._few or self._surplus(key, k) > 0) and self._is_free(key, ())

    def _worth(self, key: str, k: int) -> float:
        """Class-based TF-IDF: the number of notes with it, times the logarithm of its ratio to the expected number."""
        worth = k * (0.1 + log(min(k / self._expected(key, k), 20.0)))  # capped, so that three notes never beat twenty
        if self._by_part:
            even = sum(part[key] ** 2 for part in self._by_part)
            worth *= sqrt(k * k / even / len(self._by_part))
        if key.startswith(_TAG):
            worth *= 0.5
        return worth * 0.5 if key.removeprefix(_TAG) in self._taken else worth

    def _expected(self, key: str, k: int) -> float:
        """The number of notes that would have a term if it were as frequent here as in the whole memory."""
        return max(self._n_with(key), k) * self._share

    def _surplus(self, key: str, k: int) -> float:
        """The excess over 1.5 times the expected number; the factor is lower if the topic is much of the memory."""
        return k - (1.5 - 0.5 * self._share) * self._expected(key, k)

    def carries(self, key: str) -> bool:
        """Whether a term says what the topic is about: enough of its notes have it, and clearly more than expected."""
        k = self.counts[key]
        return self._few or (k >= self._solid and self._surplus(key, k) >= 0.5 * self._solid)

    def accepted(self, key: str, used: Collection[str], chosen: Sequence[str]) -> str:
        """A term, or the phrase that mostly contains it, as it would be written in a name; "" if it can't be in one."""
        if not self._is_free(key, used):
            return ""
        form = self.written(self.widest(key, used))
        name = _BETWEEN.join([*chosen, form])
        return "" if self.is_person(form) or len(name) > MAX_NAME or (chosen and name in self.avoid) else form

    def widest(self, key: str, used: Collection[str]) -> str:
        """The phrase that mostly contains a word ("adopt agenc" for "adopt"); the word itself if there is none."""
        least = max(2.0, 0.6 * self.counts[key])
        wider = [
            phrase
            for phrase, k in self.counts.items()
            if k >= least and " " in phrase and key in phrase.split() and self._is_free(phrase, used)
        ]
        return max(wider, key=lambda phrase: (self.counts[phrase] * len(phrase.split()), phrase), default=key)

    def _is_free(self, key: str, used: Collection[str]) -> bool:
        """Whether no word of a term is the name of a speaker, or related to a word that is used already."""
        stems = key.removeprefix(_TAG).split()
        return self.people.isdisjoint(stems) and not any(_akin(stem, other) for stem in stems for other in used)

    def written(self, key: str) -> str:
        """A term as it is written most often, preferably as a noun."""
        forms = Counter(forms[key] for forms in self.forms if key in forms)
        return max(forms, key=lambda form: (not _is_deed(form), forms[form], -len(form), form))

    def is_person(self, form: str) -> bool:
        """Whether a word is short for the name of a speaker, like "Mel" for Melanie."""
        return form != form.lower() and any(person.startswith(form.lower()) for person in self.people)


def _composed(subject: _Subject) -> str:
    """The term with the highest worth, and further terms of notes that lack the terms before them."""
    worth = dict(subject.worth)
    solid = {key: value for key, value in worth.items() if subject.carries(key)}
    chosen = [] if solid else [CHATTER]
    candidates = solid or worth
    used: set[str] = set()
    first = 0.0
    without = subject.forms
    while candidates and len(chosen) < subject.n_terms:
        left = Counter(chain.from_iterable(without))
        value = {key: value * (0.5 + 0.5 * left[key] / subject.counts[key]) for key, value in candidates.items()}
        key = min(value, key=lambda key: (-value[key], key))
        if value[key] < (0.05 if _BETWEEN.join(chosen) in subject.avoid else 0.25) * first:
            break
        del worth[key]
        form = subject.accepted(key, used, chosen)
        if form:
            first = first or value[key]
            chosen.append(form)
            used |= {*terms(form), *key.removeprefix(_TAG).split()}
            without = [forms for forms in without if key not in forms]
            candidates = worth
        else:
            candidates.pop(key, None)
    return _BETWEEN.join(chosen) or CHATTER


def _akin(stem: str, other: str) -> bool:
    """Whether two stems are equal, or one is the beginning of the other ("danc", "dancer")."""
    short, long = sorted((stem, other), key=len)
    return short == long or (len(short) > 3 and long.startswith(short))


def _terms(material: Material) -> Iterator[tuple[str, str]]:
    """The terms of a note, and how they are written there. The last way of writing counts, since names come last."""
    for subject in material.subjects:
        if stem := _stem(subject):
            yield _TAG + stem, subject
    for phrase in (*material.keywords, *material.entities):
        words = [(stem, word) for word in _WORD.findall(phrase) if len(stem := _stem(word)) > 1]
        for place, (stem, word) in enumerate(words, start=1):
            yield stem, word
            if place < len(words) or _is_deed(word):
                yield stem + _NO_NOUN, word
        for size in (2, 3):
            if size <= len(words):
                stems, forms = zip(*words[-size:], strict=True)
                yield " ".join(stems), " ".join(forms)


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return " ".join(terms(word))


def _is_deed(word: str) -> bool:
    """Whether a word is a verb or an adverb, by its ending."""
    return len(word) > 4 and word.endswith(("ed", "ly")) and word.lower() not in NOUNS_IN_LY_ED
