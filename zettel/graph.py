"""The graph of links and the outline of topics, for people and for networkx."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from zettel.addresses import address_of
from zettel.model import Link, LinkKind, Note, Topic
from zettel.protocols import TopicRow

if TYPE_CHECKING:
    import networkx as nx

WALKED: tuple[LinkKind, ...] = ("similar", "same_entity")
"""The kinds of links that a search follows to further notes; docs/retrieval.md has the measurements."""


def outline(rows: Mapping[int, TopicRow], places: Iterable[int]) -> list[Topic]:
    """The topics from the top down, each before those below it.

    ``places`` has the leaf of each note; a topic counts the notes in the leaves below it.
    """
    counts = dict.fromkeys(rows, 0)
    for place in places:
        topic: int | None = place
        while topic is not None:
            counts[topic] += 1
            topic = rows[topic].parent
    topics = [
        Topic(id=i, parent_id=row.parent, address=address_of(rows, i), name=row.name, n_notes=counts[i])
        for i, row in rows.items()
    ]
    return sorted(topics, key=lambda topic: [int(number) for number in topic.address.split(".")])


def reached(
    start: str, hops: int, links_of: Callable[[Sequence[str]], Iterable[Link]]
) -> dict[str, tuple[int, float]]:
    """The notes at most ``hops`` links away from one, in either direction: the number of links, and a weight.

    The weight is the product of the links' weights along a shortest path: the highest of all shortest paths.
    """
    found = {start: (0, 1.0)}
    frontier = [start]
    for hop in range(1, hops + 1):
        nearer = set(found)
        for link in links_of(frontier):
            for here, there in ((link.source_id, link.target_id), (link.target_id, link.source_id)):
                if here in nearer and there not in nearer and found[here][0] == hop - 1:
                    weight = found[here][1] * link.weight
                    if weight > found.get(there, (hop, 0.0))[1]:
                        found[there] = hop, weight
        frontier = [note_id for note_id in found if note_id not in nearer]
        if not frontier:
            break
    del found[start]
    return found


def activation(seeds: Mapping[str, float], links: Iterable[Link]) -> dict[str, tuple[float, Link]]:
    """What the neighbors of some notes gain: the highest gain, and the link that it comes by.

    One step of spreading activation (Collins & Loftus 1975): a link passes on the seed's own value times its weight.
    """
    gained: dict[str, tuple[float, Link]] = {}
    for link in links:
        for here, there in ((link.source_id, link.target_id), (link.target_id, link.source_id)):
            value = seeds.get(here, 0.0) * link.weight
            if value > gained.get(there, (0.0, link))[0]:
                gained[there] = value, link
    return gained


def graph(notes: Iterable[Note], links: Iterable[Link]) -> nx.MultiDiGraph[str]:
    """Notes as nodes with their fields as attributes; links between them as edges, keyed by kind."""
    import networkx as nx  # noqa: PLC0415 -- takes half a second, and few callers need it

    result: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for note in notes:
        fields = note.model_dump(exclude={"id", "sources", "metadata"})
        result.add_node(note.id, **fields)
    for link in links:
        if link.source_id in result and link.target_id in result:
            result.add_edge(
                link.source_id, link.target_id, key=link.kind, weight=link.weight, reason=link.reason,
                created_by=link.created_by,
            )  # fmt: skip
    return result
