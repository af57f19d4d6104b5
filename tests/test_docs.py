"""What README and documentation say is so: their code runs, their commands exist, their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from zettel import plugins, registry
from zettel.cli import app
from zettel.embedder import _weights
from zettel.errors import ModelNotFoundError
from zettel.testing import PolicyContract, RuleContract, SignalContract
from zettel.testing.by_hand import encounter, link, note
from zettel.testing.policies import decided

ROOT = Path(__file__).parents[1]
NEIGHBOR = note("a boat")
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


def documented(name, beginning):
    """The plug-in of docs/plugins.md whose first line begins so, as a module."""
    [program] = [b for b in blocks(ROOT / "docs" / "plugins.md", "python") if b.startswith(f'"""{beginning}')]
    module = ModuleType(name)
    exec(program, vars(module))
    return module


class TestTheSignalInTheDocumentation(SignalContract):
    plugin = documented("length", "Longer notes")


class TestTheRuleInTheDocumentation(RuleContract):
    plugin = documented("places", "What happened in one place")


class TestThePolicyInTheDocumentation(PolicyContract):
    plugin = documented("hub", "A note that many")


class TestThePolicyThatAsks(PolicyContract):
    plugin = documented("common", "A model names")


def test_the_plug_ins_in_the_documentation_do_what_they_say(tmp_path, monkeypatch):
    for name, kind, plugin in (
        ("length", "scoring", TestTheSignalInTheDocumentation.plugin), ("hub", "evolution", None),
        ("places", "linker", TestTheRuleInTheDocumentation.plugin),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, f"zettel.{kind}.{name}", plugin or TestThePolicyInTheDocumentation.plugin)
        monkeypatch.setattr(f"zettel.{kind}.__path__", [*plugins.KINDS[kind].__path__, str(tmp_path / kind)])
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.py").write_text("")
    with registry.open_memory(":memory:", embedder="hashing") as memory:
        for n in range(10):
            memory.add(f"a boat, number {n}", metadata={"place": "Oslo"})
        assert {link.created_by for link in memory.links(kind="part_of")} == {"linker/places"}
        assert "length" in memory.search("boat")[0].signals
    others = [(link(NEIGHBOR, other := note("another")), other) for _ in range(8)]
    assert TestThePolicyInTheDocumentation.plugin.rewrite(encounter(note("new"), NEIGHBOR)) is None
    rewrite = TestThePolicyInTheDocumentation.plugin.rewrite(encounter(note("new"), NEIGHBOR, others=others))
    assert rewrite.fields == {"tags": ["hub"]}
    rewrite, _ = decided(TestThePolicyThatAsks.plugin, encounter(note("new"), NEIGHBOR))
    assert rewrite.fields == {"tags": ["boats"]}


def test_the_test_in_the_documentation_runs(tmp_path):
    programs = blocks(ROOT / "docs" / "plugins.md", "python")
    [signal] = [b for b in programs if b.startswith('"""Longer notes')]
    [test] = [b for b in programs if "class TestLength" in b]
    (tmp_path / "length.py").write_text(signal, encoding="utf-8")
    (tmp_path / "test_length.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_length.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


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
