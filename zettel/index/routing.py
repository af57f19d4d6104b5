"""Routing: finding the topics whose notes may answer a question, as rows of the index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.index.exact import ExactIndex
from zettel.index.tree import TopicTree
from zettel.protocols import Vector
from zettel.scoring import Route


def route(index: ExactIndex, tree: TopicTree, vector: Vector, config: Config) -> Route:
    """The rows of the topics nearest to a vector; for each row, the mean cosine of its topic's notes.

    Every route reaches the notes outside the tree, such as archived notes, which a filter may ask for.
    """
    leaves = tree.leaves()
    cosines = np.append(np.vecdot(leaves.means, vector), 0.0)  # the last element, index -1, is for notes outside
    topics = index.columns().topics
    leaf_of = np.where(topics < 0, -1, np.searchsorted(leaves.ids, topics))
    reached = np.zeros(len(cosines), np.bool_)
    kept = tree.route(vector, config.beam_share, config.beam_margin)
    reached[np.searchsorted(leaves.ids, np.array(kept, np.int64))] = True
    reached[-1] = True
    rows: NDArray[np.int64] = np.flatnonzero(reached[leaf_of])
    return Route(rows, cosines[leaf_of])
