"""A view of a memory: every question that can be asked of it without changing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeGuard, Unpack
from zoneinfo import ZoneInfo

from zettel import export, graph, verification
from zettel.config import DEFAULT, Config
from zettel.embedding import embed
from zettel.errors import EmbedderMismatchError, InputError, NotFoundError, ReadOnlyError, see
from zettel.filters import Filter, Filters, read_time
from zettel.index.derived import Derived
from zettel.index.query import RawQuery, check_query
from zettel.journal import field_diffs
from zettel.model import (
    LINK_KINDS,
    Commit,
    FieldDiff,
    HistoryEntry,
    Hit,
    Link,
    LinkKind,
    Note,
    Placement,
    Topic,
    Verification,
    WhyNot,
    touched,
)
from zettel.models import Models
from zettel.protocols import Analyzer, Embedder, LinkRule, Policy, Reader, Signal, Store, TranscriptFormat
from zettel.recall import pack
from zettel.snapshot import Snapshot
from zettel.text import shorten
from zettel.turns import Turns

if TYPE_CHECKING:
    from networkx import MultiDiGraph


_TOP = 10  # hits compared by verify()
_ASKED = 200  # verify() searches for the first so many characters of a note's text

CHANGING = frozenset({
    "add", "add_many", "forget", "ingest", "link", "load", "mark_used", "take_edits", "undo", "unlink", "update",
})  # fmt: skip
"""The methods that change a memory; a view of an earlier state lacks them."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a memory is made of; ``registry.open_memory`` fills them in.

    Embedder and analyzer are given as functions, which are called when they are first needed: reading a journal loads
    no model. The embedder's gets the fingerprint that the memory's vectors were made by, if it has any.
    """

    embedder: Callable[[str | None], Embedder]
    analyzer: Callable[[], Analyzer]
    formats: Sequence[TranscriptFormat]
    signals: Sequence[Signal]
    rules: Sequence[LinkRule]
    policies: Sequence[Policy]


class _EarlierError(ReadOnlyError, AttributeError):
    """A method that changes a memory was looked up in an earlier state, which lacks it; ``hasattr`` says False."""


class MemoryView:
    """A memory that can be read and searched: in its present state, or in the earlier state that ``as_of`` returns.

    Safe for several threads, which take turns. The methods that change a memory are those of ``Memory``.
    """

    def __init__(
        self, reader: Reader, parts: Parts, *, store: Store | None, namespace: str = "default", timezone: str = "UTC",
        config: Config = DEFAULT, now: MemoryView | None = None, models: Models | None = None,
        turns: Turns | None = None,
    ) -> None:  # fmt: skip
        self.namespace = namespace
        self.config = config
        self._reader = reader
        self._store = store  # None for an earlier state, to which nothing can be written
        self._parts = parts
        self._timezone = timezone
        self._zone = _zone(timezone)
        # An earlier state shares the store with the memory as it is now, so it shares the turns and the models too.
        self._now = now
        self._turns = turns or Turns(lambda: None if store is None else store.end_left_over())
        self._models = models or Models(parts.embedder, parts.analyzer)
        self._checked: Embedder | None = None  # the embedder, once it is known to fit
        self._derived = Derived(
            reader, store, namespace, lambda: self.embedder.fingerprint, tuple(parts.signals), config, self._zone
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Explain, if the name is that of a method that changes a memory, why this view lacks it."""
            if name in CHANGING:
                raise _EarlierError(f"this is the memory as of an earlier time: call {name}() of the memory itself")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        """Number of notes, archived and quarantined ones included."""
        with self._turns.here():
            return self._reader.n_notes()

    def __contains__(self, id: object) -> bool:
        """Whether a note of this id is present."""
        with self._turns.here():
            return is_name(id) and bool(self._reader.notes([id]))

    def __bool__(self) -> bool:
        """True, also for an empty memory: ``memory or open_memory(...)`` means the memory."""
        return True

    def get(self, id: str) -> Note:
        """The note of this id, whatever its status.

        Raises:
            NotFoundError: there is no such note, or it was erased.
        """
        with self._turns.here():
            notes = self._reader.notes([id]) if is_name(id) else []
            if not notes:
                raise self._missing(id)
            return notes[0]

    def _missing(self, id: str) -> NotFoundError:
        if is_name(id) and id in self._reader.erased():
            return NotFoundError(f"note {id!r} was erased")
        where = see("search", "notes", "log", words="ids come from {}, {} or {}")
        return NotFoundError(f"no note {id!r} in namespace {self.namespace!r}:", remedy=where)

    def notes(self, **filters: Unpack[Filters]) -> list[Note]:
        """The notes that meet the filters, in the order they arrived. For the filters see ``Filter.of``.

        Raises:
            InputError: a filter can't be used.
        """
        allowed = Filter.of(self._zone, **filters)
        with self._turns.here():
            return [note for note in self._reader.notes() if allowed.lets_through(note)]

    def namespaces(self) -> list[str]:
        """All namespaces in the same file or server, sorted."""
        if self._now is not None:
            return self._now.namespaces()
        with self._turns.here():
            return self._store.namespaces() if self._store else [self.namespace]

    @property
    def head(self) -> int:
        """The number of the newest commit; 0 for an empty journal."""
        with self._turns.here():
            return self._reader.head()

    @property
    def embedder(self) -> Embedder:
        """The embedder that makes this memory's vectors.

        Raises:
            EmbedderMismatchError: the memory's vectors were made by another embedder.
            ModelNotFoundError: its weights are not on this machine.
        """
        if self._now is not None:
            return self._now.embedder
        self._turns.check_process()
        embedder = self._models.loaded
        if embedder is None:
            with self._turns.here():
                made_by = self._store.fingerprint() if self._store else None
            embedder = self._models.embedder(made_by)  # outside the turns, since loading may take long
        if self._checked is not embedder:
            self.check_embedder(embedder)
            self._checked = embedder
        return embedder

    def check_embedder(self, embedder: Embedder) -> None:
        """Refuse an embedder whose vectors can't be compared with the vectors of this memory.

        Raises:
            EmbedderMismatchError: the memory's vectors were made by another embedder.
        """
        if self._now is not None:
            self._now.check_embedder(embedder)
        if self._store is None:
            return
        with self._turns.here():
            named = self._store.fingerprint()
        if named is not None and named != embedder.fingerprint:
            raise EmbedderMismatchError(
                f"this memory was made by embedder {named!r}, not {embedder.fingerprint!r}: open it with the former,"
                " or move it:",
                remedy=see("export", "load", words="{} it, and {} it into a new memory opened with the latter"),
            )

    # ---------------------------------------------------------------- searching

    def search(
        self, query: str, k: int = 10, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> list[Hit]:
        """The ``k`` notes that answer a question best, best first; fewer if fewer notes meet the filters.

        ``at`` is the time of the question, from which "last week" is counted: by default the newest note's time,
        so that the same question gives the same answer on any day. Filters (see ``zettel.filters.Filters``) are applied
        before scoring: a note that they keep out affects the others only as context, and by making its words more
        common. A search never writes.

        Raises:
            InputError: the question is empty, ``k`` is below 1, or a filter can't be used.
        """
        check_query(query, k)
        allowed = Filter.of(self._zone, **filters)
        if not self.head:
            return []  # without loading a model
        question = self._question(query, at)
        with self._turns.here():
            return self._derived.search(question, allowed, k)

    def recall(
        self, query: str, max_tokens: int = 1000, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> str:
        """The notes that answer a question best, as text to put before a language model; "" if there are none.

        As many of the best notes as fit into ``max_tokens`` (an estimate, which is rather too high than too low), in
        order of time, each numbered and cited. Equal notes are shown once.

        Raises:
            InputError: see ``search``; or ``max_tokens`` is below 1.
        """
        if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
            raise InputError(f"max_tokens is {max_tokens!r}: it must be a whole number of at least 1")
        return pack(self.search(query, max(10, max_tokens // 10), at=at, **filters), max_tokens)

    def why_not(
        self, query: str, id: str, k: int = 10, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> WhyNot:
        """Why ``search`` with the same arguments did not return a note: which step lost it, and by how much.

        Raises:
            InputError: see ``search``.
            NotFoundError: there is no such note.
        """
        check_query(query, k)
        allowed = Filter.of(self._zone, **filters)
        self.get(id)
        question = self._question(query, at)
        with self._turns.here():
            return self._derived.why_not(question, lambda: self.get(id), allowed, k)

    def _question(self, text: str, at: datetime | str | None) -> RawQuery:
        """A question with its vector. The vector is made outside the turns, since a model may take long."""
        asked = None if at is None else read_time(at, self._zone)[0]
        embedder = self.embedder
        with self._turns.here():
            vector = self._derived.question_vector(text)
        if vector is None:
            vector = embed(self._models.shared(embedder), [text])[0]
            with self._turns.here():
                self._derived.keep_question(text, vector)
        return RawQuery(text, vector, asked)

    # ------------------------------------------------------------------ browsing

    def topics(self) -> list[Topic]:
        """The topic tree from the top down: each topic comes before the topics below it."""
        with self._turns.here():
            topics, places = self._derived.steadily(lambda: (self._reader.topics(), self._reader.places()))
        return graph.outline(topics, places.values())

    def links(self, id: str | None = None, kind: LinkKind | None = None) -> list[Link]:
        """The links from and to a note, or all links; of one kind, or of all kinds. The strongest come first.

        Raises:
            NotFoundError: there is no such note.
            InputError: there is no such kind.
        """
        if kind is not None and kind not in LINK_KINDS:
            raise InputError(f"no kind of link {kind!r}: there are {', '.join(LINK_KINDS)}")
        with self._turns.here():
            found = self._reader.links(None if id is None else [self.get(id).id], None if kind is None else (kind,))
        return sorted(found, key=lambda link: (-link.weight, LINK_KINDS.index(link.kind), link.key))

    def neighbors(self, id: str, hops: int = 1, **filters: Unpack[Filters]) -> list[Note]:
        """The notes within ``hops`` links of one, whichever way the links point: nearest first, then strongest link.

        A path may lead through notes that the filters keep out of the result.

        Raises:
            NotFoundError: there is no such note.
            InputError: ``hops`` is below 1, or a filter can't be used.
        """
        if isinstance(hops, bool) or not isinstance(hops, int) or hops < 1:
            raise InputError(f"hops is {hops!r}: it must be a whole number of at least 1")
        allowed = Filter.of(self._zone, **filters)

        def read() -> tuple[dict[str, tuple[int, float]], list[Note]]:
            found = graph.reached(self.get(id).id, hops, self._reader.links)
            return found, [note for note in self._reader.notes(found) if allowed.lets_through(note)]

        with self._turns.here():
            found, notes = self._derived.steadily(read)
        return sorted(notes, key=lambda note: (found[note.id][0], -found[note.id][1], note.ordinal))

    def graph(self, **filters: Unpack[Filters]) -> MultiDiGraph[str]:
        """The notes that meet the filters and the links between them, as a ``networkx.MultiDiGraph``.

        A node is a note's id, and has the note's fields as attributes. An edge is a link; its key is the link's kind,
        and its attributes are weight, reason and created_by.

        Raises:
            InputError: a filter can't be used.
        """
        with self._turns.here():
            notes, links = self._derived.steadily(lambda: (self.notes(**filters), self._reader.links()))
        return graph.graph(notes, links)

    # ------------------------------------------------------------------- journal

    def log(self, *, after: int = 0, upto: int | None = None) -> list[Commit]:
        """The commits of the journal, oldest first: those with ``after < id <= upto``."""
        with self._turns.here():
            last = None if upto is None else commit_number(upto)
            return list(self._reader.commits(max(commit_number(after), 0), last))

    def history(self, id: str) -> list[HistoryEntry]:
        """Everything that ever happened to a note, oldest first, its links and uses included.

        Its moves between topics are left out; ``log()`` has them.

        Raises:
            NotFoundError: there never was such a note.
        """
        with self._turns.here():
            if not is_name(id):
                raise self._missing(id)
            entries = [
                HistoryEntry(commit=commit.id, at=commit.at, cause=commit.cause, change=change)
                for commit in self._reader.commits_of(id)
                for change in commit.changes
                if id in touched(change) and not isinstance(change, Placement)
            ]
            if not entries:
                raise self._missing(id)
            return entries

    def diff(self, commit: int | str | Commit) -> list[FieldDiff]:
        """What a commit changed, field by field.

        Raises:
            NotFoundError: there is no such commit.
        """
        number = commit.id if isinstance(commit, Commit) else commit_number(commit)
        with self._turns.here():
            found = next(self._reader.commits(number - 1, number), None) if number >= 1 else None
            if found is None:
                raise NotFoundError(f"no commit {number}: the newest is {self._reader.head()}")
            ordinals = [c.ordinal for c in found.changes if c.type == "note"]
            texts = {n: note.text for n, note in self._reader.arrived(ordinals).items()}
            return [line for change in found.changes for line in field_diffs(change, texts)]

    def as_of(self, when: int | datetime | str) -> MemoryView:
        """The memory as it was after a commit (by number), or at a time by the journal's clock. It is read only.

        Notes that were erased since are missing from it too.

        Raises:
            NotFoundError: there is no such commit.
        """
        with self._turns.here():
            head = self._reader.head()
            if isinstance(when, int) and not isinstance(when, bool):
                if not 0 <= when <= head:
                    raise NotFoundError(f"no commit {when}: the newest is {head}")
                number = when
            else:
                limit = read_time(when, self._zone)[0]
                number = max((c.id for c in self._reader.commits() if c.at <= limit), default=0)
            return MemoryView(
                Snapshot(self._reader, number), self._parts, store=None, namespace=self.namespace,
                timezone=self._timezone, config=self.config, now=self, models=self._models, turns=self._turns,
            )  # fmt: skip

    # ---------------------------------------------------------- keeping and moving

    def verify(self) -> Verification:
        """Check the store against its journal, the vectors, and searches against an exact search of all notes."""
        allowed = Filter.of(self._zone)

        def check() -> Verification:
            view = self._derived.view()

            def found(note: Note, exact: bool) -> list[str]:
                text = shorten(note.text, _ASKED)
                ranking = view.ranking(self._question(text, None), allowed, _TOP, exact=exact)
                return [ranking.index.ids[row] for row in ranking.top(_TOP)] if ranking else []

            routed = None if view.is_exact else found
            return verification.verify(self._reader, self._store, view.index, self.embedder, routed)

        def asked() -> list[str]:
            if self._derived.view().is_exact:
                return []
            return [shorten(note.text, _ASKED) for note in verification.sample_of(self._reader.notes())]

        with self._turns.here():
            texts = self._derived.steadily(asked)
        for text in texts:
            self._question(text, None)  # so that its vector is known by then: a model may take long
        with self._turns.here():
            return self._derived.steadily(check)

    def export(self, path: str | Path, *, history: bool = False) -> int:
        """Write notes and links, or with ``history`` the whole journal, to a JSONL file; returns the number of lines.

        Vectors are left out: ``load`` makes them again.
        """
        with self._turns.here():
            return self._derived.steadily(
                lambda: export.write(Path(path), self._reader, self.namespace, history=history)
            )

    def check_derived(self) -> None:
        """Assert that the index and everything else derived from the store is what a fresh process would derive.

        Raises:
            AssertionError: it is not, which is a fault of zettel.
        """
        with self._turns.here():
            self._derived.steadily(self._derived.check)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._turns.here():
            if self._store is not None:
                self._store.close()

    def __enter__(self) -> Self:
        """The memory itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f'no timezone {name!r}: use a name such as "UTC" or "Europe/Berlin"') from error


def is_name(id: object) -> TypeGuard[str]:
    """Whether a value can be a note's id: it is text that a store can look up."""
    return isinstance(id, str) and not any("\ud800" <= c <= "\udfff" for c in id)


def commit_number(commit: object) -> int:
    """The number of a commit, which may be given as a commit, a number or text.

    Raises:
        InputError: it is none of these.
        NotFoundError: it is a text that is not a number.
    """
    if isinstance(commit, bool) or not isinstance(commit, int | str):
        raise InputError(f"{commit!r} names no commit: use its number, or a Commit")
    try:
        return int(commit)
    except ValueError as error:
        raise NotFoundError(f'no commit {commit!r}: use its number, or the id of a change such as "12.3"') from error
