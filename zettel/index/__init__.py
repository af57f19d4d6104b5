"""The index: what searching needs, derived from notes and vectors, and never the only copy of anything."""

from zettel.index.exact import ExactIndex

__all__ = ["ExactIndex"]
