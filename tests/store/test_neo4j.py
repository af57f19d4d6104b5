"""What only a memory on a server can get wrong: addresses, shared places, edits by hand, servers that fail."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import neo4j_place
import numpy as np
import pytest
from by_cypher import Hand
from journals import send
from listing import Listing

from zettel import Config, Message, registry
from zettel.cli import access
from zettel.errors import (
    HeadMovedError,
    InputError,
    ReadOnlyError,
    StoreAccessError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
)
from zettel.filters import UTC as UTC_ZONE
from zettel.filters import Filter
from zettel.memory import Memory
from zettel.model import Note
from zettel.neo4j.installation import Installation
from zettel.neo4j.server import Server
from zettel.protocols import Analyzer, CandidateSource
from zettel.replication import push
from zettel.store.neo4j import connection as _neo4j_connection
from zettel.store.neo4j import schema
from zettel.store.neo4j.candidate_queries import _before
from zettel.store.neo4j.connection import SCHEMES, parse
from zettel.store.neo4j.store import Neo4jStore
from zettel.testing.journal_world import World
from zettel.text import terms

HELPERS = Path(__file__).parents[1] / "helpers"
NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
PATIENCE = Config(busy_timeout_s=3)

Open = Callable[..., Memory]


@pytest.fixture
def hand(neo4j_uri: str) -> Iterator[Hand]:
    """Cypher on the server, which is empty at first."""
    made = Hand(neo4j_uri)
    yield made
    made.close()


@pytest.fixture
def open_memory(neo4j_uri: str, analyzer: Analyzer) -> Iterator[Open]:
    """Opens memories on the server, with the embedder that needs no weights; closes them at the end."""
    memories: list[Memory] = []

    def open_one(namespace: str = "default", **options: Any) -> Memory:
        defaults: dict[str, Any] = {"embedder": "hashing", "analyzer": analyzer, "config": PATIENCE}
        memories.append(registry.open_memory(neo4j_uri, namespace=namespace, **{**defaults, **options}))
        return memories[-1]

    yield open_one
    for memory in memories:
        memory.close()


@pytest.fixture
def memory(open_memory: Open) -> Memory:
    """An empty memory on the server."""
    return open_memory()


def store_of(memory: Memory) -> Neo4jStore:
    assert isinstance(memory._store, Neo4jStore)
    return memory._store


def talk(memory: Memory, n: int = 6) -> list[str]:
    """A conversation of two; returns the ids."""
    said = ("a puppy named Max", "sailing to Bergen", "the garden in May", "a letter from Oslo", "bread with honey")
    messages = [
        Message(
            text=f"{'I' if i % 2 else 'You'} told of {said[i % 5]} on day {i}.", speaker=("Ann", "Bob")[i % 2],
            conversation_id="c", session_id=f"s{i // 4}", time=NOON + timedelta(days=i),
        )
        for i in range(n)
    ]  # fmt: skip
    return [note.id for note in memory.add_many(messages)]


# -------------------------------------------------------------------- addresses


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name and no database in the environment."""
    for name in ("NEO4J_USERNAME", "NEO4J_DATABASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("rest", "uri", "user", "database"),
    [
        ("h", "h", "neo4j", None),
        ("h/", "h", "neo4j", None),
        ("ada@h.example:7688/graph", "h.example:7688", "ada", "graph"),
        ("[::1]:7687/db", "[::1]:7687", "neo4j", "db"),
        ("ada%40home@[fe80::1]", "[fe80::1]", "ada@home", None),
        ("h/my%2Ddb?policy=eu", "h?policy=eu", "neo4j", "my-db"),
    ],
)
def test_an_address_says_where_who_and_which_database(
    scheme: str, rest: str, uri: str, user: str, database: str | None
) -> None:
    found = parse(scheme + rest)
    assert (found.uri, found.user, found.database) == (scheme + uri, user, database)
    assert found.name == f"{scheme}{uri}/{database}" if database else f"{scheme}{uri}"


