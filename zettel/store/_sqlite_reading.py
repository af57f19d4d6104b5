"""Reading a memory in an SQLite file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from zettel import codec
from zettel.addresses import address_of
from zettel.model import (
    LINK_FIELDS,
    NOTE_FIELDS,
    Commit,
    Link,
    LinkKind,
    Note,
    Problem,
    Source,
    parsed_fields,
)
from zettel.protocols import Passages, TopicRow
from zettel.store._sqlite_file import SQLiteFile

_CHUNK = 500  # a statement names at most so many values; SQLite allows far more, but plans those badly


class SQLiteReader(SQLiteFile):
    """See ``protocols.Reader``. It keeps the ids and topics that it has read, and brings them up to date."""

    def __init__(self, address: str, *, namespace: str, read_only: bool, busy_timeout_s: float) -> None:
        self.namespace = namespace
        self._ids: dict[int, str] = {}
        self._newest = 0  # the highest ordinal among the known ones
        self._ordinals: dict[str, int] = {}
        self._ns: int | None = None  # looked up when it is first needed
        self._topics: dict[int, TopicRow] = {}
        self._topics_head: int | None = None  # the head that the topics are of; None if they are not known
        super().__init__(address, read_only=read_only, busy_timeout_s=busy_timeout_s)

    def _namespace(self) -> int | None:
        """The namespace's number; None until its first commit."""
        row = self._db.execute("SELECT ns FROM namespaces WHERE name = ?", (self.namespace,)).fetchone()
        return row[0] if row else None

    def head(self) -> int:
        """See ``protocols.Reader``."""
        if self._known_head is not None:
            return self._known_head
        with self._errors():
            if self._ns is None:
                self._ns = self._namespace()
            head = int(self._one("SELECT coalesce(max(id), 0) FROM commits WHERE ns = ?", self._ns)[0])
        if self._is_at_one_head:
            self._known_head = head
        return head

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
        found = (self._notes_where(f"n.present AND n.id IN {marks(c)}", c) for c in chunks(dict.fromkeys(ids)))
        return sorted((note for chunk in found for note in chunk), key=_ordinal)

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """See ``protocols.Reader``."""
        condition = """n.ordinal IN (SELECT ordinal FROM notes WHERE ns = n.ns AND conversation = ? AND session = ?
                       AND present ORDER BY ordinal DESC LIMIT ?)"""
        return self._notes_where(condition, (conversation_id, session_id, k))

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """See ``protocols.Reader``."""
        found = (self._notes_where(f"n.ordinal IN {marks(c)}", c) for c in chunks(dict.fromkeys(ordinals)))
        return {note.ordinal: note for note in sorted((note for chunk in found for note in chunk), key=_ordinal)}

    def _notes_where(self, condition: str, values: Iterable[Any]) -> list[Note]:
        with self.at_one_head():
            topics = self._topics_at(self.head())
            with self._errors():
                # Sorted afterwards, since ORDER BY would keep the planner from using the index of ids.
                rows = self._db.execute(
                    f"""SELECT n.topic, n.id, n.ordinal, n.text, n.time, n.time_precision, n.speaker, n.sources,
                        n.fields, c.at FROM notes n JOIN commits c ON c.ns = n.ns AND c.id = n.created
                        WHERE n.ns = ? AND {condition}""",
                    (self._ns, *values),
                ).fetchall()
        with self._reading():
            return sorted((_note(address_of(topics, topic), row) for topic, *row in rows), key=_ordinal)

    def last_ordinal(self) -> int:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            self._sync_ids()
        return self._newest

    def known(self, ids: Iterable[str]) -> set[str]:
        """See ``protocols.Reader``."""
        self.head()
        found: set[str] = set()
        with self._errors():
            for chunk in chunks(dict.fromkeys(ids)):
                for table in ("notes WHERE present AND", "erased WHERE"):
                    query = f"SELECT id FROM {table} ns = ? AND id IN {marks(chunk)}"
                    found.update(row[0] for row in self._db.execute(query, (self._ns, *chunk)))
        return found

    def erased(self) -> set[str]:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            return {row[0] for row in self._db.execute("SELECT id FROM erased WHERE ns = ?", (self._ns,))}

    def links(self, ids: Iterable[str] | None = None, kinds: Sequence[LinkKind] | None = None) -> list[Link]:
        """See ``protocols.Reader``."""
        self.head()
        query = "SELECT source, target, kind, weight, reason, created_by, fields FROM links"
        condition, values = "ns = ?", [self._ns, *(kinds or ())]
        if kinds is not None:
            condition += f" AND kind IN {marks(list(kinds))}"
        with self._errors():
            if ids is None:
                rows = {row[:3]: row for row in self._db.execute(f"{query} WHERE {condition}", values)}
            else:
                rows = {
                    row[:3]: row
                    for chunk in chunks(self._ordinals_of(ids))
                    # Without INDEXED BY, the planner reads the whole namespace to find the links to a note.
                    for end in ("WHERE source", "INDEXED BY links_to WHERE target")
                    for row in self._db.execute(f"{query} {end} IN {marks(chunk)} AND {condition}", (*chunk, *values))
                }
            if not all(source in self._ids and target in self._ids for source, target, _ in rows):
                self._sync_ids()  # a link of a note that has just arrived
        with self._reading():
            return sorted(map(self._link, rows.values()), key=_link_key)

    def _ordinals_of(self, ids: Iterable[str]) -> list[int]:
        """The ordinals of notes by id; notes that never arrived are skipped."""
        wanted = dict.fromkeys(ids)
        if not all(note_id in self._ordinals for note_id in wanted):
            self._sync_ids()
        return [self._ordinals[note_id] for note_id in wanted if note_id in self._ordinals]

    def _link(self, row: tuple[int, int, str, float, str, str, str]) -> Link:
        source, target, kind, weight, reason, created_by, fields = row
        return Link.model_construct(
            source_id=self._ids[source], target_id=self._ids[target], kind=kind, weight=weight, reason=reason,
            created_by=created_by, **{**LINK_FIELDS.defaults(), **LINK_FIELDS.parsed(json.loads(fields))},
        )  # fmt: skip

    def topics(self) -> dict[int, TopicRow]:
        """See ``protocols.Reader``."""
        with self.at_one_head():
            return dict(self._topics_at(self.head()))

    def _topics_at(self, head: int) -> dict[int, TopicRow]:
        """The present topics; they are read again if others have moved the head."""
        if head != self._topics_head:
            query = "SELECT id, parent, number, name, named_at FROM topics WHERE ns = ? AND present"
            with self._errors():
                self._topics = {topic_id: TopicRow(*row) for topic_id, *row in self._db.execute(query, (self._ns,))}
            self._topics_head = head
        return self._topics

    def places(self) -> dict[str, int]:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            query = "SELECT id, topic FROM notes WHERE ns = ? AND present AND topic IS NOT NULL"
            return dict(self._db.execute(query, (self._ns,)).fetchall())

    def last_topic(self) -> int:
        """See ``protocols.Reader``."""
        self.head()
        with self._errors():
            return int(self._one("SELECT coalesce(max(id), 0) FROM topics WHERE ns = ?", self._ns)[0])

    def rewrites(self, ids: Iterable[str], day: str) -> dict[str, int]:
        """See ``protocols.Store``."""
        self.head()
        found: dict[str, int] = {}
        with self._errors():
            for chunk in chunks(dict.fromkeys(ids)):
                query = f"""SELECT n.id, r.n FROM notes n JOIN rewrites r ON r.ns = n.ns AND r.ordinal = n.ordinal
                            WHERE n.ns = ? AND r.day = ? AND r.n > 0 AND n.id IN {marks(chunk)}"""
                found.update(self._db.execute(query, (self._ns, day, *chunk)).fetchall())
        return found

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """See ``protocols.Reader``."""
        found: dict[str, Passages] = {}
        for chunk in chunks(dict.fromkeys(keys)):
            query = f"SELECT key, spans, data FROM vectors WHERE key IN {marks(chunk)}"
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

    @property
    def beside(self) -> Path | None:
        """See ``protocols.Store``."""
        return None if self.address == ":memory:" else Path(f"{self._path}.index")

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

    # --------------------------------------------------------------- learning

    def _sync_ids(self) -> None:
        """Read the ordinals of notes that arrived since the last call; an id's newest ordinal wins.

        If it is called after rows are read, all notes in these rows are known.
        """
        # It must be one statement, since a note that another process erases moves from one table to the other.
        query = """SELECT ordinal, id FROM notes WHERE ns = ?1 AND ordinal > ?2
                   UNION ALL SELECT ordinal, id FROM erased WHERE ns = ?1 AND ordinal > ?2"""
        rows = self._db.execute(query, (self._ns, self._newest)).fetchall()
        for ordinal, note_id in sorted(rows):  # in order, so that after an interrupt the rest is learned the next time
            self._learn(ordinal, note_id)

    def _rolled_back(self) -> None:
        self._ns = None
        self._ids.clear()
        self._ordinals.clear()
        self._newest = 0
        self._topics_head = None

    def _learn(self, ordinal: int, note_id: str) -> None:
        self._ids[ordinal] = note_id
        self._ordinals[note_id] = max(ordinal, self._ordinals.get(note_id, 0))
        self._newest = max(self._newest, ordinal)


_link_key = attrgetter("source_id", "target_id", "kind")


def _ordinal(note: Note) -> int:
    return note.ordinal


def _note(address: str, row: list[Any]) -> Note:
    note_id, ordinal, text, time, precision, speaker, sources, fields, created = row
    # All fields are given, so pydantic need not look up any defaults.
    values = {**NOTE_FIELDS.defaults(), **parsed_fields(json.loads(fields))}
    return Note.model_construct(
        id=note_id, ordinal=ordinal, text=text, time=datetime.fromisoformat(time) if time else None,
        time_precision=precision, speaker=speaker, created_at=datetime.fromisoformat(created), address=address,
        sources=tuple(Source.model_construct(**{**_NO_SOURCE, **s}) for s in json.loads(sources)), **values,
    )  # fmt: skip


_NO_SOURCE = Source().model_dump()


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Divide values into lists that are short enough for one statement."""
    values = list(values)
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def marks(values: list[Any]) -> str:
    """The placeholders for a list of values."""
    return f"({','.join('?' * len(values))})"
