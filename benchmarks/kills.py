"""Kills an ingestion at random moments, again and again, and checks that nothing it reported was lost.

    python benchmarks/kills.py FILE... [--kills 200] [--seed 0] [--embedder minilm] [--batch 128]

Each round takes the files into a new memory with `zettel ingest --json`, which is killed (SIGKILL) at a random moment
and started again until it ends. After each kill: every commit it printed is in the memory. After each round: `verify`
is clean and the export equals that of an uninterrupted run, but for the times of commits.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import zettel


def ingest(memory: Path, args: argparse.Namespace, kill_after_s: float | None) -> tuple[list[int], bool]:
    """One run of the command: the commits it printed, and whether it came to its end."""
    command = [
        sys.executable, "-m", "zettel", "ingest", str(memory), *map(str, args.files), "--json",
        "--embedder", args.embedder, "--batch", str(args.batch),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(kill_after_s, process.kill) if kill_after_s is not None else None
        if timer:
            timer.start()
        assert process.stdout is not None
        rows = [json.loads(line) for line in process.stdout if line.endswith("\n")]
        if timer:
            timer.cancel()
    return [row["commit"]["commit"] for row in rows if "commit" in row], process.returncode == 0


def exported(memory: Path, folder: Path, embedder: str) -> list[dict[str, object]]:
    """A memory's export without the times of its commits; the memory is verified on the way."""
    with zettel.open_memory(memory, read_only=True, embedder=embedder) as opened:
        found = opened.verify()
        if not found.ok:
            raise SystemExit(f"verify: {found.problems}")
        opened.export(folder / "export.jsonl")
    rows = [json.loads(line) for line in (folder / "export.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row.get("note", {}).pop("created_at", None)
    return rows


def main() -> None:
    """Kill until there were as many kills as asked for, finish the round, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        ingest(folder / "whole.zettel", args, None)
        whole_s = time.perf_counter() - start
        expected = exported(folder / "whole.zettel", folder, args.embedder)
        kills = rounds = reported = 0
        while kills < args.kills:
            rounds += 1
            memory = folder / f"round{rounds}.zettel"
            done = False
            while not done:
                wait_s = draw.uniform(0, whole_s / 4) if kills < args.kills else None
                commits, done = ingest(memory, args, wait_s)
                kills += not done
                reported += len(commits)
                check(memory, commits, args.embedder)
            if exported(memory, folder, args.embedder) != expected:
                raise SystemExit(f"round {rounds}: the export differs from that of an uninterrupted run")
            print(f"round {rounds}: {kills} kills, {reported} commits reported, none lost; export equal", flush=True)


def check(memory: Path, commits: list[int], embedder: str) -> None:
    """Every commit that was printed is in the journal."""
    if commits:
        with zettel.open_memory(memory, read_only=True, embedder=embedder) as opened:
            missing = set(commits) - {commit.id for commit in opened.log()}
        if missing:
            raise SystemExit(f"commits {sorted(missing)} were reported and are not there")


if __name__ == "__main__":
    main()
