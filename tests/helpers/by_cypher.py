"""What people and other programs do to a graph, and see of it: Cypher, with nothing of zettel's between."""

import os
from typing import Any

from neo4j import Driver, GraphDatabase


class Hand:
    """Runs Cypher on a server of the tests."""

    def __init__(self, uri: str) -> None:
        password = os.environ.get("NEO4J_PASSWORD")
        self.driver: Driver = GraphDatabase.driver(uri, auth=("neo4j", password) if password else None)

    def __call__(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query returns."""
        return [tuple(record) for record in self.driver.execute_query(query, values).records]

    def close(self) -> None:
        """Let go of the server."""
        self.driver.close()

    def values(self) -> list[str]:
        """All properties of all nodes and relationships, as texts; bytes as they are, one character a byte."""
        held = self("MATCH (n) RETURN properties(n) UNION ALL MATCH ()-[r]->() RETURN properties(r) AS `properties(n)`")
        found = [value for (properties,) in held for value in properties.values()]
        return [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in found]

    def schema(self) -> set[str]:
        """The names of all constraints and indexes but those that every database has."""
        made = self("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name")
        return {name for (name,) in [*made, *self("SHOW CONSTRAINTS YIELD name RETURN name")]}

    def raze(self) -> None:
        """Drop all constraints and indexes but those that every database has."""
        for (name,) in self("SHOW CONSTRAINTS YIELD name RETURN name"):
            self(f"DROP CONSTRAINT `{name}`")
        for (name,) in self("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name"):
            self(f"DROP INDEX `{name}`")
