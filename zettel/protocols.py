"""The interfaces that plug-ins implement, and the values that pass through them.

A plug-in is one file in the folder of its kind; the file's name is its name in the configuration and on the command
line. It defines the object named in its protocol's docstring, and imports nothing above this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zettel.model import Cause, Change, Commit, Link, LinkKind, Message, Note, Problem

Vector: TypeAlias = NDArray[np.float32]
Span: TypeAlias = tuple[int, int]


# ------------------------------------------------------------------ embedders


class Embedder(Protocol):
    """Turns texts into vectors. A file in ``embedder/`` defines ``create(model: str | None) -> Embedder``.

    Promises: the same text gives the same vector, up to rounding, whatever else is in the call; no network access once
    the model is on this machine. Does not promise: thread safety of two calls at once.
    """

    @property
    def fingerprint(self) -> str:
        """Model, dimension and version in one word; vectors of different fingerprints are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """The L2-normalized vectors of ``texts``, shape ``(len(texts), dimension)``, float32.

        A text longer than the encoder's window is cut there; split it by ``spans`` first.
        """
        ...


@runtime_checkable
class PassageEmbedder(Embedder, Protocol):
    """An embedder that knows its window, so that a long text can be embedded as passages.

    One without ``spans`` sees every text whole.
    """

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        """Overlapping character spans of ``text`` that each fit the encoder's window; one for a text that fits.

        ``reserve`` is how many characters the caller will put before each passage. The spans cover the whole text.
        """
        ...


# ------------------------------------------------------------------ analyzers


@dataclass(frozen=True, slots=True)
class Utterance:
    """What an analyzer may know of one message: itself, and the message before it in its session.

    ``answers`` is the message it answers: its parent where the transcript names one, else the one before it in the
    same session by another speaker. Analyses depend on nothing else, so that a batch gives what single adds give.
    """

    text: str
    speaker: str | None = None
    time: datetime | None = None
    time_precision: str | None = None
    conversation_id: str | None = None
    session_id: str | None = None
    answers_id: str | None = None
    answers_speaker: str | None = None
    answers_text: str | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyzer makes of an utterance. ``derived_from`` names the notes whose text it quotes."""

    context: str
    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[str, ...]
    derived_from: tuple[str, ...] = ()


class Analyzer(Protocol):
    """Reads keywords, tags, entities and a one-sentence context out of messages.

    A file in ``analyzer/`` defines ``create(model: str | None) -> Analyzer``.
    """

    @property
    def name(self) -> str:
        """Name and version ("local/1"), as kept in ``Note.analyzed_by``."""
        ...

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        """One analysis an utterance, in order; each depends on its own utterance only.

        Raises:
            AnalyzerError: the analyzer itself failed.
        """
        ...


# ---------------------------------------------------------------- transcripts


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file as a transcript format sees it. ``name`` is the file's name without folder and endings.

    ``text`` is the decoded content, in which bytes that are not UTF-8 stand as lone surrogates (``surrogateescape``).
    """

    uri: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and its place in the file ("line 12", "[0].session_3[7]")."""

    message: Message
    span: str


class TranscriptFormat(Protocol):
    """Reads one transcript layout. A file in ``transcripts/`` defines ``FORMAT: TranscriptFormat``."""

    @property
    def name(self) -> str:
        """The file's name: "locomo"."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """Endings, lower case with dot, of the files that a folder is searched for ({".json"})."""
        ...

    def sniff(self, transcript: Transcript) -> float:
        """How sure it is that this is its format, from the content alone: 0 (no) to 1 (certain). Never raises."""
        ...

    def read(self, transcript: Transcript) -> Iterator[Entry | Problem]:
        """The messages in order; a malformed one is yielded as a ``Problem`` with its place, and the rest goes on.

        Every message has a ``conversation_id``, which is the same when the file has grown or moved to another folder.

        Raises:
            TranscriptError: nothing in the file can be read; the message says what was expected and what stands there.
        """
        ...


# --------------------------------------------------------------------- stores


