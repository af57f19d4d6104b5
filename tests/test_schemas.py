"""The JSON Schemas in the repository are those of the models."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "schemas"


def test_schemas_are_what_the_models_say():
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stored = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert stored == generate.schemas(), "run `make schemas`"
