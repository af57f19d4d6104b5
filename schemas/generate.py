"""Writes ``schemas/*.json``: the JSON Schema of every value that crosses zettel's boundary.

    python schemas/generate.py

A test fails when a schema is stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from zettel import model

MODELS: tuple[type[BaseModel], ...] = (
    model.Message, model.Source, model.Note, model.Link, model.Commit, model.HistoryEntry, model.FieldDiff, model.Hit,
    model.WhyNot, model.Progress, model.IngestReport, model.Verification,
)  # fmt: skip


def schemas() -> dict[str, str]:
    """The schemas as file name and text."""
    return {
        f"{m.__name__}.json": json.dumps(m.model_json_schema(), indent=2, ensure_ascii=False) + "\n" for m in MODELS
    }


if __name__ == "__main__":
    for name, text in schemas().items():
        (Path(__file__).parent / name).write_text(text, encoding="utf-8")