def test_what_an_address_leaves_out_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_USERNAME", "grace")
    monkeypatch.setenv("NEO4J_DATABASE", "films")
    found = parse("bolt://h")
    assert (found.user, found.database) == ("grace", "films")
    found = parse("bolt://ada@h/graph")
    assert (found.user, found.database) == ("ada", "graph")


@pytest.mark.parametrize(
    "address",
    [
        "bolt://ada:s3cret@h", "bolt://:s3cret@h/db", "neo4j+s://ada:s3c@s3cret@h", "bolt://ada:s3cret/x@h",
        "bolt://ada:1/s3cret@h", "bolt://ada:1#s3cret@h", "bolt://ada:1?s3cret@h", "bolt://ada:s3cret@h:port",
        "bolt://ada:s3cret\n@h",
    ],
)  # fmt: skip
def test_a_password_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InputError, match=r"\*\*\*@h") as raised:
        registry.open_memory(address)
    error: BaseException | None = raised.value
    while error is not None:
        assert "s3c" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize("address", ["bolt://", "bolt://h/a/b", "bolt://h:port", "bolt://[::1", "neo4j://@/x"])
def test_what_is_no_address_is_refused_with_the_form_of_one(address: str) -> None:
    with pytest.raises(InputError, match="neo4j://user@host:7687/database"):
        registry.open_memory(address)


# --------------------------------------------------------------------- access


def test_a_wrong_password_is_named_by_its_variable_alone(neo4j_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.environ.get("NEO4J_PASSWORD"):
        pytest.skip("the server that is given wants no password")
    monkeypatch.setenv("NEO4J_PASSWORD", "not-this-one")
    with pytest.raises(StoreAccessError, match="the password in NEO4J_PASSWORD") as raised:
        registry.open_memory(neo4j_uri)
    assert "not-this-one" not in f"{raised.value!r} {raised.value.__cause__!r}"
    monkeypatch.delenv("NEO4J_PASSWORD")
    with pytest.raises(StoreAccessError, match="with no password: set NEO4J_USERNAME and NEO4J_PASSWORD"):
        registry.open_memory(neo4j_uri)
    monkeypatch.setenv("NEO4J_PASSWORD", "only-for-tests")
    with pytest.raises(StoreAccessError, match="refuses user 'ada'"):
        registry.open_memory(neo4j_uri.replace("://", "://ada@"))


def test_the_password_stands_in_no_repr_and_no_log(open_memory: Open, caplog: pytest.LogCaptureFixture) -> None:
    password = os.environ.get("NEO4J_PASSWORD")
    if not password:
        pytest.skip("the server that is given wants no password")
    with caplog.at_level(logging.DEBUG):
        memory = open_memory()
        memory.add("a note")
        store = store_of(memory)
        shown = f"{store!r} {store._connection!r} {store._connection.where!r} {store.address} {vars(store)}"
        memory.close()
    assert password not in shown + caplog.text


def test_an_unknown_database_is_named(neo4j_uri: str) -> None:
    with pytest.raises(StoreError, match="has no database 'nowhere'"):
        registry.open_memory(f"{neo4j_uri}/nowhere", config=PATIENCE)


@pytest.mark.usefixtures("neo4j_uri")
def test_a_server_that_is_not_there_is_named_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(StoreError, match="bolt://127.0.0.1:9 can't be reached"):
        registry.open_memory("bolt://127.0.0.1:9")
    assert time.monotonic() - start < 15


# --------------------------------------------------------------------- schema


def test_what_was_made_by_a_newer_zettel_is_refused(open_memory: Open, hand: Hand) -> None:
    open_memory().add("a note")
    hand("MATCH (p:Place) SET p.format = $format", format=schema.FORMAT + 1)
    for read_only in (False, True):
        with pytest.raises(StoreVersionError, match=f"has format {schema.FORMAT + 1}.*upgrade zettel"):
            open_memory(read_only=read_only)


def test_several_begin_at_once_on_a_bare_database(open_memory: Open, hand: Hand) -> None:
    hand.raze()
    ready = threading.Barrier(4)

    def begin(n: int) -> str:
        ready.wait()
        return open_memory(f"m{n % 2}").add(f"note {n}").text

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, range(4))) == [f"note {n}" for n in range(4)]
    assert hand.schema() >= {*schema.statements(), schema.VECTORS}
    for name in ("m0", "m1"):
        assert len(open_memory(name)) == 2
        assert open_memory(name).verify().ok
    assert hand("MATCH (p:Place) RETURN count(p)") == [(1,)]


