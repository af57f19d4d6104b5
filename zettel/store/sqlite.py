"""A memory in one SQLite file: the embedded default.

The file is in WAL mode, every commit is synced to disk (``synchronous=FULL``), and freed pages are zeroed
(``secure_delete``), so that what was erased is gone from the file. Several processes may share it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zettel import codec
from zettel.config import Config
from zettel.errors import (
    HeadMovedError,
    ReadOnlyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
    ZettelError,
)
from zettel.model import (
    REVISABLE,
    Change,
    Commit,
    Erasure,
    Link,
    LinkChange,
    Note,
    NoteChange,
    Problem,
    Revision,
    Source,
    parsed_fields,
    touched,
)
from zettel.protocols import Draft, Passages

SCHEMES = ("",)
APPLICATION_ID = 0x5A45544C  # "ZETL": tells a zettel memory from another program's database
_CHUNK = 500  # names a statement may hold; SQLite's own bound is far above, its planner's patience is not


# ----------------------------------------------------------------- migrations


def _v1_tables(db: sqlite3.Connection) -> None:
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE namespaces (ns INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        """CREATE TABLE commits (ns INTEGER NOT NULL, id INTEGER NOT NULL, at TEXT NOT NULL, cause TEXT NOT NULL,
           payload BLOB NOT NULL, PRIMARY KEY (ns, id))""",
        # A row is written once; `present` and `fields` are what the journal has made of the note by now.
        """CREATE TABLE notes (ns INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL,
           time TEXT, time_precision TEXT, speaker TEXT, conversation TEXT, session TEXT, sources TEXT NOT NULL,
           vector TEXT NOT NULL, created INTEGER NOT NULL, present INTEGER NOT NULL, fields TEXT NOT NULL,
           PRIMARY KEY (ns, ordinal))""",
        "CREATE UNIQUE INDEX present_notes ON notes (ns, id) WHERE present",
        "CREATE INDEX sessions ON notes (ns, conversation, session, ordinal) WHERE conversation IS NOT NULL",
        """CREATE TABLE links (ns INTEGER NOT NULL, source INTEGER NOT NULL, target INTEGER NOT NULL,
           kind TEXT NOT NULL, weight REAL NOT NULL, reason TEXT NOT NULL, created_by TEXT NOT NULL,
           PRIMARY KEY (ns, source, target, kind)) WITHOUT ROWID""",
        "CREATE INDEX links_to ON links (ns, target)",
        """CREATE TABLE touches (ns INTEGER NOT NULL, ordinal INTEGER NOT NULL, commit_id INTEGER NOT NULL,
           PRIMARY KEY (ns, ordinal, commit_id)) WITHOUT ROWID""",
        "CREATE TABLE vectors (key TEXT PRIMARY KEY, spans TEXT NOT NULL, data BLOB NOT NULL)",
        """CREATE TABLE erased (ns INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL,
           commit_id INTEGER NOT NULL, PRIMARY KEY (ns, ordinal)) WITHOUT ROWID""",
        f"PRAGMA application_id = {APPLICATION_ID}",
    ):
        db.execute(statement)


#: Step n brings a file from version n - 1 to n. A step that was released never changes; a new one is added behind it.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_v1_tables,)


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> SQLiteStore:
    """Open, and where needed create, the memory at ``address``: a path, or ":memory:".

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
    """
    return SQLiteStore(address, namespace=namespace, read_only=read_only, busy_timeout_s=config.busy_timeout_s)


class SQLiteStore:
    """See ``protocols.Store``. Not safe for two threads at once; the memory above it takes turns."""

    def __init__(self, address: str, *, namespace: str, read_only: bool, busy_timeout_s: float) -> None:
        self.address = address
        self.namespace = namespace
        self.read_only = read_only
        self._busy_timeout_s = busy_timeout_s
        self._ids: dict[int, str] = {}
        self._ordinals: dict[str, int] = {}
        with self._errors():
            self._db = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    # ---------------------------------------------------------------- opening

    def _connect(self) -> sqlite3.Connection:
        connect = partial(sqlite3.connect, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False)
        if self.address == ":memory:":
            return connect(":memory:")
        path = Path(self.address)
        if not os.path.exists(path) and self.read_only:
            raise StoreError(f"no memory at {self.address!r}: check the path, or add a note to make it")
        if os.path.isdir(path) or not os.path.isdir(path.parent) or "\0" in self.address:
            raise StoreError(f"{self.address!r} is a folder, or stands in one that does not exist: name a file")
        if _size(path) == 1:  # which SQLite takes for an empty file, and would write over
            raise StoreDamagedError(f"{self.address} is damaged or no zettel memory: restore a copy of the file")
        if not self.read_only:
            return connect(path)
        # Where even the shared-memory file can't be made (a read-only disk), nobody can be writing either.
        untouchable = not os.access(path.parent, os.W_OK) and not _size(f"{path}-wal")
        mode = "immutable=1" if untouchable else "mode=ro"
        return connect(f"{path.resolve().as_uri()}?{mode}", uri=True)

    def _prepare(self) -> None:
        db = self._db
        # In this order: another process may be making the file just now, and its tables come with its id.
        empty = self._one("SELECT count(*) FROM sqlite_master")[0] == 0
        version, application = self._one("PRAGMA user_version")[0], self._one("PRAGMA application_id")[0]
        if application != APPLICATION_ID and not empty:
            raise StoreDamagedError(f"{self.address} is a database of another program, not a zettel memory")
        if version > len(MIGRATIONS):
            raise StoreVersionError(
                f"{self.address} has schema version {version}, this zettel reads up to {len(MIGRATIONS)}: upgrade"
                " zettel"
            )
        if self.read_only:
            if version < len(MIGRATIONS):
                raise StoreVersionError(
                    f"{self.address} has schema version {version}: open it once for writing, so that it is brought to"
                    f" version {len(MIGRATIONS)}"
                )
            db.execute("PRAGMA query_only = ON")
        else:
            self._use_wal()
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            self._migrate(version)
        self._ns = self._namespace()

    def _use_wal(self) -> None:
        """Switch a new file to WAL. Where two processes do so at once, SQLite gives up at once: so wait here."""
        end = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            time.sleep(0.01)

    def _migrate(self, version: int) -> None:
        for number in range(version + 1, len(MIGRATIONS) + 1):
            with self._transaction():
                if self._one("PRAGMA user_version")[0] < number:  # another process may have been quicker
                    MIGRATIONS[number - 1](self._db)
                    self._db.execute(f"PRAGMA user_version = {number}")

    def _namespace(self) -> int | None:
        """The namespace's number; None until its first commit."""
        row = self._db.execute("SELECT ns FROM namespaces WHERE name = ?", (self.namespace,)).fetchone()
        return row[0] if row else None

    # ---------------------------------------------------------------- reading

    def head(self) -> int:
        """See ``protocols.Reader``."""
        with self._errors():
            if self._ns is None:
                self._ns = self._namespace()
            return int(self._one("SELECT coalesce(max(id), 0) FROM commits WHERE ns = ?", self._ns)[0])

    def commits(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        last = self.head() if upto is None else min(upto, self.head())
        while after < last:
            chunk = min(after + _CHUNK, last)
            with self._errors():
                rows = self._db.execute(
                    "SELECT id, at, cause, payload FROM commits WHERE ns = ? AND id > ? AND id <= ? ORDER BY id",
                    (self._ns, after, chunk),
                ).fetchall()
                self._sync_ids()
            yield from map(self._commit, rows)
            after = chunk

    def commits_of(self, note_id: str) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            rows = self._db.execute(
                """SELECT id, at, cause, payload FROM commits WHERE ns = ?1 AND id IN
                   (SELECT commit_id FROM touches WHERE ns = ?1 AND ordinal IN
                    (SELECT ordinal FROM notes WHERE ns = ?1 AND id = ?2
                     UNION SELECT ordinal FROM erased WHERE ns = ?1 AND id = ?2)) ORDER BY id""",
                (self._ns, note_id),
            ).fetchall()
            self._sync_ids()
        return map(self._commit, rows)

    def _commit(self, row: tuple[int, str, str, bytes]) -> Commit:
        number, at, cause, payload = row
        with self._reading():
            changes = codec.decode(payload, number, self._ids)
            return Commit.model_construct(id=number, at=datetime.fromisoformat(at), cause=cause, changes=changes)

    def n_notes(self) -> int:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            return int(self._one("SELECT count(*) FROM notes WHERE ns = ? AND present", self._ns)[0])

    def notes(self, ids: Iterable[str] | None = None) -> list[Note]:
        """See ``protocols.Reader``."""
        if ids is None:
            return self._notes_where("n.present", ())
        found = (self._notes_where(f"n.present AND n.id IN {_marks(c)}", c) for c in _chunks(dict.fromkeys(ids)))
        return sorted((note for chunk in found for note in chunk), key=_ordinal)

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """See ``protocols.Reader``."""
        condition = """n.ordinal IN (SELECT ordinal FROM notes WHERE ns = n.ns AND conversation = ? AND session = ?
                       AND present ORDER BY ordinal DESC LIMIT ?)"""
        return self._notes_where(condition, (conversation_id, session_id, k))

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """See ``protocols.Reader``."""
        found = (self._notes_where(f"n.ordinal IN {_marks(c)}", c) for c in _chunks(dict.fromkeys(ordinals)))
        return {note.ordinal: note for note in sorted((note for chunk in found for note in chunk), key=_ordinal)}

    def _notes_where(self, condition: str, values: Iterable[Any]) -> list[Note]:
        self.head()
        with self._errors():
            # Sorted here, not there: ORDER BY leads the planner off the index of ids.
            rows = self._db.execute(
                f"""SELECT n.id, n.ordinal, n.text, n.time, n.time_precision, n.speaker, n.sources, n.fields, c.at
                    FROM notes n JOIN commits c ON c.ns = n.ns AND c.id = n.created WHERE n.ns = ? AND {condition}""",
                (self._ns, *values),
            ).fetchall()
        with self._reading():
            return sorted(map(_note, rows), key=_ordinal)

    def last_ordinal(self) -> int:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            self._sync_ids()
        return max(self._ids, default=0)

    def known(self, ids: Iterable[str]) -> set[str]:
        """See ``protocols.Reader``."""
        self.head()
        found: set[str] = set()
        with self._errors():
            for chunk in _chunks(dict.fromkeys(ids)):
                for table in ("notes WHERE present AND", "erased WHERE"):
                    query = f"SELECT id FROM {table} ns = ? AND id IN {_marks(chunk)}"
                    found.update(row[0] for row in self._db.execute(query, (self._ns, *chunk)))
        return found

    def erased(self) -> set[str]:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            return {row[0] for row in self._db.execute("SELECT id FROM erased WHERE ns = ?", (self._ns,))}

    def links(self, ids: Iterable[str] | None = None) -> list[Link]:
        """See ``protocols.Reader``."""
        self.head()
        query = "SELECT source, target, kind, weight, reason, created_by FROM links WHERE ns = ?"
        with self._errors():
            self._sync_ids()
            if ids is None:
                rows = set(self._db.execute(query, (self._ns,)))
            else:
                ordinals = [self._ordinals[i] for i in dict.fromkeys(ids) if i in self._ordinals]
                rows = {
                    row
                    for chunk in _chunks(ordinals)
                    for end in ("source", "target")
                    for row in self._db.execute(f"{query} AND {end} IN {_marks(chunk)}", (self._ns, *chunk))
                }
            self._sync_ids()  # again: a link read just now may be one of a note that has just arrived
        with self._reading():
            return sorted(map(self._link, rows), key=lambda link: link.key)

    def _link(self, row: tuple[int, int, str, float, str, str]) -> Link:
        source, target, kind, weight, reason, created_by = row
        return Link.model_construct(
            source_id=self._ids[source], target_id=self._ids[target], kind=kind, weight=weight, reason=reason,
            created_by=created_by,
        )  # fmt: skip

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """See ``protocols.Reader``."""
        found: dict[str, Passages] = {}
        for chunk in _chunks(dict.fromkeys(keys)):
            query = f"SELECT key, spans, data FROM vectors WHERE key IN {_marks(chunk)}"
            with self._errors():
                rows = self._db.execute(query, chunk).fetchall()
            with self._reading():
                for key, spans, data in rows:
                    pairs = tuple((a, b) for a, b in json.loads(spans))
                    matrix = np.frombuffer(data, "<f2").astype(np.float32).reshape(len(pairs), -1)
                    found[key] = Passages(pairs, matrix)
        return found

    def namespaces(self) -> list[str]:
        """See ``protocols.Store``."""
        with self._errors():
            return [row[0] for row in self._db.execute("SELECT name FROM namespaces ORDER BY name")]

    def fingerprint(self) -> str | None:
        """See ``protocols.Store``."""
        with self._errors():
            row = self._db.execute("SELECT value FROM meta WHERE key = 'embedder'").fetchone()
        return row[0] if row else None

    def check(self) -> list[Problem]:
        """See ``protocols.Store``."""
        with self._errors():
            found = [row[0] for row in self._db.execute("PRAGMA integrity_check")]
        return [Problem(place=self.address, reason=reason) for reason in found if reason != "ok"]

    # ---------------------------------------------------------------- writing

    def set_fingerprint(self, fingerprint: str) -> str:
        """See ``protocols.Store``."""
        self._writable()
        with self._errors(), self._transaction():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('embedder', ?)", (fingerprint,))
            return str(self._one("SELECT value FROM meta WHERE key = 'embedder'")[0])

    def append(self, draft: Draft, head: int) -> Commit:
        """See ``protocols.Store``."""
        self._writable()
        with self._errors(), self._transaction():
            newest = self.head()
            if newest != head:
                raise HeadMovedError(f"commit {newest} is there already, the plan was made on {head}")
            commit = self._numbered(draft, head)
            self._write(commit, draft.arrivals)
            self._insert_passages(draft.passages)
            rewritten = [(codec.encode(c.changes, self._ordinals), self._ns, c.id) for c in draft.rewrites]
            self._db.executemany("UPDATE commits SET payload = ? WHERE ns = ? AND id = ?", rewritten)
        if any(isinstance(c, Erasure) for c in commit.changes):
            self._flush()
        return commit

    def _numbered(self, draft: Draft, head: int) -> Commit:
        number = head + 1
        changes = tuple(c.model_copy(update={"id": f"{number}.{i}"}) for i, c in enumerate(draft.changes, 1))
        now = datetime.now(UTC)
        if head:
            last = self._one("SELECT at FROM commits WHERE ns = ? AND id = ?", self._ns, head)[0]
            now = max(now, datetime.fromisoformat(last))  # a clock set back must not reorder the journal
        return Commit.model_construct(id=number, at=now, cause=draft.cause, changes=changes)

    def restore(
        self, commits: Iterable[Commit], notes: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages]
    ) -> None:
        """See ``protocols.Store``."""
        self._writable()
        with self._errors(), self._transaction():
            if self.head():
                raise StoreError(f"namespace {self.namespace!r} of {self.address} is not empty: load into a new one")
            commits = list(commits)
            erased = {c.note_id for commit in commits for c in commit.changes if isinstance(c, Erasure)}
            written: set[int] = set()
            for commit in commits:
                ordinals = {c.ordinal for c in commit.changes if isinstance(c, NoteChange)} - written
                self._write(commit, [notes[n] for n in sorted(ordinals) if n in notes], erased)
                written |= ordinals
            self._insert_passages(passages)

    def _write(self, commit: Commit, arrivals: Iterable[tuple[Note, str]], erased: Set[str] = frozenset()) -> None:
        """Write one commit. Of ``erased`` notes only the erasure is applied: their rows are gone already."""
        if self._ns is None:
            self._db.execute("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", (self.namespace,))
            self._ns = self._namespace()
        for note, key in arrivals:
            self._insert_note(note, key, commit.id)
        self._sync_ids()
        for change in commit.changes:
            if isinstance(change, NoteChange):
                self._learn(change.ordinal, change.note_id)
            if isinstance(change, Erasure) or erased.isdisjoint(touched(change)):
                self._apply(change, commit.id)
        payload = codec.encode(commit.changes, self._ordinals)
        row = (self._ns, commit.id, commit.at.isoformat(), commit.cause, payload)
        self._db.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?)", row)
        touches = {(self._ns, self._ordinals[n], commit.id) for c in commit.changes for n in _mentioned(c)}
        self._db.executemany("INSERT INTO touches VALUES (?, ?, ?)", touches)

    def _insert_note(self, note: Note, key: str, commit: int) -> None:
        time = note.time.isoformat() if note.time else None
        sources = json.dumps([s.model_dump(exclude_none=True) for s in note.sources], separators=(",", ":"))
        row = (
            self._ns, note.ordinal, note.id, note.text, time, note.time_precision, note.speaker,
            *(note.conversation or (None, None)), sources, key, commit,
        )  # fmt: skip
        self._db.execute(f"INSERT INTO notes VALUES ({', '.join('?' * len(row))}, 0, '{{}}')", row)

    def _insert_passages(self, passages: Mapping[str, Passages]) -> None:
        for key, found in passages.items():
            data = np.asarray(found.vectors, "<f2").tobytes()
            row = (key, json.dumps(found.spans, separators=(",", ":")), data)
            self._db.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", row)

    def _apply(self, change: Change, commit: int) -> None:
        """Bring the tables that hold the present state up to one change."""
        match change:
            case NoteChange(note_id=note_id, ordinal=ordinal, after=after):
                self._one(
                    "UPDATE notes SET present = ?, fields = ? WHERE ns = ? AND ordinal = ? AND id = ? RETURNING 1",
                    after is not None, _packed(after or {}), self._ns, ordinal, note_id,
                )  # fmt: skip
            case Revision(note_id=note_id, after=after):
                query = "SELECT fields FROM notes WHERE ns = ? AND id = ? AND present"
                fields = _packed({**json.loads(self._one(query, self._ns, note_id)[0]), **after})
                update = "UPDATE notes SET fields = ? WHERE ns = ? AND id = ? AND present"
                self._db.execute(update, (fields, self._ns, note_id))
            case LinkChange(after=after):
                key = self._ns, self._ordinals[change.source_id], self._ordinals[change.target_id], change.kind
                if after is None:
                    self._db.execute("DELETE FROM links WHERE ns = ? AND source = ? AND target = ? AND kind = ?", key)
                else:
                    values = after["weight"], after["reason"], after["created_by"]
                    self._db.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, *values))
            case Erasure():
                self._erase(change, commit)

    def _erase(self, change: Erasure, commit: int) -> None:
        """Drop every row of the note, under any ordinal it ever had, and its vectors where nothing else uses them."""
        query = "SELECT DISTINCT vector FROM notes WHERE ns = ? AND id = ?"
        keys = self._db.execute(query, (self._ns, change.note_id)).fetchall()
        for ordinal in [ordinal for ordinal, note_id in self._ids.items() if note_id == change.note_id]:
            row = (self._ns, ordinal, change.note_id, commit)
            self._db.execute("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)", row)
            self._db.execute("DELETE FROM notes WHERE ns = ? AND ordinal = ?", (self._ns, ordinal))
            self._db.execute("DELETE FROM links WHERE ns = ?1 AND (source = ?2 OR target = ?2)", (self._ns, ordinal))
        unused = "DELETE FROM vectors WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM notes WHERE vector = ?1)"
        self._db.executemany(unused, keys)

    def _flush(self) -> None:
        """Move the write-ahead log into the file and empty it: until then it still holds the pages from before.

        Raises:
            StoreError: it can't be; the erasure is durable nevertheless.
        """
        try:
            busy = self._one("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        except sqlite3.Error as error:
            raise StoreError(
                f"the note is erased, but its old pages could not be overwritten in {self.address} ({error}): they go"
                " when the memory is closed"
            ) from error
        if busy:
            raise StoreError(
                f"the note is erased, but another process reads {self.address} and keeps its old pages in the"
                " write-ahead log: they go when it closes the memory"
            )

    def close(self) -> None:
        """See ``protocols.Store``."""
        self._db.close()

    # ------------------------------------------------------------------ tools

    def _sync_ids(self) -> None:
        """Learn the ordinals of notes that arrived since the last look; an id's newest ordinal wins.

        Called after rows are read, it knows all notes they speak of.
        """
        # One statement, so one moment: a note that another process erases goes from one table to the other.
        query = """SELECT ordinal, id FROM notes WHERE ns = ?1 AND ordinal > ?2
                   UNION ALL SELECT ordinal, id FROM erased WHERE ns = ?1 AND ordinal > ?2"""
        for ordinal, note_id in self._db.execute(query, (self._ns, max(self._ids, default=0))).fetchall():
            self._learn(ordinal, note_id)

    def _learn(self, ordinal: int, note_id: str) -> None:
        self._ids[ordinal] = note_id
        self._ordinals[note_id] = max(ordinal, self._ordinals.get(note_id, 0))

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        if row is None:
            raise StoreDamagedError(
                f"{self.address} misses a row that its journal speaks of: run zettel verify on a copy"
            )
        return row

    def _writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"{self.address} was opened with read_only=True: open it for writing to change it")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._ns = None  # it may have been made in what is rolled back
            self._ids.clear()
            self._ordinals.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, with the remedy."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn the errors of making sense of rows into ours."""
        try:
            yield
        except ZettelError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreDamagedError(
                f"{self.address} holds what no zettel wrote ({reason}): restore a copy of the file"
            ) from error

    def _translated(self, error: sqlite3.Error) -> StoreError | ReadOnlyError:
        name = getattr(error, "sqlite_errorname", "") or ""
        where = self.address
        if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
            return StoreError(f"the memory {where} is closed: open it again")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreLockedError(
                f"{where} was locked by another process for {self._busy_timeout_s:g} s; nothing was written: wait for"
                " it, or raise Config.busy_timeout_s"
            )
        if name.startswith("SQLITE_FULL"):
            return StoreFullError(f"no space left for {where}; nothing of this commit was written: free some and retry")
        if name.startswith("SQLITE_READONLY"):
            return ReadOnlyError(
                f"{where} can't be written (file, folder or disk is read-only): open it read_only=True"
            )
        damaged = "no such ", "Could not decode "  # a schema without its tables, text that is no UTF-8
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or str(error).startswith(damaged):
            return StoreDamagedError(f"{where} is damaged or no zettel memory ({error}): restore a copy of the file")
        reason = f"{error}, {name or type(error).__name__}"
        return StoreError(f"{where} failed ({reason}): check that the file can be read and written")


