"""A memory on a Neo4j server, Community or Aura: shared by many machines, and a graph that people can look at.

Notes, links, topics, revisions, sources and commits are nodes and relationships with captions that people can read;
everything else that the library needs is in their properties. A ``primary``, which is written to, and a ``replica``,
which is filled from another memory's journal and opens for reading only, have the same layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from zettel.config import Config
from zettel.effects import Arrivals, Effects, batches, effects
from zettel.errors import (
    ConflictError,
    HeadMovedError,
    ReadOnlyError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from zettel.model import Commit, Note, NoteChange, Problem
from zettel.protocols import CandidateSource, Draft, Passages, Replica, Store, TopicRow
from zettel.store._shared import numbered
from zettel.store.neo4j import edits, rows, schema, writes
from zettel.store.neo4j.checks import CHECKS
from zettel.store.neo4j.connection import SCHEMES, Writing
from zettel.store.neo4j.reading import TOPICS, GraphReader, address_at

__all__ = ["SCHEMES", "Neo4jStore", "open_store"]

T = TypeVar("T")
_AT_ONCE = 20_000  # about so many changes are added up and then written
_COMMIT_S, _CHANGE_S = 10.0, 0.05  # the time limit for a commit, and for each change in it: ten times what it takes
_PLAN_S = 600.0  # the time limit for a plan during which nobody else may write


def open_store(address: str, *, namespace: str, read_only: bool, config: Config) -> Neo4jStore:
    """Open the memory at ``neo4j://user@host:7687/database`` (or bolt, +s, +ssc), and create it if it does not exist.

    The password comes from the environment, as NEO4J_PASSWORD.

    Raises:
        StoreError: it can't be opened; the subclass and the message say why.
        MissingExtraError: the driver is not installed.
    """
    schema.check_namespace(namespace)
    return Neo4jStore(address, namespace=namespace, read_only=read_only, patience_s=config.busy_timeout_s)


class Neo4jStore(GraphReader):
    """See ``protocols.Store``. Not safe for two threads at once; the memory above it takes turns."""

    def __init__(self, address: str, *, namespace: str, read_only: bool, patience_s: float) -> None:
        super().__init__(address, namespace, patience_s)
        self._wants_reading = read_only
        self._patience_s = patience_s
        self._is_primary = False  # whether it is known to be a primary
        self._no_vectors = ""  # the reason why the server has no index of vectors
        self._dimension: int | None = None  # the length of the vectors that the index was made for
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
    def read_only(self) -> bool:
        """See ``protocols.Store``; a replica is read only too."""
        if not self._wants_reading and not self._is_primary:
            role = self.role
            self._is_primary = role == "primary"  # a primary stays one
            return role in ("replica", "discarded")
        return self._wants_reading

    @property
    def role(self) -> str:
        """The role of the memory: "primary", "replica" or "discarded"; "" before its first commit."""
        return str(self._memory().get("role", ""))

    @property
    def origin(self) -> str | None:
        """The name of the memory that a replica is a copy of; None for a primary."""
        return self._memory().get("origin")

    @property
    def beside(self) -> Path | None:
        """See ``protocols.Store``: there is no folder beside a server."""
        return None

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
            named = writing.row("MATCH (p:Place {name: 'zettel'}) RETURN p.embedder")
            return str(named[0]) if named else ""

        named = self.fingerprint()
        return self._connection.write(work) if named is None else named

    def append(self, draft: Draft, head: int) -> Commit:
        """See ``protocols.Store``."""
        self._writable()
        arrivals = {note.ordinal: (note, key) for note, key in draft.arrivals}
        self._index_vectors(draft.passages)

        def work(writing: Writing) -> Commit:
            state = writes.lock(writing, self.namespace)
            self._expect_primary(state.role)
            if state.head != head:
                raise HeadMovedError(f"commit {state.head} is there already, the plan was made on {head}")
            commit = numbered(draft, head, datetime.now(UTC), self._time_of(writing, head))
            self._write(writing, state, [commit], arrivals, draft.passages, draft.rewrites)
            return commit

        return self._committing(work, len(draft.changes))

    def restore(
        self, commits: Iterable[Commit], notes: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages]
    ) -> None:
        """See ``protocols.Store``."""
        self._writable()
        commits = list(commits)
        self._index_vectors(passages)
        erased = {c.note_id for commit in commits for c in commit.changes if c.type == "erasure"}

        def work(writing: Writing) -> None:
            state = writes.lock(writing, self.namespace)
            self._expect_primary(state.role)
            if state.head:
                raise StoreError(f"namespace {self.namespace!r} of {self._name} is not empty: load into a new one")
            self._write(writing, state, commits, notes, passages, erased=erased)

        self._committing(work, sum(len(commit.changes) for commit in commits))

    # ------------------------------------------------------------- replicas

    def receive(
        self, commits: Sequence[Commit], rows_: Mapping[int, tuple[Note, str]], passages: Mapping[str, Passages],
        *, rewrites: Sequence[Commit], erased: Set[str], origin: str, overwrite: bool,
        before: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """Replay, in one step, the commits after the replica's head of the memory that it is a copy of.

        If a commit changes something that people deleted by hand, that change is skipped. With ``overwrite``, commits
        also replace what people have changed. To find that, the graph is compared with the values before the commits:
        those in the commits, or, if an erasure has blanked them there, those in ``before`` (fields of notes by id).

        Raises:
            ConflictError: a commit would change what people have changed; nothing was written.
            HeadMovedError: another process has pushed meanwhile.
        """
        self._writable()
        self._index_vectors(passages)

        def work(writing: Writing) -> None:
            state = writes.lock(writing, self.namespace, "replica", origin)
            if state.role != "replica":
                raise ReadOnlyError(
                    f"namespace {self.namespace!r} of {self._name} is no replica ({state.role}): push to another one"
                    " with --to, or with --rebuild to one that was begun to be deleted"
                )
            if state.head != commits[0].id - 1:
                raise HeadMovedError(f"commit {state.head} is its newest, so commit {commits[0].id} does not follow")
            look = None if overwrite else partial(self._expect_untouched, writing, before)
            self._write(writing, state, commits, rows_, passages, rewrites, erased=erased, lenient=True, look=look)

        self._committing(work, sum(len(commit.changes) for commit in commits))

    def _expect_untouched(self, writing: Writing, before: Mapping[str, Mapping[str, Any]], sum_: Effects) -> None:
        """Refuse commits that would change what people have changed.

        Raises:
            ConflictError: lists what people have changed.
        """
        if found := edits.overwritten(writing, self.namespace, sum_, before):
            raise ConflictError(
                f"{len(found)} edits made in the graph would be overwritten, first {found[0]}: pull them first, or push"
                " with --overwrite",
                found,
            )

    def as_edited(self) -> tuple[list[tuple[Note, frozenset[str]]], list[Problem]]:
        """All notes as they are in the graph, each with the tags that its TAGGED relationships lead to.

        The second list has the nodes whose properties don't make a note any more, with the reasons.
        """
        sound, strange = [], []
        topics = self._topics_at(self.head())
        for *row, tags in self._rows(edits.AS_EDITED.format(columns=rows.SELECTED)):
            if fault := edits.fault(row, tags):
                strange.append(Problem.of_note(str(row[rows.COLUMNS.index("id")]), fault))
            else:
                sound.append((rows.note(address_at(topics, row[0]), row), frozenset(tags)))
        return sorted(sound, key=lambda pair: pair[0].ordinal), strange

    def odd_links(self) -> list[tuple[str, str, str]]:
        """The relationships between notes that are not links: both ends and the type."""
        return [(a, b, type_) for a, b, type_ in self._rows(edits.ODD_LINKS, known=list(schema.LINK_KINDS))]

    def n_revisions(self) -> int:
        """The number of nodes of revisions."""
        return int(self._rows("MATCH (r:Revision {namespace: $ns}) WHERE r.id > '' RETURN count(r)")[0][0])

    def promote(self) -> None:
        """Turn a replica into a primary, which can be written to from now on.

        Raises:
            StoreError: there is no replica.
        """
        self._writable()
        query = "MATCH (m:Memory {namespace: $ns}) SET m.role = 'primary' REMOVE m.origin RETURN m.head"
        if not self._connection.write(lambda writing: writing.rows(query, ns=self.namespace)):
            raise StoreError(f"{self._name} has no namespace {self.namespace!r}: push a memory to it first")

    def discard(self) -> None:
        """Delete a replica, and its vectors if no other memory uses them.

        It is deleted piece by piece. If that is interrupted, the rest has the ``role`` "discarded" and is not a replica
        any more; call this again to delete the rest.
        """
        self._writable()

        def mark(writing: Writing) -> None:
            state = writes.lock(writing, self.namespace, "discarded")
            if state.role == "primary":
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
        """Write in a transaction; if it fails, forget what was learned inside it."""
        timeout_s = self._patience_s + _COMMIT_S + n_changes * _CHANGE_S
        attempts = count()

        def attempt(writing: Writing) -> T:
            if next(attempts):
                self._forget()
            return work(writing)

        try:
            with self._reading():
                return self._connection.write(attempt, timeout_s=timeout_s)
        except HeadMovedError:  # raised before anything was learned
            raise
        except BaseException:
            self._forget()
            raise

    def _write(
        self, writing: Writing, state: writes.MemoryState, commits: Sequence[Commit], arrivals: Arrivals,
        passages: Mapping[str, Passages], rewrites: Sequence[Commit] = (), *, erased: Set[str] = frozenset(),
        lenient: bool = False, look: Callable[[Effects], None] | None = None,
    ) -> None:  # fmt: skip
        """Write commits, and bring what is known of the graph up to date. ``look`` may refuse their effects."""
        self._sync_ids(writing)
        topics = self._topics
        if self._topics_head != state.head:
            topics = {topic_id: TopicRow(*row) for topic_id, *row in writing.rows(TOPICS, ns=self.namespace)}
        for batch, own in batches(commits, self._dated(commits, arrivals), _AT_ONCE):
            sum_ = effects(batch, own, erased)
            for ordinal, note_id in sum_.ordinals.items():
                self._learn(ordinal, note_id)
            graph = writes.Graph(self.namespace, self._ids, self._ordinals, topics, lenient)
            if look is not None:
                look(sum_)
            vectors = {key: passages[key] for note, key in own.values() if key in passages and note.id not in erased}
            try:
                state = writes.write(writing, graph, state, sum_, own, vectors, rewrites, erased)
            except HeadMovedError:
                self._forget()
                raise
            rewrites = ()
            topics = {i: row for i, row in {**topics, **sum_.topics}.items() if row is not None}
        self._topics, self._topics_head = topics, state.head

    def _dated(self, commits: Sequence[Commit], arrivals: Arrivals) -> Arrivals:
        """The rows of notes, with the times of their commits as the times of their creation."""
        times: dict[int, datetime] = {}
        for commit in commits:
            for change in commit.changes:
                if isinstance(change, NoteChange):
                    times.setdefault(change.ordinal, commit.at)
        dated = dict(arrivals)
        for ordinal, (note, key) in arrivals.items():
            if (at := times.get(ordinal, note.created_at)) != note.created_at:
                dated[ordinal] = note.model_copy(update={"created_at": at}), key
        return dated

    def _time_of(self, writing: Writing, head: int) -> datetime | None:
        if not head:
            return None
        query = "MATCH (c:Commit {namespace: $ns, id: $id}) RETURN toString(c.at)"
        found = writing.row(query, ns=self.namespace, id=head)
        if found is None:
            raise StoreDamagedError(f"{self._name} misses commit {head}, which is its newest: restore a copy")
        return rows.native(found[0])

    def end_left_over(self) -> None:
        """See ``protocols.Store``."""
        if self._properties is not None or self._connection.in_transaction:
            self._forget()
            self._connection.abandon()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See ``protocols.Store``. This is a write transaction; transactions inside it join it."""
        self._writable()
        try:
            with self._connection.transaction(timeout_s=self._patience_s + _PLAN_S):
                self._connection.write(lambda writing: self._expect_primary(writes.lock(writing, self.namespace).role))
                yield
        except BaseException:
            self._forget()
            raise

    def _index_vectors(self, passages: Mapping[str, Passages]) -> None:
        """Create the index of vectors if it is missing; if the server can't have one, vectors are kept without it.

        The schema can't be changed inside a transaction that writes. So if one is open, a later commit does it.
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


# So that mypy checks the store against the protocols.
_STORE: Callable[..., Store] = Neo4jStore
_REPLICA: Callable[..., Replica] = Neo4jStore
_CANDIDATE_SOURCE: Callable[..., CandidateSource] = Neo4jStore
