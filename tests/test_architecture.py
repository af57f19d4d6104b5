"""The page about the architecture: its layers are those that imports are checked against, and what it names exists."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def layers_of_the_linter():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [[name.strip().removeprefix("zettel.") for name in layer.split("|")] for layer in contract["layers"]]


def layers_of_the_page():
    table = PAGE.partition("| layer | module |")[2].partition("\n\n")[0]
    layers = []
    for line in table.splitlines()[2:]:
        number, module = (cell.strip() for cell in line.split("|")[1:3])
        layers += [[]] if number else []
        layers[-1].append(module.strip("`"))
    return layers


def test_the_table_has_the_layers_of_the_linter():
    assert layers_of_the_page() == layers_of_the_linter()


def test_every_module_is_in_a_layer():
    paths = (ROOT / "zettel").iterdir()
    modules = {path.stem for path in paths if path.suffix == ".py" or (path / "__init__.py").exists()}
    named = {name for layer in layers_of_the_linter() for name in layer}
    assert modules - named - {"__init__", "__main__", "samples"} == set()


def steps():
    return re.findall(r"^ ?\d+ ([\w.]+)", PAGE, re.MULTILINE)


def test_each_way_has_at_most_fifteen_steps():
    ways = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(ways) == 2 and all(len(way.splitlines()) <= 15 for way in ways)


@pytest.mark.parametrize("step", sorted(set(steps())))
def test_a_step_names_code_that_exists(step):
    parts = step.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["zettel", *parts[:n]]))
        except ModuleNotFoundError:
            continue
        for name in parts[n:]:
            found = getattr(found, name)
        return
    pytest.fail(f"no module for {step}")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+(?:\.py|/))`", PAGE))))
def test_a_file_that_is_named_exists(path):
    assert (ROOT / "zettel" / path).exists()
