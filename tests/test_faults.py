"""Faults that once left a memory unusable, each as it was seen: refused, interrupted, overtaken, forked, taken away.

After each of them, the open memory must be as one that was just opened.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import faults
import numpy as np
import operations as ops
import pytest

from zettel import Config, Message, registry
from zettel.errors import (
    ConflictError,
    EmbedderError,
    EmbedderMismatchError,
    HeadMovedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    ZettelError,
)
from zettel.memory import Memory
from zettel.protocols import Question, Rewrite
from zettel.replication import Edit
from zettel.store.sqlite import SQLiteStore

Opener = Callable[..., Memory]
QUESTION = "Which animal lives with Caroline?"



def filled(memory: Memory, n: int = 12) -> Memory:
    memory.add_many([
        Message(text=ops.TEXTS[i % 20], speaker=("Ann", "Bob")[i % 2], conversation_id="talk", session_id=f"s{i // 20}")
        for i in range(n)
    ])  # fmt: skip
    return memory


def shown(memory: Memory) -> list[Any]:
    """What a memory shows; verified first, so that what is wrong with it has a name."""
    found = memory.verify()
    assert found.ok, found.problems
    hits = [memory.search(q, k) for q in (QUESTION, ops.TEXTS[7]) for k in (1, 5, 50)]
    return [memory.head, memory.notes(), memory.links(), memory.topics(), hits]


def is_as_opened(memory: Memory, opened: Opener, **options: Any) -> None:
    """A memory shows what one shows that was just opened, and takes a note in as that one does."""
    assert shown(memory) == shown(opened(**options))
    before = memory.head
    memory.add("Max the puppy sleeps on the sofa.", speaker="Ann")
    assert memory.head == before + 1
    assert shown(memory) == shown(opened(**options))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another connection writes to the file for as long as the block."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full(memory: Memory) -> Iterator[None]:
    """The memory's file can't grow."""
    db: sqlite3.Connection = memory._store._db  # type: ignore[union-attr]
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        db.execute("PRAGMA max_page_count = 1000000")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("exact_below", [50_000, 5])
@pytest.mark.parametrize("how", ["locked", "full", "overtaken"])
def test_an_erasure_that_is_refused_leaves_the_open_memory_right(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, exact_below: int
) -> None:
    config = Config(exact_below=exact_below, busy_timeout_s=0.1)
    memory = filled(opened(config=config))
    note = memory.notes()[0]
    memory.search(QUESTION)
    if how == "locked":
        with locked(tmp_path / "agent.zettel"), pytest.raises(StoreLockedError):
            memory.forget(note.id, erase=True)
    elif how == "full":

        def refused(*_: Any) -> Any:
            raise StoreFullError("no space left; nothing of this commit was written")

        monkeypatch.setattr(SQLiteStore, "append", refused)
        with pytest.raises(StoreFullError):
            memory.forget(note.id, erase=True)
        monkeypatch.undo()
    else:
        append = SQLiteStore.append

        def overtaken(self: Any, draft: Any, head: int) -> Any:
            if draft.rewrites or draft.cause == "forget":
                raise HeadMovedError("others wrote meanwhile")
            return append(self, draft, head)

        monkeypatch.setattr(SQLiteStore, "append", overtaken)
        with pytest.raises(StoreError):
            memory.forget(note.id, erase=True)
        monkeypatch.undo()
    assert memory.get(note.id) == note
    assert note.id in {hit.note.id for hit in memory.search(note.text, 50)}
    is_as_opened(memory, opened, config=config)
    memory.forget(note.id, erase=True)
    is_as_opened(memory, opened, config=config)


def test_an_erasure_for_which_there_is_no_room_leaves_the_open_memory_right(opened: Opener) -> None:
    """The disk is really full: what an erasure would write of others' cards finds no page."""
    memory = filled(opened(), 40)
    note = next(n for n in memory.notes() if len(memory.links(n.id)) > 2)
    memory.search(QUESTION)
    with full(memory):
        try:
            memory.forget(note.id, erase=True)
        except StoreFullError:
            assert memory.get(note.id) == note
    is_as_opened(memory, opened)


