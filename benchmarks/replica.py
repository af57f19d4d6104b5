"""Measures a memory on a Neo4j server: pushing it, killing pushes, searching it, and writing to it from two processes.

    python benchmarks/replica.py MEMORY [--release 5.26] [--steps push kill search writers] [--eval DIR]

MEMORY is a file of zettel's. A server is set up and started for the run, and stopped at its end.

push     the push, against a bare loop of the driver that writes the same nodes and relationships, taken in turn; a
         second push, which must not write at all; and a comparison of both sides
kill     pushes that are killed (SIGKILL) at random moments and begun again, until there were --kills; compared at
         the end of each round
search   the same questions to the file and to the server: whether the first ten are the same, and the times. With
         --eval (a folder with `evaldata.py`) the questions are LoCoMo's, else beginnings of notes. Once more with
         candidates from the server's indexes
writers  two processes that add notes to one memory for --seconds; its journal and `verify` at the end
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import neo4j
from retrieval import load_module

import zettel
from zettel import registry, replication
from zettel.neo4j.installation import find
from zettel.neo4j.server import Server
from zettel.store.neo4j import schema
from zettel.text import shorten

_BATCH = 1_000  # rows a transaction of the bare loop writes
_PASSWORD = "only-for-this-run"


class Bare:
    """All nodes and relationships of a database, and the loop that writes them again: the driver, and nothing else."""

    def __init__(self, driver: neo4j.Driver) -> None:
        self._driver = driver
        keys = dict(reversed(schema.UNIQUE))
        self.nodes: dict[str, list[dict[str, Any]]] = {}
        self.edges: dict[tuple[str, str, str], list[list[Any]]] = {}
        with driver.session(fetch_size=5_000) as session:
            for label in keys:
                rows = session.run(cast("Any", f"MATCH (n:{label}) RETURN properties(n)"))
                self.nodes[label] = [row[0] for row in rows]
            for a, type_, b in session.run("MATCH (a)-[r]->(b) RETURN DISTINCT labels(a)[0], type(r), labels(b)[0]"):
                ends = ", ".join(f"{n}.{name}" for n, label in (("a", a), ("b", b)) for name in keys[label])
                rows = session.run(cast("Any", f"MATCH (a:{a})-[r:{type_}]->(b:{b}) RETURN {ends}, properties(r)"))
                self.edges[a, type_, b] = [list(row) for row in rows]
        self._keys = keys

    def write(self) -> None:
        """Write them, a batch a transaction."""
        with self._driver.session() as session:
            for label, rows in self.nodes.items():
                for batch in _batches(rows):
                    session.execute_write(_run, f"UNWIND $rows AS row CREATE (n:{label}) SET n = row", batch)
            for (a, type_, b), edges in self.edges.items():
                first, second = self._keys[a], self._keys[b]
                source = ", ".join(f"{name}: row[{i}]" for i, name in enumerate(first))
                target = ", ".join(f"{name}: row[{len(first) + i}]" for i, name in enumerate(second))
                query = f"""UNWIND $rows AS row MATCH (a:{a} {{{source}}}) MATCH (b:{b} {{{target}}})
                            CREATE (a)-[r:{type_}]->(b) SET r = row[{len(first) + len(second)}]"""
                for edge_batch in _batches(edges):
                    session.execute_write(_run, query, edge_batch)


def _run(transaction: neo4j.ManagedTransaction, query: str, rows: list[Any]) -> None:
    transaction.run(cast("Any", query), rows=rows).consume()


def _batches(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def wipe(driver: neo4j.Driver) -> None:
    """Delete all nodes; the schema stays, as it does for both sides of the comparison."""
    with driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()


def newest(driver: neo4j.Driver) -> frozenset[str]:
    """The bookmark of the newest transaction that wrote anything."""
    with driver.session() as session:
        session.run("RETURN 1").consume()
        return session.last_bookmarks().raw_values


def timed(work: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ------------------------------------------------------------------------- steps


def push(args: argparse.Namespace, uri: str, driver: neo4j.Driver) -> None:
    """Push against a bare loop, push again, compare."""
    with closing(_source(args)) as source, closing(_replica(uri)) as replica:
        replication.push(source, replica, origin="benchmark")  # also warms the server
        bare = Bare(driver)
        n_nodes, n_edges = (sum(map(len, part.values())) for part in (bare.nodes, bare.edges))
        print(f"{n_nodes:,} nodes and {n_edges:,} relationships, {source.n_notes():,} notes")
        pushed, plain = [], []
        for _ in range(args.repeat):
            wipe(driver)
            plain.append(timed(bare.write))
            wipe(driver)
            with closing(_replica(uri)) as fresh:
                pushed.append(timed(lambda: replication.push(source, fresh, origin="benchmark")))
        ratio = statistics.median(plain) / statistics.median(pushed)
        rate = source.n_notes() / statistics.median(pushed)
        print(f"push {_s(pushed)}, bare loop {_s(plain)}: {ratio:.2f} x its speed, {rate:.0f} notes/s")
    before = newest(driver)
    with closing(_source(args)) as source, closing(_replica(uri)) as replica:
        seconds = timed(lambda: replication.push(source, replica, origin="benchmark"))
        print(f"pushed again: {'nothing' if newest(driver) == before else 'SOMETHING'} was written, {seconds:.2f} s")
        _compare(source, replica)


def _s(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} s ({', '.join(f'{t:.1f}' for t in times)})"


def _compare(source: Any, replica: Any) -> None:
    found = replication.compare(source, replica)
    print(f"memory {dict(found.memory)}")
    print(f"graph  {dict(found.graph)}")
    print(f"problems: {len(found.problems)} {found.problems[:3] or ''}")


def kill(args: argparse.Namespace, uri: str, driver: neo4j.Driver) -> None:
    """Kill pushes at random moments, and begin them again."""
    draw = random.Random(args.seed)
    command = [sys.executable, "-m", "zettel", "neo4j", "push", args.memory, "--uri", uri]
    wipe(driver)
    whole_s = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    kills = rounds = 0
    while kills < args.kills:
        wipe(driver)
        rounds += 1
        done = False
        while not done:
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                try:
                    process.wait(draw.uniform(0.3, whole_s) if kills < args.kills else None)
                    done = process.returncode == 0
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
        with closing(_source(args)) as source, closing(_replica(uri)) as replica:
            if problems := replication.compare(source, replica).problems:
                raise SystemExit(f"after {kills} kills: {problems[:5]}")
    print(f"{kills} kills in {rounds} rounds, both sides equal after each round (a whole push: {whole_s:.1f} s)")


def search(args: argparse.Namespace, uri: str, driver: neo4j.Driver) -> None:
    """The same questions to both sides."""
    wipe(driver)
    with closing(_source(args)) as source, closing(_replica(uri)) as replica:
        replication.push(source, replica, origin="benchmark")
    questions = _questions(args)
    for name, config in (("all notes read once", zettel.Config()), ("candidates", zettel.Config(exact_below=0))):
        with (
            zettel.open_memory(args.memory, read_only=True) as file,
            zettel.open_memory(uri, read_only=True, config=config) as server,
        ):
            file.search("warm")
            first_s = timed(lambda: server.search("warm"))
            same, shared = 0, 0.0
            times: dict[str, list[float]] = {"file": [], "server": []}
            for question in questions:
                file.embedder.embed([question])
                found = {}
                for side, memory in (("file", file), ("server", server)):
                    start = time.perf_counter()
                    found[side] = [hit.note.id for hit in memory.search(question)]
                    times[side].append(time.perf_counter() - start)
                same += found["file"] == found["server"]
                shared += len(set(found["file"]) & set(found["server"])) / max(len(found["file"]), 1)
        ms = {side: 1000 * statistics.median(values) for side, values in times.items()}
        n = len(questions)
        print(f"{name}: the same first ten in {same} of {n} questions, {shared / n:.3f} of the ten shared")
        print(f"    median {ms['server']:.1f} ms, of the file {ms['file']:.1f} ms: {ms['server'] / ms['file']:.2f} x;"
              f" first search {first_s:.1f} s")  # fmt: skip


def _questions(args: argparse.Namespace) -> list[str]:
    if args.eval:
        asked = [q.text for c in load_module(args.eval / "evaldata.py").load("locomo") for q in c.questions]
    else:
        with zettel.open_memory(args.memory, read_only=True) as memory:
            asked = [shorten(note.text, 80) for note in memory.notes()]
    return random.Random(args.seed).sample(asked, min(args.questions, len(asked)))


_WRITER = """
import os, sys, time, zettel
uri, name, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)
n = 0
with zettel.open_memory(uri, namespace="writers", embedder="hashing") as memory:
    while time.monotonic() < end:
        memory.add(f"{name} tells thing number {n} about boats, roofs and lamps", speaker=name)
        n += 1
