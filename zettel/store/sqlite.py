"""A memory in one SQLite file: the embedded default.

The file is in WAL mode, every commit is synced to disk (``synchronous=FULL``), and freed pages are zeroed
(``secure_delete``), so that what was erased is gone from the file. Several processes may share it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from zettel import codec
from zettel.config import Config
from zettel.effects import Arrivals, Effects, LinkKey, Presence, batches, effects
from zettel.errors import (
    HeadMovedError,
    StoreError,
)
from zettel.field_marks import FieldTable
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Commit,
    Erasure,
    Note,
    NoteChange,
    Revision,
    day_of,
)
from zettel.protocols import Draft, Passages, Store, TopicRow
from zettel.store._shared import numbered
from zettel.store._sqlite_reading import SQLiteReader, chunks, marks

SCHEMES = ("",)


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> SQLiteStore:
    """Open the memory at ``address``, a path or ":memory:", and create it if it does not exist.

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
            arrivals = {note.ordinal: (note, key) for note, key in draft.arrivals}
            sum_ = self._write([commit], arrivals)
            self._insert_passages(draft.passages)
            self._check_vectors(draft.arrivals, draft.passages.keys())
            rewritten = [(codec.encode(c.changes, self._ordinals), self._ns, c.id) for c in draft.rewrites]
            self._db.executemany("UPDATE commits SET payload = ? WHERE ns = ? AND id = ?", rewritten)
            if sum_.erasures:
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('flush', 'owed')")
        self._follow(commit.id, sum_.topics)
        if not self._is_alone:  # inside ``alone``, the commit is not durable yet
            self._flush(erased=bool(sum_.erasures))
        return commit

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``protocols.Store``. This is a write transaction; transactions inside it join it."""
        with super().alone():
            before = self.erased()
            yield
            erased = self.erased() != before
        self._flush(erased=erased)

    def _flush(self, *, erased: bool) -> None:
        """Remove what is left of erased notes from the write-ahead log.

        Raises:
            StoreError: a note was ``erased`` just now, and another process keeps old pages of it.
        """
        if not self._flushed() and erased:
            raise StoreError(
                f"the note is erased, but another process reads {self.address} and keeps old pages of it in the"
                " write-ahead log: they go with the first change, or the first opening for writing, after that ends"
            )

    def _follow(self, commit: int, topics: Mapping[int, TopicRow | None]) -> None:
        """Bring the known topics up to the commit that was just written, so that they need not be read again."""
        if self._topics_head != commit - 1:
            return
        for topic_id, row in topics.items():
            if row is None:
                self._topics.pop(topic_id, None)
            else:
                self._topics[topic_id] = row
        self._topics_head = commit

    def _check_vectors(self, arrivals: Sequence[tuple[Note, str]], new: Collection[str]) -> None:
        """Check that the vectors that the plan found are still there: another namespace may have erased their note.

        ``new`` are the keys of vectors that come with the notes.
        """
        found: set[str] = set()
        for chunk in chunks({key for _, key in arrivals}.difference(new)):
            query = f"SELECT key FROM vectors WHERE key IN {marks(chunk)}"
            found.update(key for (key,) in self._db.execute(query, chunk))
        for note, key in arrivals:
            if key not in found and key not in new:
                raise HeadMovedError(f"the vectors of note {note.id} are gone since the plan was made")

    def _time_of(self, number: int) -> datetime | None:
        if not number:
            return None
        at: str = self._one("SELECT at FROM commits WHERE ns = ? AND id = ?", self._ns, number)[0]
        return datetime.fromisoformat(at)

    def restore(self, commits: Iterable[Commit], notes: Arrivals, passages: Mapping[str, Passages]) -> None:
        """See ``protocols.Store``."""
        self._writable()
        with self._errors(), self._transaction():
            if self.head():
                raise StoreError(f"namespace {self.namespace!r} of {self.address} is not empty: load into a new one")
            commits = list(commits)
            erased = {c.note_id for commit in commits for c in commit.changes if isinstance(c, Erasure)}
            for batch, arrivals in batches(commits, notes, _AT_ONCE):
                self._write(batch, arrivals, erased)
            self._insert_passages(passages)
            self._check_vectors(list(notes.values()), passages.keys())

    def _insert_passages(self, passages: Mapping[str, Passages]) -> None:
        rows = (
            (key, json.dumps(found.spans, separators=(",", ":")), np.asarray(found.vectors, "<f2").tobytes())
            for key, found in passages.items()
        )
        self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    # ---------------------------------------------------------------- writing

    def _write(self, commits: Sequence[Commit], arrivals: Arrivals, erased: Set[str] = frozenset()) -> Effects:
        """Write consecutive commits, and their effects into the tables of the present state.

        The only change of an ``erased`` note that is applied is its erasure, since its rows are gone already.
        """
        if self._ns is None:
            self._db.execute("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", (self.namespace,))
            self._ns = self._namespace()
        self._sync_ids()
        sum_ = effects(commits, arrivals, erased)
        self._delete_links(sum_)  # by the ordinals that their notes had before
        for ordinal, note_id in sum_.ordinals.items():
            self._learn(ordinal, note_id)
        self._write_topics(sum_)
        self._write_notes(sum_, arrivals)
        self._revise(sum_.fields)
        self._write_links(sum_)
        self._count(sum_)
        for note_id, (_, commit) in sum_.erasures.items():
            self._erase(note_id, commit)
        self._many(
            "INSERT INTO commits VALUES (?, ?, ?, ?, ?)",
            [(self._ns, c.id, c.at.isoformat(), c.cause, codec.encode(c.changes, self._ordinals)) for c in commits],
        )
        touches = [(self._ns, self._ordinals[i], commit) for i, found in sum_.mentions.items() for commit in found]
        self._many("INSERT INTO touches VALUES (?, ?, ?)", touches)
        return sum_

    def _write_topics(self, sum_: Effects) -> None:
        left = {topic_id: row for topic_id, row in sum_.topics.items() if row is not None}
        removed = sum_.topics.keys() - left.keys()
        self._each(
            """UPDATE topics SET parent = NULL, number = 0, name = '', named_at = 0, present = 0
               WHERE ns = ? AND id = ? AND present""",
            [(self._ns, topic_id) for topic_id in removed - sum_.added_topics],
        )
        rows = [(self._ns, i, row.parent, row.number, row.name, row.named_at, 1) for i, row in left.items()]
        rows += [(self._ns, i, None, 0, "", 0, 0) for i in removed & sum_.added_topics]  # so that no id is used again
        self._many("INSERT OR REPLACE INTO topics VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        named = {row.parent for row in left.values()}.union(sum_.places.values()) - {None}
        known = self._topics.keys() - removed if self._topics_head == sum_.commits[0].id - 1 else ()
        for chunk in chunks(named.difference(left, known)):
            query = f"SELECT count(*) FROM topics WHERE ns = ? AND present AND id IN {marks(chunk)}"
            if self._one(query, self._ns, *chunk)[0] != len(chunk):
                raise self._missing()

    def _write_notes(self, sum_: Effects, arrivals: Arrivals) -> None:
        """Write which notes are present, with fields and places; a note is removed before another one takes its id."""
        old = [note for note in sum_.notes.values() if not note.new]
        update = "UPDATE notes SET present = ?, fields = ?, topic = ? WHERE ns = ? AND ordinal = ? AND id = ?"
        out = [(*_shown(note, sum_), self._ns, note.ordinal, note.note_id) for note in old if note.fields is None]
        self._each(update, out)
        self._many(
            f"INSERT INTO notes VALUES ({', '.join('?' * 15)})",
            [(*self._note_row(*arrivals[new.ordinal], new.commit), *_shown(new, sum_)) for new in sum_.created],
        )
        self._each(update, [(*_shown(note, sum_), self._ns, note.ordinal, note.note_id) for note in sum_.returned])
        self._many(
            "UPDATE notes SET topic = ? WHERE ns = ? AND id = ? AND present",
            [(topic, self._ns, i) for i, topic in sum_.places.items() if i not in sum_.newest],
        )

    def _note_row(self, note: Note, key: str, commit: int) -> tuple[Any, ...]:
        """The columns of a note that never change."""
        time = note.time.isoformat() if note.time else None
        sources = json.dumps([s.model_dump(exclude_none=True) for s in note.sources], separators=(",", ":"))
        return (
            self._ns, note.ordinal, note.id, note.text, time, note.time_precision, note.speaker,
            *(note.conversation or (None, None)), sources, key, commit,
        )  # fmt: skip

    def _revise(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        if not fields:
            return
        found: dict[str, str] = {}
        for chunk in chunks(fields):
            query = f"SELECT id, fields FROM notes WHERE ns = ? AND present AND id IN {marks(chunk)}"
            found.update(self._db.execute(query, (self._ns, *chunk)))
        if len(found) != len(fields):
            raise self._missing()
        self._many(
            "UPDATE notes SET fields = ? WHERE ns = ? AND id = ? AND present",
            [(_packed(NOTE_FIELDS, {**json.loads(now), **fields[i]}), self._ns, i) for i, now in found.items()],
        )

    def _delete_links(self, sum_: Effects) -> None:
        """Delete the links that are removed, and those with an end that came again under another ordinal."""
        gone = [
            self._link_key(key)
            for key, link in sum_.links.items()
            if link.before is not None and (link.after is None or sum_.are_new(key[:2]))
        ]
        self._many("DELETE FROM links WHERE ns = ? AND source = ? AND target = ? AND kind = ?", gone)

    def _write_links(self, sum_: Effects) -> None:
        rows = []
        for key, link in sum_.links.items():
            if link.after is not None:
                columns = [link.after[name] for name in _LINK_COLUMNS]
                rest = {name: value for name, value in link.after.items() if name not in _LINK_COLUMNS}
                rows.append((*self._link_key(key), *columns, _packed(LINK_FIELDS, rest)))
        self._many("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _link_key(self, key: LinkKey) -> tuple[int | None, int, int, str]:
        return self._ns, self._ordinals[key[0]], self._ordinals[key[1]], key[2]

    # --------------------------------------------------------------- counting

    def _count(self, sum_: Effects) -> None:
        """Count revisions by the day of their trigger, unless the trigger or the revised note is erased."""
        self._add_counts(
            (revision.note_id, self._ordinals[revision.trigger])
            for revision, _, _ in sum_.revisions
            if revision.trigger is not None and revision.undoes is None and revision.trigger not in sum_.erasures
        )

    def _uncount(self, note_id: str) -> None:
        """Subtract the revisions that a note triggered from the counts: its day is not known after the erasure."""
        ordinal, triggered = 0, []
        for change in (change for commit in self.commits_of(note_id) for change in commit.changes):
            if isinstance(change, NoteChange) and change.note_id == note_id:
                ordinal = max(ordinal, change.ordinal)
            elif isinstance(change, Revision) and change.trigger == note_id and change.undoes is None:
                triggered.append((change.note_id, ordinal))
        self._add_counts(triggered, -1)

    def _add_counts(self, revised: Iterable[tuple[str, int]], n: int = 1) -> None:
        """Add ``n`` to the count of each revised note on the day of its trigger (an ordinal), if both have rows."""
        revised = Counter(revised)
        if not revised:
            return
        days: dict[int, str] = {}
        for chunk in chunks({ordinal for _, ordinal in revised}):
            query = f"SELECT ordinal, time FROM notes WHERE ns = ? AND ordinal IN {marks(chunk)}"
            for ordinal, time in self._db.execute(query, (self._ns, *chunk)):
                days[ordinal] = day_of(datetime.fromisoformat(time) if time else None, ordinal)
        self._many(
            """INSERT INTO rewrites SELECT ?1, min(ordinal), ?2, ?3 FROM notes WHERE ns = ?1 AND id = ?4 HAVING count(*)
               ON CONFLICT (ns, ordinal, day) DO UPDATE SET n = n + ?3""",
            [(self._ns, days[o], n * times, note_id) for (note_id, o), times in revised.items() if o in days],
        )

    # ---------------------------------------------------------------- erasing

    def _erase(self, note_id: str, commit: int) -> None:
        """Delete every row of the note, under all its ordinals, and its vectors if no other note uses them."""
        query = "SELECT DISTINCT vector FROM notes WHERE ns = ? AND id = ?"
        keys = self._db.execute(query, (self._ns, note_id)).fetchall()
        self._uncount(note_id)
        rows = [(self._ns, ordinal, note_id, commit) for ordinal, known in self._ids.items() if known == note_id]
        self._many("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)", rows)
        for statement in (
            "DELETE FROM notes WHERE ns = ? AND ordinal = ?",
            "DELETE FROM rewrites WHERE ns = ? AND ordinal = ?",
            "DELETE FROM links WHERE ns = ? AND source = ?",
            "DELETE FROM links WHERE ns = ? AND target = ?",
        ):
            self._many(statement, [row[:2] for row in rows])
        unused = "DELETE FROM vectors WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM notes WHERE vector = ?1)"
        self._many(unused, keys)

    def _flushed(self) -> bool:
        """Empty the write-ahead log if it may have pages of an erased note; returns whether nothing is left of them.

        The log has the old pages until it is moved into the file and emptied. The file itself records that this is to
        be done. So if a reader or a crash prevents it, the next process that opens the file does it.
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


_STORE: Callable[..., Store] = SQLiteStore  # so that mypy checks it against the protocol


_AT_ONCE = 20_000  # about so many changes are added up and then written
_LINK_COLUMNS = "weight", "reason", "created_by"  # all other fields are in one column, as JSON


def _shown(note: Presence, sum_: Effects) -> tuple[int, str, int | None]:
    """The columns of a note that commits change: whether it is present, its fields, its topic."""
    if note.fields is None:
        return 0, "{}", None
    return 1, _packed(NOTE_FIELDS, note.fields), sum_.places.get(note.note_id)


def _packed(table: FieldTable, fields: dict[str, Any]) -> str:
    """The fields of a note or a link as JSON; fields with their default value are left out."""
    return json.dumps(table.slim(fields), separators=(",", ":"), ensure_ascii=False)
