"""Every command can be found out about from the command line alone, and quickly."""

import subprocess
import sys

import pytest
from typer.main import get_command

import zettel
from zettel.cli import app

ROOT = get_command(app)
COMMANDS = {
    "demo", "models list", "models get", "ingest", "add", "search", "recall", "show", "topics", "links", "log", "diff",
    "undo", "forget", "verify", "export", "load", "stats", "bench", "neo4j serve", "neo4j push", "neo4j pull",
    "neo4j check", "neo4j promote", "neo4j style",
}  # fmt: skip
READING = {
    "search", "recall", "show", "topics", "links", "log", "diff", "verify", "stats", "models list", "ingest", "bench",
    "neo4j push", "neo4j pull", "neo4j check",
}  # fmt: skip
WITHOUT_MEMORY = {"demo", "models list", "models get", "bench", "neo4j promote", "neo4j style"}


def leaves(command, prefix=()):
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*prefix, name))
        else:
            yield " ".join((*prefix, name)), child


def test_the_commands_are_these():
    assert {name for name, _ in leaves(ROOT)} == COMMANDS


@pytest.mark.parametrize(("name", "command"), list(leaves(ROOT)), ids=[n for n, _ in leaves(ROOT)])
def test_a_command_and_each_of_its_parameters_have_help(name, command, cli):
    result = cli(*name.split(), "--help")
    assert result.exit_code == 0
    assert command.help.strip().split("\n")[0].endswith((".", ","))
    assert [p.name for p in command.params if not getattr(p, "help", "")] == []
    assert ("--json" in result.stdout) == (name in READING)


@pytest.mark.parametrize("name", sorted(COMMANDS - WITHOUT_MEMORY))
def test_the_memory_comes_first(name):
    command = dict(leaves(ROOT))[name]
    assert command.params[0].name == "memory" and command.params[0].metavar == "MEMORY"


def test_the_version_is_the_package_s(process):
    assert process("--version").stdout == f"zettel {zettel.__version__}\n"


def test_help_imports_nothing_heavy():
    heavy = ("numpy", "pydantic", "spacy", "onnxruntime", "neo4j")
    code = f"import zettel.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


@pytest.mark.parametrize(
    "args", [["fly"], ["search", "m"], ["search", "m", "q", "-k", "0"], ["search", "m", "q", "--where", "nothing"],
             ["search", "m", "q", "--where", "a=[1"], ["add", "m", "t", "--metadata", "[1]"], ["log", "m", "--bogus"],
             ["topics", "m", "--depth", "0"], ["links", "m", "--limit", "0"], ["undo", "m"],
             ["undo", "m", "1", "--trigger", "z1"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_2_and_writes_nothing_to_stdout(args, cli):
    result = cli(*args)
    assert result.exit_code == 2
    assert result.stdout == "" and "Error" in result.stderr
