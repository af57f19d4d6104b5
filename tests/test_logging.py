"""What is logged: nothing to those who don't ask, what is done to those who do, and never what a memory holds."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zettel.cli import app
from zettel.ingest import read_file
from zettel.registry import formats


def test_a_program_that_does_not_listen_hears_nothing(tmp_path: Path) -> None:
    code = (
        "import zettel, logging\n"
        "with zettel.open_memory('a.zettel', embedder='hashing') as memory:\n    memory.add('x')\n"
        "logging.getLogger('zettel.anything').error('nobody hears it')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""


def test_verbose_tells_what_is_done_and_the_next_command_is_quiet_again(tmp_path: Path) -> None:
    path = str(tmp_path / "a.zettel")
    args = ["add", path, "A secret of mine.", "--embedder", "hashing"]
    loud = CliRunner().invoke(app, ["-vv", *args])
    assert loud.exit_code == 0
    assert "DEBUG zettel.plugins: loaded linker plug-in 'similar'" in loud.stderr
    assert "secret" not in loud.stderr
    quiet = CliRunner().invoke(app, args)
    assert quiet.stderr == ""
    assert logging.getLogger("zettel").level == logging.NOTSET


def test_a_file_that_is_read_is_told_by_name_and_number_and_not_by_what_it_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "chat.txt").write_text("Ann: the secret word\nBob: what is it?\n" * 3)
    with caplog.at_level(logging.DEBUG, "zettel"):
        read_file(tmp_path / "chat.txt", formats())
    assert "chat.txt: read as plain in" in caplog.text
    assert "messages 6, problems 0" in caplog.text
    assert "plain 0." in caplog.text
    assert "secret" not in caplog.text
