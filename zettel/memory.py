"""The memory: the one place where effects happen, in order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from zoneinfo import ZoneInfo

from pydantic import JsonValue, ValidationError

from zettel import dump, erasure, retrieval, verification
from zettel.config import DEFAULT, Config
from zettel.embedding import embed, vector_key
from zettel.errors import (
    EmbedderMismatchError,
    HeadMovedError,
    InputError,
    NotFoundError,
    ReadOnlyError,
    StoreLockedError,
)
from zettel.filters import Filter, Filters, moment
from zettel.index import ExactIndex
from zettel.ingest import ParsedFile, find_files, identify, read_file
from zettel.intake import Incoming, Intake, check, check_all, check_id, check_json
from zettel.journal import Ledger, field_diffs
from zettel.model import (
    REVISABLE,
    Cause,
    Change,
    Commit,
    FieldDiff,
    FileReport,
    HistoryEntry,
    Hit,
    IngestReport,
    Message,
    Note,
    Problem,
    Progress,
    Revision,
    Source,
    Use,
    Verification,
    WhyNot,
    revisable_fields,
    touched,
)
from zettel.protocols import Analyzer, Draft, Embedder, Reader, Signal, Store, TranscriptFormat, Vector
from zettel.snapshot import Snapshot

_TRIES = 100  # plans made again because another writer was quicker, before giving up


@dataclass(frozen=True, slots=True)
class Parts:
    """What a memory is put together from; ``registry.open_memory`` fills it in.

    Embedder and analyzer come as functions, called when first needed: reading a journal loads no model.
    """

    embedder: Callable[[], Embedder]
    analyzer: Callable[[], Analyzer]
    formats: Sequence[TranscriptFormat]
    signals: Sequence[Signal]


class Memory:
    """Notes under one namespace, their journal, and the searching of them.

    Safe for several threads, which take turns; several processes may open the same file. Use it in a ``with`` statement,
    or call ``close`` at the end.
    """

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
        self._ledger = Ledger()
        self._queries: OrderedDict[str, Vector] = OrderedDict()

    # ------------------------------------------------------------------- adding

    def add(
        self,
        text: str,
        *,
        time: datetime | str | None = None,
        speaker: str | None = None,
        tags: Collection[str] = (),
        metadata: Mapping[str, JsonValue] | None = None,
        source: Source | str | None = None,
        id: str | None = None,
    ) -> Note:
        """Add one note, and return it once it is durable.

        It is a new note each time, unless an ``id`` names it: adding the same text under the same id again changes
        nothing. ``time`` is when it happened (a datetime, or ISO 8601 text of any precision), ``source`` a
        ``zettel.Source`` or an address. ``tags`` come before those the analyzer finds.

        Raises:
            InputError: the text is empty, too long or no text, or the id names a note with another text.
        """
        given = Source(uri=source) if isinstance(source, str) else source
        try:
            message = Message(text=text, speaker=speaker, time=time, metadata=dict(metadata or {}))
            item = check(message, self._zone, self.config.max_text, given)
        except ValidationError as error:
            raise InputError(f"this can't become a note: {error}") from error
        check_json(list(tags))
        name = None if id is None else check_id(id)
        return self._take_in([replace(item, id=name, tags=tuple(dict.fromkeys(tags)))], "add")[1][0]

    def add_many(self, messages: Iterable[Message | str]) -> list[Note]:
        """Add a batch in one commit, and return one note an input, in order.

        It gives the same notes as adding them one by one. A message that its transcript names (``conversation_id`` and
        ``message_id``) is the same note each time it is added; any other is a new one.

        Raises:
            InputError: lists every bad item; nothing was added.
        """
        items = check_all(messages, self._zone, self.config.max_text, self.namespace)
        return self._take_in(items, "add")[1] if items else []

    def ingest(
        self,
        where: str | Path | Sequence[str | Path],
        *,
        format: str = "auto",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Take in the messages of transcript files: a file, a folder, a glob pattern, or several of these.

        One commit a batch (``Config.batch`` messages), after which ``on_progress`` is told. What is there already, and
        what was forgotten or erased, is passed over; so a second run adds nothing, a grown file only its new messages,
        and a run that was killed goes on where it ended. What can't be used is reported with its place.

        Raises:
            InputError: no such file, or no such format.
        """
        self._writable()
        paths = find_files(where, self._parts.formats)
        reports: list[FileReport] = []
        commits: list[int] = []
        for path in paths:
            parsed = read_file(path, self._parts.formats, format)
            reports.append(FileReport(uri=parsed.uri, format=parsed.format, problems=parsed.problems))
            for reports[-1], commit in self._ingest_file(parsed):
                commits += [commit] if commit else []
                if commit and on_progress is not None:
                    on_progress(_progress(reports[-1], commit, len(parsed.entries), len(reports), len(paths)))
        return IngestReport(
            new=sum(r.new for r in reports), unchanged=sum(r.unchanged for r in reports),
            failed=sum(len(r.problems) for r in reports), commits=tuple(commits), files=tuple(reports),
        )  # fmt: skip

    def _ingest_file(self, parsed: ParsedFile) -> Iterator[tuple[FileReport, int | None]]:
        """Take in one file batch by batch; after each, the file's report so far and the batch's commit, if any."""
        ids = identify(self.namespace, parsed.entries)
        with self._lock:
            known = self._reader.known(ids)
        items: list[Incoming] = []
        problems = list(parsed.problems)
        for entry, name in zip(parsed.entries, ids, strict=True):
            if name in known:
                continue
            source = Source(uri=parsed.uri, format=parsed.format, span=entry.span)
            try:
                item = check(entry.message, self._zone, self.config.max_text, source)
            except InputError as error:
                problems.append(Problem(place=entry.span, reason=str(error)))
            else:
                known.add(name)  # a message told twice in one file is one note
                items.append(replace(item, id=name))
        unchanged = len(parsed.entries) - len(items) - (len(problems) - len(parsed.problems))
        report = FileReport(uri=parsed.uri, format=parsed.format, unchanged=unchanged, problems=tuple(problems))
        yield report, None
        for start in range(0, len(items), self.config.batch):
            batch = items[start : start + self.config.batch]
            commit, _ = self._take_in(batch, "ingest")
            report = report.model_copy(update={"new": report.new + len(batch)})
            yield report, commit.id if commit else None

    def _take_in(self, items: Sequence[Incoming], cause: Cause) -> tuple[Commit | None, list[Note]]:
        self._writable()
        with self._lock:
            intake = Intake(self._reader, self.namespace, self._get_analyzer, lambda: self.embedder)
            ids: list[str] = []

            def plan() -> Draft | None:
                nonlocal ids
                draft, ids = intake.plan(items, cause)
                return draft

            commit = self._commit(plan)
            notes = {note.id: note for note in self._reader.notes(ids)}
            return commit, [notes[i] for i in ids]

    def _commit(self, plan: Callable[[], Draft | None]) -> Commit | None:
        """Append what ``plan`` makes of the newest head; where another writer was quicker, plan again."""
        store = self._writable()
        for _ in range(_TRIES):
            head = store.head()
            draft = plan()
            if draft is None:
                return None
            try:
                return store.append(draft, head)
            except HeadMovedError:
                continue
        raise StoreLockedError(f"other writers were quicker {_TRIES} times in a row; nothing was written: try again")

    # ------------------------------------------------------------------ reading

    def __len__(self) -> int:
        """Number of notes, archived and quarantined ones included."""
        return len(self.notes(status=_ALL))

    def __contains__(self, id: object) -> bool:
        """Whether a note of this id is present."""
        with self._lock:
            return isinstance(id, str) and bool(self._reader.notes([id]))

    def get(self, id: str) -> Note:
        """The note of this id, whatever its status.

        Raises:
            NotFoundError: there is none, or it was erased.
        """
        with self._lock:
            notes = self._reader.notes([id])
            if not notes:
                raise NotFoundError(self._missing(id))
            return notes[0]

    def _missing(self, id: str) -> str:
        if id in self._reader.erased():
            return f"note {id!r} was erased"
        return f"no note {id!r} in namespace {self.namespace!r}: ids come from search(), notes() or log()"

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
        if standing is None and not self._store.read_only:
            standing = self._store.set_fingerprint(embedder.fingerprint)
        if standing is not None and standing != embedder.fingerprint:
            raise EmbedderMismatchError(
                f"this memory was made by embedder {standing!r}, not {embedder.fingerprint!r}: open it with the former,"
                " or move it: export() it, and load() it into a new memory opened with the latter"
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
        so that the same question gives the same answer on any day. Filters (see ``Filter.of``) work before scoring:
        notes they keep out bear on nothing. Searching never writes.

        Raises:
            InputError: an empty question, a ``k`` below 1, or a filter that can't be used.
        """
        retrieval.check_query(query, k)
        allowed = Filter.of(self._zone, **filters)
        with self._lock:
            ranking = self._rank(query, at, allowed)
            return ranking.hits(k, self._reader) if ranking else []

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
        with self._lock:
            note = self.get(id)
            ranking = self._rank(query, at, allowed)
            if ranking is None:
                raise NotFoundError(self._missing(id))
            return retrieval.why_not(ranking, note, allowed, k)

    def _rank(self, query: str, at: datetime | str | None, allowed: Filter) -> retrieval.Ranking | None:
        index = self._catch_up()
        if not len(index):
            return None
        asked = moment(at, self._zone)[0] if at is not None else retrieval.present(index).astimezone(self._zone)
        read = retrieval.read_query(query, self._query_vector(query), asked)
        return retrieval.rank(index, read, allowed, self._parts.signals, self.config)

    def _query_vector(self, query: str) -> Vector:
        if query not in self._queries:
            self._queries[query] = embed(self.embedder, [query])[0]
            while len(self._queries) > self.config.query_cache:
                self._queries.popitem(last=False)
        return self._queries[query]

    def _catch_up(self) -> ExactIndex:
        """The index, brought up to the head: built from the notes the first time, then by tailing the journal."""
        head = self._reader.head()
        if self._index is None:
            self._index = ExactIndex(self.config.window)
            self._enter(self._index, self._reader.notes())
        elif self._index.head < head:
            commits = self._reader.commits(self._index.head, head)
            ids = {n for commit in commits for change in commit.changes for n in touched(change)}
            notes = self._reader.notes(ids)
            self._index.remove(ids.difference(note.id for note in notes))
            self._enter(self._index, notes)
        self._index.head = head
        return self._index

    def _enter(self, index: ExactIndex, notes: Sequence[Note]) -> None:
        new = [note for note in notes if index.row(note.id) is None]
        keys = {note.id: vector_key(self.embedder.fingerprint, note) for note in new}
        stored = self._reader.passages(keys.values())
        index.put(notes, {note_id: stored[key] for note_id, key in keys.items()})

    # ------------------------------------------------------------------ changing

    def update(self, id: str, **fields: Any) -> Note:
        """Change annotations of a note: context, keywords, tags, entities, metadata, status, valid_until or trust.

        Its text, time, speaker and sources never change: add a new note for a new fact.

        Raises:
            InputError: no such field, or a value that can't be used.
            NotFoundError: there is no such note.
        """
        allowed = [name for name in REVISABLE if name != "analyzed_by"]
        if strange := sorted(set(fields).difference(allowed)):
            raise InputError(f"{strange[0]!r} of a note can't be changed: only {', '.join(allowed)} can")
        if isinstance(fields.get("valid_until"), datetime | str):
            fields["valid_until"] = moment(fields["valid_until"], self._zone)[0]

        def plan() -> Draft | None:
            note = self.get(id)
            try:
                after = revisable_fields(Note.model_validate({**note.model_dump(), **fields}))
            except ValidationError as error:
                raise InputError(f"note {id!r} can't be changed so: {error}") from error
            check_json(after)
            revision = _revision(note, {k: v for k, v in after.items() if k in fields}, "changed by update()")
            return Draft("update", (revision,)) if revision.after else None

        with self._lock:
            self._commit(plan)
            return self.get(id)

    def mark_used(self, ids: str | Iterable[str]) -> Commit | None:
        """Record that an agent used notes; None where ``ids`` is empty.

        Raises:
            NotFoundError: one of them does not exist.
        """
        wanted = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))

        def plan() -> Draft | None:
            uses = tuple(Use(id="", note_id=self.get(i).id) for i in wanted)
            return Draft("use", uses) if uses else None

        with self._lock:
            return self._commit(plan)

    def forget(self, id: str, *, erase: bool = False) -> Commit | None:
        """Put a note away: searches pass it over, ``undo`` brings it back; None where it is put away already.

        ``erase=True`` removes its text, annotations and vectors everywhere, quotations of it in other notes' annotations
        included; only its id stays, so that no ingestion brings it back. That can't be undone.

        Raises:
            NotFoundError: there is no such note.
        """

        def archive() -> Draft | None:
            note = self.get(id)
            revision = _revision(note, {"status": "archived"}, "forgotten")
            return Draft("forget", (revision,)) if revision.after else None

        with self._lock:
            if not erase:
                return self._commit(archive)
            commit = self._commit(lambda: erasure.plan(self.get(id), self._reader, self._get_analyzer()))
            self._ledger = Ledger()  # what it kept in memory of the erased note goes too
            self._index = None
            self._queries.clear()
            return commit

    # ------------------------------------------------------------------- journal

    def log(self, *, after: int = 0, upto: int | None = None) -> list[Commit]:
        """The commits of the journal, oldest first: those with ``after < id <= upto``."""
        with self._lock:
            return list(self._reader.commits(after, upto))

    def history(self, id: str) -> list[HistoryEntry]:
        """Everything that ever happened to a note, oldest first, links and uses included.

        Raises:
            NotFoundError: no such note ever was.
        """
        with self._lock:
            entries = [
                HistoryEntry(commit=commit.id, at=commit.at, cause=commit.cause, change=change)
                for commit in self._reader.commits_of(id)
                for change in commit.changes
                if id in touched(change)
            ]
            if not entries:
                raise NotFoundError(self._missing(id))
            return entries

    def diff(self, commit: int | str | Commit) -> list[FieldDiff]:
        """What a commit changed, field by field.

        Raises:
            NotFoundError: there is no such commit.
        """
        number = commit.id if isinstance(commit, Commit) else _number(commit)
        with self._lock:
            found = next(self._reader.commits(number - 1, number), None) if number >= 1 else None
            if found is None:
                raise NotFoundError(f"no commit {number}: the newest is {self._reader.head()}")
            ordinals = [c.ordinal for c in found.changes if c.type == "note"]
            texts = {n: note.text for n, note in self._reader.arrived(ordinals).items()}
            return [line for change in found.changes for line in field_diffs(change, texts)]

    def undo(self, what: int | str | Commit | Change, *, cascade: bool = False) -> Commit:
        """Take back a commit (by number) or one change (by id, "12.3"), as a new commit.

        Links and uses of a note that goes, go with it. Undoing what is undone already changes nothing and returns the
        commit that did so; to take back an undo, undo its commit.

        Raises:
            ConflictError: later changes build on it; ``cascade=True`` takes them along.
            InputError: it erased something.
            NotFoundError: there is no such commit or change.
        """
        target: int | str = what if isinstance(what, int) else what if isinstance(what, str) else what.id
        if isinstance(target, str) and "." not in target:
            target = _number(target)

        def plan() -> Draft | None:
            self._ledger.extend(self._reader.commits(self._ledger.head))
            known = self._ledger.knows(target) if isinstance(target, str) else self._ledger.commit(target) is not None
            if not known:
                raise NotFoundError(f"no {'change' if isinstance(target, str) else 'commit'} {target}: see log()")
            changes = tuple(self._ledger.undo(target, cascade=cascade))
            return Draft("undo", changes) if changes else None

        with self._lock:
            commit = self._commit(plan)
            if commit is not None:
                return commit
            number = self._ledger.undone_by(target)
            if number is None:
                raise InputError(f"commit {target} changed nothing that could be undone")
            return next(self._reader.commits(number - 1, number))

    def as_of(self, when: int | datetime | str) -> Memory:
        """The memory as it was known after a commit (by number) or at a moment of journal time: read only.

        What was erased since is gone from it too.

        Raises:
            NotFoundError: there is no such commit.
        """
        with self._lock:
            head = self._reader.head()
            if isinstance(when, int):
                if not 0 <= when <= head:
                    raise NotFoundError(f"no commit {when}: the newest is {head}")
                number = when
            else:
                limit = moment(when, self._zone)[0]
                number = max((c.id for c in self._reader.commits() if c.at <= limit), default=0)
            parts = replace(self._parts, embedder=lambda: self.embedder)
            return Memory(
                Snapshot(self._reader, number), parts, store=None, namespace=self.namespace, timezone=self._timezone,
                config=self.config, lock=self._lock,
            )  # fmt: skip

    # ---------------------------------------------------------- keeping and moving

    def verify(self) -> Verification:
        """Check the store against its journal, the vectors, and searching against a fresh exact search."""
        with self._lock:
            return verification.verify(self._reader, self._store, self._catch_up(), self.embedder)

    def export(self, path: str | Path, *, history: bool = False) -> int:
        """Write the memory to a JSONL file, notes and links, or with ``history`` the whole journal; returns the lines.

        Vectors are left out: they are made anew by ``load``.
        """
        with self._lock:
            return dump.write(Path(path), self._reader, self.namespace, history=history)

    def load(self, path: str | Path) -> Commit | None:
        """Take in an export, ids kept: all of it, or nothing. None where it brings nothing new.

        An export without history adds the notes that are missing, in one commit; one with history is replayed,
        numbers and times kept, into an empty memory only.

        Raises:
            InputError: the file is no export, or a line of it is damaged; nothing was taken in.
        """
        store = self._writable()
        with self._lock:
            parsed = dump.read(Path(path))
            if parsed.commits is None:
                return self._commit(lambda: dump.plan(parsed, self._reader, self.embedder))
            if store.head():
                raise InputError(
                    f"{path} holds a history, which loads into an empty memory only, and namespace {self.namespace!r}"
                    " has commits: choose a new file or namespace, or export without history"
                )
            dump.restore(parsed, store, self.embedder)
            return next(store.commits(store.head() - 1), None)

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

    def _writable(self) -> Store:
        if self._store is None:
            raise ReadOnlyError("this is the memory as of an earlier time: change the memory itself")
        return self._store


_ALL = ("active", "superseded", "archived", "quarantined")


def _progress(report: FileReport, commit: int, total: int, file: int, files: int) -> Progress:
    left = total - report.new - report.unchanged
    return Progress(
        commit=commit, uri=report.uri, file=file, files=files, done=total - left, total=total, new=report.new
    )  # fmt: skip


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f'no timezone {name!r}: use a name such as "UTC" or "Europe/Berlin"') from error


def _number(commit: int | str) -> int:
    try:
        return int(commit)
    except ValueError as error:
        raise NotFoundError(f'no commit {commit!r}: use its number, or the id of a change such as "12.3"') from error


def _revision(note: Note, fields: Mapping[str, JsonValue], reason: str) -> Revision:
    """The revision that gives a note these values, without those it has already."""
    before = revisable_fields(note)
    changed = {name: value for name, value in fields.items() if before[name] != value}
    return Revision(
        id="", note_id=note.id, before={name: before[name] for name in changed}, after=changed, reason=reason,
        created_by="user",
    )  # fmt: skip
