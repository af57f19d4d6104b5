"""What taking in and searching costs in two source trees of zettel, measured in turn in one run.

    python benchmarks/before_after.py BEFORE AFTER [FILE] [--messages 600] [--embedder minilm] [--rounds 5]

BEFORE and AFTER are folders that hold a `zettel/`: two checkouts of the repository. Each is imported by a process of
its own. Every step is done by one and then by the other, so that what else the machine does slows both. FILE is a
transcript (by default the sample conversation), of which a conversation's first messages are taken in. The figures are
medians over all rounds, of time on the clock, and of CPU time; the ratios are after to before. The same tree given
twice shows how far ratios go from 1 by chance.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

_ADDS = 8  # single additions a round
_QUESTIONS = 25  # questions a round
_ROUTED_FROM = 50  # notes from which on the searches that are called routed are routed
_MEMORY_OF = {"exact": 10**9, "routed": _ROUTED_FROM}
_STEPS = {
    "embed": "embedding alone",
    "ingest": "ingestion",
    "ingest/embed": "ingestion, to embedding alone",
    "add": "an addition",
    "exact": "a search, exact",
    "routed": "a search, routed",
    "exact after add": "a search after an addition, exact",
    "routed after add": "a search after an addition, routed",
    "exact after use": "a search after mark_used, exact",
    "routed after use": "a search after mark_used, routed",
    "open": "opening with the saved index, and a first search",
    "open without": "opening without it, and a first search",
}
Times = list[tuple[float, float]]  # seconds on the clock, and of the processor


class Tree:
    """A source tree, imported by a process that does the steps it is told."""

    def __init__(self, tree: Path, arguments: list[str]) -> None:
        if not (tree / "zettel" / "__init__.py").is_file():
            raise SystemExit(f"{tree} holds no zettel/: give the folder of a checkout")
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        command = [sys.executable, __file__, "--steps", *arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=tree)
        self.times: dict[str, Times] = {name: [] for name in _STEPS}

    def do(self, step: str) -> None:
        """Have a step done, and keep its times."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(step + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the process that did {step!r} has ended: see above")
        for name, times in json.loads(answer).items():
            self.times[name] += times

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def median(self, name: str, clock: int) -> float:
        """A step's median time in seconds; a ratio for a ratio."""
        return statistics.median(times[clock] for times in self.times[name])