print(n)
"""


def writers(args: argparse.Namespace, uri: str, driver: neo4j.Driver) -> None:
    """Two processes that write to one memory."""
    wipe(driver)
    commands = [[sys.executable, "-c", _WRITER, uri, name, str(args.seconds)] for name in ("Maren", "Jonas")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    added = [int(process.communicate()[0]) for process in processes]
    with zettel.open_memory(uri, namespace="writers", read_only=True, embedder="hashing") as memory:
        log, notes, found = memory.log(), memory.notes(), memory.verify()
    own = [sum(note.speaker == name for note in notes) for name in ("Maren", "Jonas")]
    in_order = [commit.id for commit in log] == list(range(1, len(log) + 1))
    print(
        f"in {args.seconds:g} s the two wrote {added}; there are {own} of their notes, {len(log)} commits"
        f" {'in one order' if in_order else 'OUT OF ORDER'}; verify finds {len(found.problems)} problems"
    )
    if own != added or len(log) != sum(added) or not in_order or not found.ok:
        raise SystemExit(json.dumps([problem.model_dump() for problem in found.problems[:5]]))


def _source(args: argparse.Namespace) -> Any:
    return registry.open_store(args.memory, namespace="default", read_only=True, config=zettel.Config())


def _replica(uri: str) -> Any:
    return registry.open_store(uri, namespace="default", read_only=False, config=zettel.Config())


def main() -> None:
    """Start a server, and take the steps."""
    steps = {"push": push, "kill": kill, "search": search, "writers": writers}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memory")
    parser.add_argument("--steps", nargs="+", choices=steps, default=list(steps))
    parser.add_argument("--release", default="5.26")
    parser.add_argument("--installations", type=Path, default=Path(".neo4j"))
    parser.add_argument("--eval", type=Path, help="folder of evaldata.py")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ["NEO4J_PASSWORD"] = _PASSWORD
    installation = find(args.installations, args.release)
    with (
        tempfile.TemporaryDirectory() as home,
        Server(installation, Path(home), password=_PASSWORD, ports=(0, 0)) as server,
        neo4j.GraphDatabase.driver(server.uri, auth=("neo4j", _PASSWORD), notifications_min_severity="OFF") as driver,
    ):
        for step in args.steps:
            print(f"-- {step}, Neo4j {installation.version}")
            steps[step](args, server.uri, driver)


if __name__ == "__main__":
    main()
