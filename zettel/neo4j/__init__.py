"""A Neo4j server on this computer, and what its Browser needs to show a memory."""
