"""A memory on a Neo4j server: see ``store.Neo4jStore``; the other modules are its parts."""

from zettel.store.neo4j.store import SCHEMES, open_store

__all__ = ["SCHEMES", "open_store"]
