"""Writes what other programs may read of zettel's formats: JSON Schemas, and the graph in Neo4j.

    python schemas/generate.py

``*.json`` is the JSON Schema of every value that crosses zettel's boundary. ``neo4j.cypher`` has the constraints and
indexes of a memory on a Neo4j server, ``neo4j.grass`` and ``queries/`` the style and the saved queries for its Browser.
A test fails when one of them is stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from zettel import model
from zettel.neo4j import browser
from zettel.store.neo4j import schema as _neo4j_schema

MODELS: tuple[type[BaseModel], ...] = (
    model.Message, model.Source, model.Note, model.Link, model.Commit, model.HistoryEntry, model.FieldDiff, model.Hit,
    model.WhyNot, model.Progress, model.IngestReport, model.Verification,
)  # fmt: skip

_DIMENSION = 384  # of the default embedder's vectors


def schemas() -> dict[str, str]:
    """The schemas as file name and text."""
    return {
        f"{m.__name__}.json": json.dumps(m.model_json_schema(), indent=2, ensure_ascii=False) + "\n" for m in MODELS
    }


def graph() -> dict[str, str]:
    """What is about the graph in Neo4j, as file name and text."""
    return {
        "neo4j.cypher": "".join(f"{made};\n" for made in _neo4j_schema.statements(_DIMENSION).values()),
        "neo4j.grass": browser.style(),
        **{f"queries/{name}.cypher": query.text for name, query in browser.queries().items()},
    }


if __name__ == "__main__":
    for name, text in (schemas() | graph()).items():
        file = Path(__file__).parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
