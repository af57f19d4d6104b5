"""The command line as its users have it: in this process for speed, or as a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from importlib import resources

import pytest
from typer.testing import CliRunner

import zettel
from zettel.cli import app

SAMPLE = resources.files("zettel.samples").joinpath("lighthouse.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def chats(tmp_path_factory):
    """The sample conversation's first two sessions as a file."""
    path = tmp_path_factory.mktemp("chats") / "lighthouse.txt"
    path.write_text("# ".join(SAMPLE.split("# ")[:3]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def _ingested(chats, tmp_path_factory):
    path = tmp_path_factory.mktemp("ingested") / "m.zettel"
    with zettel.open_memory(path, embedder="hashing") as memory:
        memory.ingest(chats)
    return path


@pytest.fixture
def memory(_ingested, tmp_path):
    """A memory of 25 notes in one commit, made by the embedder "hashing"."""
    return str(shutil.copy(_ingested, tmp_path / "m.zettel"))


@pytest.fixture
def cli():
    """Calls a command in this process."""
    return lambda *args, stdin=None: CliRunner().invoke(app, [str(a) for a in args], input=stdin)


@pytest.fixture
def rows(cli):
    """Calls a command with --json, and reads every line of its stdout."""

    def call(*args):
        result = cli(*args, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    return call


@pytest.fixture
def process():
    """Calls a command in a process of its own."""

    def call(*args, stdin="", **env):
        return subprocess.run(
            [sys.executable, "-m", "zettel", *map(str, args)],
            input=stdin, capture_output=True, encoding="utf-8", env={**os.environ, **env}, check=False,
        )  # fmt: skip

    return call
