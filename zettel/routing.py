"""Routing: the topics that a question is led to, as rows of the index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.index import ExactIndex, TopicTree
from zettel.protocols import Vector
from zettel.scoring import Route


class Router:
    """The leaves of the topic tree laid against the rows of the index, both at one head.

    Notes outside the tree (archived ones, say, which a filter may ask for) are reached by every route.
    """

    def __init__(self, index: ExactIndex, tree: TopicTree) -> None:
        self.head = index.head
        self._tree = tree
        self._leaves = tree.leaves()
        self._leaf_of = np.full(len(index.ids), -1, np.int64)
        for leaf, topic_id in enumerate(self._leaves.ids.tolist()):
            rows = [row for note_id in tree.notes_in(topic_id) if (row := index.row(note_id)) is not None]
            self._leaf_of[rows] = leaf

    def route(self, vector: Vector, config: Config) -> Route:
        """The rows of the nearest topics; for each row, the mean cosine of its topic's notes."""
        cosines = np.append(np.vecdot(self._leaves.means, vector), 0.0)  # the last, read as -1, is outside the tree
        reached = np.zeros(len(cosines), np.bool_)
        kept = self._tree.route(vector, config.beam_share, config.beam_margin)
        reached[np.searchsorted(self._leaves.ids, np.array(kept, np.int64))] = True
        reached[-1] = True
        rows: NDArray[np.int64] = np.flatnonzero(reached[self._leaf_of])
        return Route(rows, cosines[self._leaf_of])
