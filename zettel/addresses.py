"""Addresses: a topic's place in the tree, rendered from the chain of its parents."""

from __future__ import annotations

from collections.abc import Mapping

from zettel.protocols import TopicRow


def address_of(topics: Mapping[int, TopicRow], topic_id: int | None) -> str:
    """The numbers of a topic and all above it, from the top down ("3.1.7"); "" for None.

    Raises:
        LookupError: the chain leads to no top.
    """
    numbers: list[str] = []
    while topic_id is not None:
        if len(numbers) == len(topics):
            raise LookupError(f"topic {topic_id} stands beneath itself")
        row = topics[topic_id]
        numbers.append(str(row.number))
        topic_id = row.parent
    return ".".join(reversed(numbers))