def _size(path: str | Path) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _ordinal(note: Note) -> int:
    return note.ordinal


def _note(row: tuple[Any, ...]) -> Note:
    note_id, ordinal, text, time, precision, speaker, sources, fields, created = row
    values = {"metadata": {}, **parsed_fields(json.loads(fields))}
    return Note.model_construct(
        id=note_id, ordinal=ordinal, text=text, time=datetime.fromisoformat(time) if time else None,
        time_precision=precision, speaker=speaker, created_at=datetime.fromisoformat(created),
        sources=tuple(Source.model_construct(**s) for s in json.loads(sources)), **values,
    )  # fmt: skip


_DEFAULTS = {name: Note.model_fields[name].get_default(call_default_factory=True) for name in REVISABLE}


def _packed(fields: dict[str, Any]) -> str:
    """Revisable fields as JSON, without those that have their default value."""
    kept = {k: v for k, v in fields.items() if (tuple(v) if isinstance(v, list) else v) != _DEFAULTS[k]}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def _mentioned(change: Change) -> tuple[str, ...]:
    """The notes under which a commit is found again: those it is about, and those whose text it quotes."""
    trigger = getattr(change, "trigger", None)
    return (*touched(change), *getattr(change, "derived_from", ()), *((trigger,) if trigger else ()))


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    values = list(values)
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _marks(values: list[Any]) -> str:
    return f"({','.join('?' * len(values))})"
