"""Addresses: the path of a topic in the tree, made from the numbers of the topic and of those above it."""

from __future__ import annotations

from collections.abc import Mapping

from zettel.protocols import TopicRow


def address_of(topics: Mapping[int, TopicRow], topic_id: int | None) -> str:
    """The numbers of a topic and of all topics above it, from the top down ("3.1.7"); "" if ``topic_id`` is None.

    Raises:
        LookupError: a topic on the way up is missing, or is its own ancestor.
    """
    numbers: list[str] = []
    while topic_id is not None:
        if len(numbers) == len(topics):
            raise LookupError(f"topic {topic_id} is its own ancestor")
        row = topics[topic_id]
        numbers.append(str(row.number))
        topic_id = row.parent
    return ".".join(reversed(numbers))