@dataclass(frozen=True, slots=True)
class Passages:
    """The vectors of one embedded string: ``spans`` of its text, and their vectors ``(len(spans), dimension)``."""

    spans: tuple[Span, ...]
    vectors: Vector

    def unit(self) -> Vector:
        """The direction of the whole text, shape ``(dimension,)``: the mean of its passages, normalized."""
        mean = self.vectors.mean(axis=0, dtype=np.float32)
        length = float(np.sqrt(np.vecdot(mean, mean)))
        whole: Vector = mean / np.float32(length) if length else mean
        return whole


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic as its last change left it; see ``model.TopicChange``."""

    parent: int | None
    number: int
    name: str
    named_at: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit before it has a number and a time: its changes (ids still empty) and the rows they need.

    ``arrivals`` are the rows of notes the memory has never held, with the key their vectors are kept under;
    ``passages`` the vectors not yet in the store, by key. ``rewrites`` replaces earlier commits, number by number:
    only an erasure does that, to blank what they quoted.
    """

    cause: Cause
    changes: tuple[Change, ...]
    arrivals: tuple[tuple[Note, str], ...] = ()
    passages: Mapping[str, Passages] = field(default_factory=dict)
    rewrites: tuple[Commit, ...] = ()


class Reader(Protocol):
    """What can be read of one namespace: its journal, and what that amounts to.

    Notes are listed by ordinal, links by key, commits by number. A note that was removed or erased is not present.
    """

    def one_moment(self) -> AbstractContextManager[None]:
        """Inside it, all reads see the same head, whatever others write meanwhile. For reading only; may be nested.

        Raises:
            HeadMovedError: at its end, by a store that can't hold a moment: others wrote meanwhile, so read again.
        """
        ...

    def head(self) -> int:
        """The number of the newest commit; 0 for a namespace without any."""
        ...

    def commits(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        """The commits with ``after < id <= upto``, oldest first."""
        ...

    def commits_of(self, note_id: str) -> Iterator[Commit]:
        """The commits that touch a note or quote its text, oldest first."""
        ...

    def n_notes(self) -> int:
        """The number of notes present."""
        ...

    def notes(self, ids: Iterable[str] | None = None) -> list[Note]:
        """The notes present, of all or of those named; a name that is not present is passed over."""
        ...

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """The last ``k`` notes present of a session, by ordinal; ``session_id`` is "" for none."""
        ...

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """Notes by ordinal, removed ones included, erased ones missing: for the fields that never change."""
        ...

    def last_ordinal(self) -> int:
        """The ordinal of the last note that ever arrived; 0 before the first."""
        ...

    def known(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that are present, or were erased: what an ingestion passes over."""
        ...

    def erased(self) -> set[str]:
        """The ids of all erased notes."""
        ...

    def links(self, ids: Iterable[str] | None = None, kinds: Sequence[LinkKind] | None = None) -> list[Link]:
        """The links present, of all or with an end among ``ids``, and of all or of some kinds."""
        ...

    def topics(self) -> dict[int, TopicRow]:
        """The topics present, by id."""
        ...

    def places(self) -> dict[str, int]:
        """The topic of each note that is in the tree, by note id."""
        ...

    def last_topic(self) -> int:
        """The highest id that a topic ever had; 0 before the first. Ids are never given again."""
        ...

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """The vectors kept under ``keys``; a key without any is missing. Vectors outlive the removal of their note."""
        ...


class Store(Reader, Protocol):
    """One namespace of a place where memories are kept.

    A file in ``store/`` defines ``SCHEMES``, the beginnings of the addresses it serves ("neo4j://"; "" for a path), and
    ``open_store(address, *, namespace, read_only, config) -> Store``.

    Promises: an append is atomic and durable when it returns; several processes may append at once. Does not promise:
    that two reads in a row see the same head, outside of ``one_moment``.
    """

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading only."""
        ...

    @property
    def beside(self) -> Path | None:
        """The folder for what is derived from it and may be deleted; None where there is no place for one."""
        ...

    def append(self, draft: Draft, head: int) -> Commit:
        """Make ``draft`` the commit after ``head``, and give it its number, its time and its changes' ids.

        Raises:
            HeadMovedError: the newest commit is no longer ``head``; nothing was written.
            StoreLockedError, StoreFullError, ReadOnlyError: nothing was written.
            StoreError: an erasure was written, but pages from before are kept alive by another process.
        """
        ...

    def rewrites(self, ids: Iterable[str], day: str) -> dict[str, int]:
        """How often each note was ever revised for triggers of a day (``model.day_of``); one never revised is missing.

        Revisions that were undone count too.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Inside it nobody else appends; what is appended inside is durable when it ends. Not for erasures."""
        ...

    def fingerprint(self) -> str | None:
        """The fingerprint of the embedder that made the store's vectors; None before the first was named."""
        ...

    def set_fingerprint(self, fingerprint: str) -> str:
        """Name the embedder where none is named yet; returns the one that stands."""
        ...

    def namespaces(self) -> list[str]:
        """All namespaces in this place that hold a commit, sorted."""
        ...

    def restore(
        self, commits: Iterable[Commit], notes: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages]
    ) -> None:
        """Write a whole journal, numbers and times kept, into an empty namespace in one step.

        ``notes`` are the rows of all notes that ever arrived but erased ones, by ordinal, with their vectors' keys;
        ``passages`` the vectors not yet in the store, by key.
        """
        ...

    def check(self) -> list[Problem]:
        """What the store itself finds wrong with its files or its server."""
        ...

    def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
        ...


# ------------------------------------------------------- linking and evolving


@dataclass(frozen=True, slots=True)
class Candidate:
    """A note near an arriving one, and the cosine of their vectors."""

    note: Note
    cosine: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A note that has just arrived, and what a linker may know of the memory it comes into.

    ``before`` are the messages before it in its session, nearest first; ``answered`` is the one it answers. ``nearest``
    are the notes closest to it, best first, those of ``before`` left out; ``usual`` and ``spread`` are mean and
    standard deviation of its cosines with all ``n_notes``. ``rarity_of`` a number of notes is 1 for none and 0 for
    all, ``rarity`` of one of its terms that of the other notes that have it; ``saying`` gives the newest notes whose
    text has all of some terms, newest first, and how many there are. ``people`` are the lower-cased words of all
    speakers' names.
    """

    note: Note
    before: tuple[Note, ...]
    answered: Note | None
    nearest: tuple[Candidate, ...]
    usual: float
    spread: float
    n_notes: int
    rarity: Callable[[str], float]
    rarity_of: Callable[[int], float]
    saying: Callable[[Sequence[str]], tuple[Sequence[Candidate], int]]
    people: frozenset[str]


class LinkRule(Protocol):
    """One reason to link an arriving note. A file in ``linker/`` has these names at its top level.

    ``KIND`` is the kind of its links, ``DEGREE`` the most links of that kind that a note may have: where a note has as
    many, a stronger one takes the place of the weakest that the rules have made.
    """

    KIND: LinkKind
    DEGREE: int

    def links(self, arrival: Arrival) -> Iterable[Link]:
        """Links with the arriving note at one end. Pure: the same arrival gives the same links."""
        ...


@dataclass(frozen=True, slots=True)
class Encounter:
    """A note that has just arrived, a neighbor it was linked to, by which links, and the neighbor's other links.

    Each of ``others`` comes with the note at its other end; links to notes that no search shows are left out.
    """

    arrived: Note
    neighbor: Note
    links: tuple[Link, ...]
    others: tuple[tuple[Link, Note], ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """New values of a neighbor's annotations (context, keywords, tags), and the sentence that says why.

    ``derived_from`` names the notes, besides the arriving one, whose words they use.
    """

    fields: Mapping[str, JsonValue]
    reason: str
    derived_from: tuple[str, ...] = ()


class Policy(Protocol):
    """One way in which an arriving note changes what its neighbors' cards say.

    A file in ``evolution/`` has this name at its top level.
    """

    def rewrite(self, encounter: Encounter) -> Rewrite | None:
        """What the neighbor's annotations become; None where nothing changes. Pure, and never longer than needed."""
        ...


# -------------------------------------------------------------------- signals


@dataclass(frozen=True, slots=True)
class Posting:
    """The notes a term stands in: their rows, its count in each text, and whether annotations have it (0 or 1)."""

    rows: NDArray[np.int64]
    text: NDArray[np.float32]
    annotations: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Columns:
    """The notes of a memory as a table that signals read: one row a note, ``n`` rows.

    ``alive`` tells the rows that are notes still; the others are left over and never searched. ``ordinals`` is the
    order in which they arrived, ``status`` the place of their status in ``model.STATUSES``. Passages of a row lie
    together in ``vectors``, from ``first[row]`` on; ``several`` are the rows that have more than one. ``windows`` holds
    the rows of the messages around each note, shape ``(n, 2 * window)``, nearest before first, -1 where there is none;
    ``norms`` the length of the sum of a note's own vector and theirs. ``times`` are seconds since 1970 (NaN: unknown),
    ``until`` where the note's time ends, by its precision. ``lengths`` counts the terms of each text. ``speaker``
    indexes ``speakers``, -1 for none. ``lots`` are numbers in [0, 1) that each row once drew: those below 0.1 are a
    sample of a tenth. ``estimates(vector, passages)`` guesses the cosines of a vector and all passages, or those named.
    """

    alive: NDArray[np.bool_]
    ordinals: NDArray[np.int64]
    status: NDArray[np.int64]
    vectors: Vector
    first: NDArray[np.int64]
    several: NDArray[np.int64]
    windows: NDArray[np.int64]
    norms: NDArray[np.float32]
    lengths: NDArray[np.float32]
    times: NDArray[np.float64]
    until: NDArray[np.float64]
    speaker: NDArray[np.int64]
    lots: NDArray[np.float32]
    speakers: Sequence[str]
    posting: Callable[[str], Posting]
    estimates: Callable[[Vector, NDArray[np.int64] | None], NDArray[np.float64]]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.alive)

    def passages(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The passages of rows, row by row, and where in them each row's begin."""
        last = self.n - 1
        ends = np.where(rows < last, self.first[np.minimum(rows + 1, last)], len(self.vectors))
        counts = ends - self.first[rows]
        starts = np.cumsum(counts) - counts
        return np.repeat(self.first[rows] - starts, counts) + np.arange(counts.sum()), starts


@dataclass(frozen=True, slots=True)
class Query:
    """A question, read: its stems, its vector, the moment of asking, and the time it speaks of (half-open)."""

    text: str
    terms: tuple[str, ...]
    vector: Vector
    at: datetime
    since: datetime | None = None
    until: datetime | None = None


class Signal(Protocol):
    """One reason for a note to be an answer. A file in ``scoring/`` has these names at its top level.

    ``NAME`` is the file's name. ``WEIGHT`` is its weight in the sum, with where it comes from. ``STANDARDIZED`` tells
    whether values are turned into z-scores over the notes searched before they are weighted: right for measures, wrong
    for marks that few notes bear.
    """

    NAME: str
    WEIGHT: float
    STANDARDIZED: bool

    def values(self, scan: Scan) -> NDArray[np.float64]:
        """A value a row, higher is better, shape ``(n,)``. Pure: the same scan gives the same values."""
        ...

    def reason(self, scan: Scan, row: int) -> str | None:
        """What speaks for the note of ``row``, as part of a sentence; None where nothing does."""
        ...


class Scan(Protocol):
    """A query laid against the columns, with what several signals share computed once."""

    query: Query
    columns: Columns

    @property
    def cosines(self) -> NDArray[np.float64]:
        """Cosine of the query and each note's best passage, shape ``(n,)``."""
        ...

    @property
    def context_cosines(self) -> NDArray[np.float64]:
        """Cosine of the query and the sum of a note's vector and those of its window, shape ``(n,)``."""
        ...

    def bm25(self, *, context: bool) -> NDArray[np.float64]:
        """BM25 of the query's terms in each note, its window's texts included or not, shape ``(n,)``."""
        ...

    def said(self, row: int) -> list[str]:
        """The words of the query that stand in a note's text, in the query's order."""
        ...

    def noted(self, row: int) -> list[str]:
        """Those that stand in its annotations, but not in its text."""
        ...

    def said_around(self, row: int) -> list[str]:
        """Those that stand in the texts of its window, but not in its own."""
        ...
