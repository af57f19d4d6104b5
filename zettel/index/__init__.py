"""The index: what searching needs, derived from notes and vectors, and never the only copy of anything."""

from zettel.index._near import Nearest
from zettel.index.exact import ExactIndex
from zettel.index.naming import Material
from zettel.index.tree import TopicTree

__all__ = ["ExactIndex", "Material", "Nearest", "TopicTree"]