class Steps:
    """The steps, done with the zettel that is imported here."""

    def __init__(self, transcript: str, n_messages: int, embedder: str, folder: str) -> None:
        import zettel  # noqa: PLC0415 -- the process that compares imports none
        from zettel import registry  # noqa: PLC0415

        self._open, self._config, self._folder = zettel.open_memory, zettel.Config, folder
        self._embedder = registry.embedder(embedder)
        self._analyzer = registry.analyzer()
        self._messages = messages(registry, transcript)[:n_messages]
        self._strings: list[str] = []
        self._n = 0
        self.memory("warm").add_many(self._messages[:32])

    def memory(self, name: str, exact_below: int = 10**9) -> Any:
        """A memory in a file of this name."""
        config = self._config(exact_below=exact_below)
        path = Path(self._folder, f"{name}.zettel")
        return self._open(path, embedder=self._embedder, analyzer=self._analyzer, config=config)

    def grow(self) -> dict[str, Times]:
        """Take everything in, in batches of the size of an ingestion's; then embed the same strings alone."""
        self._n += 1
        strings: list[str] = []
        embed = self._embedder.embed

        def record(texts: Any) -> Any:
            strings.extend(texts)
            return embed(texts)

        with self.memory(f"m{self._n}") as memory, replaced(self._embedder, "embed", record):
            batch = memory.config.batch
            parts = [self._messages[i : i + batch] for i in range(0, len(self._messages), batch)]
            ingested = timed(lambda: [memory.add_many(part) for part in parts])
        embedded = timed(lambda: embed(strings))
        ratio = ingested[0] / embedded[0], ingested[1] / embedded[1]
        return {"ingest": [ingested], "embed": [embedded], "ingest/embed": [ratio]}

    def use(self, kind: str) -> dict[str, Times]:
        """Additions and searches in the memory that has grown."""
        done: dict[str, Times] = {"add": [], kind: [], f"{kind} after add": [], f"{kind} after use": []}
        step = max(1, len(self._messages) // _QUESTIONS)
        questions = [m.text[:80] for m in self._messages[::step]][:_QUESTIONS]
        with self.memory(f"m{self._n}", _MEMORY_OF[kind]) as memory:
            for question in questions:  # their vectors are kept from now on
                memory.search(question)
            first = memory.notes()[0].id
            done[kind] += [timed(partial(memory.search, q)) for q in questions]
            for n, question in enumerate(questions[:_ADDS]):
                text = f"{self._messages[-n].text} And more of it: {n} {kind}."
                done["add"].append(timed(partial(memory.add, text, speaker="Ann")))
                done[f"{kind} after add"].append(timed(partial(memory.search, question)))
            for question in questions[:_ADDS]:
                memory.mark_used(first)
                done[f"{kind} after use"].append(timed(partial(memory.search, question)))
        return done

    def start(self) -> dict[str, Times]:
        """Open the memory and ask it something: with the index that is saved beside it, if it is large enough."""
        question = self._messages[0].text[:80]
        path = Path(self._folder, f"m{self._n}.zettel.index")

        def first() -> None:
            with self.memory(f"m{self._n}") as memory:
                memory.search(question)

        first()
        done: dict[str, Times] = {"open": [timed(first)] if path.exists() else [], "open without": []}
        for file in path.glob("*"):
            file.unlink()
        done["open without"].append(timed(first))
        return done


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put another attribute in place of an object's for a while."""
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of the processor that something took."""
    clock, processor = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - clock, time.process_time() - processor


def messages(registry: Any, transcript: str) -> list[Any]:
    """The messages of a transcript's first conversation."""
    from zettel.ingest import read_file  # noqa: PLC0415 -- as above

    entries = read_file(Path(transcript), registry.formats(), "auto").entries
    conversation = entries[0].message.conversation_id
    return [entry.message for entry in entries if entry.message.conversation_id == conversation]


def main() -> None:
    """Compare, or do the steps in a process of one's own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, nargs="?")
    parser.add_argument("after", type=Path, nargs="?")
    parser.add_argument("file", nargs="?", default="")
    parser.add_argument("--messages", type=int, default=600)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps:
        serve(str(given.before), given.messages, given.embedder)
        return
    if given.before is None or given.after is None:
        parser.error("give two folders")
    sample = Path(__file__).parent.parent / "zettel" / "samples" / "lighthouse.txt"
    transcript = os.path.abspath(given.file or sample)
    arguments = [transcript, "--messages", str(given.messages), "--embedder", given.embedder]
    trees = [Tree(path.resolve(), arguments) for path in (given.before, given.after)]
    for number in range(given.rounds):
        for step in ("grow", "exact", "routed", "start"):
            for tree in trees if number % 2 == 0 else trees[::-1]:
                tree.do(step)
    for tree in trees:
        tree.close()
    show(*trees)


def serve(transcript: str, n_messages: int, embedder: str) -> None:
    """Do the steps that are asked for, line by line."""
    with tempfile.TemporaryDirectory() as folder:
        steps = Steps(transcript, n_messages, embedder, folder)
        for line in sys.stdin:
            name = line.strip()
            done = steps.grow() if name == "grow" else steps.start() if name == "start" else steps.use(name)
            print(json.dumps(done), flush=True)


def show(before: Tree, after: Tree) -> None:
    """Print the table."""
    print(f"{'':50} {'clock: ms':>10} {'':>10} {'ratio':>6}  {'CPU: ms':>10} {'':>10} {'ratio':>6}")
    for name, called in _STEPS.items():
        if not before.times[name] or not after.times[name]:
            continue
        unit = 1 if "/" in name else 1000
        cells = []
        for clock in (0, 1):
            was, now = before.median(name, clock), after.median(name, clock)
            cells.append(f"{unit * was:10.2f} {unit * now:10.2f} {now / was:6.2f}")
        print(f"{called:50} {'  '.join(cells)}")


if __name__ == "__main__":
    main()
