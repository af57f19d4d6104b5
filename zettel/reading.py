"""The reading half of a memory: everything that changes nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeGuard, TypeVar, Unpack
from zoneinfo import ZoneInfo

from zettel import export, graph, retrieval, verification
from zettel.config import DEFAULT, Config
from zettel.embedding import embed, vector_key
from zettel.errors import (
    EmbedderMismatchError,
    HeadMovedError,
    InputError,
    NotFoundError,
    StoreDamagedError,
    StoreError,
    StoreLockedError,
    see,
)
from zettel.filters import Filter, Filters, in_zone, read_time
from zettel.growth import Materials
from zettel.index import ExactIndex, TopicTree, saved
from zettel.journal import Ledger, field_diffs
from zettel.model import (
    LINK_KINDS,
    Change,
    Commit,
    Erasure,
    FieldDiff,
    HistoryEntry,
    Hit,
    Link,
    LinkKind,
    Note,
    NoteChange,
    Placement,
    Topic,
    TopicChange,
    Verification,
    WhyNot,
    touched,
)
from zettel.protocols import (
    Analyzer,
    Embedder,
    LinkRule,
    Policy,
    Reader,
    Signal,
    Store,
    TranscriptFormat,
    Vector,
)
from zettel.routing import Router
from zettel.shortlist import Shortlist, Shortlister
from zettel.snapshot import Snapshot
from zettel.text import shorten

if TYPE_CHECKING:
    from networkx import MultiDiGraph


T = TypeVar("T")
_READINGS = 20  # times that something is read again because others wrote meanwhile
_TOP = 10  # hits compared by verify()
_ASKED = 200  # characters of a note's text that serve as a question


@dataclass(frozen=True, slots=True)
class Parts:
    """What a memory is put together from; ``registry.open_memory`` fills it in.

    Embedder and analyzer come as functions, called when first needed: reading a journal loads no model.
    """

    embedder: Callable[[], Embedder]
    analyzer: Callable[[], Analyzer]
    formats: Sequence[TranscriptFormat]
    signals: Sequence[Signal]
    rules: Sequence[LinkRule]
    policies: Sequence[Policy]


class Reading:
    """What can be asked of a memory; ``Memory`` adds what changes it."""

    def __init__(
        self,
        reader: Reader,
        parts: Parts,
        *,
        store: Store | None,
        namespace: str = "default",
        timezone: str = "UTC",
        config: Config = DEFAULT,
        lock: threading.RLock | None = None,
    ) -> None:
        self.namespace = namespace
        self.config = config
        self._reader = reader
        self._store = store  # None: nothing can be written
        self._parts = parts
        self._timezone = timezone
        self._zone = _zone(timezone)
        self._lock = lock or threading.RLock()  # one of an earlier time shares its memory's store, and so its lock
        self._embedder: Embedder | None = None
        self._analyzer: Analyzer | None = None
        self._index: ExactIndex | None = None
        self._tree: TopicTree | None = None  # of the index's head
        self._router: Router | None = None
        self._shortlist: Shortlist | None = None
        self._n_saved = 0  # notes in the index as it was last saved or taken up
        self._wrote = False  # whether anything was committed
        self._materials = Materials(self._reader.notes)
        self._erased_seen: set[str] = set()
        self._ledger = Ledger()
        self._queries: OrderedDict[str, Vector] = OrderedDict()

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        """Number of notes, archived and quarantined ones included."""
        with self._lock:
            return self._reader.n_notes()

    def __contains__(self, id: object) -> bool:
        """Whether a note of this id is present."""
        with self._lock:
            return is_name(id) and bool(self._reader.notes([id]))

    def __bool__(self) -> bool:
        """True, also for an empty memory: ``memory or open_memory(...)`` means the memory."""
        return True

    def get(self, id: str) -> Note:
        """The note of this id, whatever its status.

        Raises:
            NotFoundError: there is none, or it was erased.
        """
        with self._lock:
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
        """The notes that the filters let through, in the order they arrived. For the filters see ``Filter.of``.

        Raises:
            InputError: a filter can't be used.
        """
        allowed = Filter.of(self._zone, **filters)
        with self._lock:
            return [note for note in self._reader.notes() if allowed.lets_through(note)]

    def namespaces(self) -> list[str]:
        """All namespaces in the same file or server, sorted."""
        with self._lock:
            return self._store.namespaces() if self._store else [self.namespace]

    @property
    def head(self) -> int:
        """The number of the newest commit; 0 for an empty journal."""
        with self._lock:
            return self._reader.head()

    @property
    def embedder(self) -> Embedder:
        """The embedder that makes this memory's vectors.

        Raises:
            EmbedderMismatchError: the memory's vectors were made by another one.
            ModelNotFoundError: its weights are not on this machine.
        """
        with self._lock:
            if self._embedder is None:
                embedder = self._parts.embedder()
                self.check_embedder(embedder)
                self._embedder = embedder
            return self._embedder

    def check_embedder(self, embedder: Embedder) -> None:
        """Refuse an embedder whose vectors can't be compared with those the memory has.

        Raises:
            EmbedderMismatchError: it is not the one the memory was made by.
        """
        if self._store is None:
            return
        standing = self._store.fingerprint()
        if standing is not None and standing != embedder.fingerprint:
            raise EmbedderMismatchError(
                f"this memory was made by embedder {standing!r}, not {embedder.fingerprint!r}: open it with the former,"
                " or move it:",
                remedy=see("export", "load", words="{} it, and {} it into a new memory opened with the latter"),
            )

    def _get_analyzer(self) -> Analyzer:
        if self._analyzer is None:
            self._analyzer = self._parts.analyzer()
        return self._analyzer

    # ---------------------------------------------------------------- searching

    def search(
        self, query: str, k: int = 10, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> list[Hit]:
        """The ``k`` notes that answer a question best, best first; fewer where the filters let fewer through.

        ``at`` is the moment of asking, from which "last week" is counted: the newest note's time where none is given,
        so that the same question gives the same answer on any day. Filters (see ``zettel.filters.Filters``) work
        before scoring: what they keep out bears on the rest only as context, and in how common a word is. Searching
        never writes.

        Raises:
            InputError: an empty question, a ``k`` below 1, or a filter that can't be used.
        """
        retrieval.check_query(query, k)
        allowed = Filter.of(self._zone, **filters)

        def read() -> list[Hit]:
            ranking = self._rank(query, at, allowed, k)
            return ranking.hits(k, self._reader) if ranking else []

        with self._lock:
            return self._steadily(read)

    def recall(
        self, query: str, max_tokens: int = 1000, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> str:
        """What the memory knows on a question, as text to put before a language model: "" where it knows nothing.

        The best notes that fit into ``max_tokens`` (estimated, rather too many than too few), in order of time, each
        numbered and cited, equal ones told once.

        Raises:
            InputError: as ``search``, or ``max_tokens`` below 1.
        """
        if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
            raise InputError(f"max_tokens is {max_tokens!r}: it must be a whole number of at least 1")
        return retrieval.pack(self.search(query, max(10, max_tokens // 10), at=at, **filters), max_tokens)

    def why_not(
        self, query: str, id: str, k: int = 10, *, at: datetime | str | None = None, **filters: Unpack[Filters]
    ) -> WhyNot:
        """Why ``search`` with the same arguments did not return a note: which step lost it, and by how much.

        Raises:
            InputError: as ``search``.
            NotFoundError: there is no such note.
        """
        retrieval.check_query(query, k)
        allowed = Filter.of(self._zone, **filters)

        def read() -> WhyNot:
            note = self.get(id)
            shortlist = self._get_shortlist()
            ranking = (
                self._rank(query, at, allowed, k, exact=True)
                if shortlist is None
                else self._rank_few(shortlist, query, at, allowed, k, forced=[id])
            )
            if ranking is None:
                raise self._missing(id)
            is_routed = shortlist is not None or len(ranking.index) >= self.config.exact_below
            routed = self._rank(query, at, allowed, k) if is_routed else None
            found = None if routed is None else {routed.index.ids[row] for row in routed.top(k)}
            return retrieval.why_not(ranking, note, allowed, k, found, shortlisted=shortlist is not None)

        with self._lock:
            return self._steadily(read)

    def _rank(
        self, query: str, at: datetime | str | None, allowed: Filter, k: int, *, exact: bool = False
    ) -> retrieval.Ranking | None:
        """Score what answers a question. To be called inside one moment of the store."""
        shortlist = None if exact else self._get_shortlist()
        if shortlist is not None:
            return self._rank_few(shortlist, query, at, allowed, k)
        index = self._caught_up()
        if not len(index):
            return None
        router = None if exact or len(index) < self.config.exact_below else self._get_router(index)
        asked = read_time(at, self._zone)[0] if at is not None else in_zone(retrieval.present(index), self._zone)
        question = retrieval.read_query(query, self._query_vector(query), asked)
        route = None if router is None else router.route(question.vector, self.config)
        return retrieval.rank(
            index, question, allowed, self._parts.signals, self.config, self._reader.links, route=route, k=k
        )

    def _get_shortlist(self) -> Shortlist | None:
        """What searches a memory that is too large to be held here; None where it is not, or its store can't help."""
        if not isinstance(self._reader, Shortlister) or self._reader.n_notes() < max(self.config.exact_below, 1):
            return None
        if self._shortlist is None:
            self._shortlist = Shortlist(self._reader, self.embedder.fingerprint, self.config, self._zone)
        return self._shortlist

    def _rank_few(
        self, shortlist: Shortlist, query: str, at: datetime | str | None, allowed: Filter, k: int,
        forced: Sequence[str] = (),
    ) -> retrieval.Ranking | None:  # fmt: skip
        """The same of a shortlist of the store's."""
        asked = read_time(at, self._zone)[0] if at is not None else in_zone(shortlist.present(), self._zone)
        question = retrieval.read_query(query, self._query_vector(query), asked)
        return shortlist.rank(question, allowed, self._parts.signals, k, forced)

    def _get_router(self, index: ExactIndex) -> Router:
        if self._router is None or self._router.head != index.head:
            self._router = Router(index, self._topic_tree(index))
        return self._router

    def _query_vector(self, query: str) -> Vector:
        vector = self._queries.get(query)
        if vector is None:
            vector = self._queries[query] = embed(self.embedder, [query])[0]
            while len(self._queries) > self.config.query_cache:
                self._queries.popitem(last=False)
        return vector

    def _caught_up(self) -> ExactIndex:
        """The index, brought up to the head: built from the notes the first time, then by tailing the journal.

        To be called inside one moment of the store.
        """
        head = self._reader.head()
        if self._store is None and self._erased_seen != (erased := self._reader.erased()):
            self._index, self._erased_seen = None, erased  # an earlier state has no tail that would tell
        if self._index is None or self._index.is_mostly_dead:
            fresh = self._index is None
            self._index, self._tree, self._router = self._new_index(), None, None
            self._materials = Materials(self._reader.notes)
            if not (fresh and self._load_index(self._index)):
                self._enter(self._index, self._reader.notes())
                self._index.head = head
        if self._index.head < head:
            self._follow(self._index, [c for x in self._reader.commits(self._index.head, head) for c in x.changes])
            self._index.head = head
        return self._index

    def _load_index(self, index: ExactIndex) -> bool:
        """Take up the index saved beside the store; False where none fits."""
        folder = self._store.beside if self._store else None
        loaded = folder is not None and saved.load(
            index, folder, self.namespace, self.embedder.fingerprint, self._made_of
        )
        if loaded:
            self._n_saved = len(index)
            self._discard_if_erased(index.head)
        return loaded

    def _made_of(self, number: int) -> str | None:
        """What a commit is, so that a memory is told from another that was at the same path."""
        commit = next(self._reader.commits(number - 1, number), None)
        return None if commit is None else f"{commit.at.isoformat()} {commit.cause} {len(commit.changes)}"

    def _discard_if_erased(self, head: int) -> None:
        """Delete the saved index where something was erased after ``head``, at which it was made."""
        store = self._store
        if store is None or store.read_only or store.beside is None:
            return
        if any(isinstance(change, Erasure) for commit in self._reader.commits(head) for change in commit.changes):
            try:
                saved.discard(store.beside, self.namespace)
            except OSError as error:
                raise StoreError(
                    f"the index beside the memory holds what was erased, and can't be deleted ({error}): delete the"
                    f" folder {store.beside}"
                ) from error
            self._n_saved = 0

    def _new_index(self) -> ExactIndex:
        config = self.config
        return ExactIndex(config.window, self._zone, bits=config.lsh_bits, exact_below=config.exact_below)

    def _follow(self, index: ExactIndex, changes: Sequence[Change]) -> None:
        """Bring index and tree up to what has been committed since."""
        ids = {note_id for change in changes for note_id in touched(change)}
        notes = self._reader.notes(ids)
        # One that went and came again may have come with another text, so it is entered anew.
        came = {change.note_id for change in changes if isinstance(change, NoteChange)}
        again = [note_id for note_id in came if index.row(note_id) is not None]
        if again:
            self._tree = None  # it may hold their former vectors
            index.remove(again)
        self._enter(index, notes)
        moved = [change for change in changes if isinstance(change, TopicChange | Placement)]
        if self._tree is not None:
            try:
                for change in moved:
                    self._tree.apply(change)
                self._tree.refresh([note.id for note in notes])
            except (StoreDamagedError, NotFoundError):  # it speaks of notes that have gone meanwhile
                self._tree = None
        index.remove(ids.difference(note.id for note in notes))

    def _topic_tree(self, index: ExactIndex) -> TopicTree:
        """The tree at the head that the index is at."""
        if self._tree is None:

            def unit(note_id: str) -> Vector:
                row = index.row(note_id)
                if row is None:
                    raise self._missing(note_id)
                return index.unit(row)

            self._tree = TopicTree(unit, self._materials.get)
            self._tree.load(self._reader.topics(), self._reader.places(), self._reader.last_topic())
        return self._tree

    def _enter(self, index: ExactIndex, notes: Sequence[Note]) -> None:
        new = [note for note in notes if index.row(note.id) is None]
        keys = {note.id: vector_key(self.embedder.fingerprint, note) for note in new}
        stored = self._reader.passages(keys.values())
        # Vectors that are missing were erased by another process since the notes were read: the next look sees why.
        gone = {note_id for note_id, key in keys.items() if key not in stored}
        index.put(
            [note for note in notes if note.id not in gone],
            {note_id: stored[key] for note_id, key in keys.items() if note_id not in gone},
        )
        for note in notes:
            self._materials.put(note)

    def _index_and_tree(self) -> tuple[ExactIndex, TopicTree]:
        """Both at the newest head, to plan on.

        Raises:
            HeadMovedError: others wrote meanwhile: it is for the plan to be made again, in the end with nobody writing.
        """
        with self._reader.one_moment():
            index = self._caught_up()
            return index, self._topic_tree(index)

    def _steadily(self, read: Callable[[], T]) -> T:
        """What ``read`` gives inside one moment; again, where the store saw others write before it was over.

        Where they write each time, they are kept out in the end.

        Raises:
            StoreLockedError: they write each time, and this memory was opened for reading, so can't keep them out.
        """
        for _ in range(_READINGS):
            try:
                with self._reader.one_moment():
                    return read()
            except HeadMovedError:
                self._tree = self._router = None  # it may be of two moments
        if self._store is None or self._store.read_only:
            raise StoreLockedError(f"others wrote each of the {_READINGS} times that this was read: try again")
        with self._store.alone():
            return read()

    # ------------------------------------------------------------------ browsing

    def topics(self) -> list[Topic]:
        """The topic tree from the top down, each topic before those below it."""
        with self._lock:
            topics, places = self._steadily(lambda: (self._reader.topics(), self._reader.places()))
        return graph.outline(topics, places.values())

    def links(self, id: str | None = None, kind: LinkKind | None = None) -> list[Link]:
        """The links of a note, whichever way they point, or all links; of one kind, or of all. Strongest first.

        Raises:
            NotFoundError: there is no such note.
            InputError: there is no such kind.
        """
        if kind is not None and kind not in LINK_KINDS:
            raise InputError(f"no kind of link {kind!r}: there are {', '.join(LINK_KINDS)}")
        with self._lock:
            found = self._reader.links(None if id is None else [self.get(id).id], None if kind is None else (kind,))
        return sorted(found, key=lambda link: (-link.weight, LINK_KINDS.index(link.kind), link.key))

    def neighbors(self, id: str, hops: int = 1, **filters: Unpack[Filters]) -> list[Note]:
        """The notes within ``hops`` links of one, whichever way they point: nearest first, then most firmly linked.

        Ways may lead through notes that the filters keep out of the result.

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

        with self._lock:
            found, notes = self._steadily(read)
        return sorted(notes, key=lambda note: (found[note.id][0], -found[note.id][1], note.ordinal))

    def graph(self, **filters: Unpack[Filters]) -> MultiDiGraph[str]:
        """The notes that the filters let through and the links between them, as a ``networkx.MultiDiGraph``.

        A node is a note's id with its fields as attributes; an edge is a link, keyed by its kind, with weight, reason
        and created_by.

        Raises:
            InputError: a filter can't be used.
        """
        with self._lock:
            notes, links = self._steadily(lambda: (self.notes(**filters), self._reader.links()))
        return graph.graph(notes, links)

    # ------------------------------------------------------------------- journal

    def log(self, *, after: int = 0, upto: int | None = None) -> list[Commit]:
        """The commits of the journal, oldest first: those with ``after < id <= upto``."""
        with self._lock:
            last = None if upto is None else commit_number(upto)
            return list(self._reader.commits(max(commit_number(after), 0), last))

    def history(self, id: str) -> list[HistoryEntry]:
        """Everything that ever happened to a note, oldest first, links and uses included.

        Its moves among the topics are left out; they stand in ``log()``.

        Raises:
            NotFoundError: no such note ever was.
        """
        with self._lock:
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
        with self._lock:
            found = next(self._reader.commits(number - 1, number), None) if number >= 1 else None
            if found is None:
                raise NotFoundError(f"no commit {number}: the newest is {self._reader.head()}")
            ordinals = [c.ordinal for c in found.changes if c.type == "note"]
            texts = {n: note.text for n, note in self._reader.arrived(ordinals).items()}
            return [line for change in found.changes for line in field_diffs(change, texts)]

    def as_of(self, when: int | datetime | str) -> Self:
        """The memory as it was known after a commit (by number) or at a moment of journal time: read only.

        What was erased since is gone from it too.

        Raises:
            NotFoundError: there is no such commit.
        """
        with self._lock:
            head = self._reader.head()
            if isinstance(when, int) and not isinstance(when, bool):
                if not 0 <= when <= head:
                    raise NotFoundError(f"no commit {when}: the newest is {head}")
                number = when
            else:
                limit = read_time(when, self._zone)[0]
                number = max((c.id for c in self._reader.commits() if c.at <= limit), default=0)
            parts = replace(self._parts, embedder=lambda: self.embedder)
            return type(self)(
                Snapshot(self._reader, number), parts, store=None, namespace=self.namespace, timezone=self._timezone,
                config=self.config, lock=self._lock,
            )  # fmt: skip

    # ---------------------------------------------------------- keeping and moving

    def verify(self) -> Verification:
        """Check the store against its journal, the vectors, and searching against a fresh exact search."""

        def found(note: Note, exact: bool) -> list[str]:
            allowed = Filter.of(self._zone)
            ranking = self._rank(shorten(note.text, _ASKED), None, allowed, _TOP, exact=exact)
            return [ranking.index.ids[row] for row in ranking.top(_TOP)] if ranking else []

        def check() -> Verification:
            index = self._caught_up()
            routed = found if len(index) >= self.config.exact_below else None
            return verification.verify(self._reader, self._store, index, self.embedder, routed)

        with self._lock:
            return self._steadily(check)

    def export(self, path: str | Path, *, history: bool = False) -> int:
        """Write the memory to a JSONL file, notes and links, or with ``history`` the whole journal; returns the lines.

        Vectors are left out: they are made anew by ``load``.
        """
        with self._lock:
            return self._steadily(lambda: export.write(Path(path), self._reader, self.namespace, history=history))

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        with self._lock:
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
    """Whether a value can be a note's id at all: text that a store can look up."""
    return isinstance(id, str) and not any("\ud800" <= c <= "\udfff" for c in id)


def commit_number(commit: object) -> int:
    """A commit's number, given as such or as text.

    Raises:
        InputError: it is neither.
        NotFoundError: it is a text without a number.
    """
    if isinstance(commit, bool) or not isinstance(commit, int | str):
        raise InputError(f"{commit!r} names no commit: use its number, or a Commit")
    try:
        return int(commit)
    except ValueError as error:
        raise NotFoundError(f'no commit {commit!r}: use its number, or the id of a change such as "12.3"') from error
