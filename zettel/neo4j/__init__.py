"""What surrounds a memory on a Neo4j server: a server of one's own, and what its Browser is given."""
