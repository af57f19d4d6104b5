"""What README and documentation say is so: their code runs, their commands exist, their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from zettel import plugins, registry
from zettel.cli import app
from zettel.embedder import _weights
from zettel.errors import ModelNotFoundError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_s_program_runs(tmp_path):
    try:
        _weights.find(None)
    except ModelNotFoundError as error:
        pytest.skip(f"the default model is not here: {error}")
    (program,) = blocks(ROOT / "README.md", "python")
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "adopted a puppy" in lines[0]
    assert lines[-2:] == ["('person', 'animals')", "['add', 'update', 'forget', 'undo']"]


def test_the_signal_in_the_documentation_is_one(tmp_path, monkeypatch):
    (program,) = blocks(ROOT / "docs" / "plugins.md", "python")
    (tmp_path / "length.py").write_text(program, encoding="utf-8")
    monkeypatch.setattr("zettel.scoring.__path__", [*plugins.KINDS["scoring"].__path__, str(tmp_path)])
    with registry.open_memory(":memory:", embedder="hashing") as memory:
        memory.add_many(["a boat", "a boat with two masts and a blue hull"])
        assert "length" in memory.search("boat")[0].signals
    sys.modules.pop("zettel.scoring.length", None)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_named_exists(page):
    commands = get_command(app).commands
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"^ {4}zettel (\w+)", text, re.MULTILINE)) | set(re.findall(r"`zettel ([a-z]\w*)", text))
    assert named <= set(commands), named - set(commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_to_a_file(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_table_of_signals_gives_their_weights():
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", (ROOT / "docs" / "retrieval.md").read_text(), re.MULTILINE)
    assert {name: float(weight) for name, weight in rows} == {s.NAME: s.WEIGHT for s in registry.signals()}
