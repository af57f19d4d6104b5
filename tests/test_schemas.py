"""The JSON Schemas in the repository are those of the models; the files about the graph are what the code uses."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "schemas"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(*endings):
    files = (path for path in FOLDER.rglob("*") if path.suffix in endings)
    return {path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_schemas_are_what_the_models_say(generate):
    assert stored(".json") == generate.schemas(), "run `make schemas`"


def test_the_graph_s_files_are_what_the_code_uses(generate):
    assert stored(".cypher", ".grass") == generate.graph(), "run `make schemas`"
