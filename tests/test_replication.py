"""A memory's graph on a server: filled by replaying the journal, from wherever it is, and nothing of it left behind."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from by_cypher import Hand
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from journals import FINGERPRINT, Keyed, alike, grow, send, vectors_alike

from zettel import Config, Message, registry, replication
from zettel.errors import (
    EmbedderMismatchError,
    HeadMovedError,
    InputError,
    ReadOnlyError,
    StoreError,
)
from zettel.memory import Memory
from zettel.protocols import Analyzer, Store
from zettel.replication import compare, find_edits, promote, push
from zettel.store.neo4j.store import Neo4jStore

PATIENCE = Config(busy_timeout_s=3)

Opener = Callable[..., Memory]
Replica = Callable[..., Neo4jStore]


@pytest.fixture
def hand(neo4j_uri: str) -> Iterator[Hand]:
    """Cypher on the server, which is empty at first."""
    made = Hand(neo4j_uri)
    yield made
    made.close()


@pytest.fixture
def replica(neo4j_uri: str) -> Iterator[Replica]:
    """Opens stores on the server; closes them at the end."""
    stores: list[Neo4jStore] = []

    def open_one(namespace: str = "default", *, read_only: bool = False) -> Neo4jStore:
        store = registry.open_store(neo4j_uri, namespace=namespace, read_only=read_only, config=PATIENCE)
        assert isinstance(store, Neo4jStore)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores in files; closes them at the end."""
    stores: list[Store] = []

    def open_one(name: str = "m.zettel", namespace: str = "default") -> Store:
        stores.append(registry.open_store(str(tmp_path / name), namespace=namespace, read_only=False, config=PATIENCE))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def of(memory: Memory) -> Store:
    """The store that a memory is kept in."""
    assert memory._store is not None
    return memory._store


def pushed(source: Store, to: Neo4jStore, **options: Any) -> replication.Pushed:
    return push(source, to, origin="m.zettel", **options)


def talk(memory: Memory, n: int = 12) -> list[str]:
    """A conversation of two; returns the ids."""
    said = ("a puppy named Max", "sailing to Bergen", "the garden in May", "a letter from Oslo", "bread with honey")
    messages = [
        Message(text=f"I told of {said[i % 5]} on day {i}.", speaker=("Ann", "Bob")[i % 2], conversation_id="c")
        for i in range(n)
    ]
    return [note.id for note in memory.add_many(messages)]


def in_small_groups(monkeypatch: pytest.MonkeyPatch, changes: int = 1) -> None:
    monkeypatch.setattr(replication, "_CHANGES", changes)


def agrees(source: Store, to: Neo4jStore) -> None:
    found = compare(source, to)
    assert found.problems == ()
    assert found.memory == found.graph
    assert find_edits(source, to) == replication.Edits((), ())


