"""A memory on a Neo4j server, Community or Aura: shared by many machines, and a graph made to be looked at.

Notes, links, topics, revisions, sources and commits are nodes and relationships with captions that people can read;
what the library needs besides stands in their properties. One layout serves a ``primary``, which is written to, and a
``replica``, which is filled from another memory's journal and opens for reading only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from zettel import codec
from zettel.addresses import address_of
from zettel.config import Config
from zettel.errors import (
    ConflictError,
    HeadMovedError,
    ReadOnlyError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from zettel.model import Commit, Link, LinkKind, Note, NoteChange, Problem
from zettel.protocols import Draft, Passages, TopicRow
from zettel.store import _neo4j_edits as edits
from zettel.store import _neo4j_rows as rows
from zettel.store import _neo4j_schema as schema
from zettel.store import _neo4j_writes as writes
from zettel.store._neo4j_candidates import Candidates
from zettel.store._neo4j_checks import CHECKS
from zettel.store._neo4j_connection import SCHEMES, Connection, Writing, parse
from zettel.store._neo4j_effects import Arrivals, batches, effects
from zettel.store._shared import making_sense, numbered

__all__ = ["SCHEMES", "Neo4jStore", "open_store"]

T = TypeVar("T")
_CHUNK = 500  # commits read at once
_AT_ONCE = 20_000  # changes added up before they are written
_COMMIT_S, _CHANGE_S = 10.0, 0.05  # a server's time for a commit and for each change in it: ten times what it takes
_PLAN_S = 600.0  # the time of one who plans while nobody else may write


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> Neo4jStore:
    """Open, and where needed create, the memory at ``neo4j://user@host:7687/database`` (or bolt, +s, +ssc).

    The password comes from the environment, as NEO4J_PASSWORD.

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
        MissingExtraError: the driver is not installed.
    """
    schema.check_namespace(namespace)
    return Neo4jStore(address, namespace=namespace, read_only=read_only, patience_s=config.busy_timeout_s)


class Neo4jStore(Candidates):
    """See ``protocols.Store``. Not safe for two threads at once; the memory above it takes turns.

    A server shows each statement what is committed when it reads it. So ``one_moment`` looks at the head before and
    after, and raises ``HeadMovedError`` at its end where others wrote meanwhile.
    """

    def __init__(self, address: str, *, namespace: str, read_only: bool, patience_s: float) -> None:
        self.address = address
        self.namespace = namespace
        self._wants_reading = read_only
        self._patience_s = patience_s
        self._connection = Connection(parse(address), patience_s=patience_s)
        self._ids: dict[int, str] = {}
        self._ordinals: dict[str, int] = {}
        self._synced = 0  # the commit up to which all are known
        self._topics: dict[int, TopicRow] = {}
        self._topics_head: int | None = None  # the head at which they are so; None: not known
        self._moment: Mapping[str, Any] | None = None  # what the memory's own node says inside ``one_moment``
        self._has_read = False  # whether anything was read in it
        self._is_primary = False  # whether it is known to be
        self._no_vectors = ""  # why the server has no index of vectors
        self._dimension: int | None = None  # for which an index of vectors was seen to
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        found = self._connection.row("MATCH (p:Place {name: 'zettel'}) RETURN p.format")
        if found is not None and found[0] > schema.FORMAT:
            raise StoreVersionError(
                f"{self._name} has format {found[0]}, this zettel reads up to {schema.FORMAT}: upgrade zettel"
            )
        if self._wants_reading:
            if found is None:
                raise StoreError(f"no memory at {self._name}: check the address, or push one to it, or add a note")
            return
        schema.create(self._connection)
        if found is None:
            self._connection.write(
                lambda w: w.rows(
                    "MERGE (p:Place {name: 'zettel'}) ON CREATE SET p.format = $format, p.caption = 'zettel'",
                    format=schema.FORMAT,
                )
            )

    @property
    def _name(self) -> str:
        return self._connection.where.name

    @property
    def read_only(self) -> bool:
        """See ``protocols.Store``; a replica is, too."""
        if not self._wants_reading and not self._is_primary:
            role = self.role
            self._is_primary = role == "primary"  # which it stays
            return role in ("replica", "discarded")
        return self._wants_reading

    @property
    def role(self) -> str:
        """What the memory is: "primary", or "replica" of another one; "" before its first commit."""
        return str(self._memory().get("role", ""))

    @property
    def origin(self) -> str | None:
        """What a replica is one of, in words."""
        return self._memory().get("origin")

    @property
    def beside(self) -> Path | None:
        """See ``protocols.Store``: there is no folder beside a server."""
        return None

    def _memory(self) -> Mapping[str, Any]:
        """What the memory's own node says, inside one moment as at its beginning; nothing before the first commit."""
        if self._moment is not None:
            return self._moment
        found = self._connection.row("MATCH (m:Memory {namespace: $ns}) RETURN properties(m)", ns=self.namespace)
        return found[0] if found else {}

    def _rows(self, statement: str, /, **params: Any) -> list[tuple[Any, ...]]:
        self._has_read = True
        return self._connection.rows(statement, ns=self.namespace, **params)

    # ---------------------------------------------------------------- reading

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """See ``protocols.Reader``.

        Raises:
            HeadMovedError: at the end: others wrote meanwhile, so what was read may be of two moments.
        """
        if self._moment is not None or self._connection.in_transaction:
            yield
            return
        self._moment, self._has_read = self._memory(), False
        moment = self.head()
        try:
            yield
        except (StoreDamagedError, LookupError):  # what is of two moments may make no sense
            self._moment = None
            self._expect_head(moment)
            raise
        finally:
            self._moment = None
        if self._has_read:
            self._expect_head(moment)

    def _expect_head(self, moment: int) -> None:
        if (head := self.head()) != moment:
            raise HeadMovedError(f"commit {head} came while commit {moment} was read: read again")

    def head(self) -> int:
        """See ``protocols.Reader``."""
        return int(self._memory().get("head", 0))

    def commits(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        last = self.head() if upto is None else min(upto, self.head())
        while after < last:
            chunk = min(after + _CHUNK, last)
            found = self._rows(
                f"MATCH (c:Commit {{namespace: $ns}}) WHERE c.id > $after AND c.id <= $upto {_COMMIT} ORDER BY c.id",
                after=after, upto=chunk,
            )  # fmt: skip
            self._sync_ids()
            yield from map(self._commit, found)
            after = chunk

    def commits_of(self, note_id: str) -> Iterator[Commit]:
        """See ``protocols.Reader``."""
        found = self._rows(
            f"""CALL () {{
                MATCH (n:Note {{namespace: $ns, id: $id}}) RETURN n.commits AS numbers
                UNION MATCH (n:Removed {{namespace: $ns, id: $id}}) RETURN n.commits AS numbers
                UNION MATCH (n:Erased {{namespace: $ns, id: $id}}) RETURN n.commits AS numbers
            }}
            UNWIND numbers AS number WITH DISTINCT number
            MATCH (c:Commit {{namespace: $ns, id: number}}) {_COMMIT} ORDER BY c.id""",
            id=note_id,
        )
        self._sync_ids()
        return map(self._commit, found)

    def _commit(self, row: tuple[Any, ...]) -> Commit:
        number, at, cause, payload = row
        with self._reading():
            changes = codec.decode(payload, number, self._ids)
            return Commit.model_construct(id=number, at=rows.native(at), cause=cause, changes=changes)

    def n_notes(self) -> int:
        """See ``protocols.Reader``."""
        return int(self._memory().get("n_notes", 0))

    def notes(self, ids: Iterable[str] | None = None) -> list[Note]:
        """See ``protocols.Reader``."""
        if ids is None:
            return self._notes("MATCH (n:Note {namespace: $ns}) WHERE n.ordinal > 0")
        match = "UNWIND $ids AS id MATCH (n:Note {namespace: $ns, id: id})"
        return self._notes(match, ids=list(dict.fromkeys(ids)))

    def tail(self, conversation_id: str, session_id: str, k: int) -> list[Note]:
        """See ``protocols.Reader``."""
        return self._notes(
            """MATCH (n:Note {namespace: $ns, session: $session}) WHERE n.ordinal > 0
               WITH n ORDER BY n.ordinal DESC LIMIT $k""",
            session=rows.digest(conversation_id, session_id), k=k,
        )  # fmt: skip

    def arrived(self, ordinals: Iterable[int]) -> dict[int, Note]:
        """See ``protocols.Reader``."""
        wanted = list(dict.fromkeys(ordinals))
        found = [
            note
            for label in ("Note", "Removed")
            for note in self._notes(
                f"UNWIND $ordinals AS ordinal MATCH (n:{label} {{namespace: $ns, ordinal: ordinal}})", ordinals=wanted
            )
        ]
        return {note.ordinal: note for note in sorted(found, key=_ordinal)}

    def _notes(self, match: str, **params: Any) -> list[Note]:
        topics = self._topics_at(self.head())
        found = self._rows(f"{match} RETURN {rows.SELECTED}", **params)
        with self._reading():
            return sorted((rows.note(_address(topics, row[0]), row) for row in found), key=_ordinal)

    def last_ordinal(self) -> int:
        """See ``protocols.Reader``."""
        return int(self._memory().get("last_ordinal", 0))

    def known(self, ids: Iterable[str]) -> set[str]:
        """See ``protocols.Reader``."""
        query = " UNION ".join(
            f"UNWIND $ids AS id MATCH (n:{label} {{namespace: $ns, id: id}}) RETURN id" for label in ("Note", "Erased")
        )
        return {note_id for (note_id,) in self._rows(query, ids=list(dict.fromkeys(ids)))}

    def erased(self) -> set[str]:
        """See ``protocols.Reader``."""
        query = "MATCH (n:Erased {namespace: $ns}) WHERE n.ordinal > 0 RETURN DISTINCT n.id"
        return {note_id for (note_id,) in self._rows(query)}

    def links(self, ids: Iterable[str] | None = None, kinds: Sequence[LinkKind] | None = None) -> list[Link]:
        """See ``protocols.Reader``."""
        types = "|".join(schema.LINK_TYPES[kind] for kind in (kinds if kinds is not None else schema.LINK_TYPES))
        if not types:
            return []
        if ids is None:
            match = f"MATCH (n:Note {{namespace: $ns}})-[r:{types}]->(:Note {{namespace: $ns}}) WHERE n.ordinal > 0"
            found = self._rows(f"{match} {_LINK}")
        else:
            match = f"UNWIND $ids AS id MATCH (:Note {{namespace: $ns, id: id}})-[r:{types}]-(:Note {{namespace: $ns}})"
            found = self._rows(f"{match} WITH DISTINCT r {_LINK}", ids=list(dict.fromkeys(ids)))
        return sorted((_link(row) for row in found), key=_link_key)

    def topics(self) -> dict[int, TopicRow]:
        """See ``protocols.Reader``."""
        return dict(self._topics_at(self.head()))

    def _topics_at(self, head: int) -> dict[int, TopicRow]:
        """The topics present, read again where the head has moved."""
        self._has_read = True
        if head != self._topics_head:
            self._topics = {topic_id: TopicRow(*row) for topic_id, *row in self._rows(_TOPICS)}
            self._topics_head = head
        return self._topics

    def places(self) -> dict[str, int]:
        """See ``protocols.Reader``."""
        query = "MATCH (n:Note {namespace: $ns}) WHERE n.ordinal > 0 AND n.topic IS NOT NULL RETURN n.id, n.topic"
        return dict(self._rows(query))

    def last_topic(self) -> int:
        """See ``protocols.Reader``."""
        return int(self._memory().get("last_topic", 0))

    def rewrites(self, ids: Iterable[str], day: str) -> dict[str, int]:
        """See ``protocols.Store``."""
        query = """UNWIND $ids AS id MATCH (r:Revision {namespace: $ns, note_id: id, day: $day})
                   RETURN id, count(r)"""
        return dict(self._rows(query, ids=list(dict.fromkeys(ids)), day=day))

    def passages(self, keys: Iterable[str]) -> dict[str, Passages]:
        """See ``protocols.Reader``."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        # With a bound for the number, too, the index of both serves; else each key would be sought among all passages.
        query = """UNWIND $keys AS key MATCH (p:Passage {key: key}) WHERE p.number >= 0
                   RETURN key, p.number, p.span, p.data"""
        for key, *passage in self._rows(query, keys=list(dict.fromkeys(keys))):
            found.setdefault(key, []).append(tuple(passage))
        with self._reading():
            return {key: _passages(sorted(several, key=_number)) for key, several in found.items()}

    def namespaces(self) -> list[str]:
        """See ``protocols.Store``."""
        return sorted(name for (name,) in self._rows("MATCH (m:Memory) WHERE m.head > 0 RETURN m.namespace"))

    def fingerprint(self) -> str | None:
        """See ``protocols.Store``."""
        found = self._rows("MATCH (p:Place {name: 'zettel'}) RETURN p.embedder")
        return found[0][0] if found else None

    def check(self) -> list[Problem]:
        """See ``protocols.Store``."""
        found = []
        if missing := schema.missing(self._connection):
            reason = f"the schema lacks {', '.join(missing)}: open it for writing once"
            found.append(Problem(place=self._name, reason=reason))
        if not schema.has_vectors(self._connection) and self._rows("MATCH (p:Passage) RETURN 1 LIMIT 1"):
            reason = self._no_vectors or "open it for writing, and add a note"
            found.append(Problem(place=self._name, reason=f"there is no index of vectors: {reason}"))
        for query, reason in CHECKS:
            found += [Problem(place=str(place), reason=reason) for (place,) in self._rows(query)]
        return found

    # ---------------------------------------------------------------- writing

    def set_fingerprint(self, fingerprint: str) -> str:
        """See ``protocols.Store``."""
        self._writable()

        def work(writing: Writing) -> str:
            writing.rows("MATCH (p:Place {name: 'zettel'}) SET p.embedder = coalesce(p.embedder, $it)", it=fingerprint)
            standing = writing.row("MATCH (p:Place {name: 'zettel'}) RETURN p.embedder")
            return str(standing[0]) if standing else ""

        standing = self.fingerprint()
        return self._connection.write(work) if standing is None else standing

    def append(self, draft: Draft, head: int) -> Commit:
        """See ``protocols.Store``."""
        self._writable()
        arrivals = {note.ordinal: (note, key) for note, key in draft.arrivals}
        self._see_to_vectors(draft.passages)

        def work(writing: Writing) -> Commit:
            held = writes.lock(writing, self.namespace)
            self._expect_primary(held.role)
            if held.head != head:
                raise HeadMovedError(f"commit {held.head} is there already, the plan was made on {head}")
            commit = numbered(draft, head, datetime.now(UTC), self._time_of(writing, head))
            self._write(writing, held, [commit], arrivals, draft.passages, draft.rewrites)
            return commit

        return self._committing(work, len(draft.changes))

    def restore(
        self, commits: Iterable[Commit], notes: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages]
    ) -> None:
        """See ``protocols.Store``."""
        self._writable()
        commits = list(commits)
        self._see_to_vectors(passages)
        erased = {c.note_id for commit in commits for c in commit.changes if c.type == "erasure"}

        def work(writing: Writing) -> None:
            held = writes.lock(writing, self.namespace)
            self._expect_primary(held.role)
            if held.head:
                raise StoreError(f"namespace {self.namespace!r} of {self._name} is not empty: load into a new one")
            self._write(writing, held, commits, notes, passages, erased=erased)

        self._committing(work, sum(len(commit.changes) for commit in commits))

    # ------------------------------------------------------------- replicas

    def receive(
        self, commits: Sequence[Commit], rows_: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages],
        *, rewrites: Sequence[Commit], erased: Set[str], origin: str, overwrite: bool,
        before: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """Replay commits of the memory that this is a replica of, those after its head, in one step.

        What people deleted by hand is passed over where a commit changes it. ``overwrite`` lets a commit change what
        they have changed, too. What is theirs is told by what a field was before the commits: by the commits
        themselves, or by ``before``, the fields of notes by id, where an erasure has blanked those.

        Raises:
            ConflictError: a commit would change what people have changed; nothing was written.
            HeadMovedError: another process has pushed meanwhile.
        """
        self._writable()
        self._see_to_vectors(passages)

        def work(writing: Writing) -> None:
            held = writes.lock(writing, self.namespace, "replica", origin)
            if held.role != "replica":
                raise ReadOnlyError(
                    f"namespace {self.namespace!r} of {self._name} is no replica ({held.role}): push to another one"
                    " with --to, or with --rebuild to one that was begun to be deleted"
                )
            if held.head != commits[0].id - 1:
                raise HeadMovedError(f"commit {held.head} is its newest, so commit {commits[0].id} does not follow")
            sum_ = effects(commits, rows_, erased)
            found = [] if overwrite else edits.overwritten(writing, self.namespace, sum_, before)
            if found:
                raise ConflictError(
                    f"{len(found)} edits made in the graph would be overwritten, first {found[0]}: pull them first, or"
                    " push with --overwrite",
                    found,
                )
            self._write(writing, held, commits, rows_, passages, rewrites, erased=erased, lenient=True)

        self._committing(work, sum(len(commit.changes) for commit in commits))

    def as_edited(self) -> tuple[list[tuple[Note, frozenset[str]]], list[Problem]]:
        """All notes as they stand in the graph, each with the tags that its TAGGED relationships say.

        With them those whose properties make no sense any more, and why.
        """
        sound, strange = [], []
        topics = self._topics_at(self.head())
        for *row, drawn in self._rows(edits.AS_EDITED.format(columns=rows.SELECTED)):
            if fault := edits.fault(row, drawn):
                strange.append(Problem(place=f"note {row[rows.COLUMNS.index('id')]}", reason=fault))
            else:
                sound.append((rows.note(_address(topics, row[0]), row), frozenset(drawn)))
        return sorted(sound, key=lambda pair: pair[0].ordinal), strange

    def odd_links(self) -> list[tuple[str, str, str]]:
        """Relationships between notes that are no links: both ends and the type."""
        return [(a, b, type_) for a, b, type_ in self._rows(edits.ODD_LINKS, known=list(schema.LINK_KINDS))]

    def n_revisions(self) -> int:
        """The number of nodes of revisions."""
        return int(self._rows("MATCH (r:Revision {namespace: $ns}) WHERE r.id > '' RETURN count(r)")[0][0])

    def promote(self) -> None:
        """Make a replica a memory of its own, which is written to from now on.

        Raises:
            StoreError: there is none.
        """
        self._writable()
        query = "MATCH (m:Memory {namespace: $ns}) SET m.role = 'primary' REMOVE m.origin RETURN m.head"
        if not self._connection.write(lambda writing: writing.rows(query, ns=self.namespace)):
            raise StoreError(f"{self._name} has no namespace {self.namespace!r}: push a memory to it first")

    def discard(self) -> None:
        """Delete a replica, its vectors included where no other memory uses them.

        It goes in pieces. Where that is broken off, its ``role`` is "discarded", and it is no replica any more: to be
        discarded again.
        """
        self._writable()

        def mark(writing: Writing) -> None:
            held = writes.lock(writing, self.namespace, "discarded")
            if held.role == "primary":
                raise ReadOnlyError(f"namespace {self.namespace!r} of {self._name} is no replica: it is not deleted")
            writing.rows("MATCH (m:Memory {namespace: $ns}) SET m.role = 'discarded'", ns=self.namespace)

        self._connection.write(mark, timeout_s=self._patience_s + _PLAN_S)
        for label in schema.LABELS:
            while self._connection.write(partial(self._discard_some, label)):
                pass
        unnamed = "MATCH (p:Place {name: 'zettel'}) WHERE NOT EXISTS { MATCH (:Passage) } REMOVE p.embedder"
        self._connection.write(lambda writing: writing.rows(unnamed))
        self._forget()

    def _discard_some(self, label: str, writing: Writing) -> int:
        n, keys = writing.rows(edits.DISCARD.format(label=label), ns=self.namespace)[0]
        writes.drop_vectors(writing, keys)
        return int(n)

    def _committing(self, work: Callable[[Writing], T], n_changes: int) -> T:
        """Write, and forget what was learned on the way where it was not written after all."""
        timeout_s = self._patience_s + _COMMIT_S + n_changes * _CHANGE_S
        attempts = count()

        def attempt(writing: Writing) -> T:
            if next(attempts):
                self._forget()
            return work(writing)

        try:
            with self._reading():
                return self._connection.write(attempt, timeout_s=timeout_s)
        except HeadMovedError:  # nothing had been begun
            raise
        except BaseException:
            self._forget()
            raise

    def _write(
        self, writing: Writing, held: writes.Held, commits: Sequence[Commit], arrivals: Arrivals,
        passages: Mapping[str, Passages], rewrites: Sequence[Commit] = (), *, erased: Set[str] = frozenset(),
        lenient: bool = False,
    ) -> None:  # fmt: skip
        """Write commits, and have what is known of the graph be as after them."""
        self._sync_ids(writing)
        topics = self._topics
        if self._topics_head != held.head:
            topics = {topic_id: TopicRow(*row) for topic_id, *row in writing.rows(_TOPICS, ns=self.namespace)}
        for batch, own in batches(commits, self._dated(commits, arrivals), _AT_ONCE):
            for change in (change for commit in batch for change in commit.changes):
                if isinstance(change, NoteChange):
                    self._learn(change.ordinal, change.note_id)
            graph = writes.Graph(self.namespace, self._ids, self._ordinals, topics, lenient)
            sum_ = effects(batch, own, erased)
            vectors = {key: passages[key] for note, key in own.values() if key in passages and note.id not in erased}
            try:
                held = writes.write(writing, graph, held, sum_, own, vectors, rewrites, erased)
            except HeadMovedError:
                self._forget()
                raise
            rewrites = ()
            topics = {i: row for i, row in {**topics, **sum_.topics}.items() if row is not None}
        self._topics, self._topics_head = topics, held.head

    def _dated(self, commits: Sequence[Commit], arrivals: Arrivals) -> Arrivals:
        """The rows of notes as they arrive: created when their commit was made."""
        times: dict[int, datetime] = {}
        for commit in commits:
            for change in commit.changes:
                if isinstance(change, NoteChange):
                    times.setdefault(change.ordinal, commit.at)
        return {
            ordinal: (note.model_copy(update={"created_at": times.get(ordinal, note.created_at)}), key)
            for ordinal, (note, key) in arrivals.items()
        }

    def _time_of(self, writing: Writing, head: int) -> datetime | None:
        if not head:
            return None
        query = "MATCH (c:Commit {namespace: $ns, id: $id}) RETURN c.at"
        found = writing.row(query, ns=self.namespace, id=head)
        if found is None:
            raise StoreDamagedError(f"{self._name} misses commit {head}, which is its newest: restore a copy")
        return rows.native(found[0])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``protocols.Store``. A write transaction, which those inside it join."""
        self._writable()
        try:
            with self._connection.transaction(timeout_s=self._patience_s + _PLAN_S):
                self._connection.write(lambda writing: self._expect_primary(writes.lock(writing, self.namespace).role))
                yield
        except BaseException:
            self._forget()
            raise

    def _see_to_vectors(self, passages: Mapping[str, Passages]) -> None:
        """Have an index for vectors of the dimension that comes; a server that can't have one keeps them all the same.

        The schema can't be changed inside a transaction that writes; so where one is open, a later commit sees to it.
        """
        for found in passages.values():
            dimension = int(found.vectors.shape[1])
            if dimension != self._dimension and not self._connection.in_transaction:
                self._no_vectors = schema.create_vectors(self._connection, dimension)
                self._dimension = dimension
            return

    def _expect_primary(self, role: str) -> None:
        if role == "discarded":
            raise ReadOnlyError(
                f"{self._name}, namespace {self.namespace!r}, was begun to be deleted: push to it with --rebuild"
            )
        if role == "replica":
            raise ReadOnlyError(
                f"{self._name}, namespace {self.namespace!r}, is a replica: change the memory it comes from and push"
                " it, or make it a memory of its own with zettel neo4j promote"
            )

    def _writable(self) -> None:
        if self._wants_reading:
            raise ReadOnlyError(f"{self._name} was opened with read_only=True: open it for writing to change it")

    # ---------------------------------------------------------------- tools

    def close(self) -> None:
        """See ``protocols.Store``."""
        self._connection.close()

    def _sync_ids(self, writing: Writing | None = None) -> None:
        """Learn the ordinals of notes that arrived since the last look; an id's newest ordinal wins."""
        self._has_read = True
        query = """MATCH (c:Commit {namespace: $ns}) WHERE c.id > $synced
                   RETURN c.id, c.note_ordinals, c.note_ids ORDER BY c.id"""
        for number, ordinals, ids in (writing or self._connection).rows(query, synced=self._synced, ns=self.namespace):
            for ordinal, note_id in zip(ordinals or (), ids or (), strict=True):
                self._learn(ordinal, note_id)
            self._synced = number

    def _learn(self, ordinal: int, note_id: str) -> None:
        self._ids[ordinal] = note_id
        self._ordinals[note_id] = max(ordinal, self._ordinals.get(note_id, 0))

    def _forget(self) -> None:
        self._ids.clear()
        self._ordinals.clear()
        self._synced = 0
        self._topics_head = None

    def _reading(self) -> AbstractContextManager[None]:
        return making_sense(self._name, "run zettel neo4j check")


_TOPICS = """MATCH (t:Topic {namespace: $ns}) WHERE t.id > 0
             RETURN t.id, t.parent, t.number, t.name, t.named_at"""
_COMMIT = "RETURN c.id, c.at, c.cause, c.payload"
_LINK = """RETURN startNode(r).id, endNode(r).id, type(r), coalesce(r.weight, 1.0), coalesce(r.reason, ''),
           coalesce(r.created_by, 'edit')"""
_link_key = attrgetter("source_id", "target_id", "kind")
_ordinal = attrgetter("ordinal")


def _number(passage: tuple[Any, ...]) -> int:
    return int(passage[0])


def _link(row: tuple[Any, ...]) -> Link:
    source, target, type_, weight, reason, created_by = row
    return Link.model_construct(
        source_id=source, target_id=target, kind=schema.LINK_KINDS[type_], weight=weight, reason=reason,
        created_by=created_by,
    )  # fmt: skip


def _passages(several: list[tuple[Any, ...]]) -> Passages:
    spans = tuple((start, end) for _, (start, end), _ in several)
    vectors = np.stack([np.frombuffer(data, "<f2").astype(np.float32) for _, _, data in several])
    return Passages(spans, vectors)


def _address(topics: Mapping[int, TopicRow], topic_id: int | None) -> str:
    """The address of a topic; "" for one that others took out while this was read."""
    return address_of(topics, topic_id) if topic_id in topics else ""
