"""The topics at one head: their rows, places and centroids, which changes of the journal bring up to date."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from zettel.errors import StoreDamagedError
from zettel.index._clusters import Sums, Whole, whole
from zettel.index._layered import Layered
from zettel.index.naming import Material, Vocabulary
from zettel.model import Placement, Topic, TopicChange, TreeChange
from zettel.protocols import TopicRow, Vector

ROOT = 0
"""The top of the tree, which is not a topic and has no row."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """All leaves by id: ``ids (n,)``, the means of their vectors ``(n, d)``, and their numbers of notes ``(n,)``."""

    ids: NDArray[np.int64]
    means: Vector
    counts: NDArray[np.int64]


@dataclass(slots=True)
class _Node:
    id: int
    slot: int
    row: TopicRow
    children: list[int] = field(default_factory=list)  # ascending
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def above(self) -> int:
        return self.row.parent or ROOT


@dataclass(frozen=True, slots=True)
class _Layer:
    """The topics at one depth: ``ids``, ``slots``, and the position, in the layer before, of the topic above each."""

    ids: NDArray[np.int64]
    slots: NDArray[np.int64]
    above: NDArray[np.int64]


class Topics:
    """A tree of topics with notes in its leaves, made of rows (the topics) and places (the notes' leaves).

    ``vector_of`` and ``material_of`` must know every note in the tree, until it has left. A note's vector, ``(d,)`` and
    of length 1, must be the one that a later process reads from the store: if the store rounds it, it must be rounded
    here too. ``last_topic`` is the highest id that a topic ever had.
    """

    def __init__(self, vector_of: Callable[[str], Vector], material_of: Callable[[str], Material]) -> None:
        self._vector_of = vector_of
        self._material_of = material_of
        self._owned: set[int] | None = None  # of a draft: the topics whose nodes are its own
        self.load({}, {}, 0)

    def draft(self, vector_of: Callable[[str], Vector], material_of: Callable[[str], Material]) -> Self:
        """A tree that begins as this one and can be changed without changing it.

        A node is copied before the draft changes it. Only the newest draft may be used, and no draft after this tree
        has changed.
        """
        draft = copy(self)
        draft._vector_of, draft._material_of, draft._owned = vector_of, material_of, set()
        draft._place, draft._nodes = Layered(self._place), Layered(self._nodes)
        draft._sums, draft._words = self._sums.draft(), self._words.draft(material_of)
        draft._leaves = draft._layers = None
        return draft

    def __len__(self) -> int:
        """The number of notes in the tree."""
        return len(self._place)

    def load(self, topics: Mapping[int, TopicRow], places: Mapping[str, int], last_topic: int) -> None:
        """Replace this tree by a stored one.

        Raises:
            StoreDamagedError: the rows do not form a tree, or the place of a note is not a leaf.
        """
        self.last_topic = last_topic
        self._sums = Sums()
        self._words = Vocabulary(self._material_of)
        self._place: MutableMapping[str, int] = {}
        self._nodes: MutableMapping[int, _Node] = {ROOT: _Node(ROOT, self._sums.take(), TopicRow(None, 0, "", 0))}
        self._leaves: Leaves | None = None
        self._layers: list[_Layer] | None = None
        for topic_id in sorted(topics):
            self._nodes[topic_id] = _Node(topic_id, self._sums.take(), topics[topic_id])
        for topic_id in sorted(topics):
            self._parent(topic_id, topics[topic_id]).children.append(topic_id)
        if len(self._below(ROOT)) != len(self._nodes):
            raise StoreDamagedError("the topics are no tree: some lie below themselves")
        for note_id, topic_id in places.items():
            self._leaf(topic_id, note_id).notes[note_id] = None
            self._place[note_id] = topic_id
        self._words.add(places)
        for node in self._nodes.values():
            if node.notes:
                self._add(self._path(node.id), self._vectors(node.notes).sum(axis=0), len(node.notes))

    # ---------------------------------------------------------------- reading

    def rows(self) -> dict[int, TopicRow]:
        """The topics as a store keeps them, by id."""
        return {topic_id: node.row for topic_id, node in sorted(self._nodes.items()) if topic_id != ROOT}

    def place(self, note_id: str) -> int | None:
        """The leaf that a note is in; None if it is in none."""
        return self._place.get(note_id)

    def notes_in(self, topic_id: int) -> list[str]:
        """The notes in a topic and beneath it, in no set order."""
        return [note_id for below in self._below(topic_id) for note_id in self._nodes[below].notes]

    def counted(self) -> tuple[Mapping[str, int], Mapping[str | None, int]]:
        """The number of notes with each term that topics may be named by, and the number of notes by each speaker."""
        return self._words.counted()

    def address(self, topic_id: int) -> str:
        """The numbers of a topic and of those above it, from the top down ("3.1.7")."""
        numbers: list[str] = []
        while topic_id != ROOT:
            row = self._nodes[topic_id].row
            numbers.append(str(row.number))
            topic_id = row.parent or ROOT
        return ".".join(reversed(numbers))

    def topics(self) -> list[Topic]:
        """All topics by address: each is followed by the topics below it."""
        found: list[Topic] = []
        pending = [(ROOT, "")]
        while pending:
            topic_id, address = pending.pop()
            node = self._nodes[topic_id]
            if topic_id != ROOT:
                row, n_notes = node.row, int(self._sums.counts[node.slot])
                found.append(Topic(id=topic_id, parent_id=row.parent, address=address, name=row.name, n_notes=n_notes))
            below = sorted(node.children, key=lambda child: self._nodes[child].row.number, reverse=True)
            prefix = f"{address}." if address else ""
            pending.extend((child, f"{prefix}{self._nodes[child].row.number}") for child in below)
        return found

    def leaves(self) -> Leaves:
        """All leaves, with their centroids."""
        if self._leaves is None:
            ids = sorted(node.id for node in self._nodes.values() if node.id != ROOT and not node.children)
            slots = [self._nodes[topic_id].slot for topic_id in ids]
            self._leaves = Leaves(np.array(ids, np.int64), self._sums.means(slots), self._sums.counts[slots])
        return self._leaves

    def route(self, query: Vector, share: float, margin: float) -> list[int]:
        """The leaves to search for a unit vector, best first.

        This is a beam search from the top. On each layer, the topics nearest to the query are kept until they hold a
        certain part of the notes in reach. Further topics are kept too if their cosine is at most ``margin`` less than
        that of the last of these: so the beam widens if the decision is close. The parts of all layers multiply to
        ``share``.
        """
        if not self._place:
            return []
        if self._layers is None:
            self._layers = self._layered()
        layers = self._layers
        cosines = self._sums.cosines(query)
        part = share ** (1 / len(layers))
        in_reach = np.ones(1, np.bool_)
        for layer in layers:
            candidates = np.flatnonzero(in_reach[layer.above])
            slots = layer.slots[candidates]
            order = np.argsort(-cosines[slots], kind="stable")
            reached = np.cumsum(self._sums.counts[slots[order]])
            enough = int(np.searchsorted(reached, part * reached[-1]))
            near = cosines[slots[order]] >= cosines[slots[order[enough]]] - margin
            kept = candidates[order[near]]
            in_reach = np.zeros(len(layer.slots), np.bool_)
            in_reach[kept] = True
        return [int(topic_id) for topic_id in layers[-1].ids[kept]]

    # ---------------------------------------------------------------- changes

    def apply(self, change: TreeChange) -> None:
        """Make one change of the journal.

        Raises:
            StoreDamagedError: the tree differs from the one that the change was made on; nothing was changed.
        """
        if isinstance(change, Placement):
            self._move(change)
        elif change.before is None:
            self._create(change)
        elif change.after is None:
            self._delete(change)
        else:
            self._amend(change)
        self._leaves = None

    def refresh(self, ids: Iterable[str]) -> None:
        """Read the words of notes again after their annotations were revised; notes outside the tree are skipped."""
        placed = [note_id for note_id in ids if note_id in self._place]
        self._words.remove(placed)
        self._words.add(placed)

    def _move(self, change: Placement) -> None:
        note_id, before, after = change.note_id, change.before, change.after
        if self._place.get(note_id) != before or before == after:
            found = self._place.get(note_id)
            raise StoreDamagedError(f"note {note_id} moves from topic {before} to {after}, but it is in topic {found}")
        old = [] if before is None else self._path(before)
        new = [] if after is None else self._path(self._leaf(after, note_id).id)
        while old and new and old[-1] == new[-1]:
            del old[-1], new[-1]
        vector = whole(self._vector_of(note_id))
        if before is None:
            self._words.add([note_id])
        else:
            del self._writable(before).notes[note_id]
            self._add(old, -vector, -1)
        if after is None:
            del self._place[note_id]
            self._words.remove([note_id])
        else:
            self._writable(after).notes[note_id] = None
            self._place[note_id] = after
            self._add(new, vector, 1)

    def _create(self, change: TopicChange) -> None:
        topic_id, row = change.topic_id, _row(change.topic_id, change.after)
        if topic_id in self._nodes:
            raise StoreDamagedError(f"topic {topic_id} appears, but there is one of this number")
        insort(self._writable(self._parent(topic_id, row).id).children, topic_id)
        self._nodes[topic_id] = _Node(topic_id, self._sums.take(), row)
        if self._owned is not None:
            self._owned.add(topic_id)
        self.last_topic = max(self.last_topic, topic_id)
        self._layers = None

    def _delete(self, change: TopicChange) -> None:
        node = self._known(change)
        if node.children or node.notes:
            raise StoreDamagedError(f"topic {node.id} goes, but it still holds something")
        self._writable(node.above).children.remove(node.id)
        self._sums.give_back(self._writable(node.id).slot)
        del self._nodes[node.id]
        self._layers = None

    def _amend(self, change: TopicChange) -> None:
        node, row = self._known(change), _row(change.topic_id, change.after)
        if row.parent != node.row.parent:
            self._attach(node, self._parent(node.id, row))
            self._layers = None
        self._writable(node.id).row = row

    def _attach(self, node: _Node, parent: _Node) -> None:
        """Put a topic, with all topics below it, below another one."""
        old, new = self._path(node.above), self._path(parent.id)
        if node.id in new:
            raise StoreDamagedError(f"topic {node.id} would lie below itself")
        total, count = self._sums.total([node.slot])[0], int(self._sums.counts[node.slot])
        self._add(old, -total, -count)
        self._add(new, total, count)
        self._writable(node.above).children.remove(node.id)
        insort(self._writable(parent.id).children, node.id)

    # ------------------------------------------------------------------ nodes

    def _known(self, change: TopicChange) -> _Node:
        """The topic that a change is about; it must have the values that the change says it had before."""
        node = self._nodes.get(change.topic_id)
        if node is None or node.id == ROOT or node.row != _row(node.id, change.before):
            raise StoreDamagedError(f"topic {change.topic_id} changes, but it is not as the change found it")
        return node

    def _parent(self, topic_id: int, row: TopicRow) -> _Node:
        parent = self._nodes.get(row.parent or ROOT)
        if parent is None or parent.notes:
            above = f"{row.parent}: none is there that holds topics"
            raise StoreDamagedError(f"topic {topic_id} can't lie below topic {above}")
        return parent

    def _leaf(self, topic_id: int, note_id: str) -> _Node:
        node = self._nodes.get(topic_id)
        if node is None or node.id == ROOT or node.children:
            raise StoreDamagedError(f"note {note_id} can't be in topic {topic_id}: none is there that holds notes")
        return node

    def _path(self, topic_id: int) -> list[int]:
        """A topic and those above it, up to the root."""
        path = [topic_id]
        while path[-1] != ROOT:
            path.append(self._nodes[path[-1]].above)
        return path

    def _writable(self, topic_id: int) -> _Node:
        """A topic's node, to be changed: in a draft, a copy with a slot of its own."""
        node = self._nodes[topic_id]
        if self._owned is None or topic_id in self._owned:
            return node
        slot = self._sums.copied(node.slot)
        node = self._nodes[topic_id] = replace(node, slot=slot, children=[*node.children], notes={**node.notes})
        self._owned.add(topic_id)
        return node

    def _add(self, topics: Iterable[int], total: Whole, count: int) -> None:
        """Add a sum of ``count`` vectors to topics; -total and -count remove it."""
        self._sums.add([self._writable(topic_id).slot for topic_id in topics], total, count)

    def _below(self, topic_id: int) -> list[int]:
        """A topic and all topics below it; each comes after the one above it."""
        found = [topic_id]
        for below in found:
            found.extend(self._nodes[below].children)
        return found

    def _vectors(self, ids: Iterable[str]) -> Whole:
        return whole(np.stack([self._vector_of(note_id) for note_id in ids]))

    def _layered(self) -> list[_Layer]:
        """The layers from the top down. A leaf that is less deep than others is also in each layer below its own."""
        layers: list[_Layer] = []
        last = [ROOT]
        while any(self._nodes[topic_id].children for topic_id in last):
            pairs = [(i, below) for i, above in enumerate(last) for below in self._nodes[above].children or [above]]
            last = [below for _, below in pairs]
            slots = [self._nodes[below].slot for below in last]
            layers.append(_Layer(*(np.array(part, np.int64) for part in (last, slots, [i for i, _ in pairs]))))
        return layers


def _row(topic_id: int, fields: Mapping[str, JsonValue] | None) -> TopicRow:
    match fields:
        case {"parent": int() | None as parent, "number": int(number), "name": str(name), "named_at": int(named_at)}:
            return TopicRow(parent, number, name, named_at)
    raise StoreDamagedError(f"topic {topic_id} can't be read: {fields!r}")