def test_an_addition_that_is_refused_leaves_nothing_in_a_routed_search(opened: Opener, tmp_path: Path) -> None:
    config = Config(exact_below=5, busy_timeout_s=0.1)
    memory = filled(opened(config=config), 120)
    assert len(memory.search(QUESTION, 5)) == 5
    with locked(tmp_path / "agent.zettel"), pytest.raises(StoreLockedError):
        memory.add("This one is refused.")
    assert len(memory.search(QUESTION, 5)) == 5
    is_as_opened(memory, opened, config=config)


# -------------------------------------------------------------------- interruptions


def interrupted(act: Callable[[], object], n: int, kind: faults.Kind = "new line") -> bool:
    """Break off what is done at the n-th line; whether there was one."""
    points = faults.Points(kind, n, lambda _: KeyboardInterrupt())
    try:
        with faults.at(points):
            act()
    except KeyboardInterrupt:
        pass
    return points.raised is not None


def n_lines(act: Callable[[], object]) -> int:
    with faults.at(faults.Points("new line")) as points:
        act()
    return points.n


@pytest.mark.parametrize("eighth", range(8))
def test_a_load_that_is_interrupted_leaves_the_open_memory_right(
    opened: Opener, tmp_path: Path, eighth: int
) -> None:
    other = filled(opened("other.zettel"))
    other.add("A whale was seen from the lighthouse.")
    other.export(tmp_path / "other.jsonl")
    filled(opened(), 5).close()
    shutil.copy(tmp_path / "agent.zettel", tmp_path / "copy.zettel")
    lines = n_lines(lambda: opened("copy.zettel").load(tmp_path / "other.jsonl"))
    memory = opened()
    memory.search(QUESTION)
    assert interrupted(lambda: memory.load(tmp_path / "other.jsonl"), 1 + (2 * eighth + 1) * lines // 20)
    is_as_opened(memory, opened)


def test_an_index_whose_taking_up_is_interrupted_is_no_half_index(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [(module, name) for module in list(sys.modules.values()) if module.__name__.startswith("zettel.")
             for name in ("WORTH_SAVING", "_WORTH_SAVING") if hasattr(module, name)]  # fmt: skip
    assert named
    for module, name in named:
        monkeypatch.setattr(module, name, 5)
    filled(opened(), 20).close()
    with opened() as memory:
        wanted = memory.search(QUESTION, 50)
    n = 0
    while True:  # at every line
        n += 1
        with opened() as memory:
            if not interrupted(lambda: memory.search(QUESTION, 50), n):
                break
            assert memory.search(QUESTION, 50) == wanted, f"interrupted at line {n}"
            if n % 40 == 0:
                assert memory.verify().ok
    assert n > 50


def test_what_is_interrupted_while_a_transaction_begins_leaves_none_open(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that arrives while SQLite begins is seen when it has begun."""
    monkeypatch.setattr(sqlite3, "connect", _connect_with_points)
    memory = filled(opened(config=Config(busy_timeout_s=0.1)))
    for begun in ("BEGIN", "BEGIN IMMEDIATE"):
        points = faults.Points("statement", 0, after=True)
        points.come_by = lambda where, want=f"after {begun}": _interrupt_at(where, want)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt), faults.at(points):
            memory.add("This one is interrupted.", id="x")
        is_as_opened(memory, opened)


@pytest.mark.parametrize("what", ["read", "write"])
def test_what_is_interrupted_at_any_line_leaves_no_transaction_open(opened: Opener, what: str) -> None:
    memory, other = filled(opened(config=Config(busy_timeout_s=0.1)), 4), opened(config=Config(busy_timeout_s=0.1))
    first = memory.notes()[0].id
    act: Callable[[], object] = memory.topics if what == "read" else lambda: memory.mark_used(first)
    n = 1
    while interrupted(act, n):
        n += 1
        other.mark_used(first)  # nobody keeps it out
        assert memory.head == other.head, f"interrupted at line {n - 1}"
        memory.mark_used(first)
    assert n > 20


_connect = sqlite3.connect


def _connect_with_points(*values: Any, **named: Any) -> sqlite3.Connection:
    return _connect(*values, **named, factory=faults.Connection)


def _interrupt_at(where: str, want: str) -> None:
    if where == want:
        raise KeyboardInterrupt


# ----------------------------------------------------------------------- two writers


class Meanwhile:
    """An analyzer during whose work something else happens, once: by then, it is known which messages are new."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.act: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def analyze(self, utterances: Any) -> Any:
        act, self.act = self.act, None
        if act is not None:
            act()
        return self._inner.analyze(utterances)


def two_add_one_id(open_one: Callable[..., Memory], analyzer: Any) -> None:
    slower = Meanwhile(analyzer)
    one, other = open_one(analyzer=slower), open_one()
    filled(one, 5)
    other.search(QUESTION)
    slower.act = lambda: other.add("A boat in the harbor.", id="boat")
    assert one.add("A boat in the harbor.", id="boat").id == "boat"
    batch = [
        Message(text=f"Message {n} about a boat", conversation_id="c", session_id="s", message_id=str(n))
        for n in range(4)
    ]
    slower.act = lambda: other.add_many(batch[:2])
    assert len(one.add_many(batch)) == 4
    for memory in (one, other):
        assert "boat" in {hit.note.id for hit in memory.search("Where is the boat?", 50)}
        memory.add("Another boat in the harbor.", speaker="Ann")
        assert shown(memory) == shown(open_one())


def test_two_that_add_one_id_at_once_keep_it_both(opened: Opener, analyzer: Any) -> None:
    two_add_one_id(opened, analyzer)


def test_two_that_add_one_id_to_a_server_at_once_keep_it_both(neo4j_uri: str, analyzer: Any) -> None:
    memories: list[Memory] = []

    def open_one(**options: Any) -> Memory:
        options = {"embedder": "hashing", "analyzer": analyzer, **options}
        memories.append(registry.open_memory(neo4j_uri, **options))
        return memories[-1]

    try:
        two_add_one_id(open_one, analyzer)
    finally:
        for memory in memories:
            memory.close()


def test_two_processes_that_ingest_one_file_at_once_both_end_well(opened: Opener, tmp_path: Path) -> None:
    chat = tmp_path / "chat.txt"
    chat.write_text("".join(f"{'Ann' if n % 2 else 'Bob'}: message {n}, {ops.TEXTS[n % 20]}\n" for n in range(150)))
    script = (
        "import sys\nfrom zettel import Config, registry\n"
        "with registry.open_memory(sys.argv[1], embedder='hashing', config=Config(batch=8)) as memory:\n"
        "    memory.search('is it there?')\n    print('open', flush=True)\n    sys.stdin.readline()\n"
        "    print(memory.ingest(sys.argv[2]).new)\n    print(memory.verify().ok)\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script, str(tmp_path / "agent.zettel"), str(chat)]
    both = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "open\n"
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], [errors[-2000:] for _, errors in told]
    news = [int(out.split()[0]) for out, _ in told]
    assert sum(news) == 150 and all(out.split()[1] == "True" for out, _ in told)
    memory = opened()
    assert len(memory) == 150 and memory.verify().ok


WRITES = """
import sys, time
from zettel import registry
with registry.open_memory(sys.argv[1], embedder="hashing") as memory:
    note = memory.add("I write all the time.")
    print("open", flush=True)
    while True:
        memory.mark_used(note.id)
        time.sleep(0.02)
"""


def test_an_erasure_beside_one_who_writes_all_the_time_ends_soon(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = filled(opened(), 60)
    for _ in range(40):  # a journal that takes longer to plan over than the other takes to write
        memory.mark_used([note.id for note in memory.notes()])
    note = memory.notes()[3]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "agent.zettel")], stdout=subprocess.PIPE, text=True
    )
    tried = 0
    append = SQLiteStore.append

    def count(self: Any, draft: Any, head: int) -> Any:
        nonlocal tried
        tried += 1
        return append(self, draft, head)

    try:
        assert writer.stdout
        assert writer.stdout.readline() == "open\n"
        monkeypatch.setattr(SQLiteStore, "append", count)
        began = time.monotonic()
        with suppress(StoreError):  # the note is erased, but the writer may hold old pages of it for a moment
            memory.forget(note.id, erase=True)
        took = time.monotonic() - began
    finally:
        writer.kill()
        writer.communicate()
    assert note.id not in memory
    assert tried <= 10 and took < 30, f"{tried} tries, {took:.1f} s"
    assert memory.verify().ok


# ------------------------------------------------------------------ others' changes


def test_edits_that_are_older_than_what_the_memory_has_are_refused(memory: Memory) -> None:
    """What was written while a person looked at the edits is not overwritten."""
    note = memory.add("Caroline adopted a puppy named Max.", tags=["pets"])
    seen = list(memory.get(note.id).tags)
    edit = Edit("note", note.id, "tags", before=seen, graph=["by the graph"], memory=seen)
    memory.update(note.id, tags=["by somebody"])
    head = memory.head
    with pytest.raises(ConflictError, match=f"{note.id}.*by somebody"):
        memory.take_edits([edit])
    assert memory.get(note.id).tags == ("by somebody",) and memory.head == head
    fresh = Edit("note", note.id, "tags", before=seen, graph=["by the graph"], memory=["by somebody"])
    memory.take_edits([fresh])  # the conflict was seen, and decided
    assert memory.get(note.id).tags == ("by the graph",)


def test_edits_of_links_that_are_older_than_what_the_memory_has_are_refused(memory: Memory) -> None:
    a, b = memory.add("The roof leaks."), memory.add("Idris repairs it.")
    link = {"weight": 0.5, "reason": "drawn by hand"}
    edit = Edit("note", a.id, "tags", before=list(a.tags), graph=["x"], memory=list(a.tags))
    drawn = Edit("link", a.id, "causes", before=None, graph=link, memory=None, target_id=b.id)
    memory.link(a.id, b.id, "causes", reason="by somebody")
    head = memory.head
    with pytest.raises(ConflictError, match=f"{a.id}.*by somebody"):
        memory.take_edits([edit, drawn])
    assert memory.head == head and memory.get(a.id).tags == a.tags  # all or nothing
    assert [x.reason for x in memory.links(a.id, "causes")] == ["by somebody"]


# ------------------------------------------------------------------------ slow parts


class Slow:
    """An analyzer, or an embedder, that takes its time once it is told to."""

    def __init__(self, inner: Any, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds
        self.is_slow = False
        self.began = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def analyze(self, utterances: Any) -> Any:
        self._wait()
        return self._inner.analyze(utterances)

    def embed(self, texts: Any) -> Any:
        if any("slow" in text for text in texts):
            self._wait()
        return self._inner.embed(texts)

    def _wait(self) -> None:
        if self.is_slow:
            self.began.set()
            time.sleep(self._seconds)


@pytest.mark.parametrize("kind", ["analyzer", "embedder"])
def test_a_search_does_not_wait_for_a_slow_part_of_another_threads_addition(
    opened: Opener, analyzer: Any, kind: str
) -> None:
    slow = Slow(analyzer if kind == "analyzer" else registry.embedder("hashing"), 3.0)
    memory = filled(opened(**{kind: slow}))
    memory.search(QUESTION)
    slow.is_slow = True
    adding = threading.Thread(target=memory.add_many, args=(["a slow message", "another slow message"],))
    adding.start()
    assert slow.began.wait(10)
    began = time.monotonic()
    assert len(memory.search(QUESTION, 5)) == 5
    waited = time.monotonic() - began
    adding.join()
    assert waited < 0.5, f"it waited for {waited:.1f} s"
    slow.is_slow = False
    is_as_opened(memory, opened)


class Asks:
    """A policy that asks a slow model about each encounter, and notes whether others could write meanwhile."""

    NAME = "asks"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.asked: list[str] = []
        self.kept_out: list[str] = []

    def rewrite(self, encounter: Any) -> Any:
        answer = yield Question(f"what of {encounter.neighbor.id} now that {encounter.arrived.text}?")
        return Rewrite(fields={"tags": [*encounter.neighbor.tags, answer]}, reason="the model says so")

    def answer(self, questions: Any) -> list[str]:
        self.asked += [question.text for question in questions]
        db = sqlite3.connect(self._path, timeout=0.05, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            self.kept_out.append(str(error))
        finally:
            db.close()
        return ["told" for _ in questions]


def test_a_policy_is_asked_once_for_one_encounter_and_never_while_others_are_kept_out(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may ask a model, which is dear and slow: a plan that is overtaken asks nothing again."""
    other = filled(opened(config=Config(busy_timeout_s=0.05)), 6)
    policy = Asks(tmp_path / "agent.zettel")
    monkeypatch.setattr(registry, "policies", lambda *_: (policy,))
    memory = opened()
    append, overtaken = SQLiteStore.append, 0

    def overtake(self: Any, draft: Any, head: int) -> Any:
        nonlocal overtaken
        if self is not other._store and overtaken < 4:
            overtaken += 1
            try:
                other.mark_used(other.notes()[0].id)
            except StoreLockedError:
                overtaken = 4  # it is kept out
        return append(self, draft, head)

    monkeypatch.setattr(SQLiteStore, "append", overtake)
    memory.add("Caroline adopted a puppy named Max, and walks it.", speaker="Ann")
    assert overtaken == 4
    assert policy.asked and not policy.kept_out
    assert len(policy.asked) == len(set(policy.asked))
    assert any("told" in note.tags for note in memory.notes())


class Changing:
    """An embedder whose vectors grow, though its fingerprint stays."""

    def __init__(self) -> None:
        self._inner = registry.embedder("hashing:64")
        self.dimension = 64

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def embed(self, texts: Any) -> Any:
        vectors = self._inner.embed(texts)
        wide = np.zeros((len(vectors), self.dimension), np.float32)
        wide[:, :64] = vectors
        return wide


def test_an_embedder_that_changes_dimension_is_an_error_with_a_remedy(opened: Opener) -> None:
    embedder = Changing()
    memory = filled(opened(embedder=embedder))
    before = shown(memory)
    embedder.dimension = 96
    for act in (lambda: memory.add("One more."), lambda: memory.search("a question that is not kept")):
        with pytest.raises(EmbedderError, match=r"(64.*96|96.*64)") as refused:
            act()
        assert any(word in str(refused.value) for word in ("open", "give", "load", "use"))
    embedder.dimension = 64
    assert shown(memory) == before
    is_as_opened(memory, opened, embedder="hashing:64")


# -------------------------------------------------------------- processes and files


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_while_a_thread_was_busy_is_told_at_once(opened: Opener, analyzer: Any) -> None:
    slow = Slow(analyzer, 3.0)
    memory = filled(opened(analyzer=slow))
    slow.is_slow = True
    adding = threading.Thread(target=memory.add, args=("a slow message",))
    adding.start()
    assert slow.began.wait(10)
    child = os.fork()
    if not child:
        signal.alarm(10)  # where it hangs
        refused = 0
        for act in (lambda: memory.search(QUESTION), lambda: memory.add("from the child"), lambda: len(memory)):
            try:
                act()
            except ZettelError as error:
                refused += "fork" in str(error) or "process" in str(error)
        os._exit(0 if refused == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    adding.join()
    slow.is_slow = False
    is_as_opened(memory, opened)


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved away"])
def test_a_memory_whose_file_is_gone_takes_nothing_in(opened: Opener, tmp_path: Path, how: str) -> None:
    path = tmp_path / "agent.zettel"
    memory = filled(opened())
    if how == "replaced":
        filled(opened("other.zettel"), 3).close()
        os.replace(tmp_path / "other.zettel", path)
    elif how == "deleted":
        path.unlink()
    else:
        path.rename(tmp_path / "elsewhere.zettel")
    for act in (lambda: memory.add("It would be nowhere."), lambda: memory.mark_used(memory.notes()[0].id)):
        with pytest.raises(StoreError, match="agent.zettel") as refused:
            act()
        assert "open" in str(refused.value)


def test_a_memory_beside_a_file_of_another_name_goes_on(opened: Opener, tmp_path: Path) -> None:
    """Reached through a link, or another name, it is the same file."""
    filled(opened()).close()
    (tmp_path / "link.zettel").symlink_to(tmp_path / "agent.zettel")
    memory = opened("link.zettel")
    memory.add("through the link")
    assert len(opened()) == 13


# --------------------------------------------------------------------------- costs


def test_a_search_after_notes_were_used_costs_no_look_at_every_note(opened: Opener) -> None:
    memory = opened(config=Config(exact_below=1_000))
    memory.add_many([f"note {n} speaks of subject {n % 97} and of place {n % 13}" for n in range(3_000)])
    first = memory.notes()[0].id

    def cost(act: Callable[[], object]) -> float:
        times = []
        for _ in range(7):
            act()
            began = time.process_time()
            memory.search("subject 5 at place 3")
            times.append(time.process_time() - began)
        return sorted(times)[3]

    memory.search("subject 5 at place 3")
    quiet = cost(lambda: None)
    used = cost(lambda: memory.mark_used(first))
    assert used < 1.5 * quiet + 0.003, f"{1000 * used:.1f} ms after a use, {1000 * quiet:.1f} ms without"


# -------------------------------------------------------- what invalidates what is held


def test_an_earlier_state_finds_what_is_left_after_an_erasure(opened: Opener) -> None:
    memory = filled(opened())
    view = memory.as_of(memory.head)
    assert len(view.search(QUESTION, 50)) == 12
    memory.forget(view.search(QUESTION, 1)[0].note.id, erase=True)
    hits = view.search(QUESTION, 50)
    assert len(hits) == 11 and len(view.search(QUESTION, 1)) == 1
    assert hits == opened().as_of(view.head).search(QUESTION, 50)


def test_a_note_that_came_again_with_another_text_is_placed_by_its_new_one(opened: Opener) -> None:
    memory, other = filled(opened(), 30), opened()
    other.add("A boat in the harbor of Porto.", id="x")
    memory.search(QUESTION)
    memory.topics()
    memory.mark_used("x")  # it follows, and holds a tree
    memory.add("The harbor is full of boats.", speaker="Ann")
    other.undo(other.log()[1].id, cascade=True)
    other.add("Pottery calms me down, said Melanie.", id="x")
    twin = opened()
    shown(memory)
    for text in ("The bowls of the pottery class dry on the shelf.", "A boat left the harbor.", "Melanie sells bowls."):
        memory.add(text, speaker="Bob")
        commit = memory.log()[-1]
        memory.undo(commit)
        twin.add(text, speaker="Bob")
        assert [c.model_copy(update={"id": ""}) for c in twin.log()[-1].changes if c.type != "link"] == [
            c.model_copy(update={"id": ""}) for c in commit.changes if c.type != "link"
        ] or twin.log()[-1].changes[0].ordinal != commit.changes[0].ordinal
        assert shown(memory) == shown(twin)


def test_a_routed_search_follows_every_addition(opened: Opener) -> None:
    config = Config(exact_below=5)
    memory = filled(opened(config=config))
    for n in range(6):
        memory.search(QUESTION)
        note = memory.add(f"Caroline taught the puppy trick number {n}.")
        assert note.id in {hit.note.id for hit in memory.search(note.text, 50)}
    is_as_opened(memory, opened, config=config)


# ------------------------------------------------------------- what reviews have found


def test_a_full_disk_leaves_nothing_of_what_was_rolled_back(opened: Opener, tmp_path: Path) -> None:
    """SQLite rolls back by itself then: what the store had learned of the commit must go, too."""
    memory = opened()
    memory._store._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreFullError):
        memory.add_many([f"note {n} " + "long words " * 400 for n in range(40)])
    memory._store._db.execute("PRAGMA max_page_count = 100000")
    memory.add("acknowledged")
    with opened() as other:
        assert [note.text for note in other.notes()] == ["acknowledged"]
    is_as_opened(memory, opened)


def test_a_memory_stays_where_it_is_if_the_process_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with registry.open_memory("agent.zettel", embedder="hashing") as memory:
        memory.add("here")
        monkeypatch.chdir(tmp_path / "elsewhere")
        memory.add("and here")
        assert len(memory) == 2


def test_an_earlier_state_checks_the_embedder_too(opened: Opener) -> None:
    filled(opened(), 3).close()
    memory = opened(embedder=None)
    memory._models._embedder = registry.embedder("hashing:96")
    for ask in (memory.search, memory.as_of(1).search):
        with pytest.raises(EmbedderMismatchError, match="made by embedder"):
            ask(QUESTION)


def test_a_half_written_index_goes_with_what_is_erased(opened: Opener, tmp_path: Path) -> None:
    memory = opened()
    note = memory.add("My secret pin is ZEBRA.")
    folder = tmp_path / "agent.zettel.index"
    folder.mkdir()
    (folder / "killed.part").write_text("ZEBRA")
    memory.forget(note.id, erase=True)
    assert not list(folder.iterdir())


def test_topics_remember_no_word_of_what_was_erased(opened: Opener) -> None:
    memory = filled(opened())
    note = memory.add("Quibberdon Castle is where Quibberdon lives.")
    memory.check_derived()  # which has all words counted
    memory.forget(note.id, erase=True)
    counted, _ = memory._derived._state.tree.counted()  # without another look at the head
    assert not [term for term in memory._derived._state.tree._words._notes_with if "quibberdon" in term] and counted


def test_an_embedding_is_made_again_if_another_namespace_erases_it_meanwhile(opened: Opener, tmp_path: Path) -> None:
    source = opened("source.zettel")
    source.add("a secret apple", id="x")
    source.export(tmp_path / "all.jsonl", history=True)
    there, here = opened(namespace="there"), opened(namespace="here")
    there.add("a secret apple", id="x")
    restore, left = SQLiteStore.restore, [1]

    def late(self: Any, *values: Any) -> None:
        if left:
            left.pop()
            there.forget("x", erase=True)
        restore(self, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLiteStore, "restore", late)
        here.load(tmp_path / "all.jsonl")
    assert [hit.note.id for hit in here.search("apple")] == ["x"] and here.verify().ok


def test_what_an_interrupt_leaves_open_ends_with_the_next_call(opened: Opener) -> None:
    """A traceback that is kept, as a notebook does, keeps a transaction open."""
    memory, other = filled(opened(), 3), opened()
    for inside in (memory._store.at_one_head, memory._store.alone):
        kept = inside()
        kept.__enter__()  # and no exit: it was interrupted
        memory._store.head()
        memory.add("after it")
        assert other.head == memory.head
        other.add("by another")
        assert memory.head == other.head
        memory.forget(memory.notes()[-1].id)
        is_as_opened(memory, opened)
        del kept
