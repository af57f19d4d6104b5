# ruff: noqa: T201  # it talks to the test over its output
"""Kills an ingestion at random moments, again and again, and checks what it left: FOLDER TRANSCRIPT KILLS SEED.

Each ingestion is a process of its own, forked from this one when everything is imported, so that a kill hits the work
and not the start-up. Prints a line of JSON: kills, how many hit a running ingestion, commits there were at each kill.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from zettel import registry
from zettel.config import Config

folder, transcript, kills, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
analyzer, embedder = registry.analyzer(), registry.embedder("hashing")


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def open_memory(path: Path):
    return registry.open_memory(path, embedder=embedder, analyzer=analyzer, config=Config(batch=8))


def ingest(path: Path) -> None:
    told = os.open(f"{path}.told", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    with open_memory(path) as memory:
        memory.ingest(transcript, on_progress=lambda progress: os.write(told, b"%d\n" % progress.commit))


def check(path: Path) -> None:
    """Everything that was told is there, and the memory is sound."""
    told = [int(line) for line in Path(f"{path}.told").read_text().split()] if Path(f"{path}.told").exists() else []
    with open_memory(path) as memory:
        log = memory.log()
        assert [c.id for c in log] == list(range(1, memory.head + 1))
        assert told == sorted(set(told)) and set(told) <= {c.id for c in log}, f"told {told}, there are {memory.head}"
        assert all(c.cause == "ingest" and 1 <= sum(x.type == "note" for x in c.changes) <= 8 for c in log)
        found = memory.verify()
        assert found.ok, found.problems
        Path(f"{path}.head").write_text(str(memory.head))


def finish(path: Path) -> None:
    ingest(path)
    with open_memory(path) as memory:
        assert memory.ingest(transcript).new == 0
        memory.export(f"{path}.jsonl")


chance = random.Random(seed)
whole = folder / "whole.zettel"
start = time.monotonic()
assert ended(forked(lambda: ingest(whole))) == 0
took = time.monotonic() - start
assert ended(forked(lambda: finish(whole))) == 0

done, hit, heads, n_files = 0, 0, [], 0
while done < kills:
    path = folder / f"killed-{n_files}.zettel"
    n_files += 1
    for _ in range(5):  # then to the end, and another file
        child = forked(lambda: ingest(path))  # noqa: B023  # called at once
        time.sleep(chance.uniform(0, took * 0.6))
        os.kill(child, signal.SIGKILL)
        code = ended(child)
        assert code in (0, -signal.SIGKILL), "the ingestion failed by itself"
        hit += code != 0
        done += 1
        assert ended(forked(lambda: check(path))) == 0, f"after kill {done}"  # noqa: B023
        heads.append(int(Path(f"{path}.head").read_text()))
    assert ended(forked(lambda: finish(path))) == 0  # noqa: B023
    assert ended(forked(lambda: check(path))) == 0  # noqa: B023
print(json.dumps({"kills": done, "hit": hit, "heads": heads, "files": n_files}))
