"""The topic tree: each note sits in one leaf of a balanced tree, which grows and shrinks as notes come and go.

It is a B-tree (Bayer & McCreight 1972) with nearness in place of an order of keys, as in BIRCH (Zhang, Ramakrishnan &
Livny 1996): a note descends to the topic whose centroid is nearest, a full topic splits in two, a small one is merged
into the nearest beside it, and all leaves lie at the same depth. A search descends it layer by layer, as in H-MEM
(arXiv 2507.22925).

Each step is a change for the journal. A plan depends only on the rows, the places, the vectors and the words of the
notes, never on how the tree came about: so every process that plans on the same head makes the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from zettel.errors import InputError
from zettel.index._clusters import Whole, halves, relocated, whole
from zettel.index._topics import ROOT, Leaves, Topics
from zettel.index.naming import Material
from zettel.model import Placement, TopicChange, TreeChange
from zettel.protocols import TopicRow, Vector

__all__ = ["Leaves", "Limits", "TopicTree"]

BEAM = 3
"""The number of topics of each layer below which a leaf for a note is looked for."""

NEIGHBORS = 14
"""The number of leaves near to a split one whose notes may be moved to a better leaf.

Measured on LoCoMo's questions, by the leaves nearest to each that hold a tenth of all notes: of the ten notes nearest
to a question, they hold 86% if a note descends along one path and stays, 90% with the beam, and 93% with both.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large topics may be."""

    max_leaf: int = 48
    """The highest number of notes in a leaf."""

    min_leaf: int = 5
    """A leaf that has others beside it has at least so many notes."""

    max_children: int = 12
    """The highest number of topics directly below a topic, or at the top."""

    def __post_init__(self) -> None:
        """Refuse limits under which a part of a split topic would have to be merged again."""
        if self.max_children < 3 or self.min_leaf < 1 or self.max_leaf < 4 * (self.min_leaf - 1):
            raise InputError(f"{self}: max_children must be at least 3, and max_leaf about four times min_leaf")


class TopicTree(Topics):
    """A tree of topics that can plan changes; see the module, and ``Topics`` for reading it."""

    def __init__(
        self,
        vector_of: Callable[[str], Vector],
        material_of: Callable[[str], Material],
        limits: Limits = Limits(),
    ) -> None:
        super().__init__(vector_of, material_of)
        self._limits = limits
        self._planned: list[TreeChange] = []

    def rearrange(self, leaving: Iterable[str], arriving: Sequence[str]) -> list[TreeChange]:
        """Remove notes and insert notes, one after the other; returns the changes in order, with empty ids.

        Notes that leave but are not in the tree are skipped, and so are notes that arrive but are in it. This is called
        on a draft, which is dropped if something fails.
        """
        self._planned = []
        for note_id in leaving:
            if self.place(note_id) is not None:
                self._leave(note_id)
        for note_id in arriving:
            if self.place(note_id) is None:
                self._arrive(note_id)
        return self._planned

    def _arrive(self, note_id: str) -> None:
        near = self._nearest_leaves(whole(self._vector_of(note_id)))
        leaf = near[0] if near else self._open(ROOT, 1, self._words.name([[note_id]]), 1)
        self._put(note_id, leaf)
        self._split_leaf(leaf)
        self._name_outgrown(self._above(self._place[note_id]))

    def _leave(self, note_id: str) -> None:
        leaf = self._place[note_id]
        above = self._above(leaf)
        self._put(note_id, None)
        self._shrink(leaf)
        self._name_outgrown(above)

    def _nearest_leaves(self, vector: Whole) -> list[int]:
        """The leaves below the few topics that are nearest to a vector on each layer, the nearest first."""
        reached = [ROOT]
        while any(self._nodes[topic_id].children for topic_id in reached[:BEAM]):
            below = [child for topic_id in reached[:BEAM] for child in self._nodes[topic_id].children or [topic_id]]
            reached = self._by_nearness(sorted(below), vector)
        return [] if reached == [ROOT] else reached

    def _by_nearness(self, topics: Sequence[int], vector: Whole) -> list[int]:
        slots = [self._nodes[topic_id].slot for topic_id in topics]
        return [topics[i] for i in self._sums.by_nearness(slots, vector)]

    # ---------------------------------------------------------------- growing

    def _split_leaf(self, leaf: int) -> None:
        """Split a leaf that has too many notes; notes of it and of the leaves around it may move to a nearer leaf."""
        node, limits = self._nodes[leaf], self._limits
        if len(node.notes) <= limits.max_leaf:
            return
        near = self._nearest_leaves(self._sums.total([node.slot])[0])
        topics = [leaf, *[other for other in near if other != leaf][:NEIGHBORS]]
        notes = [note_id for topic_id in topics for note_id in sorted(self._nodes[topic_id].notes)]
        homes = np.repeat(np.arange(len(topics)), [len(self._nodes[topic_id].notes) for topic_id in topics])
        vectors = self._vectors(notes)
        homes[halves(vectors[: len(node.notes)])[1]] = len(topics)
        before = homes
        homes = relocated(vectors, before, least=limits.min_leaf, most=limits.max_leaf)
        parts = [[notes[i] for i in np.flatnonzero(homes == home)] for home in range(len(topics) + 1)]
        new = self._part(leaf, [parts[0]], [parts[-1]])
        for topic_id, part in zip([*topics, new], parts, strict=True):
            for note_id in part:
                if self._place[note_id] != topic_id:
                    self._put(note_id, topic_id)
        for home, topic_id in enumerate(topics):
            if home and 4 * np.count_nonzero((homes == home) != (before == home)) >= len(parts[home]):
                self._name(topic_id)  # it may have as many notes as before, but other ones
            self._name_outgrown(self._above(topic_id))
        self._split_leaf(leaf)
        self._split_leaf(new)
        self._split_inner(self._nodes[leaf].above)

    def _split_inner(self, topic_id: int) -> None:
        children = self._nodes[topic_id].children
        if len(children) <= self._limits.max_children:
            return
        if topic_id == ROOT:
            self._deepen()
            return
        stay, go = self._halves(children)
        new = self._part(topic_id, self._notes_of(stay), self._notes_of(go))
        for child in go:
            self._attach_below(child, new)
        self._split_inner(new)
        self._split_inner(topic_id)
        self._split_inner(self._nodes[topic_id].above)

    def _deepen(self) -> None:
        """Put the topics at the top below some new topics, so that every leaf is one layer deeper."""
        groups = [list(self._nodes[ROOT].children)]
        for _ in range(2):
            groups = [part for group in groups for part in (self._halves(group) if len(group) >= 4 else [group])]
        names: list[str] = []
        for number, group in enumerate(groups, start=1):
            parts = self._notes_of(group)
            names.append(self._words.name(parts, names))
            new = self._open(ROOT, number, names[-1], sum(map(len, parts)))
            for child in group:
                self._attach_below(child, new)
            self._split_inner(new)

    def _halves(self, topics: Sequence[int]) -> tuple[list[int], list[int]]:
        """Divide topics into two groups of at least two."""
        parts = halves(self._sums.total([self._nodes[topic_id].slot for topic_id in topics]), least=2)
        first, second = ([topics[i] for i in part] for part in parts)
        return first, second

    def _part(self, topic_id: int, staying: Sequence[Sequence[str]], going: Sequence[Sequence[str]]) -> int:
        """Add a topic beside another one for the notes that will move there, and name both by their future notes."""
        above = self._nodes[topic_id].above
        around = self._names_around(topic_id)
        name = self._words.name(staying, around)
        other = self._words.name(going, [*around, name])
        new = self._open(above, self._free_number(above), other, sum(map(len, going)))
        self._amend_row(topic_id, name=name, named_at=sum(map(len, staying)))
        return new

    # -------------------------------------------------------------- shrinking

    def _shrink(self, topic_id: int) -> None:
        """Merge a topic that has too few notes into the nearest one beside it, then check the topic above."""
        node = self._nodes[topic_id]
        if topic_id == ROOT:
            self._lift()
            return
        if len(node.children) > 1 or len(node.notes) >= self._limits.min_leaf:
            return
        beside = [
            other
            for other in self._nodes[node.above].children
            if other != topic_id and bool(self._nodes[other].children) == bool(node.children)
        ]
        above = node.above
        if beside and (node.children or node.notes):
            self._merge(node.id, self._by_nearness(beside, self._sums.total([node.slot])[0])[0])
            self._shrink(above)
        elif not node.children and not node.notes:
            self._close(topic_id)
            self._shrink(above)
        else:
            self._shrink(above)
            if topic_id in self._nodes and self._nodes[topic_id].above != above:
                self._shrink(topic_id)

    def _merge(self, topic_id: int, into: int) -> None:
        for note_id in sorted(self._nodes[topic_id].notes):
            self._put(note_id, into)
        for child in list(self._nodes[topic_id].children):
            self._attach_below(child, into)
        self._close(topic_id)
        self._name(into)
        self._split_leaf(into)
        self._split_inner(into)

    def _lift(self) -> None:
        """While there is only one topic at the top and it has topics below it, replace it by these."""
        while len(top := self._nodes[ROOT].children) == 1 and (children := list(self._nodes[top[0]].children)):
            only = top[0]
            for child in children:
                self._amend_row(child, parent=None)
            self._close(only)

    # ----------------------------------------------------------------- naming

    def _name_outgrown(self, topics: Iterable[int]) -> None:
        """Name topics again that have 1.5 times or half as many notes as when they were named."""
        for topic_id in topics:
            node = self._nodes.get(topic_id)
            if node is not None:
                count = int(self._sums.counts[node.slot])
                if 2 * count >= 3 * node.row.named_at + 2 or 2 * count <= node.row.named_at:
                    self._name(topic_id)

    def _name(self, topic_id: int) -> None:
        parts = self._notes_of(self._nodes[topic_id].children or [topic_id])
        name = self._words.name(parts, self._names_around(topic_id))
        self._amend_row(topic_id, name=name, named_at=sum(map(len, parts)))

    def _names_around(self, topic_id: int) -> list[str]:
        """The names of the topic above a topic and of the topics beside it."""
        above = self._nodes[self._nodes[topic_id].above]
        around = [above.id, *(other for other in above.children if other != topic_id)]
        return [self._nodes[other].row.name for other in around if other != ROOT]

    # ------------------------------------------------------------------ steps

    def _do(self, change: TreeChange) -> None:
        self.apply(change)
        self._planned.append(change)

    def _put(self, note_id: str, topic_id: int | None) -> None:
        self._do(Placement(id="", note_id=note_id, before=self.place(note_id), after=topic_id))

    def _open(self, above: int, number: int, name: str, named_at: int) -> int:
        row = TopicRow(above or None, number, name, named_at)
        self._do(TopicChange(id="", topic_id=self.last_topic + 1, after=asdict(row)))
        return self.last_topic

    def _close(self, topic_id: int) -> None:
        self._do(TopicChange(id="", topic_id=topic_id, before=asdict(self._nodes[topic_id].row)))

    def _attach_below(self, topic_id: int, above: int) -> None:
        self._amend_row(topic_id, parent=above, number=self._free_number(above))

    def _amend_row(self, topic_id: int, **fields: Any) -> None:
        row = self._nodes[topic_id].row
        after = replace(row, **fields)
        if after != row:
            self._do(TopicChange(id="", topic_id=topic_id, before=asdict(row), after=asdict(after)))

    def _free_number(self, above: int) -> int:
        """The lowest number that is free among the topics directly below ``above``."""
        taken = {self._nodes[child].row.number for child in self._nodes[above].children}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def _above(self, leaf: int) -> list[int]:
        """A leaf and the topics above it, from the top down."""
        topics = []
        while leaf != ROOT:
            topics.append(leaf)
            leaf = self._nodes[leaf].above
        return topics[::-1]

    def _notes_of(self, topics: Iterable[int]) -> list[list[str]]:
        return [self.notes_in(topic_id) for topic_id in topics]
