"""An SQLite file as zettel uses it: opening and migrating it, and transactions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from zettel.errors import (
    ReadOnlyError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from zettel.store._shared import making_sense
from zettel.store._sqlite_errors import translated

APPLICATION_ID = 0x5A45544C  # "ZETL", which distinguishes a zettel memory from another program's database


#: The answer of SQLite if it can't make the shared-memory file that reading in WAL mode needs.
_NO_SHARED_MEMORY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}

# ----------------------------------------------------------------- migrations


def _v1_tables(db: sqlite3.Connection) -> None:
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE namespaces (ns INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        """CREATE TABLE commits (ns INTEGER NOT NULL, id INTEGER NOT NULL, at TEXT NOT NULL, cause TEXT NOT NULL,
           payload BLOB NOT NULL, PRIMARY KEY (ns, id))""",
        # A row is written once, except `present` and `fields`, which are what the journal has made of the note.
        """CREATE TABLE notes (ns INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL,
           time TEXT, time_precision TEXT, speaker TEXT, conversation TEXT, session TEXT, sources TEXT NOT NULL,
           vector TEXT NOT NULL, created INTEGER NOT NULL, present INTEGER NOT NULL, fields TEXT NOT NULL,
           PRIMARY KEY (ns, ordinal))""",
        "CREATE INDEX note_ids ON notes (ns, id)",
        "CREATE INDEX note_vectors ON notes (vector)",
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


def _v2_topics(db: sqlite3.Connection) -> None:
    for statement in (
        "ALTER TABLE notes ADD COLUMN topic INTEGER",  # the leaf that the note is in
        # The row of a removed topic stays, without its name, so that its id is never used again.
        """CREATE TABLE topics (ns INTEGER NOT NULL, id INTEGER NOT NULL, parent INTEGER, number INTEGER NOT NULL,
           name TEXT NOT NULL, named_at INTEGER NOT NULL, present INTEGER NOT NULL,
           PRIMARY KEY (ns, id)) WITHOUT ROWID""",
        # The number of revisions of a note whose triggers are of one day.
        """CREATE TABLE rewrites (ns INTEGER NOT NULL, ordinal INTEGER NOT NULL, day TEXT NOT NULL, n INTEGER NOT NULL,
           PRIMARY KEY (ns, ordinal, day)) WITHOUT ROWID""",
    ):
        db.execute(statement)


def _v3_link_fields(db: sqlite3.Connection) -> None:
    # The other fields of a link, without those that have their default, as JSON, in the same form as those of a note.
    db.execute("ALTER TABLE links ADD COLUMN fields TEXT NOT NULL DEFAULT '{}'")


#: Step n brings a file from version n - 1 to n. A released step never changes; a new one is added at the end.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_v1_tables, _v2_topics, _v3_link_fields)


class SQLiteFile:
    """The open file at ``address``: in WAL mode, commits synced and freed pages zeroed; or for reading only."""

    def __init__(self, address: str, *, read_only: bool, busy_timeout_s: float) -> None:
        self.address = address
        self._path = address if address == ":memory:" else os.path.abspath(address)  # wherever the process goes
        self.read_only = read_only
        self._busy_timeout_s = busy_timeout_s
        self._is_alone = False
        self._is_inside = True  # whether code is running that will end an open transaction; opening the file counts
        self._is_at_one_head = False
        self._known_head: int | None = None  # known inside ``at_one_head``, once it is read
        self._file: tuple[int, int] | None = None  # the file's identity; None until the file exists
        with self._errors():
            self._db = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        self._is_inside = False
        self._file = None if address == ":memory:" else _identity(self._path)

    def _expect_same_file(self) -> None:
        """Refuse to write into an open file that was deleted or replaced, since nobody would find what is written.

        Raises:
            StoreError: it was deleted or replaced.
        """
        found = _identity(self._path)
        if self._file in (None, found):
            return
        what = "was deleted" if found is None else "was replaced by another file"
        raise StoreError(
            f"the memory {self.address} {what} while it was open; nothing was written: close this memory and open it"
            " again, after putting the right file there"
        )

    def _is_open(self) -> bool:
        try:
            self._db.execute("SELECT 1")
        except sqlite3.ProgrammingError:
            return False
        return True

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()

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
        db = connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY or _size(f"{path}-wal"):
                raise
            # SQLite's shared-memory file can't be made beside the file. Nobody is writing now, but the owner may at any
            # time, and would not know of this reader. So a copy is read.
            db.close()
            db = connect(":memory:")
            with closing(connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)) as file:
                file.backup(db)
        return db

    def _prepare(self) -> None:
        db = self._db
        # In this order, since another process may be making the file now, and writes its tables together with the id.
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

    def _use_wal(self) -> None:
        """Switch a new file to WAL. If two processes do so at once, SQLite gives up without waiting, so this waits."""
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

    # ------------------------------------------------------------------ using

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        if row is None:
            raise self._missing()
        return row

    def _many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a statement with each row of values; returns the number of rows of the table that it changed."""
        return self._db.executemany(statement, rows).rowcount if rows else 0

    def _each(self, update: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run an update with each row of values; each must change exactly one row of the table."""
        if self._many(update, rows) != len(rows):
            raise self._missing()

    def _missing(self) -> StoreDamagedError:
        return StoreDamagedError(f"{self.address} misses a row that its journal speaks of: run zettel verify on a copy")

    def _writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"{self.address} was opened with read_only=True: open it for writing to change it")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``protocols.Store``. This is a write transaction; transactions inside it join it."""
        with self._errors(), self._transaction():
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._is_alone:
            yield
            return
        self._end_left_over()
        try:  # entered before the transaction begins, since an interrupt may come right after that
            self._is_inside = True
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._expect_same_file()
            self._db.execute("COMMIT")
        except BaseException:
            self._is_inside = False
            self._rolled_back()  # also if SQLite has rolled back by itself, as on a full disk
            self._end_left_over()
            raise
        self._is_inside = False

    def end_left_over(self) -> None:
        """See ``protocols.Store``."""
        if self._is_inside or self._is_alone or self._is_at_one_head:
            self._known_head, self._is_inside, self._is_alone, self._is_at_one_head = None, False, False, False
            self._rolled_back()
            with suppress(sqlite3.ProgrammingError):  # it is closed
                self._end_left_over()

    def _end_left_over(self) -> None:
        """Roll back a transaction that was left open, because an interrupt came while it was being ended."""
        if not self._is_inside and self._db.in_transaction:
            self._rolled_back()
            self._db.execute("ROLLBACK")

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        """See ``protocols.Reader``. This is a read transaction; in WAL mode, no writer waits for it."""
        if self._is_inside:
            yield
            return
        try:  # entered before the transaction begins, since an interrupt may come right after that
            with self._errors():
                self._known_head, self._is_inside, self._is_at_one_head = None, True, True
                self._db.execute("BEGIN")
            yield
        finally:
            self._known_head, self._is_inside, self._is_at_one_head = None, False, False
            try:  # without _errors, which would take this transaction for one that was left open
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise translated(error, self.address, self._busy_timeout_s) from error

    def _rolled_back(self) -> None:
        """Called after a roll-back: what was learned inside the transaction is not true."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors into zettel's own, which name the remedy."""
        try:
            self._end_left_over()
            yield
        except sqlite3.Error as error:
            raise translated(error, self.address, self._busy_timeout_s) from error

    def _reading(self) -> AbstractContextManager[None]:
        return making_sense(self.address, "restore a copy of the file")


def _identity(path: str) -> tuple[int, int] | None:
    """The identity of the file at a path: device and file number; None if there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(path: str | Path) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
