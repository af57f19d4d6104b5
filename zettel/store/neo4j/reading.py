"""Reading a memory on a Neo4j server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any

import numpy as np

from zettel import codec
from zettel.addresses import address_of
from zettel.errors import HeadMovedError, StoreDamagedError
from zettel.model import Commit, Link, LinkKind, Note
from zettel.protocols import Passages, TopicRow
from zettel.store._shared import making_sense
from zettel.store.neo4j import rows, schema
from zettel.store.neo4j.candidate_queries import Candidates
from zettel.store.neo4j.connection import Connection, Writing, parse

_CHUNK = 500  # so many commits are read at once


class GraphReader(Candidates):
    """See ``protocols.Reader``. It keeps the ids and topics that it has read, and brings them up to date.

    On a server, each statement sees everything that is committed by then. So ``at_one_head`` compares the head before
    and after, and raises ``HeadMovedError`` at its end if others wrote meanwhile.
    """

    def __init__(self, address: str, namespace: str, patience_s: float) -> None:
        self.address = address
        self.namespace = namespace
        self._connection = Connection(parse(address), patience_s=patience_s)
        self._ids: dict[int, str] = {}
        self._ordinals: dict[str, int] = {}
        self._synced = 0  # all ids up to this commit are known
        self._topics: dict[int, TopicRow] = {}
        self._topics_head: int | None = None  # the head that the topics are of; None if they are not known
        self._properties: Mapping[str, Any] | None = None  # of the memory's node; known inside ``at_one_head``
        self._has_read = False  # whether anything was read inside ``at_one_head``

    @property
    def _name(self) -> str:
        return self._connection.where.name

    def _memory(self) -> Mapping[str, Any]:
        """The properties of the memory's node when ``at_one_head`` began; empty before the first commit."""
        if self._properties is not None:
            return self._properties
        found = self._connection.row("MATCH (m:Memory {namespace: $ns}) RETURN properties(m)", ns=self.namespace)
        return found[0] if found else {}

    def _rows(self, statement: str, /, **params: Any) -> list[tuple[Any, ...]]:
        self._has_read = True
        return self._connection.rows(statement, ns=self.namespace, **params)

    @contextmanager
    def at_one_head(self) -> Iterator[None]:
        """See ``protocols.Reader``.

        Raises:
            HeadMovedError: others wrote meanwhile, so what was read may be of two heads. It is raised at the end.
        """
        if self._properties is not None or self._connection.in_transaction:
            yield
            return
        self._properties, self._has_read = self._memory(), False
        head = self.head()
        try:
            yield
        except (StoreDamagedError, LookupError):  # data of two heads may not fit together
            self._properties = None
            self._expect_head(head)
            raise
        finally:
            self._properties = None
        if self._has_read:
            self._expect_head(head)

    def _expect_head(self, before: int) -> None:
        if (head := self.head()) != before:
            raise HeadMovedError(f"commit {head} came while commit {before} was read: read again")

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
            return sorted((rows.note(address_at(topics, row[0]), row) for row in found), key=_ordinal)

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
        """The present topics; they are read again if the head has moved."""
        self._has_read = True
        if head != self._topics_head:
            self._topics = {topic_id: TopicRow(*row) for topic_id, *row in self._rows(TOPICS)}
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
        # The condition on the number makes the server use the index of both; else it would go through all passages.
        query = """UNWIND $keys AS key MATCH (p:Passage {key: key}) WHERE p.number >= 0
                   RETURN key, p.number, p.span, p.data"""
        for key, *passage in self._rows(query, keys=list(dict.fromkeys(keys))):
            found.setdefault(key, []).append(tuple(passage))
        with self._reading():
            return {key: _passages(sorted(several, key=_number)) for key, several in found.items()}

    def namespaces(self) -> list[str]:
        """See ``protocols.Store``."""
        return sorted(name for (name,) in self._rows("MATCH (m:Memory) WHERE m.head > 0 RETURN m.namespace"))

    # ---------------------------------------------------------------- learning

    def _sync_ids(self, writing: Writing | None = None) -> None:
        """Read the ordinals of notes that arrived since the last call; an id's newest ordinal wins."""
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


TOPICS = """MATCH (t:Topic {namespace: $ns}) WHERE t.id > 0
             RETURN t.id, t.parent, t.number, t.name, t.named_at"""
_COMMIT = "RETURN c.id, toString(c.at), c.cause, c.payload"
_LINK = f"RETURN startNode(r).id, endNode(r).id, type(r), {rows.LINK_SELECTED}"
_link_key = attrgetter("source_id", "target_id", "kind")
_ordinal = attrgetter("ordinal")


def _number(passage: tuple[Any, ...]) -> int:
    return int(passage[0])


def _link(row: tuple[Any, ...]) -> Link:
    source, target, type_, *values = row
    return rows.link(source, target, schema.LINK_KINDS[type_], values)


def _passages(several: list[tuple[Any, ...]]) -> Passages:
    spans = tuple((start, end) for _, (start, end), _ in several)
    vectors = np.stack([np.frombuffer(data, "<f2").astype(np.float32) for _, _, data in several])
    return Passages(spans, vectors)


def address_at(topics: Mapping[int, TopicRow], topic_id: int | None) -> str:
    """The address of a topic; "" if others removed the topic while this was read."""
    return address_of(topics, topic_id) if topic_id in topics else ""