class Counting:
    """Counts what a store sends that may write, and the nodes it makes by that."""

    def __init__(self, store: Neo4jStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        for name in ("write", "define"):
            monkeypatch.setattr(store._connection, name, self.counted(getattr(store._connection, name)))

    def counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.n += 1
            return method(*args, **options)

        return call


# --------------------------------------------------------------------- pushing


@settings(
    max_examples=5, deadline=None, phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_a_replica_shows_what_the_memory_shows_wherever_pushes_began_and_ended(
    data: st.DataObject, neo4j_uri: str, hand: Hand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hand("MATCH (n) DETACH DELETE n")
    path = str(tmp_path_factory.mktemp("random") / "m.zettel")
    world = Keyed()
    with (
        closing(registry.open_store(path, namespace="default", read_only=False, config=PATIENCE)) as source,
        closing(registry.open_store(neo4j_uri, namespace="default", read_only=False, config=PATIENCE)) as graph,
        pytest.MonkeyPatch.context() as patch,
    ):
        assert isinstance(graph, Neo4jStore)
        source.set_fingerprint(FINGERPRINT)
        for _ in range(data.draw(st.integers(1, 4))):
            grow(source, world, data, data.draw(st.integers(0, 4)))
            in_small_groups(patch, data.draw(st.sampled_from([1, 4, 20_000])))
            pushed(source, graph)
            alike(source, graph)
            vectors_alike(source, graph, world.passages)
        agrees(source, graph)
        assert world.head == 0 or graph.role == "replica"


def test_a_push_of_nothing_new_writes_nothing(
    opened: Opener, replica: Replica, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, graph = opened(), replica()
    talk(memory)
    source = of(memory)
    told = pushed(source, graph)
    assert (told.head, told.goal, told.notes) == (memory.head, memory.head, 12)
    before = sorted(hand.values())
    again = replica()
    counting = Counting(again, monkeypatch)
    assert pushed(source, again) == replication.Pushed(memory.head, memory.head, 0)
    assert counting.n == 0
    assert sorted(hand.values()) == before
    memory.add("one more")
    pushed(source, again)
    assert counting.n > 0
    agrees(source, again)


def test_a_push_that_was_broken_off_goes_on(opened: Opener, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened(config=Config(batch=3))
    ids = talk(memory, 6)
    memory.update(ids[0], tags=["pet"])
    memory.forget(ids[1], erase=True)
    memory.undo(2)
    source = of(memory)
    in_small_groups(monkeypatch)
    groups = memory.head

    class BrokenOff(Exception):  # noqa: N818 -- it stands for a Ctrl-C
        pass

    def break_off(told: replication.Pushed) -> None:
        raise BrokenOff

    for n in range(1, groups):
        graph = replica()
        with pytest.raises(BrokenOff):
            pushed(source, graph, on_progress=break_off)
        assert replica().head() == n
        graph.close()
    tellings: list[replication.Pushed] = []
    pushed(source, replica(), on_progress=tellings.append)
    assert [told.head for told in tellings] == [memory.head]
    agrees(source, replica())


def test_a_push_whose_process_is_killed_goes_on(
    opened: Opener, replica: Replica, neo4j_uri: str, tmp_path: Path
) -> None:
    with opened("killed.zettel", config=Config(batch=4)) as memory:
        ids = talk(memory, 40)
        for n, note_id in enumerate(ids):
            memory.update(note_id, tags=[f"t{n % 7}"])
        memory.forget(ids[3], erase=True)
        memory.undo(5)
        head = memory.head
    chance, hit = random.Random(7), 0
    command = [sys.executable, str(Path(__file__).parent / "helpers" / "pusher.py"), str(tmp_path / "killed.zettel")]
    graph = replica()
    for _ in range(5):
        process = subprocess.Popen([*command, neo4j_uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout
        if process.stdout.readline() != "open\n":
            pytest.fail(process.communicate()[1])
        for _ in range(chance.randrange(3)):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
        assert not any(problem.place.startswith(("note", "commit")) for problem in graph.check())
        if graph.head():
            told = graph.head()
            assert [commit.id for commit in graph.commits()] == list(range(1, told + 1))
    assert hit and graph.head() < head
    done = subprocess.run([*command, neo4j_uri], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with opened("killed.zettel") as memory:
        agrees(of(memory), graph)


def test_two_pushes_at_once_end_as_one(opened: Opener, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened()
    for n in range(8):
        memory.add(f"note {n}")
    in_small_groups(monkeypatch, 2)
    ready = threading.Barrier(2)
    ended: list[Exception | None] = []

    def one(store: Store, graph: Neo4jStore) -> None:
        ready.wait()
        try:
            pushed(store, graph)
            ended.append(None)
        except HeadMovedError as error:
            ended.append(error)

    sources = [of(opened()), of(opened())]
    threads = [threading.Thread(target=one, args=(source, replica())) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 2 and None in ended
    agrees(of(memory), replica())


# ---------------------------------------------------------- what goes, is gone


def test_what_goes_after_a_push_goes_from_the_graph(opened: Opener, replica: Replica, hand: Hand) -> None:
    """Of an erased text nothing is left in any property of any node or relationship."""
    memory, graph = opened(), replica()
    source = of(memory)
    secret = memory.add_many(
        [
            Message(text="My secret pin is ZEBRA", speaker="Quagga", conversation_id="zebra-talk", message_id="ZEBRA"),
            Message(text="Noted, ZEBRA.", speaker="Ann", conversation_id="other"),
            Message(text="Something else.", speaker="Ann", conversation_id="other"),
        ]
    )
    memory.update(secret[0].id, tags=["ZEBRA"], context="ZEBRA", keywords=["ZEBRA"], entities=["ZEBRA"])
    memory.update(secret[1].id, context="he says the pin is secret")
    memory.link(secret[0].id, secret[2].id, "causes", reason="because of ZEBRA")
    pushed(source, graph)
    assert "ZEBRA" in "\n".join(hand.values())
    memory.undo(memory.head)
    memory.update(secret[0].id, context="ZEBRA again")
    pushed(source, graph)
    memory.forget(secret[1].id, erase=True)
    memory.forget(secret[0].id, erase=True)
    memory.add("Life goes on.")
    pushed(source, graph)
    left = [value for value in hand.values() if "zebra" in value.lower() or "quagga" in value.lower()]
    assert left == []
    for note in secret[:2]:
        assert hand("MATCH (n {id: $id}) RETURN labels(n)", id=note.id) == [(["Erased"],)]
    agrees(source, graph)


def test_a_push_of_an_erasure_that_was_broken_off_goes_on(
    opened: Opener, replica: Replica, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way the graph has commits from which the erased is gone already, and others that still have it."""
    memory = opened()
    a, b = memory.add_many(
        [Message(text=t, conversation_id="c", speaker=s) for t, s in (("My pin is ZEBRA", "Ann"), ("Noted.", "Bob"))]
    )
    memory.update(a.id, keywords=["ZEBRA"])
    pushed(of(memory), replica())
    assert "ZEBRA" in memory.get(b.id).context
    memory.update(a.id, keywords=["a pin"])
    memory.update(b.id, context="he says it, too", tags=["kept"])
    memory.update(b.id, context="he says so, too")
    memory.forget(a.id, erase=True)
    in_small_groups(monkeypatch)

    def break_off(told: replication.Pushed) -> None:
        raise ZeroDivisionError

    for _ in range(4):
        graph = replica()
        with pytest.raises(ZeroDivisionError):
            pushed(of(memory), graph, on_progress=break_off)
        assert find_edits(of(memory), graph) == replication.Edits((), ())
    agrees(of(memory), replica())
    assert [value for value in hand.values() if "ZEBRA" in value] == []


def test_the_same_erasure_after_an_append_leaves_nothing_either(neo4j_uri: str, analyzer: Analyzer, hand: Hand) -> None:
    with registry.open_memory(neo4j_uri, embedder="hashing", analyzer=analyzer, config=PATIENCE) as memory:
        a, b = memory.add_many(
            [
                Message(text="My secret pin is ZEBRA", speaker="Quagga", conversation_id="zebra-talk"),
                Message(text="Noted.", speaker="Ann", conversation_id="zebra-talk"),
            ]
        )
        assert "ZEBRA" in b.context
        memory.update(a.id, tags=["ZEBRA"], keywords=["ZEBRA"])
        memory.forget(b.id)
        memory.forget(a.id, erase=True)
        assert memory.verify().ok
        assert [value for value in hand.values() if "ZEBRA" in value or "quagga" in value.lower()] == []
        memory.forget(b.id, erase=True)
        assert [value for value in hand.values() if "zebra" in value.lower()] == []
        assert memory.verify().ok


def test_a_note_erased_before_the_first_push_never_gets_there(opened: Opener, replica: Replica, hand: Hand) -> None:
    memory, graph = opened(), replica()
    source = of(memory)
    ids = talk(memory, 4)
    text = memory.get(ids[1]).text
    memory.forget(ids[1], erase=True)
    pushed(source, graph)
    agrees(source, graph)
    assert text not in "\n".join(hand.values())
    assert graph.erased() == {ids[1]}


# ------------------------------------------------------------------------ roles


def test_a_replica_is_read_only_until_it_is_promoted(
    opened: Opener, replica: Replica, neo4j_uri: str, analyzer: Analyzer
) -> None:
    memory, graph = opened(), replica()
    source = of(memory)
    ids = talk(memory, 4)
    with pytest.raises(StoreError, match="push a memory to it first"):
        graph.promote()
    pushed(source, graph)
    assert (graph.role, graph.origin, graph.read_only) == ("replica", "m.zettel", True)
    with registry.open_memory(neo4j_uri, embedder="hashing", analyzer=analyzer, config=PATIENCE) as shared:
        assert [hit.note.id for hit in shared.search("puppy")] == [hit.note.id for hit in memory.search("puppy")]
        assert shared.verify().ok
        for change in (
            lambda: shared.add("no"), lambda: shared.update(ids[0], tags=["x"]), lambda: shared.forget(ids[0]),
            lambda: shared.undo(1), lambda: shared.mark_used(ids), lambda: shared.unlink(ids[0], ids[1]),
        ):  # fmt: skip
            with pytest.raises(ReadOnlyError, match=r"replica|read"):
                change()
    graph.promote()
    assert (graph.role, graph.origin, graph.read_only) == ("primary", None, False)
    with registry.open_memory(neo4j_uri, embedder="hashing", analyzer=analyzer, config=PATIENCE) as shared:
        shared.add("written there")
        assert shared.verify().ok and len(shared) == 5
    with pytest.raises(InputError, match="a memory of its own, no replica.*--to NAME"):
        pushed(source, graph)
    with pytest.raises(ReadOnlyError, match="it is not deleted"):
        graph.discard()


def test_a_memory_on_a_server_is_no_place_to_push_to(opened: Opener, replica: Replica) -> None:
    world, other = Keyed(), replica("other")
    world.add("a")
    send(other, world, "add")
    memory = opened()
    memory.add("a note")
    with pytest.raises(InputError, match="a memory of its own"):
        pushed(of(memory), other)
    assert other.head() == 1 and [note.id for note in other.notes()] == ["a"]


def test_a_deletion_that_was_broken_off_is_finished_before_the_next_push(
    opened: Opener, replica: Replica, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, graph = opened(), replica()
    talk(memory)
    pushed(of(memory), graph)
    steps = graph._discard_some

    def broken_off(label: str, *args: Any) -> int:
        if label == "Topic":
            raise ZeroDivisionError
        return steps(label, *args)

    monkeypatch.setattr(graph, "_discard_some", broken_off)
    with pytest.raises(ZeroDivisionError):
        graph.discard()
    again = replica()
    for ask in (pushed, find_edits, compare):
        with pytest.raises(InputError, match="begun to be deleted: push to it with --rebuild"):
            ask(of(memory), again)
    with pytest.raises(InputError, match="no replica"):
        promote(again)
    again.discard()
    assert hand("MATCH (n) WHERE NOT n:Place RETURN count(n)") == [(0,)]
    pushed(of(memory), again)
    agrees(of(memory), again)


def test_a_replica_of_another_memory_is_refused(opened: Opener, replica: Replica) -> None:
    one, two, graph = opened("one.zettel"), opened("two.zettel"), replica()
    one.add("in the first memory")
    two.add("in the second memory")
    two.add("and more of it")
    pushed(of(one), graph)
    for ask in (pushed, find_edits, compare):
        with pytest.raises(InputError, match=r"a replica of another memory \(m.zettel\).*--to NAME"):
            ask(of(two), graph)
    agrees(of(one), graph)


def test_a_replica_ahead_of_an_older_copy_is_refused(opened: Opener, replica: Replica, tmp_path: Path) -> None:
    with opened("m.zettel") as memory:
        memory.add("a note")
    (tmp_path / "older.zettel").write_bytes((tmp_path / "m.zettel").read_bytes())
    memory, graph = opened("m.zettel"), replica()
    memory.add("another note")
    source = of(memory)
    pushed(source, graph)
    older = opened("older.zettel")
    with pytest.raises(InputError, match="the replica is at commit 2, this memory only at 1.*--rebuild"):
        pushed(of(older), graph)
    older.add("a note of its own")
    older.add("which goes another way")
    with pytest.raises(InputError, match="a replica of another memory"):
        pushed(of(older), graph)
    graph.discard()
    pushed(of(older), graph)
    agrees(of(older), graph)
    assert {note.text for note in graph.notes()} == {note.text for note in older.notes()}


def test_vectors_of_another_embedder_are_refused(opened: Opener, replica: Replica) -> None:
    memory = opened()
    memory.add("a note")
    replica("other").set_fingerprint("another/3/1")
    with pytest.raises(EmbedderMismatchError, match="'another/3/1'.*another database"):
        pushed(of(memory), replica())
    assert replica().head() == 0


def test_two_memories_live_side_by_side(opened: Opener, replica: Replica, hand: Hand) -> None:
    one, two = opened("m.zettel"), opened("m.zettel", namespace="two")
    texts = talk(one, 4), talk(two, 5)
    first, second = replica("one"), replica("two")
    pushed(of(one), first)
    pushed(of(two), second)
    agrees(of(one), first)
    two.forget(texts[1][0], erase=True)
    pushed(of(two), second)
    agrees(of(two), second)
    agrees(of(one), first)
    second.discard()
    assert second.head() == 0 and second.namespaces() == ["one"]
    agrees(of(one), first)
    first.discard()
    assert hand("MATCH (n) WHERE NOT n:Place RETURN count(n)") == [(0,)]
    assert first.fingerprint() is None


def test_an_empty_memory_is_pushed(opened: Opener, replica: Replica) -> None:
    memory, graph = opened(), replica()
    assert pushed(of(memory), graph) == replication.Pushed(0, 0, 0)
    assert graph.role == "" and graph.namespaces() == []


def test_a_comparison_names_what_differs(opened: Opener, replica: Replica, hand: Hand) -> None:
    memory, graph = opened(), replica()
    source = of(memory)
    ids = talk(memory, 6)
    memory.link(ids[0], ids[1], "causes", reason="so")
    pushed(source, graph)
    hand("MATCH (n:Note {id: $id}) SET n.context = 'mine'", id=ids[0])
    hand("MATCH (n:Note {id: $id}) DETACH DELETE n", id=ids[2])
    hand("MATCH (:Note {id: $id})-[r:CAUSES]->() DELETE r", id=ids[0])
    hand("MATCH (n:Note {id: $id}) MATCH (p:Passage {key: n.vector_key}) DELETE p", id=ids[3])
    hand("MATCH (t:Topic) SET t.name = 'mine'")
    memory.add("not pushed yet")
    places = {problem.place for problem in compare(source, replica()).problems}
    assert {
        f"note {ids[0]}",
        f"note {ids[2]}",
        f"the vectors of note {ids[3]}",
        "topic 1",
        "commits",
        "notes",
    } <= places
    assert f"the causes link from note {ids[0]} to note {ids[1]}" in places
    graph.discard()
    pushed(source, graph)
    agrees(source, graph)
