"""Whatever is done to a memory, and whatever fails on the way, the open memory equals one that was just opened.

Two memories share one place, with different settings. Each step does something to one of them, but to a copy of the
place first: there the points that it comes by are counted, at one of which a fault may then be. After a step the open
memories are compared with fresh ones, and what was decided with the copy.

``ZETTEL_TEST_RUNS`` is the number of runs (60 by default; on Neo4j a tenth of it). Steps that fail can be called by
hand, too: ``States().begin(...)``, as they are printed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import faults
import operations as ops
import pytest
from hypothesis import HealthCheck, Phase, currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from operations import Acting, told

from zettel import Config, registry
from zettel.errors import StoreError, ZettelError
from zettel.memory import Memory
from zettel.store.neo4j.store import Neo4jStore
from zettel.store.sqlite import SQLiteStore

RUNS = int(os.environ.get("ZETTEL_TEST_RUNS", "60"))
SHM = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a disk that need not be waited for
KILLED = 77

pytestmark = [
    pytest.mark.timeout(300 + RUNS * 4),
]


@dataclass(frozen=True)
class Fault:
    """What happens at which point of a call; the point in thousandths of all it comes by."""

    kind: faults.Kind
    what: str
    share: int
    after: bool = False

    def make(self) -> Callable[[str], BaseException]:
        made = faults.statement_error if self.kind == "statement" else faults.store_error
        return made(self.what if self.kind in ("call", "statement") else "interrupt")

    def point(self, n: int) -> int:
        return 1 + self.share * n // 1000


shares = st.integers(0, 999)
calls = st.builds(
    Fault, st.just("call"), st.sampled_from(["locked", "full", "failed", "interrupt", "memory"]), shares, st.booleans()
) | st.builds(Fault, st.just("call"), st.just("moved"), shares)  # which says that nothing was written
statements = st.builds(
    Fault, st.just("statement"), st.sampled_from(["busy", "full", "io", "interrupt"]), shares, st.just(False)
) | st.builds(Fault, st.just("statement"), st.just("interrupt"), shares, st.just(True))
lines = st.builds(Fault, st.sampled_from(["line", "new line", "new line"]), st.just("interrupt"), shares)


def open_memory(address: str | Path, exact_below: int, namespace: str = "default", wait_s: float = 0.1) -> Memory:
    config = Config(exact_below=exact_below, busy_timeout_s=wait_s, batch=4)
    return registry.open_memory(
        address, namespace=namespace, embedder="hashing:64", analyzer=ops.analyzer(), config=config
    )  # fmt: skip


def observe(memory: Memory) -> dict[str, Any]:
    """Everything that is compared: what was decided, and what is found."""
    notes = memory.notes()
    seen: dict[str, Any] = {"head": memory.head, "log()": len(memory.log()), "notes()": notes, "len()": len(memory)}
    seen |= {"links()": memory.links(), "topics()": memory.topics()}
    asked = (ops.QUESTIONS[0], 50), (ops.QUESTIONS[0], 1), (ops.QUESTIONS[1], 5), (ops.QUESTIONS[2], 1)
    newest = [(n.text[:200], 50) for n in notes[-1:]]
    seen |= {f"search({query!r}, {k})": memory.search(query, k) for query, k in (*asked, *newest)}
    if notes:
        seen["why_not()"] = memory.why_not(ops.QUESTIONS[0], notes[0].id, 1)
    return seen


def same(seen: dict[str, Any], wanted: dict[str, Any], who: str) -> None:
    """Refuse what differs, naming it."""
    for name, value in wanted.items():
        assert seen[name] == value, f"{name} of {who} is not what a fresh memory has"


def is_sound(memory: Memory) -> None:
    """Has a memory check itself: its store, and what it holds besides, if it can."""
    found = memory.verify()
    assert found.ok, found.problems
    check = getattr(memory, "check_derived", None)
    if check is not None:
        check()


@cache
def prepared() -> Path:
    """A folder with what runs begin with: memories of several sizes, and exports of another one."""
    folder = Path(tempfile.mkdtemp(dir=SHM, prefix="zettel-states-"))
    for name, n in (("small", 8), ("grown", 34)):
        with open_memory(folder / name, 50_000) as memory:
            for start in range(0, n, 8):
                ops.AddMany(tuple((start + i) % len(ops.TEXTS) for i in range(8)), start // 16, start)(
                    Acting(memory, open=lambda: memory, ids=[], head=0, shared=folder, out=folder)
                )
    with open_memory(folder / "another", 50_000) as memory:
        memory.add_many([ops.TEXTS[n] for n in (0, 2, 7, 9, 20)])
        memory.add("A whale was seen from the lighthouse.", id="x1")
        memory.forget(memory.notes()[1].id)
        memory.export(folder / "other.jsonl")
        memory.export(folder / "history.jsonl", history=True)
    (folder / "own.jsonl").write_bytes((folder / "other.jsonl").read_bytes())
    return folder


@contextmanager
def patched() -> Iterator[None]:
    """Stores whose calls and statements are points, and saved indexes of small memories too."""
    prepared()
    with pytest.MonkeyPatch.context() as patch:
        for store in (SQLiteStore, Neo4jStore):
            for name, method in faults.points_of(store).items():
                patch.setattr(store, name, method)
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=faults.Connection))
        named = [(module, name) for module in list(sys.modules.values())
                 if module.__name__.startswith("zettel.") for name in ("WORTH_SAVING", "_WORTH_SAVING")
                 if hasattr(module, name)]  # fmt: skip
        assert named, "the number of notes from which on an index is saved has another name now"
        for module, name in named:
            patch.setattr(module, name, 5)
        yield


def say(line: str) -> None:
    """Shown with a failure, or at once if the steps are called by hand."""
    (note if currently_in_test_context() else print)(line)


Outcome = tuple[str, Any]


def outcome(op: Callable[[Acting], Any], acting: Acting) -> Outcome:
    """What a call gave, or the error of ours that it raised; any other is a fault of the code."""
    try:
        return "gave", told(op(acting))
    except ZettelError as error:
        return type(error).__name__, str(error).replace(str(acting.out), "").replace(str(acting.shared), "")


class States(RuleBasedStateMachine):
    """Runs on a SQLite file; ``Neo4jStates`` on a server."""

    namespace = "default"
    wait_s = 0.1  # for a file that is locked

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=SHM, prefix="zettel-run-"))
        self.shared = self.folder / "shared"
        self.address: str | Path = self.folder / "agent.zettel"
        self.memories: list[Memory] = []
        self.head, self.ids = 0, list[str]()
        self.linked = list[tuple[str, str]]()
        self.exact_below: list[int] = []
        self.earlier: list[tuple[Memory, int]] = []
        self.n_copies = 0
        self.is_sound = True
        self._fresh: dict[tuple[int, int, int], dict[str, Any]] = {}

    # ------------------------------------------------------------------ beginning

    @initialize(start=st.sampled_from(["empty", "small", "small", "grown"]), exact_below=st.sampled_from([0, 8]))
    def begin(self, start: str, exact_below: int) -> None:
        self.shared.mkdir()
        for path in prepared().glob("*.jsonl"):
            if path.name != "own.jsonl":
                shutil.copy(path, self.shared)
        (self.shared / "chat.txt").write_text("Ann: Good morning.\nBob: Good morning, Ann.\n")
        if start != "empty":
            self.begin_with(prepared() / start)
        self.exact_below = [50_000, exact_below]
        self.memories = [self.open(below) for below in self.exact_below]
        self.look(self.memories[0])

    def begin_with(self, file: Path) -> None:
        shutil.copy(file, self.address)

    def teardown(self) -> None:
        try:
            if self.is_sound and self.memories:
                for who in (0, 1):
                    self.step(who, ops.Add(who + 9), None)
                    is_sound(self.memories[who])
                    self.compare(who)
        finally:
            for memory in self.memories:
                memory.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ----------------------------------------------------------------------- steps

    @rule(who=st.integers(0, 1), op=ops.adding, fault=st.none() | calls | statements | lines, at_once=st.booleans())
    def add(self, who: int, op: Any, fault: Fault | None, at_once: bool) -> None:
        self.step(who, op, fault, at_once=at_once)

    @rule(
        who=st.integers(0, 1), op=ops.changing | ops.undoing, fault=st.none() | calls | statements | lines,
        at_once=st.booleans(),
    )  # fmt: skip
    def change(self, who: int, op: Any, fault: Fault | None, at_once: bool) -> None:
        self.step(who, op, fault, at_once=at_once)

    @rule(
        who=st.integers(0, 1), op=ops.loading | ops.reading, fault=st.none() | calls | statements | lines,
        at_once=st.booleans(),
    )  # fmt: skip
    def load_or_read(self, who: int, op: Any, fault: Fault | None, at_once: bool) -> None:
        self.step(who, op, fault, at_once=at_once)

    @rule(
        who=st.integers(0, 1), op=ops.adding | ops.changing | ops.undoing,
        other=ops.adding | ops.changing | ops.undoing, share=shares,
    )  # fmt: skip
    def do_two_at_once(self, who: int, op: Any, other: Any, share: int) -> None:
        """The other memory writes while this one is at some call of its store."""
        self.meanwhile(who, op, other, share)

    @rule(op=ops.adding | ops.changing | ops.undoing, fault=st.none() | lines)
    def do_elsewhere(self, op: Any, fault: Fault | None) -> None:
        """Another process does something, and may be killed over it."""
        self.elsewhere(op, fault)

    @rule(back=st.integers(0, 8))
    def look_back(self, back: int) -> None:
        """Open the memory as of an earlier commit; the last two stay open."""
        number = max(self.head - back, 0)
        view = self.memories[0].as_of(number)
        same(observe(view), self.wanted_of(number), f"the memory as of {number}")
        self.earlier = [*self.earlier[-1:], (view, number)]

    # ------------------------------------------------------------------------ doing

    def step(self, who: int, op: Any, fault: Fault | None, *, at_once: bool = False) -> None:
        """Do something to one memory, with a fault or without; then add a note ``at_once``, or look first."""
        was, self.is_sound = self.is_sound, False
        assert was, "an earlier step has failed"
        self.prepare(op)
        before = self.head
        wanted, commits = self.on_copy(who, [op], None)
        points = counted = faults.Points(fault.kind if fault else "call")
        if fault is not None:  # anew, with what Python keeps between calls
            self.on_copy(who, [op], counted)
        if fault is not None:
            points = faults.Points(fault.kind, fault.point(counted.n), fault.make(), fault.after)
        acting = self.acting(who)
        try:
            with faults.at(points):
                got = outcome(op, acting)
        except (KeyboardInterrupt, MemoryError) as error:
            got = type(error).__name__, ""
        if points.raised is not None:
            points.raised.__traceback__ = None  # it keeps alive what was being done, and with it what SQLite has read
        self.settle(who, acting)
        if points.raised is not None:
            say(f"{points.raised!r} at {points.where}, so {got[0]}")
        made = self.new_commits(who, before)
        if commits is None:
            assert points.raised is not None or got[0] != "StoreLockedError"
        elif points.raised is None or got[0] == "gave":
            assert got == wanted, f"{op} gave something else than it gives a fresh memory"
            assert made == commits, f"{op} decided something else than a fresh memory does"
        else:
            assert made == commits[: len(made)], f"{op} was broken off, and decided something else before"
        if at_once:
            self.is_sound = True
            self.step(who, ops.Add(1, 1), None)
            return
        self.check(who)
        self.is_sound = True

    def meanwhile(self, who: int, op: Any, other: Any, share: int) -> None:
        """Do one thing, and at some call of the store another, by the other memory."""
        was, self.is_sound = self.is_sound, False
        assert was, "an earlier step has failed"
        self.prepare(op)
        self.prepare(other)
        before = self.head
        counted = faults.Points("call")
        possible = [self.on_copy(who, order, counted)[1] for order in ([op], [other, op], [op, other])]
        theirs: list[Outcome] = []
        acting, their_acting = self.acting(who), self.acting(1 - who)

        def write(where: str) -> None:
            theirs.append(outcome(other, their_acting))

        points = faults.Points("call", 1 + share * counted.n // 3000, write)
        with faults.at(points):
            got = outcome(op, acting)
        say(f"{op} gave {got[0]}; at {points.where}, {other} gave {[name for name, _ in theirs]}")
        made = self.new_commits(who, before)
        if None not in possible and not isinstance(op, ops.Ingest) and not isinstance(other, ops.Ingest):
            if theirs and theirs[0][0] != "StoreLockedError":
                del possible[0]
            assert made in possible, f"{op} and {other} decided something else than a fresh memory does"
        self.check(who)
        self.is_sound = True

    def elsewhere(self, op: Any, fault: Fault | None) -> None:
        """Do something in another process, which ends without a word at some line if there is a fault."""
        was, self.is_sound = self.is_sound, False
        assert was, "an earlier step has failed"
        self.prepare(op)
        before = self.head
        _, commits = self.on_copy(0, [op], None)
        counted = faults.Points(fault.kind if fault else "call")
        if fault is not None:
            self.on_copy(0, [op], counted)
        killed = fault and faults.Points(fault.kind, fault.point(counted.n), lambda _: os._exit(KILLED))
        ended = self.in_child(op, killed)
        assert ended in (0, KILLED), f"another process failed over {op}"
        made = self.new_commits(0, before)
        assert made == commits[: len(made)] and (ended == KILLED or made == commits)
        self.check(0)
        self.is_sound = True

    def in_child(self, op: Any, points: faults.Points | None) -> int:
        child = os.fork()
        if not child:
            try:
                acting = self.acting(0)
                acting.memory = acting.open()
                with faults.at(points or faults.Points("call")):
                    outcome(op, acting)
                acting.memory.close()
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    # ---------------------------------------------------------------------- helping

    def open(self, exact_below: int) -> Memory:
        return open_memory(self.address, exact_below, self.namespace, self.wait_s)

    def prepare(self, op: Any) -> None:
        if hasattr(op, "prepare"):
            op.prepare(self.shared)

    def acting(self, who: int) -> Acting:
        again = partial(self.open, self.exact_below[who])
        return Acting(self.memories[who], again, self.ids, self.head, self.shared, self.shared, linked=self.linked)

    def settle(self, who: int, acting: Acting) -> None:
        """Take over the memory that a step has opened; one that it has closed is opened again."""
        memory = acting.memory
        try:
            memory.head  # noqa: B018 -- whether it is open
        except StoreError as error:
            if "closed" not in str(error):
                raise
            memory = acting.open()
        if memory is not self.memories[who]:
            self.earlier = [(view, number) for view, number in self.earlier if who != 0]  # theirs was closed
        self.memories[who] = memory

    def copy(self) -> Path:
        """A copy of the place, in a folder of its own."""
        self.n_copies += 1
        folder = self.folder / f"copy-{self.n_copies}"
        folder.mkdir()
        for end in ("", "-wal"):
            path = Path(f"{self.address}{end}")
            if path.exists():
                shutil.copyfile(path, folder / path.name)
        return folder

    def on_copy(self, who: int, did: list[Any], points: faults.Points | None) -> tuple[Outcome, list[Any] | None]:
        """What a fresh memory makes of it: what the last call gives, and the commits (None: there is no copy)."""
        folder = self.copy()
        again = partial(open_memory, folder / "agent.zettel", self.exact_below[who])
        acting = Acting(again(), again, self.ids, self.head, self.shared, folder, linked=self.linked)
        try:
            with faults.at(points or faults.Points("call")):
                given = [outcome(op, acting) for op in did]
            return given[-1], told(acting.memory.log(after=self.head))
        finally:
            acting.memory.close()
            shutil.rmtree(folder)

    def new_commits(self, who: int, before: int) -> list[Any]:
        """What was committed since, read by a fresh memory."""
        with self.fresh(self.exact_below[who]) as memory:
            self.look(memory)
            key = self.head, self.exact_below[who], -1
            if key not in self._fresh:
                self._fresh[key] = observe(memory)
            return told(memory.log(after=before))

    def look(self, memory: Memory) -> None:
        """Note what is there, from a fresh memory."""
        self.head, self.ids = memory.head, [note.id for note in memory.notes()]
        self.linked = [(link.source_id, link.target_id) for link in memory.links()]

    @contextmanager
    def fresh(self, exact_below: int) -> Iterator[Memory]:
        folder = self.copy()
        memory = open_memory(folder / "agent.zettel", exact_below)
        try:
            yield memory
        finally:
            memory.close()
            shutil.rmtree(folder)

    def wanted(self, exact_below: int) -> dict[str, Any]:
        """What a fresh memory shows."""
        key = self.head, exact_below, -1
        if key not in self._fresh:
            with self.fresh(exact_below) as memory:
                self._fresh[key] = observe(memory)
        return self._fresh[key]

    def wanted_of(self, number: int) -> dict[str, Any]:
        key = self.head, self.exact_below[0], number
        if key not in self._fresh:
            with self.fresh(self.exact_below[0]) as memory:
                self._fresh[key] = observe(memory.as_of(number))
        return self._fresh[key]

    def check(self, who: int) -> None:
        """A memory equals a fresh one; at some heads the other one too, and the earlier ones that are open.

        Else these fall behind, and have more to follow at once.
        """
        self.compare(who)
        if self.head % 3 == 0:
            self.compare(1 - who)
            for memory, number in self.earlier:
                same(observe(memory), self.wanted_of(number), f"the memory as of {number}")

    def compare(self, who: int) -> None:
        same(observe(self.memories[who]), self.wanted(self.exact_below[who]), f"memory {who}")
        if who == 0:  # the other one, which asks a lot of questions for it, in the end
            is_sound(self.memories[0])


def run(machine: type[RuleBasedStateMachine], runs: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs, stateful_step_count=steps, deadline=None, print_blob=True,
            phases=(Phase.reuse, Phase.generate, *((Phase.shrink,) if os.environ.get("ZETTEL_TEST_SHRINK") else ())),
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_an_open_memory_is_as_a_fresh_one() -> None:
    with patched():
        run(States, RUNS, 8)


class Neo4jStates(States):
    """On a server there are no copies, so that what was decided is compared with nothing but a fresh memory's view."""

    uri = ""
    wait_s = 10.0
    n_runs = 0
    points: ClassVar[dict[str, int]] = {"call": 60, "line": 3000, "new line": 900}  # that a call comes by, about

    @initialize()
    def begin(self) -> None:
        self.shared.mkdir()
        for path in prepared().glob("*.jsonl"):
            shutil.copy(path, self.shared)
        (self.shared / "chat.txt").write_text("Ann: Good morning.\nBob: Good morning, Ann.\n")
        Neo4jStates.n_runs += 1
        self.address, self.namespace = self.uri, f"run{self.n_runs}"
        self.exact_below = [50_000, 50_000]
        self.memories = [self.open(below) for below in self.exact_below]
        self.head, self.ids = 0, []
        self.step(0, ops.AddMany((0, 1, 2, 3, 4), 0, 0), None)

    @rule(op=ops.reading)
    def do_elsewhere(self, op: Any) -> None:
        self.step(1, op, None)

    def step(self, who: int, op: Any, fault: Fault | None, *, at_once: bool = False) -> None:
        if fault is not None and fault.kind == "statement":
            what = {"busy": "locked", "io": "failed"}.get(fault.what, fault.what)
            fault = Fault("call", what, fault.share, fault.after)
        super().step(who, op, fault, at_once=at_once)

    def on_copy(self, who: int, did: list[Any], points: faults.Points | None) -> tuple[Outcome, list[Any] | None]:
        if points is not None:
            points.n = self.points[points.kind]
        return ("", None), None

    @contextmanager
    def fresh(self, exact_below: int) -> Iterator[Memory]:
        with self.open(exact_below) as memory:
            yield memory


def test_an_open_memory_on_a_server_is_as_a_fresh_one(neo4j_uri: str) -> None:
    Neo4jStates.uri = neo4j_uri
    with patched():
        run(Neo4jStates, max(RUNS // 10, 5), 4)