def test_what_another_application_keeps_is_left_as_it_is(open_memory: Open, hand: Hand) -> None:
    hand("""CREATE INDEX notes_title IF NOT EXISTS FOR (n:Note) ON (n.title)""")
    hand(
        """CREATE (n:Note {title: 'theirs', text: 'a puppy', tags: ['x'], id: 1}), (:Tag {name: 'pet'})<-[:TAGGED]-(n),
                  (:Person {name: 'Ann'})-[:SAID]->(n), (n)-[:SIMILAR {weight: 7}]->(:Note {title: 'another'}),
                  (:Topic {id: 1, name: 'x'})<-[:IN_TOPIC]-(n), (:Commit {id: 1}), (:Session), (:Source {uri: 'u'})"""
    )
    nodes = """MATCH (n) WHERE n.namespace IS NULL AND NOT n:Place AND NOT n:Passage
               RETURN elementId(n), labels(n), properties(n) ORDER BY elementId(n)"""
    drawn = """MATCH (a)-[r]->(b) WHERE a.namespace IS NULL RETURN elementId(r), type(r), properties(r), elementId(a),
               elementId(b) ORDER BY elementId(r)"""
    theirs = hand(nodes), hand(drawn)
    memory = open_memory()
    a, b, *others = talk(memory)
    memory.update(a, tags=["pet", "dog"])
    memory.link(a, b, "causes", reason="so it was")
    memory.undo(memory.head)
    memory.forget(b)
    memory.forget(others[0], erase=True)
    assert memory.search("puppy", tags="pet") and memory.verify().ok
    with open_memory("copy") as copy:
        copy.add("a puppy")
        hand("MATCH (m:Memory {namespace: 'copy'}) SET m.role = 'replica'")
        store_of(copy).discard()
    hand("MATCH (m:Memory {namespace: 'default'}) SET m.role = 'replica'")
    store_of(memory).discard()
    assert (hand(nodes), hand(drawn)) == theirs
    assert hand("MATCH (n) WHERE n.namespace IS NOT NULL OR n:Passage RETURN count(n)") == [(0,)]
    assert "notes_title" in hand.schema()
    hand("DROP INDEX notes_title")


def test_data_of_others_that_break_a_constraint_are_told_of(open_memory: Open, hand: Hand) -> None:
    hand.raze()
    hand("CREATE (:Tag {namespace: 'x', name: 'y'}), (:Tag {namespace: 'x', name: 'y'})")
    with pytest.raises(StoreError, match="nodes of another application.*use another database"):
        open_memory()
    hand("MATCH (t:Tag) DELETE t")
    assert open_memory().add("now it works").text


def test_a_place_emptied_by_discard_takes_another_embedder(open_memory: Open, hand: Hand) -> None:
    with open_memory() as memory:
        memory.add("a puppy named Max")
        hand("MATCH (m:Memory) SET m.role = 'replica'")
        store_of(memory).discard()

    class Narrow:
        fingerprint = "narrow/4/1"
        dimension = 4

        def embed(self, texts: list[str]) -> Any:
            return np.eye(4, dtype=np.float32)[[len(text) % 4 for text in texts]]

        def passages(self, texts: list[str]) -> Any:
            return [[(0, len(text))] for text in texts]

    embedder: Any = Narrow()
    store = store_of(memory := open_memory(embedder=embedder))
    note = memory.add("a puppy named Max")
    assert hand(schema._DIMENSION, name=schema.VECTORS) == [(4,)]
    hand("CALL db.awaitIndexes(60)")
    assert store.nearest_notes(embedder.embed([note.text])[0], Filter(), 5) == [note.id]
    assert store.check() == []


