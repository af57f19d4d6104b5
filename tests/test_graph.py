"""The graph as users see it: links, neighbors, topics, and links that people make."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inside import with_parts

from zettel import AsyncMemory, Message
from zettel.errors import ConflictError, InputError, NotFoundError, ReadOnlyError
from zettel.graph import activation, graph, outline, reached
from zettel.index.tree import Limits, TopicTree
from zettel.memory import Memory
from zettel.model import LINK_KINDS, LinkChange, Note, Topic
from zettel.protocols import TopicRow
from zettel.testing.by_hand import link as made
from zettel.testing.by_hand import note

Opener = Callable[..., Memory]
TRUE: Any = True


@pytest.fixture
def bare(memory: Memory) -> Iterator[Memory]:
    """A memory with six notes by the names of a to f, which no rule has linked."""
    with_parts(memory, rules=())
    for name in "abcdef":
        memory.add(f"note {name}", id=name, tags=(name,))
    assert memory.links() == []
    yield memory
    verified = memory.verify()
    assert verified.ok, verified.problems


def ids(notes: list[Note]) -> list[str]:
    return [note.id for note in notes]


# --------------------------------------------------------------------------- links


def test_a_link_is_made_and_found_from_both_its_ends(bare: Memory) -> None:
    link = bare.link("a", "b", "causes", reason="a brought b about", weight=0.7)
    assert (link.key, link.weight, link.reason, link.created_by) == (
        ("a", "b", "causes"),
        0.7,
        "a brought b about",
        "user",
    )
    assert bare.links() == bare.links("a") == bare.links("b") == [link]
    assert bare.links("c") == []
    plain = bare.link("c", "d", reason="they look alike")
    assert (plain.kind, plain.weight) == ("similar", 1.0)
    commit = bare.log()[-1]
    assert (commit.cause, len(commit.changes)) == ("update", 1)
    assert [entry.change for entry in bare.history("d")][-1] == commit.changes[0]


def test_links_stand_strongest_first_then_by_kind_then_by_name(bare: Memory) -> None:
    for source, target, kind, weight in (
        ("a", "b", "part_of", 0.5), ("c", "a", "similar", 0.5), ("b", "a", "similar", 0.5), ("a", "d", "next", 0.5),
        ("a", "e", "part_of", 0.9), ("a", "c", "similar", 0.2),
    ):  # fmt: skip
        bare.link(source, target, kind, reason="why not", weight=weight)  # type: ignore[arg-type]
    found = [(link.source_id + link.target_id, link.kind) for link in bare.links("a")]
    assert found == [
        ("ae", "part_of"), ("ba", "similar"), ("ca", "similar"), ("ad", "next"), ("ab", "part_of"), ("ac", "similar")
    ]  # fmt: skip
    assert bare.links() == bare.links("a")
    assert [link.key[:2] for link in bare.links("a", "similar")] == [("b", "a"), ("c", "a"), ("a", "c")]
    assert [link.key[:2] for link in bare.links(kind="part_of")] == [("a", "e"), ("a", "b")]
    assert bare.links("a", "supersedes") == []


def test_a_link_of_the_same_kind_and_direction_is_replaced(bare: Memory) -> None:
    bare.link("a", "b", reason="first", weight=0.3)
    bare.link("a", "b", reason="second", weight=0.6)
    bare.link("b", "a", reason="the other way")
    bare.link("a", "b", "next", reason="another kind")
    assert [(link.source_id, link.kind, link.reason) for link in bare.links()] == [
        ("b", "similar", "the other way"), ("a", "next", "another kind"), ("a", "similar", "second")
    ]  # fmt: skip
    replaced = bare.log()[-3].changes[0]
    assert isinstance(replaced, LinkChange)
    assert (replaced.before or {})["reason"] == "first"
    assert (replaced.after or {})["reason"] == "second"
    head = bare.head
    assert bare.link("a", "b", reason="second", weight=0.6) == bare.links("a")[-1]
    assert bare.head == head, "the same again is no change"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "likes"}, "likes"), ({"weight": 0}, "greater than 0"), ({"weight": -1}, "greater than 0"),
        ({"weight": 2}, "less than or equal to 1"), ({"weight": float("nan")}, "'a'"), ({"weight": "much"}, "much"),
        ({"reason": ""}, "reason ''"), ({"reason": " \n"}, "reason"), ({"reason": None}, "'a'"),
        ({"reason": "\ud800"}, "surrogate"),
        ({"b": "a"}, "two notes"), ({"b": 5}, "5"),
    ],
    ids=str,
)  # fmt: skip
def test_a_link_that_cannot_be_is_refused(bare: Memory, given: dict[str, Any], says: str) -> None:
    head = bare.head
    with pytest.raises(InputError) as caught:
        bare.link(**{"a": "a", "b": "b", "reason": "why not", **given})
    assert says in str(caught.value)
    assert (bare.head, bare.links()) == (head, [])


def test_notes_that_are_not_there_have_no_links(bare: Memory) -> None:
    for ask in (
        lambda: bare.link("a", "nobody", reason="x"), lambda: bare.link("nobody", "a", reason="x"),
        lambda: bare.unlink("a", "nobody"), lambda: bare.unlink("nobody", "a"), lambda: bare.links("nobody"),
        lambda: bare.neighbors("nobody"),
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match="'nobody'"):
            ask()
    for ask in (lambda: bare.links("a", "likes"), lambda: bare.links(kind="likes")):  # type: ignore[arg-type,misc]
        with pytest.raises(InputError, match="'likes'.*similar"):
            ask()


def test_unlinking_takes_out_the_links_of_both_directions(bare: Memory) -> None:
    bare.link("a", "b", reason="x")
    bare.link("b", "a", "next", reason="y")
    bare.link("a", "b", "next", reason="z")
    bare.link("a", "c", reason="another note")
    commit = bare.unlink("b", "a", "next")
    assert (commit.cause, len(commit.changes)) == ("update", 2)
    assert [link.reason for link in bare.links("b")] == ["x"]
    bare.unlink("a", "b")
    assert [link.reason for link in bare.links()] == ["another note"]
    with pytest.raises(NotFoundError, match="no  ?link between 'a' and 'b'"):
        bare.unlink("a", "b")
    with pytest.raises(NotFoundError, match="no next link between 'a' and 'c'"):
        bare.unlink("a", "c", "next")


def test_linking_and_unlinking_are_undone(bare: Memory) -> None:
    bare.link("a", "b", reason="first")
    bare.link("a", "b", reason="second")
    with pytest.raises(ConflictError) as conflict:
        bare.undo(bare.head - 1)
    assert conflict.value.blocking == (f"{bare.head}.1",)
    bare.undo(bare.head)
    assert [link.reason for link in bare.links()] == ["first"]
    gone = bare.unlink("a", "b")
    assert bare.links() == []
    bare.undo(gone)
    assert [link.reason for link in bare.links()] == ["first"]
    bare.undo(bare.log()[6])
    assert bare.links() == []


def test_links_go_with_a_note_and_come_back_with_it(bare: Memory) -> None:
    bare.link("a", "f", reason="x")
    bare.link("f", "b", reason="y")
    undone = bare.undo(6)
    assert "f" not in bare
    assert (bare.links(), bare.links("a"), bare.neighbors("a")) == ([], [], [])
    bare.undo(undone)
    assert [link.reason for link in bare.links("f")] == ["x", "y"]
    bare.forget("f")
    assert [link.reason for link in bare.links("f")] == ["x", "y"], "what is put away keeps its links"
    bare.forget("f", erase=True)
    assert bare.links() == []


def test_what_people_have_linked_outlives_what_rules_find(memory: Memory) -> None:
    texts = [f"The clay of kiln {n} and the glaze." for n in range(12)]
    first = memory.add(texts[0])
    others = [memory.add(f"Something of its own, number {n}, on subject {n * 7}.") for n in range(8)]
    mine = [memory.link(first.id, other.id, reason="I say so", weight=0.01) for other in others]
    for text in texts[1:]:
        memory.add(text)
    by_rules = [link for link in memory.links(first.id, "similar") if link not in mine]
    assert {link.key for link in mine} <= {link.key for link in memory.links(first.id)}
    assert by_rules, "eight links by hand are more than a rule may make, and take no place"
    assert all(link.created_by == "linker/similar" for link in by_rules)


def test_an_earlier_state_shows_the_links_and_topics_of_its_time(bare: Memory) -> None:
    bare.link("a", "b", reason="first")
    then = bare.as_of(bare.head)
    bare.link("a", "b", reason="second")
    bare.link("a", "c", reason="third")
    bare.forget("f", erase=True)
    assert [link.reason for link in then.links()] == ["first"]
    assert ids(then.neighbors("a")) == ["b"]
    assert bare.as_of(0).topics() == []
    assert sum(topic.n_notes for topic in bare.as_of(3).topics()) == 3
    for change in (lambda: then.link("a", "d", reason="x"), lambda: then.unlink("a", "b")):
        with pytest.raises(ReadOnlyError):
            change()


# ----------------------------------------------------------------------- neighbors


@pytest.fixture
def paths(bare: Memory) -> Memory:
    """
    a -0.9-> b -0.5-> d    and    a <-0.6- c -0.8-> d -1.0-> e    while f stands alone.
    """
    for source, target, weight in (("a", "b", 0.9), ("c", "a", 0.6), ("b", "d", 0.5), ("c", "d", 0.8), ("d", "e", 1.0)):
        bare.link(source, target, "part_of", reason="x", weight=weight)
    return bare


def test_neighbors_stand_nearest_first_then_most_firmly_linked(paths: Memory) -> None:
    assert ids(paths.neighbors("a")) == ["b", "c"]
    assert ids(paths.neighbors("a", 2)) == ["b", "c", "d"]
    assert ids(paths.neighbors("a", hops=3)) == ids(paths.neighbors("a", hops=10**9)) == ["b", "c", "d", "e"]
    assert ids(paths.neighbors("d", 1)) == ["e", "c", "b"]
    assert ids(paths.neighbors("e", 2)) == ["d", "c", "b"]
    assert paths.neighbors("f", 5) == []
    assert paths.neighbors("b") == [paths.get("a"), paths.get("d")]


def test_equally_linked_neighbors_stand_in_the_order_they_arrived(bare: Memory) -> None:
    for other in "edbc":
        bare.link("a", other, reason="x", weight=0.5)
    assert ids(bare.neighbors("a")) == ["b", "c", "d", "e"]


def test_filters_choose_among_neighbors_but_close_no_way(paths: Memory) -> None:
    assert ids(paths.neighbors("a", 3, tags=["e"])) == ["e"]
    assert ids(paths.neighbors("a", 1, tags=["e"])) == []
    paths.forget("d")
    assert ids(paths.neighbors("a", 3)) == ["b", "c", "e"]
    assert ids(paths.neighbors("a", 3, status="archived")) == ["d"]


@pytest.mark.parametrize("hops", [0, -1, 1.5, "2", None, TRUE], ids=repr)
def test_hops_are_a_whole_number_of_at_least_one(bare: Memory, hops: Any) -> None:
    with pytest.raises(InputError, match="hops is"):
        bare.neighbors("a", hops)


def test_strange_filters_are_refused(bare: Memory) -> None:
    for ask in (bare.graph, partial(bare.neighbors, "a")):
        with pytest.raises(InputError, match="'yesterday'"):
            ask(since="yesterday")


WEIGHTED = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from([0.25, 0.5, 1.0])), max_size=14
)  # fmt: skip


@settings(max_examples=100)
@given(edges=WEIGHTED, hops=st.integers(1, 8))
def test_what_is_reached_is_the_nearest_by_the_firmest_of_the_shortest_ways(
    edges: list[tuple[int, int, float]], hops: int
) -> None:
    """Against all simple ways there are, walked one by one."""
    notes = [note(str(n), str(n)) for n in range(8)]
    links = [made(notes[a], notes[b], LINK_KINDS[i % 8], weight) for i, (a, b, weight) in enumerate(edges) if a != b]

    def walk(end: str, firmness: float, trail: tuple[str, ...]) -> Iterator[tuple[str, int, float]]:
        yield end, len(trail), firmness
        if len(trail) < hops:
            for link in links:
                for here, there in (link.key[:2], link.key[1::-1]):
                    if here == end and there not in (*trail, end):
                        yield from walk(there, firmness * link.weight, (*trail, end))

    best: dict[str, tuple[int, float]] = {}
    for end, far, firmness in walk("0", 1.0, ()):
        held_far, held_firmness = best.get(end, (99, 0.0))
        if (far, -firmness) < (held_far, -held_firmness):
            best[end] = far, firmness
    del best["0"]
    asked: list[set[str]] = []

    def links_of(ids: Any) -> Any:
        asked.append(set(ids))
        return [link for link in links if asked[-1] & {*link.key[:2]}]

    assert reached("0", hops, links_of) == best
    assert sum(map(len, asked)) == len(set().union(*asked)), "no note's links are read twice"


def test_what_links_lend_is_the_best_notes_value_times_the_weight() -> None:
    a, b, c, d = (note(name, name) for name in "abcd")
    links = [made(a, b, weight=0.5), made(c, b, weight=0.9), made(d, a, weight=0.25), made(c, d, weight=0.1)]
    assert activation({"a": 2.0, "c": 1.0}, links) == {
        "b": (1.0, links[0]), "d": (0.5, links[2]),
    }  # fmt: skip
    assert activation({"a": 1.0, "b": 1.0}, links[:1]) == {"a": (0.5, links[0]), "b": (0.5, links[0])}
    assert activation({"a": 0.0, "c": -1.0}, links) == activation({}, links) == activation({"a": 1.0}, []) == {}


# ---------------------------------------------------------------------- the graph


def test_the_graph_has_notes_as_nodes_and_links_as_edges(paths: Memory) -> None:
    paths.link("a", "b", "next", reason="goes on", weight=0.4)
    found = paths.graph()
    assert found.is_directed()
    assert found.is_multigraph()
    assert set(found.nodes) == set("abcdef")
    one = paths.get("a")
    assert found.nodes["a"] == one.model_dump(exclude={"id", "sources", "metadata"})
    assert (found.nodes["a"]["text"], found.nodes["a"]["tags"], found.nodes["a"]["address"]) == (
        "note a",
        one.tags,
        "1",
    )
    assert set(found.edges) == {link.key for link in paths.links()}
    assert found.edges["a", "b", "next"] == {"weight": 0.4, "reason": "goes on", "created_by": "user"}
    assert found.number_of_edges("a", "b") == 2
    found.remove_node("a")
    assert "a" in paths, "it is a picture, not the memory"


def test_a_filtered_graph_has_no_edge_into_the_dark(paths: Memory) -> None:
    paths.forget("d")
    found = paths.graph()
    assert set(found.nodes) == set("abcef")
    assert set(found.edges) == {("a", "b", "part_of"), ("c", "a", "part_of")}
    assert set(paths.graph(status=("active", "archived")).nodes) == set("abcdef")
    assert set(paths.graph(tags=["a"]).nodes) == {"a"}


def test_an_empty_memory_has_an_empty_graph(memory: Memory) -> None:
    found = memory.graph()
    assert (found.number_of_nodes(), found.number_of_edges(), memory.topics(), memory.links()) == (0, 0, [], [])
    assert graph([note("x", "x")], [made(note("x", "x"), note("y", "y"))]).number_of_edges() == 0


# --------------------------------------------------------------------------- topics


def test_the_outline_goes_from_the_top_down_and_counts_what_is_beneath() -> None:
    rows = {
        7: TopicRow(None, 2, "second", 1), 3: TopicRow(None, 10, "tenth", 1), 9: TopicRow(7, 1, "below", 1),
        4: TopicRow(7, 11, "last below", 1), 12: TopicRow(9, 1, "deep", 1), 5: TopicRow(None, 1, "first", 1),
    }  # fmt: skip
    assert outline(rows, [12, 12, 4, 3, 12]) == [
        Topic(id=5, parent_id=None, address="1", name="first", n_notes=0),
        Topic(id=7, parent_id=None, address="2", name="second", n_notes=4),
        Topic(id=9, parent_id=7, address="2.1", name="below", n_notes=3),
        Topic(id=12, parent_id=9, address="2.1.1", name="deep", n_notes=3),
        Topic(id=4, parent_id=7, address="2.11", name="last below", n_notes=1),
        Topic(id=3, parent_id=None, address="10", name="tenth", n_notes=1),
    ]
    assert outline({}, []) == []


def test_topics_of_a_memory_hold_the_notes_of_their_addresses(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(TopicTree, limits=Limits(max_leaf=6, min_leaf=2, max_children=3))
    monkeypatch.setattr("zettel.index.state.TopicTree", small)
    draw = random.Random(0)
    subjects = ["clay kiln glaze bowl", "violin concert orchestra tune", "tomato seedling compost shed"]
    said = [" ".join(draw.sample(draw.choice(subjects).split(), 3)) for _ in range(60)]
    memory.add_many([Message(text=f"The {text}.", speaker="Ann") for text in said])
    topics = memory.topics()
    addresses = [topic.address for topic in topics]
    assert len(topics) > 10
    assert any(address.count(".") >= 2 for address in addresses)
    assert addresses == sorted(addresses, key=lambda address: [int(n) for n in address.split(".")])
    assert sum(topic.n_notes for topic in topics if topic.parent_id is None) == 60
    by_id = {topic.id: topic for topic in topics}
    for topic in topics:
        inside = [n for n in memory.notes() if f"{n.address}.".startswith(f"{topic.address}.")]
        assert len(inside) == topic.n_notes
        above = by_id[topic.parent_id].address if topic.parent_id else ""
        assert topic.address.rpartition(".")[0] == above
    put_away = memory.notes()[0]
    memory.forget(put_away.id)
    assert sum(topic.n_notes for topic in memory.topics() if topic.parent_id is None) == 59
    assert memory.get(put_away.id).address == ""
    assert memory.as_of(1).topics() == topics


# ------------------------------------------------------------------------ not waiting


def test_the_async_memory_does_all_of_it_too(bare: Memory) -> None:
    async def main() -> None:
        memory = AsyncMemory(bare)
        link = await memory.link("a", "b", "causes", reason="a brought b about", weight=0.7)
        assert await memory.links("a") == [link]
        assert await memory.links(kind="next") == []
        assert ids(await memory.neighbors("b", hops=2)) == ["a"]
        assert (await memory.graph()).number_of_edges() == 1
        assert await memory.topics() == bare.topics()
        assert (await memory.unlink("b", "a", "causes")).cause == "update"
        with pytest.raises(NotFoundError):
            await memory.unlink("b", "a")

    asyncio.run(main())
