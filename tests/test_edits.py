"""What people change in the graph of a memory comes back as a commit, or is refused with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from by_cypher import Hand
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zettel import Config, Message, registry
from zettel.errors import ConflictError, InputError
from zettel.memory import Memory
from zettel.model import Commit, Link
from zettel.protocols import Analyzer, Store
from zettel.replication import Edit, Edits, compare, find_edits, push
from zettel.store.neo4j.store import Neo4jStore

PATIENCE = Config(busy_timeout_s=3)
IDS = ("ann", "bob", "cleo", "dora")
A = "MATCH (n:Note {id: 'ann'})"
A_B = "MATCH (n:Note {id: 'ann'}), (m:Note {id: 'bob'})"


class Pair:
    """A memory in a file, its replica on a server, and people who change the graph by hand."""

    def __init__(self, memory: Memory, graph: Neo4jStore, hand: Hand) -> None:
        self.memory, self.graph, self.hand = memory, graph, hand

    @property
    def source(self) -> Store:
        assert self.memory._store is not None
        return self.memory._store

    def push(self, *, overwrite: bool = False) -> None:
        push(self.source, self.graph, origin="m.zettel", overwrite=overwrite)

    def found(self) -> Edits:
        return find_edits(self.source, self.graph)

    def pull(self) -> Commit | None:
        """Take over what can be, and push."""
        commit = self.memory.take_edits(edit for edit in self.found().edits if not edit.conflict)
        self.push()
        return commit

    def agree(self) -> None:
        assert compare(self.source, self.graph).problems == ()
        assert self.found() == Edits((), ())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, analyzer: Analyzer) -> Path:
    """A memory of four notes with tags, and a link."""
    path = tmp_path_factory.mktemp("made") / "m.zettel"
    with registry.open_memory(path, embedder="hashing", analyzer=analyzer) as memory:
        for name in IDS:
            memory.add(f"My name is {name.title()}.", id=name, speaker=name.title(), metadata={"of": name})
            memory.update(name, tags=["pet", name], keywords=["dog"], entities=[name.title()], context="at home")
        memory.link("ann", "cleo", "causes", reason="so it was", weight=0.5)
    return path


@pytest.fixture
def pair(made: Path, tmp_path: Path, analyzer: Analyzer, neo4j_uri: str) -> Iterator[Pair]:
    """A memory whose replica is up to date."""
    path = shutil.copy(made, tmp_path / "m.zettel")
    hand = Hand(neo4j_uri)
    graph = registry.open_store(neo4j_uri, namespace="default", read_only=False, config=PATIENCE)
    assert isinstance(graph, Neo4jStore)
    with registry.open_memory(path, embedder="hashing", analyzer=analyzer) as memory:
        pair = Pair(memory, graph, hand)
        pair.push()
        yield pair
    pair.graph.close()
    hand.close()


# --------------------------------------------------------------- what comes back


FIELDS: dict[str, tuple[str, str, Any]] = {
    "a tag drawn to a new node": (f"{A} CREATE (n)-[:TAGGED]->(:Tag {{name: 'new'}})", "tags", ["pet", "ann", "new"]),
    "a tag drawn to a node of the memory's": (
        f"{A} MATCH (t:Tag {{name: 'bob'}}) CREATE (n)-[:TAGGED]->(t)", "tags", ["pet", "ann", "bob"]
    ),
    "a tag undrawn": ("MATCH (:Note {id: 'ann'})-[r:TAGGED]->(:Tag {name: 'pet'}) DELETE r", "tags", ["ann"]),
    "the last tags undrawn": ("MATCH (:Note {id: 'ann'})-[r:TAGGED]->() DELETE r", "tags", []),
    "a tag's node deleted": ("MATCH (t:Tag {name: 'ann'}) DETACH DELETE t", "tags", ["pet"]),
    "tags as a property": (f"{A} SET n.tags = n.tags + 'told'", "tags", ["pet", "ann", "told"]),
    "keywords": (f"{A} SET n.keywords = ['cat', 'dog']", "keywords", ["cat", "dog"]),
    "keywords removed": (f"{A} REMOVE n.keywords", "keywords", []),
    "context": (f"{A} SET n.context = 'in the garden'", "context", "in the garden"),
    "entities": (f"{A} SET n.entities = ['Ann', 'Oslo']", "entities", ["Ann", "Oslo"]),
    "status": (f"{A} SET n.status = 'archived'", "status", "archived"),
    "trust": (f"{A} SET n.trust = 0.25", "trust", 0.25),
    "trust as a whole number": (f"{A} SET n.trust = 0", "trust", 0.0),
    "valid_until": (f"{A} SET n.valid_until = datetime('2025-01-02T03:04:05Z')", "valid_until", "2025-01-02T03:04:05Z"),
    "metadata": (f"{A} SET n.metadata = '{{\"of\": [1, \"ü\"]}}'", "metadata", {"of": [1, "ü"]}),
}  # fmt: skip


@pytest.mark.parametrize(("query", "field", "value"), FIELDS.values(), ids=FIELDS)
def test_a_field_that_was_edited_comes_back(pair: Pair, query: str, field: str, value: Any) -> None:
    before = pair.memory.get("ann").model_dump(mode="json")[field]
    pair.hand(query)
    found = pair.found()
    wanted = [("note", "ann", field, before, value, before, False)]
    if query.startswith("MATCH (t:Tag"):
        assert {edit.field for edit in found.edits} == {"tags"}
    assert [(e.what, e.note_id, e.field, e.before, e.graph, e.memory, e.conflict) for e in found.edits] == wanted
    assert found.refused == ()
    head = pair.memory.head
    commit = pair.pull()
    assert commit is not None and (commit.id, commit.cause) == (head + 1, "edit")
    assert pair.memory.head == head + 1
    assert pair.memory.get("ann").model_dump(mode="json")[field] == value
    (told,) = [line for line in pair.memory.diff(commit.id) if line.note_id == "ann" and line.field == field]
    assert (told.before, told.after, told.reason) == (before, value, "edited in the graph")
    assert pair.memory.history("ann")[-1].cause == "edit"
    pair.agree()
    pair.memory.undo(commit.id)
    assert pair.memory.get("ann").model_dump(mode="json")[field] == before
    pair.push()
    pair.agree()
    assert pair.memory.verify().ok


LINKS: dict[str, tuple[str, tuple[str, str, str], dict[str, Any] | None]] = {
    "drawn": (f"{A_B} CREATE (n)-[:SIMILAR]->(m)", ("ann", "bob", "similar"),
              {"weight": 1.0, "reason": "drawn in the graph"}),
    "drawn with a weight and a reason": (
        f"{A_B} CREATE (m)-[:PART_OF {{weight: 0.25, reason: 'a pair'}}]->(n)", ("bob", "ann", "part_of"),
        {"weight": 0.25, "reason": "a pair"}
    ),
    "weighed anew": ("MATCH ()-[r:CAUSES]->() SET r.weight = 1", ("ann", "cleo", "causes"),
                     {"weight": 1, "reason": "so it was"}),
    "deleted": ("MATCH ()-[r:CAUSES]->() DELETE r", ("ann", "cleo", "causes"), None),
    "turned round": (
        "MATCH (a)-[r:CAUSES]->(c) CREATE (c)-[s:CAUSES]->(a) SET s = properties(r)", ("cleo", "ann", "causes"),
        {"weight": 0.5, "reason": "so it was"}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("query", "key", "value"), LINKS.values(), ids=LINKS)
def test_a_link_that_was_edited_comes_back(
    pair: Pair, query: str, key: tuple[str, str, str], value: dict[str, Any] | None
) -> None:
    def links() -> dict[tuple[str, str, str], Link]:
        return {link.key: link for link in pair.memory.links()}

    before = links()
    pair.hand(query)
    (edit,) = pair.found().edits
    assert (edit.what, edit.note_id, edit.target_id, edit.field, edit.graph) == ("link", *key, value)
    commit = pair.pull()
    assert commit is not None and commit.cause == "edit"
    after = links()
    assert after.keys() == (before.keys() | {key} if value else before.keys() - {key})
    if value:
        assert (after[key].weight, after[key].reason) == (value["weight"], value["reason"])
        assert after[key].created_by == "user"
    pair.agree()
    pair.memory.undo(commit.id)
    assert links() == before
    pair.push()
    pair.agree()


def test_many_edits_are_one_commit(pair: Pair) -> None:
    head = pair.memory.head
    pair.hand("MATCH (n:Note) SET n.context = 'seen', n.status = 'archived'")
    pair.hand(f"{A_B} CREATE (n)-[:SIMILAR]->(m), (m)-[:NEXT]->(n), (n)-[:TAGGED]->(:Tag {{name: 'x'}})")
    assert len(pair.found().edits) == 11
    commit = pair.pull()
    assert commit is not None and pair.memory.head == head + 1
    pair.agree()
    assert pair.memory.search("name") == []
    pair.memory.undo(commit.id)
    pair.push()
    pair.agree()
    assert len(pair.memory.search("name")) == 4
    assert pair.memory.verify().ok


def test_nothing_edited_is_no_commit(pair: Pair) -> None:
    pair.agree()
    assert pair.pull() is None
    assert pair.memory.take_edits([]) is None


# -------------------------------------------------------------- what is refused


REFUSED: dict[str, tuple[str, str]] = {
    "its text was changed": (f"{A} SET n.text = 'mine'", "its text was changed in the graph, which never changes"),
    "its time was changed": (f"{A} SET n.time = datetime('2020-01-01T00:00:00Z')", "its time was changed"),
    "its speaker was changed": (f"{A} SET n.speaker = 'Eve'", "its speaker was changed"),
    "its speaker was removed": (f"{A} REMOVE n.speaker", "its speaker was changed"),
    "it was deleted": (f"{A} DETACH DELETE n", "it was deleted in the graph: forget it"),
    "a relationship nobody knows": (f"{A_B} CREATE (n)-[:LIKES]->(m)", "LIKES to note bob is no kind of link"),
    "a status nobody knows": (f"{A} SET n.status = 'foo'", "'foo'"),
    "a status that is a number": (f"{A} SET n.status = 7", "its status is 7"),
    "too much trust": (f"{A} SET n.trust = 7", "its trust can't become 7.*less than or equal to 1"),
    "trust in words": (f"{A} SET n.trust = 'high'", "high"),
    "too heavy a link": (f"{A_B} CREATE (n)-[:SIMILAR {{weight: 3}}]->(m)", "its similar link to note bob"),
    "a weight in words": (f"{A_B} CREATE (n)-[:SIMILAR {{weight: 'much'}}]->(m)", "its similar link to note bob"),
    "a reason that is a number": (f"{A_B} CREATE (n)-[:SIMILAR {{reason: 7}}]->(m)", "its similar link to note bob"),
    "a link to itself": (f"{A} CREATE (n)-[:SIMILAR]->(n)", "a link needs two notes"),
    "an empty tag": (f"{A} CREATE (n)-[:TAGGED]->(:Tag {{name: ''}})", "a tag needs a name"),
    "a tag that is a number": (f"{A} CREATE (n)-[:TAGGED]->(:Tag {{name: 7}})", "TAGGED tags are"),
    "keywords as one text": (f"{A} SET n.keywords = 'cat, dog'", "its keywords are 'cat, dog': they must be a list"),
    "numbers as tags": (f"{A} SET n.tags = [1, 2]", "its tags are"),
    "metadata that are no JSON": (f"{A} SET n.metadata = 'of: x'", "holds what no zettel wrote"),
    "metadata that are a list": (f"{A} SET n.metadata = '[1]'", "metadata"),
    "an end that is no time": (f"{A} SET n.valid_until = 'tomorrow'", "holds what no zettel wrote"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_is_refused_and_the_rest_goes_on(pair: Pair, query: str, reason: str) -> None:
    before = pair.memory.get("ann")
    pair.hand(query)
    pair.hand("MATCH (n:Note {id: 'dora'}) SET n.context = 'this goes on'")
    graph = registry.open_store(pair.graph.address, namespace="default", read_only=False, config=PATIENCE)
    assert isinstance(graph, Neo4jStore)
    pair.graph.close()
    pair.graph = graph  # one that knows nothing from before
    found = pair.found()
    assert [(edit.note_id, edit.field) for edit in found.edits] == [("dora", "context")]
    (problem,) = found.refused
    assert (problem.place, problem.note_id) == ("note ann", "ann")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(problem.reason)
    pair.pull()
    assert pair.memory.get("dora").context == "this goes on"
    assert pair.memory.get("ann") == before
    pair.memory.update("bob", context="changed here")
    pair.push()
    assert [(problem.place, len(pair.found().edits)) for problem in pair.found().refused] == [("note ann", 0)]


def test_a_note_made_in_the_graph_is_refused(pair: Pair) -> None:
    pair.hand("CREATE (:Note {namespace: 'default', id: 'eve', text: 'I am new', ordinal: 99})")
    pair.hand("MATCH (n:Note {id: 'eve'}), (m:Note {id: 'bob'}) CREATE (n)-[:SIMILAR]->(m)")
    found = pair.found()
    assert found.edits == ()
    assert {problem.place for problem in found.refused} == {"note eve"}
    assert "made in the graph" in found.refused[0].reason


def test_edits_that_can_not_be_taken_are_taken_by_no_one(pair: Pair) -> None:
    head = pair.memory.head
    good = Edit("note", "ann", "context", "at home", "fine", "at home")
    for bad in (
        Edit("note", "ann", "status", "active", "foo", "active"), Edit("note", "eve", "context", "", "x", ""),
        Edit("link", "ann", "similar", None, {"weight": 3, "reason": "x"}, None, "bob"),
        Edit("link", "ann", "likes", None, {"weight": 1, "reason": "x"}, None, "bob"),
    ):  # fmt: skip
        with pytest.raises(InputError, match="can't become"):
            pair.memory.take_edits([good, bad])
    assert pair.memory.head == head and pair.memory.get("ann").context == "at home"


def test_what_an_erasure_took_out_does_not_come_back_from_the_graph(pair: Pair) -> None:
    """The graph still holds it until the next push, in what quoted it."""
    a, b = pair.memory.add_many(
        [Message(text=t, conversation_id="c", speaker=s) for t, s in (("My pin is ZEBRA", "Ann"), ("Noted.", "Bob"))]
    )
    pair.push()
    assert "ZEBRA" in pair.memory.get(b.id).context
    pair.memory.forget(a.id, erase=True)
    assert pair.found() == Edits((), ())
    pair.hand("MATCH (n:Note {id: $id}) CREATE (n)-[:TAGGED]->(:Tag {name: 'kept'})", id=b.id)
    pair.pull()
    assert pair.memory.get(b.id).tags[-1] == "kept"
    pair.agree()
    assert [value for value in pair.hand.values() if "ZEBRA" in value] == []
    assert "ZEBRA" not in str([pair.memory.notes(), pair.memory.log()])


def test_a_link_to_a_note_that_the_memory_has_taken_out_is_refused(pair: Pair) -> None:
    new = pair.memory.add("Eve was here.")
    pair.push()
    pair.memory.undo(pair.memory.history(new.id)[0].commit, cascade=True)
    pair.hand("MATCH (n:Note {id: 'ann'}), (m:Note {id: $id}) CREATE (n)-[:CAUSES]->(m)", id=new.id)
    pair.hand("MATCH (n:Note {id: $id}) SET n.context = 'mine'", id=new.id)
    found = pair.found()
    assert found.edits == ()
    assert len(found.refused) == 2
    assert all(problem.reason.endswith("the memory has no such note any more") for problem in found.refused)
    pair.pull()
    pair.agree()


# ------------------------------------------------------------- on both sides


CONFLICTS: dict[str, tuple[str, Callable[[Memory], Any], str]] = {
    "a field": (f"{A} SET n.context = 'theirs'", lambda m: m.update("ann", context="ours"), "context of note ann"),
    "tags": (f"{A} CREATE (n)-[:TAGGED]->(:Tag {{name: 'theirs'}})", lambda m: m.update("ann", tags=["ours"]),
             "tags of note ann"),
    "a link's weight": ("MATCH ()-[r:CAUSES]->() SET r.weight = 0.75",
                        lambda m: m.link("ann", "cleo", "causes", reason="ours", weight=0.1),
                        "the causes link from note ann to note cleo"),
    "a link deleted there": ("MATCH ()-[r:CAUSES]->() DELETE r",
                             lambda m: m.link("ann", "cleo", "causes", reason="ours", weight=0.1),
                             "the causes link from note ann to note cleo"),
    "a link deleted here": ("MATCH ()-[r:CAUSES]->() SET r.weight = 0.75", lambda m: m.unlink("ann", "cleo", "causes"),
                            "the causes link from note ann to note cleo"),
    "a link drawn twice": (f"{A_B} CREATE (n)-[:PART_OF {{weight: 0.25}}]->(m)",
                           lambda m: m.link("ann", "bob", "part_of", reason="ours"),
                           "the part_of link from note ann to note bob"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "change", "what"), CONFLICTS.values(), ids=CONFLICTS)
def test_what_both_sides_changed_is_left_as_it_is_on_both(
    pair: Pair, query: str, change: Callable[[Memory], Any], what: str
) -> None:
    pair.hand(query)
    change(pair.memory)
    (edit,) = pair.found().edits
    assert edit.conflict
    head, values = pair.memory.head, sorted(pair.hand.values())
    with pytest.raises(ConflictError, match=f"1 edits made in the graph would be overwritten, first {what}: pull") as e:
        pair.push()
    assert list(e.value.blocking) == [what]
    assert (pair.memory.head, sorted(pair.hand.values())) == (head, values)
    pair.push(overwrite=True)
    pair.agree()


def test_the_graph_s_side_of_a_conflict_can_be_taken(pair: Pair) -> None:
    pair.hand(f"{A} SET n.context = 'theirs'")
    pair.hand("MATCH ()-[r:CAUSES]->() SET r.weight = 0.75")
    pair.memory.update("ann", context="ours")
    pair.memory.unlink("ann", "cleo", "causes")
    found = pair.found().edits
    assert [(edit.before, edit.graph, edit.memory) for edit in found if edit.what == "note"] == [
        ("at home", "theirs", "ours")
    ]
    pair.memory.take_edits(found)
    assert pair.memory.get("ann").context == "theirs"
    assert [link.weight for link in pair.memory.links(kind="causes")] == [0.75]
    pair.push()
    pair.agree()


def test_the_same_change_on_both_sides_is_no_conflict(pair: Pair) -> None:
    pair.hand(f"{A} SET n.context = 'both'")
    pair.memory.update("ann", context="both")
    assert [edit.conflict for edit in pair.found().edits] == [False]
    assert pair.pull() is None
    pair.agree()


# ------------------------------------------------------------------ at random

NAMES = st.sampled_from(["pet", "ann", "new", "A tag, with \"marks\" `and` 'more'", "ü\U0001f600"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "context": st.sampled_from(["", "x", "$y {z}"]), "keywords": st.lists(NAMES, max_size=3, unique=True),
    "entities": st.lists(NAMES, max_size=2, unique=True), "status": st.sampled_from(["active", "archived"]),
    "trust": st.sampled_from([0.0, 0.5, 1.0]),
}  # fmt: skip
FIELD = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))
EDITS = st.fixed_dictionaries(
    {
        "fields": st.dictionaries(st.sampled_from(IDS), FIELD, max_size=3),
        "tags": st.dictionaries(st.sampled_from(IDS), st.sets(NAMES, max_size=3), max_size=3),
        "links": st.dictionaries(
            st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda ends: ends[0] != ends[1]),
            st.sampled_from([None, 0.25, 1.0]), max_size=3,
        ),
    }
)  # fmt: skip


@settings(
    max_examples=5, deadline=None, phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(edits=EDITS)
def test_random_edits_are_found_exactly_and_come_back(pair: Pair, edits: dict[str, Any]) -> None:
    """Each example finds what those before it left."""
    expected: dict[tuple[str, ...], Any] = {}
    for note_id, (name, value) in edits["fields"].items():
        note = pair.memory.get(note_id).model_dump(mode="json")
        pair.hand(f"MATCH (n:Note {{id: $id}}) SET n.{name} = $value", id=note_id, value=value)
        if note[name] != value:
            expected[note_id, name] = value
    for note_id, names in edits["tags"].items():
        pair.hand("MATCH (n:Note {id: $id})-[r:TAGGED]->() DELETE r", id=note_id)
        pair.hand(
            "MATCH (n:Note {id: $id}) UNWIND $names AS name MERGE (t:Tag {namespace: 'default', name: name})"
            " MERGE (n)-[:TAGGED]->(t)",
            id=note_id, names=sorted(names),
        )  # fmt: skip
        if set(pair.memory.get(note_id).tags) != names:
            expected[note_id, "tags"] = sorted(names)
    held = {link.key: link.weight for link in pair.memory.links()}
    for ends, weight in edits["links"].items():
        query = "MATCH (n:Note {id: $a}), (m:Note {id: $b}) MERGE (n)-[r:CAUSES]->(m)"
        pair.hand(f"{query} {'DELETE r' if weight is None else 'SET r.weight = $w'}", a=ends[0], b=ends[1], w=weight)
        if held.get((*ends, "causes")) != weight:
            expected[(*ends, "causes")] = weight
    found = pair.found()
    told = {
        (e.note_id, e.field): sorted(e.graph) if e.field == "tags" else e.graph
        for e in found.edits if e.what == "note"
    } | {
        (e.note_id, str(e.target_id), e.field): e.graph and e.graph["weight"]
        for e in found.edits if e.what == "link"
    }  # fmt: skip
    assert told == expected and found.refused == ()
    pair.pull()
    pair.agree()
    for (note_id, *rest), value in expected.items():
        if len(rest) == 1:
            now = pair.memory.get(note_id).model_dump(mode="json")[rest[0]]
            assert (sorted(now) if rest[0] == "tags" else now) == value
    assert pair.memory.verify().ok