def test_a_server_without_an_index_of_vectors_keeps_a_memory(
    open_memory: Open, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = schema.statements

    def refused(dimension: int | None = None) -> dict[str, str]:
        made = statements(dimension)
        if schema.VECTORS in made:
            made[schema.VECTORS] = made[schema.VECTORS].replace("'cosine'", "'taxicab'")
        return made

    hand(f"DROP INDEX {schema.VECTORS} IF EXISTS")
    monkeypatch.setattr(schema, "statements", refused)
    memory = open_memory()
    note = memory.add("a puppy named Max")
    assert memory.search("puppy")[0].note == note
    problems = [problem.reason for problem in memory.verify().problems]
    assert len(problems) == 1 and "no index of vectors" in problems[0]
    with pytest.raises(StoreError, match=schema.VECTORS):
        store_of(memory).nearest_notes(np.ones(256, np.float32), Filter(), 5)
    monkeypatch.undo()
    with open_memory() as repaired:
        repaired.add("another one")
        assert repaired.verify().ok


# -------------------------------------------------------------------- by hand


BY_HAND = {
    "a note deleted": ("MATCH (n:Note {id: $id}) DETACH DELETE n", ["default: 5 notes", "note {id}"]),
    "a tag undrawn": ("MATCH (:Note {id: $id})-[r:TAGGED]->() DELETE r", ["note {id}"]),
    "a tag drawn": ("MATCH (n:Note {id: $id}) CREATE (n)-[:TAGGED]->(:Tag {name: 'new'})", ["note {id}"]),
    "a mention undrawn": ("MATCH (:Note {id: $id})-[r:MENTIONS]->() DELETE r", ["note {id}"]),
    "a property changed": ("MATCH (n:Note {id: $id}) SET n.context = 'mine'", ["note {id}"]),
    "a topic undrawn": ("MATCH (:Note {id: $id})-[r:IN_TOPIC]->() DELETE r", ["note {id}"]),
    "a topic's parent drawn": (
        "MATCH (n:Note {id: $id})-[:IN_TOPIC]->(t) CREATE (t)-[:CHILD_OF]->(t)", ["topic 1"]
    ),
    "a link deleted": ("MATCH (n:Note {id: $id})-[r:CAUSES]->() DELETE r", ["link {id} {other} causes"]),
    "a link drawn": ("MATCH (n:Note {id: $id}), (m:Note {id: $other}) CREATE (m)-[:CAUSES]->(n)",
                     ["link {other} {id} causes"]),
    "a commit deleted": ("MATCH (c:Commit {id: 2}) DETACH DELETE c", ["default: 2 commits", "note {id}"]),
    "vectors deleted": ("MATCH (n:Note {id: $id}), (p:Passage {key: n.vector_key}) DELETE p", ["note {id}"]),
    "an index dropped": ("DROP INDEX zettel_note_namespace_lot", ["bolt"]),
}  # fmt: skip


@pytest.mark.parametrize(("query", "places"), BY_HAND.values(), ids=BY_HAND)
def test_what_was_done_by_hand_is_found_by_its_place(memory: Memory, hand: Hand, query: str, places: list[str]) -> None:
    a, b, *_ = talk(memory)
    memory.update(a, tags=["pet"], entities=["Max"])
    memory.link(a, b, "causes", weight=0.5, reason="by hand")
    assert memory.verify().ok
    hand(query, id=a, other=b) if "$other" in query else hand(query, **({"id": a} if "$id" in query else {}))
    found = [problem.place for problem in memory.verify().problems]
    for place in places:
        assert any(p.startswith(place.format(id=a, other=b)) for p in found), (place, found)


HOSTILE = (
    "'}) DETACH DELETE n //", '"}) MATCH (m) DETACH DELETE m //', "`) MATCH (n) DELETE n //", "$param $ns {{n}} {0}",
    "NUL \0 in it", "\U0001f600 \u0645\u0631\u062d\u0628\u0627 \u202e\u200b", 'a AND "b',
    "+(foo* OR bar~) -baz^3 [1 TO 2] \\ /x/ #scope",
)  # fmt: skip


def test_hostile_texts_are_kept_and_found_as_they_are(open_memory: Open) -> None:
    memory = open_memory(HOSTILE[0])
    messages = [
        Message(text=t, speaker=t, conversation_id=t, session_id=t, message_id=t, metadata={t: t}) for t in HOSTILE
    ]
    notes = memory.add_many(messages)
    name = "".join(HOSTILE[0].split())
    memory.add("a note with an id", id=name)
    for note, text in zip(notes, HOSTILE, strict=True):
        memory.link(note.id, name, "causes", reason=text)
        memory.update(note.id, context=text, keywords=[text], entities=[text], tags=[text])
    with open_memory(HOSTILE[0], config=Config(exact_below=0)) as again:  # by candidates from the server
        for note, text in zip(notes, HOSTILE, strict=True):
            kept = again.get(note.id)
            assert (kept.text, kept.speaker, kept.context, kept.entities) == (text, text, text, (text,))
            assert (kept.sources[0].conversation_id, kept.metadata) == (text, {text: text})
            assert note.id in {hit.note.id for hit in again.search(text, len(again))}
            assert [hit.note.id for hit in again.search(text, speaker=text, tags=text)] == [note.id]
            assert [link.reason for link in again.links(note.id, "causes")] == [text]
        memory.forget(notes[0].id, erase=True)
        assert again.verify().ok
        assert len(again) == len(HOSTILE)
        assert again.namespaces() == [HOSTILE[0]]


def shorten_keys(world: World) -> None:
    """Have the keys of vectors be as short as those that are made of texts elsewhere."""
    world.passages = {f"key {n}": world.passages[key] for n, (_, key) in world.rows.items()}
    world.rows = {n: (note, f"key {n}") for n, (note, _) in world.rows.items()}
    world._arrivals = list(world.rows.values())


def test_texts_of_any_length_are_kept_and_found(neo4j_uri: str) -> None:
    with closing(registry.open_store(neo4j_uri, namespace="n" * 200, read_only=False, config=PATIENCE)) as store:
        world = World()
        long = {"word": "x" * 100_000, "text": "many words " * 100_000, "tag": "t" * 3_000, "topic": "y" * 40_000}
        world.add("word", text=long["word"], tags=[long["tag"]], entities=[long["tag"]], keywords=[long["tag"]])
        world.add("text", text=long["text"], context=long["word"], session=long["tag"])
        world.grow(1, name=long["topic"])
        world.place("text", 1)
        shorten_keys(world)
        send(store, world, "add")
        world.revise("text", tags=[long["tag"], "short"], context=long["text"])
        world.link("word", "text")
        send(store, world)
        world.erase("word")
        send(store, world, "forget")
        note = world.rows[2][0]
        assert store.notes(["text"])[0].text == note.text
        assert store.tail("c", long["tag"], 1) == store.notes(["text"])
        assert store.frequencies(["mani", "word", long["word"]]) == {"mani": 1, "word": 1, long["word"]: 0}
        assert store.notes_saying([long["word"], "mani"], Filter(), 5) == ["text"]
        assert store.check() == []
    with pytest.raises(InputError, match="too long for Neo4j"):
        registry.open_memory(neo4j_uri, namespace="n" * 201)


# ------------------------------------------------------------------ many at once


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs of ``helpers/`` and waits until they have opened their memory; ends them in the end."""
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(HELPERS / program), *map(str, arguments)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def opens(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    if process.stdout.readline() != "open\n":
        pytest.fail(process.communicate()[1])


def test_two_processes_write_and_threads_read_meanwhile(open_memory: Open, started: Any, neo4j_uri: str) -> None:
    """Every commit of both is there once, and whoever reads meanwhile is never told of half of one."""
    memory = open_memory(config=Config())
    first = memory.add("the first note")
    programs = [started("writer.py", neo4j_uri, "Ann", 4), started("changer.py", neo4j_uri, "Bob", 4)]
    for program in programs:
        opens(program)
    looks = 0
    while any(program.poll() is None for program in programs):
        with ThreadPoolExecutor(4) as pool:
            asked: list[Callable[[], Any]] = [
                memory.topics, memory.graph, lambda: memory.search("who says 7 and b"), lambda: memory.recall("Ann"),
            ]  # fmt: skip
            outline, graph, hits, told = (pool.submit(ask) for ask in asked)
        assert hits.result() and told.result() and first.id in graph.result()
        assert sum(topic.n_notes for topic in outline.result() if topic.parent_id is None) > 0
        looks += 1
    said = [program.communicate(timeout=60) for program in programs]
    assert [program.returncode for program in programs] == [0, 0], said
    assert looks > 1
    notes = {note.id: note.text for note in access.every_note(memory)}
    expected = dict(line.split("\t") for out, _ in said for line in out.splitlines())
    assert notes == {first.id: first.text, **expected}
    assert [commit.id for commit in memory.log()] == list(range(1, memory.head + 1))
    assert {commit.cause for commit in memory.log()} == {"add", "undo", "forget"}
    assert memory.verify().ok


def test_what_makes_no_sense_because_others_wrote_meanwhile_is_read_again(open_memory: Open) -> None:
    memory = open_memory()
    store = store_of(memory)
    memory.add("a note")

    def broken_into(error: Exception) -> None:
        with store.at_one_head():
            store.notes()
            with open_memory() as other:
                other.add("meanwhile")
            raise error

    for error in (StoreDamagedError("a note in no topic"), KeyError(7)):
        with pytest.raises(HeadMovedError, match="read again"):
            broken_into(error)
    with pytest.raises(ZeroDivisionError):
        broken_into(ZeroDivisionError())
    with pytest.raises(StoreDamagedError), store.at_one_head():
        raise StoreDamagedError("for good")


def test_a_read_that_others_wrote_into_is_done_again(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, other = open_memory(), open_memory()
    talk(memory, 3)
    store = store_of(other)

    def broken_into() -> None:
        with store.at_one_head():
            store.notes()
            memory.add("meanwhile")
            store.links()

    with pytest.raises(HeadMovedError, match="read again"):
        broken_into()
    with store.at_one_head():  # what was not read can't be of two moments
        memory.add("meanwhile, too")
    rows, left = store._rows, [3]

    def interrupted(statement: str, /, **values: Any) -> Any:
        if left[0]:
            left[0] -= 1
            memory.add(f"with {left[0]} to come")
        return rows(statement, **values)

    monkeypatch.setattr(store, "_rows", interrupted)
    first = memory.notes()[0].id
    for ask in (other.topics, other.graph, lambda: other.search("puppy"), other.verify, lambda: other.neighbors(first)):
        left[0] = 3
        ask()
        assert left[0] == 0
    assert len(other.graph()) == len(memory)


# ------------------------------------------------------------ servers that fail


@pytest.fixture(scope="module")
def installation() -> Installation:
    """What servers that may be hurt are started from."""
    release = neo4j_place.releases()[0]
    if release == neo4j_place.GIVEN:
        pytest.skip("a server that is given is not killed")
    if neo4j_place.why_none():
        pytest.skip(neo4j_place.why_none())
    return neo4j_place.installation(release)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server that may be hurt keeps its data."""
    return tmp_path_factory.mktemp("hurt")


@pytest.fixture
def server(installation: Installation, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of this file's own, not started yet."""
    monkeypatch.setenv("NEO4J_PASSWORD", "only-for-tests")
    made = Server(installation, home, password="only-for-tests", ports=(0, 0))
    yield made
    made.stop()


def test_what_was_acknowledged_is_there_after_a_server_was_killed(server: Server, started: Any) -> None:
    server.start()
    writer = started("writer.py", server.uri, "Ann", 120)
    opens(writer)
    with registry.open_memory(server.uri, embedder="hashing", config=Config(busy_timeout_s=0.5)) as memory:
        told = [writer.stdout.readline() for _ in range(12)]
        server.kill()
        writer.kill()
        told += writer.communicate()[0].splitlines()
        begun = time.monotonic()
        with pytest.raises(StoreError, match=f"{server.uri} can't be reached"):
            memory.search("who says 3")
        with pytest.raises(StoreError, match=f"{server.uri} can't be reached"):
            memory.add("one more")
        assert time.monotonic() - begun < 20
        server.start()
        notes = {note.id: note.text for note in memory.notes()}  # by the same memory, on new connections
        acknowledged = dict(line.rstrip("\n").split("\t") for line in told if line.endswith("\n") or "says" in line)
        assert acknowledged.items() <= notes.items()
        assert len(notes) - len(acknowledged) <= 3, "no more than the commit that was on its way"
        assert memory.verify().ok
        assert memory.add("and on it goes").ordinal == len(notes) + 1
        server.pause()
        begun = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_neo4j_connection, "_CONNECT_S", 1.0)
            with pytest.raises(StoreError, match=f"{server.uri} can't be reached"):
                registry.open_memory(server.uri, config=PATIENCE)
        assert time.monotonic() - begun < 10
        server.resume()
        assert len(memory.search("who says 3")) > 3


def test_a_server_that_only_reads_is_read(server: Server, installation: Installation, home: Path) -> None:
    """It follows the one above, whose notes it finds."""
    settings = {"server.databases.default_to_read_only": "true"}
    with (
        Server(installation, home, password="only-for-tests", settings=settings, ports=(0, 0)) as reading,
        registry.open_memory(reading.uri, embedder="hashing", config=PATIENCE) as memory,
    ):
        if not len(memory):
            pytest.skip("nothing was written there before")
        assert memory.search("who says 3") and memory.verify().ok
        with pytest.raises(ReadOnlyError, match="read only"):
            memory.add("no")
        with pytest.raises(ReadOnlyError, match="read only"):
            memory.forget(memory.notes()[0].id, erase=True)


# ------------------------------------------------------------------ candidates


@pytest.fixture(scope="module")
def listed_twice(tmp_path_factory: pytest.TempPathFactory, analyzer: Analyzer) -> Iterator[tuple[Listing, Listing]]:
    """Two memories in a file that name candidates by looking at all their notes: the oracle."""
    path = tmp_path_factory.mktemp("listed") / "m.zettel"
    for namespace in ("one", "two"):
        with registry.open_memory(path, namespace=namespace, embedder="hashing", analyzer=analyzer) as memory:
            ids = talk(memory, 25)
            memory.add_many(["No speaker, no time, no session.", "Max, Max and a puppy named Max", "Bergen"])
            if namespace == "one":
                memory.add("a thing of 2023", time="2023", speaker="ANN")
                memory.add("a thing of May", time="2023-05", speaker="straße")
                memory.add("a thing of a day", time="2023-05-08", metadata={"n": 3, "deep": {"er": ["x", "y"]}})
                memory.update(ids[0], tags=["pet", "dog"], context="unheard")
                memory.update(ids[1], tags=["pet"], status="superseded")
                memory.update(ids[2], status="quarantined")
                memory.forget(ids[3])
                memory.forget(ids[4], erase=True)
                gone = memory.add("words that go")
                memory.undo(memory.history(gone.id)[0].commit)
                memory.undo(memory.log()[-1].id)
                memory.undo(memory.log()[-1].id)
    options: dict[str, Any] = {"read_only": True, "busy_timeout_s": 3}
    with (
        closing(Listing(str(path), namespace="one", **options)) as one,
        closing(Listing(str(path), namespace="two", **options)) as two,
    ):
        yield one, two


FILTERS: list[dict[str, Any]] = [
    {}, {"status": ["active"]}, {"status": ["archived", "quarantined", "superseded"]}, {"speaker": "ann"},
    {"speaker": ["BOB", "STRASSE"]}, {"speaker": "nobody"}, {"tags": "pet"}, {"tags": ["pet", "dog"]},
    {"since": "2024-05-20"}, {"until": "2024-05-12"}, {"since": "2023-05-08", "until": "2023-05-08"},
    {"since": "2023-06"}, {"since": "2023-12-31T23:59:59"}, {"until": "2022"}, {"where": {"n": {"gte": 3}}},
    {"where": {"deep.er": "y"}, "since": "2023-05-08"}, {"where": {"n": 4}}, {"since": "0001-01-01"},
]  # fmt: skip


def test_candidates_are_those_that_looking_at_all_notes_gives(
    listed_twice: tuple[Listing, Listing], neo4j_uri: str, hand: Hand
) -> None:
    stores = []
    for listed in listed_twice:
        store = registry.open_store(neo4j_uri, namespace=listed.namespace, read_only=False, config=PATIENCE)
        assert isinstance(store, Neo4jStore) and isinstance(store, CandidateSource)
        push(listed, store, origin="m.zettel")
        stores.append(store)
    hand("CALL db.awaitIndexes(60)")
    hand("CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()")
    try:
        for listed, store in zip(listed_twice, stores, strict=True):
            candidates_agree(listed, store)
    finally:
        for store in stores:
            store.close()


def candidates_agree(listed: Listing, store: Neo4jStore) -> None:
    words = {stem for note in listed.notes() for stem in [*terms(note.text), *terms(note.context), *note.tags]}
    assert store.census() == listed.census()
    assert store.newest_time() == listed.newest_time()
    assert store.frequencies([*words, "never"]) == listed.frequencies([*words, "never"])
    ids = [note.id for note in listed.notes()]
    for window in (0, 1, 3):
        assert set(store.around(ids, window)) == set(listed.around(ids, window))
        for note_id in ids[::5]:
            assert set(store.around([note_id], window)) == set(listed.around([note_id], window))
    vectors = listed.whole.vectors
    for given in FILTERS:
        allowed = Filter.of(UTC_ZONE, **given)
        passing, wide = (ids_of(listed.let_through(f)) for f in (allowed, widened(allowed)))
        few = store.passing(allowed, len(wide))
        assert few is not None and len(few) == len(set(few)) and passing <= set(few) <= wide, given
        assert passing == set() or store.passing(allowed, len(passing) - 1) is None

        def between(found: list[str], exactly: list[str], most: list[str], given: Any = given) -> None:
            assert set(exactly) <= set(found) <= set(most) and len(found) == len(set(found)), given

        for share in (0.0, 0.4, 1.0):
            exactly, most = listed.sampled(allowed, share), listed.sampled(widened(allowed), share)
            between(store.sampled(allowed, share), exactly, most)
        for stems in (["puppi"], ["max", "bergen", "unheard"], ["never"], []):
            exactly, most = (listed.notes_saying(stems, f, 99) for f in (allowed, widened(allowed)))
            between(store.notes_saying(stems, allowed, 99), exactly, most)
        for vector in (vectors[ids[0]][0], vectors[ids[-1]][0]):
            between(store.nearest_notes(vector, allowed, 99), list(passing), list(wide))
            near = store.nearest_notes(vector, allowed, 3)
            assert len(near) >= min(3, len(passing)), given
            cosines = {note_id: float((vectors[note_id] @ vector).max()) for note_id in passing}
            if passing == wide != set():  # the index rounds vectors, and is not exact
                assert cosines[near[0]] == pytest.approx(max(cosines.values()), abs=0.05), given


def widened(allowed: Filter) -> Filter:
    """A filter that lets through what a server may name on top of what one lets through: times are not that exact."""
    return allowed if allowed.since is None else replace(allowed, since=_before(allowed.since, 367))


def ids_of(notes: Iterable[Note]) -> set[str]:
    return {note.id for note in notes}
