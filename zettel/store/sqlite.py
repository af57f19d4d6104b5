"""A memory in one SQLite file: the embedded default.

The file is in WAL mode, every commit is synced to disk (``synchronous=FULL``), and freed pages are zeroed
(``secure_delete``), so that what was erased is gone from the file. Several processes may share it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from zettel import codec
from zettel.config import Config
from zettel.errors import (
    HeadMovedError,
    StoreError,
)
from zettel.field_table import FieldTable
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Change,
    Commit,
    Erasure,
    LinkChange,
    Note,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    day_of,
    touched,
)
from zettel.protocols import Draft, Passages, Store, TopicRow
from zettel.store._shared import numbered, spoken_of
from zettel.store._sqlite_reading import SQLiteReader

SCHEMES = ("",)


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> SQLiteStore:
    """Open, and where needed create, the memory at ``address``: a path, or ":memory:".

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
    """
    return SQLiteStore(address, namespace=namespace, read_only=read_only, busy_timeout_s=config.busy_timeout_s)


class SQLiteStore(SQLiteReader):
    """See ``protocols.Store``. Not safe for two threads at once; the memory above it takes turns."""

    def __init__(self, address: str, *, namespace: str, read_only: bool, busy_timeout_s: float) -> None:
        super().__init__(address, namespace=namespace, read_only=read_only, busy_timeout_s=busy_timeout_s)
        if not read_only:
            with self._errors():
                self._flushed()

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
            commit = numbered(draft, head, datetime.now(UTC), self._time_of(head))
            self._write(commit, draft.arrivals)
            self._insert_passages(draft.passages)
            self._check_vectors(draft)
            rewritten = [(codec.encode(c.changes, self._ordinals), self._ns, c.id) for c in draft.rewrites]
            self._db.executemany("UPDATE commits SET payload = ? WHERE ns = ? AND id = ?", rewritten)
            erases = any(isinstance(c, Erasure) for c in commit.changes)
            if erases:
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('flush', 'owed')")
        self._follow(commit)
        if not self._is_alone:  # else it is not durable yet
            self._flush(erased=erases)
        return commit

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``protocols.Store``. A write transaction, which those inside it join."""
        with super().alone():
            before = self.erased()
            yield
            erased = self.erased() != before
        self._flush(erased=erased)

    def _flush(self, *, erased: bool) -> None:
        """Leave nothing of erased notes in the write-ahead log.

        Raises:
            StoreError: something was ``erased`` just now, and another process keeps old pages of it.
        """
        if not self._flushed() and erased:
            raise StoreError(
                f"the note is erased, but another process reads {self.address} and keeps old pages of it in the"
                " write-ahead log: they go with the first change, or the first opening for writing, after that ends"
            )

    def _follow(self, commit: Commit) -> None:
        """Bring the topics known up to a commit just written, so that they need not be read again."""
        if self._topics_head != commit.id - 1:
            return
        for change in commit.changes:
            if isinstance(change, TopicChange):
                if change.after is None:
                    self._topics.pop(change.topic_id, None)
                else:
                    self._topics[change.topic_id] = TopicRow(**change.after)  # type: ignore[arg-type]  # as journalled
        self._topics_head = commit.id

    def _check_vectors(self, draft: Draft) -> None:
        """A vector that the plan found in the store may have gone with a note that another namespace erased."""
        for note, key in draft.arrivals:
            if not self._db.execute("SELECT 1 FROM vectors WHERE key = ?", (key,)).fetchone():
                raise HeadMovedError(f"the vectors of note {note.id} are gone since the plan was made")

    def _time_of(self, number: int) -> datetime | None:
        if not number:
            return None
        at: str = self._one("SELECT at FROM commits WHERE ns = ? AND id = ?", self._ns, number)[0]
        return datetime.fromisoformat(at)

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
        touches = {(self._ns, self._ordinals[n], commit.id) for c in commit.changes for n in spoken_of(c)}
        self._db.executemany("INSERT INTO touches VALUES (?, ?, ?)", touches)

    def _insert_note(self, note: Note, key: str, commit: int) -> None:
        time = note.time.isoformat() if note.time else None
        sources = json.dumps([s.model_dump(exclude_none=True) for s in note.sources], separators=(",", ":"))
        row = (
            self._ns, note.ordinal, note.id, note.text, time, note.time_precision, note.speaker,
            *(note.conversation or (None, None)), sources, key, commit,
        )  # fmt: skip
        self._db.execute(f"INSERT INTO notes VALUES ({', '.join('?' * len(row))}, 0, '{{}}', NULL)", row)

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
                    """UPDATE notes SET present = ?, fields = ?, topic = NULL
                       WHERE ns = ? AND ordinal = ? AND id = ? RETURNING 1""",
                    after is not None, _packed(NOTE_FIELDS, after or {}), self._ns, ordinal, note_id,
                )  # fmt: skip
            case Revision(note_id=note_id, after=after):
                if change.trigger is not None:
                    self._count(change, self._ordinals[change.trigger], 1)
                query = "SELECT fields FROM notes WHERE ns = ? AND id = ? AND present"
                fields = _packed(NOTE_FIELDS, {**json.loads(self._one(query, self._ns, note_id)[0]), **after})
                update = "UPDATE notes SET fields = ? WHERE ns = ? AND id = ? AND present"
                self._db.execute(update, (fields, self._ns, note_id))
            case LinkChange(after=after):
                key = self._ns, self._ordinals[change.source_id], self._ordinals[change.target_id], change.kind
                if after is None:
                    self._db.execute("DELETE FROM links WHERE ns = ? AND source = ? AND target = ? AND kind = ?", key)
                else:
                    columns = [after[name] for name in _LINK_COLUMNS]
                    rest = {name: value for name, value in after.items() if name not in _LINK_COLUMNS}
                    values = (*key, *columns, _packed(LINK_FIELDS, rest))
                    self._db.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            case TopicChange():
                self._change_topic(change)
            case Placement(note_id=note_id, after=topic_id):
                self._expect_topic(topic_id)
                update = "UPDATE notes SET topic = ? WHERE ns = ? AND id = ? AND present"
                self._db.execute(update, (topic_id, self._ns, note_id))
            case Erasure():
                self._erase(change, commit)

    def _change_topic(self, change: TopicChange) -> None:
        key = self._ns, change.topic_id
        if change.after is None:
            self._one(
                """UPDATE topics SET parent = NULL, number = 0, name = '', named_at = 0, present = 0
                   WHERE ns = ? AND id = ? AND present RETURNING 1""",
                *key,
            )
            return
        row = TopicRow(**change.after)  # type: ignore[arg-type]  # checked when it was made
        self._expect_topic(row.parent)
        values = row.parent, row.number, row.name, row.named_at
        self._db.execute("INSERT OR REPLACE INTO topics VALUES (?, ?, ?, ?, ?, ?, 1)", (*key, *values))

    def _expect_topic(self, topic_id: int | None) -> None:
        if topic_id is not None:
            self._one("SELECT 1 FROM topics WHERE ns = ? AND id = ? AND present", self._ns, topic_id)

    def _count(self, revision: Revision, trigger: int, n: int) -> None:
        """Count a revision as one more (or less) of its note on the day of its trigger; not where either was erased."""
        row = self._db.execute("SELECT time FROM notes WHERE ns = ? AND ordinal = ?", (self._ns, trigger)).fetchone()
        if row is None or revision.undoes is not None:
            return
        day = day_of(datetime.fromisoformat(row[0]) if row[0] else None, trigger)
        self._db.execute(
            """INSERT INTO rewrites SELECT ?1, min(ordinal), ?2, ?3 FROM notes WHERE ns = ?1 AND id = ?4 HAVING count(*)
               ON CONFLICT (ns, ordinal, day) DO UPDATE SET n = n + ?3""",
            (self._ns, day, n, revision.note_id),
        )

    def _erase(self, change: Erasure, commit: int) -> None:
        """Drop every row of the note, under any ordinal it ever had, and its vectors where nothing else uses them."""
        query = "SELECT DISTINCT vector FROM notes WHERE ns = ? AND id = ?"
        keys = self._db.execute(query, (self._ns, change.note_id)).fetchall()
        self._uncount(change.note_id)
        for ordinal in [ordinal for ordinal, note_id in self._ids.items() if note_id == change.note_id]:
            row = (self._ns, ordinal, change.note_id, commit)
            self._db.execute("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)", row)
            self._db.execute("DELETE FROM notes WHERE ns = ? AND ordinal = ?", (self._ns, ordinal))
            self._db.execute("DELETE FROM rewrites WHERE ns = ? AND ordinal = ?", (self._ns, ordinal))
            self._db.execute("DELETE FROM links WHERE ns = ?1 AND (source = ?2 OR target = ?2)", (self._ns, ordinal))
        unused = "DELETE FROM vectors WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM notes WHERE vector = ?1)"
        self._db.executemany(unused, keys)

    def _uncount(self, note_id: str) -> None:
        """Take what a note has triggered out of the counts: the day on which it happened goes with it."""
        ordinal = 0
        for change in (change for commit in self.commits_of(note_id) for change in commit.changes):
            if isinstance(change, NoteChange) and change.note_id == note_id:
                ordinal = max(ordinal, change.ordinal)
            elif isinstance(change, Revision) and change.trigger == note_id:
                self._count(change, ordinal, -1)

    def _flushed(self) -> bool:
        """Whether nothing of an erased note is left in the write-ahead log, after doing what can be done about it.

        Until the log is moved into the file and emptied, it holds the pages from before. That a flush is owed stands in
        the file itself, so that whoever opens it next makes up for one that a reader or a crash prevented.
        """
        if self._db.execute("SELECT 1 FROM meta WHERE key = 'flush'").fetchone() is None:
            return True
        try:
            if self._one("PRAGMA wal_checkpoint(TRUNCATE)")[0]:
                return False
            with self._transaction():
                self._db.execute("DELETE FROM meta WHERE key = 'flush'")
        except sqlite3.OperationalError:
            return False
        return True

    def close(self) -> None:
        """See ``protocols.Store``."""
        try:
            if not self.read_only and self._is_open():
                with self._errors():
                    self._flushed()
        finally:
            super().close()


_STORE: Callable[..., Store] = SQLiteStore  # so that it is checked against the protocol


_LINK_COLUMNS = "weight", "reason", "created_by"  # all others stand together, as JSON


def _packed(table: FieldTable, fields: dict[str, Any]) -> str:
    """Fields of a note or a link as JSON, without those that have their default value."""
    return json.dumps(table.slim(fields), separators=(",", ":"), ensure_ascii=False)
