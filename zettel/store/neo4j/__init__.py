"""A memory on a Neo4j server: see ``store.Neo4jStore``, and the other files for what it is made of."""

from zettel.store.neo4j.store import SCHEMES, open_store

__all__ = ["SCHEMES", "open_store"]
