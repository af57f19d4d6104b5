"""Several processes with one file, and processes that are killed. ``ZETTEL_LONG=1`` makes it long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from zettel.memory import Memory

LONG = os.environ.get("ZETTEL_LONG") == "1"
HELPERS = Path(__file__).parent / "helpers"

pytestmark = pytest.mark.timeout(1200 if LONG else 120)


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs of ``helpers/`` and waits until they have opened their memory; ends them in the end."""
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(HELPERS / program), *map(str, arguments)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        processes.append(process)
        assert process.stdout
        if process.stdout.readline() != "open\n":
            pytest.fail(process.communicate()[1])
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_two_writers_and_a_reader_share_a_file(opened: Callable[..., Memory], started: Any, tmp_path: Path) -> None:
    path, seconds = tmp_path / "agent.zettel", 60 if LONG else 5
    with opened("agent.zettel") as memory:
        memory.add("the first note")
    reader = started("tailer.py", path)
    writers = [started("writer.py", path, name, seconds) for name in ("Maren", "Idris")]
    told: list[list[str]] = []
    for writer in writers:
        out, errors = writer.communicate(timeout=seconds + 60)
        assert writer.returncode == 0, errors
        told.append(out.splitlines())
    out, errors = reader.communicate("stop\n", timeout=60)
    assert reader.returncode == 0, errors
    n_seen, n_looks = map(int, out.split())

    memory = opened("agent.zettel")
    notes, log = memory.notes(), memory.log()
    acknowledged = [line for lines in told for line in lines]
    assert all(told)  # both had their turns, however busy the machine is
    assert sorted(f"{note.id}\t{note.text}" for note in notes[1:]) == sorted(acknowledged)  # none lost, none doubled
    assert len({note.text for note in notes}) == len(notes)
    assert [note.ordinal for note in notes] == list(range(1, len(notes) + 1))
    assert [commit.id for commit in log] == list(range(1, memory.head + 1))
    assert all(a.at <= b.at for a, b in pairwise(log))
    for lines in told:  # each writer's notes stand in the order it wrote them
        mine = [f"{note.id}\t{note.text}" for note in notes if f"{note.id}\t{note.text}" in set(lines)]
        assert mine == lines
    assert memory.verify().ok, memory.verify().problems
    assert n_seen <= memory.head and n_looks > 5
    assert n_seen == memory.head  # told to stop after the last commit, it has seen it


def test_an_ingestion_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    n_kills = 200 if LONG else 15
    with resources.as_file(resources.files("zettel.samples") / "lighthouse.txt") as transcript:
        command = [sys.executable, str(HELPERS / "killer.py"), str(tmp_path), str(transcript), str(n_kills), "5"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1100 if LONG else 110, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == n_kills
    assert report["hit"] > n_kills / 2, report  # else the kills came too late to tell anything
    assert len(set(report["heads"])) > 3, report
    uninterrupted = exported(tmp_path / "whole.zettel.jsonl")
    assert len(uninterrupted) > 100
    for number in range(report["files"]):
        assert exported(tmp_path / f"killed-{number}.zettel.jsonl") == uninterrupted


def exported(path: Path) -> list[Any]:
    """The lines of an export, but for the times at which notes were learned."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.get("note", {}).pop("created_at", None)
    return lines
