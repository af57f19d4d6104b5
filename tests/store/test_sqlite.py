"""What is particular to the SQLite store: its file, and what can happen to files."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from traces import traces

from zettel import codec
from zettel.config import Config
from zettel.errors import (
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
    ZettelError,
)
from zettel.memory import Memory
from zettel.model import NoteChange, Source, TopicChange
from zettel.store._sqlite_file import APPLICATION_ID, MIGRATIONS
from zettel.store.sqlite import SQLiteStore, open_store
from zettel.testing.agreement import agree, small
from zettel.testing.journal_world import World


def opened(path: Path | str, namespace: str = "default", *, read_only: bool = False, wait_s: float = 5) -> SQLiteStore:
    return open_store(str(path), namespace=namespace, read_only=read_only, config=Config(busy_timeout_s=wait_s))


def append(store: SQLiteStore, world: World, cause: Any = "add") -> None:
    world.accept(store.append(world.draft(cause), world.head))


def filled(path: Path, n_notes: int = 150) -> World:
    """A closed file with notes in topics, links and revisions, several pages of each."""
    world = World()
    with closing(opened(path)) as store:
        for n in range(n_notes):
            world.add(f"n{n}", text=f"note {n} " + "word " * (n % 60), context=f"context {n}")
            if n % 10 == 0:
                world.grow(n + 1, number=n // 10 + 1)
                world.grow(n + 2, parent=n + 1, name=f"topic {n} " * 10)
            world.place(f"n{n}", n - n % 10 + 2)
            if n:
                world.link(f"n{n}", f"n{n - 1}", "next")
            if n % 5 == 4:
                world.revise(f"n{n - 2}", keywords=[f"keyword{n}"] * 5, trigger=f"n{n}")
                append(store, world)
    return world


def run(script: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """A Python script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


# ------------------------------------------------------------------ migrations


def test_a_new_file_is_marked_as_ours_and_set_to_be_safe(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "a.zettel")) as store:
        assert store._one("PRAGMA application_id") == (APPLICATION_ID,)
        assert store._one("PRAGMA user_version") == (len(MIGRATIONS),)
        assert store._one("PRAGMA journal_mode") == ("wal",)
        assert store._one("PRAGMA synchronous") == (2,)
        assert store._one("PRAGMA secure_delete") == (1,)
    assert (tmp_path / "a.zettel").read_bytes()[68:72] == b"ZETL"


def test_an_empty_file_becomes_a_memory(tmp_path: Path) -> None:
    (tmp_path / "a.zettel").touch()
    with closing(opened(tmp_path / "a.zettel")) as store:
        assert store.head() == 0


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("version", [0, 1, 99])
def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path, read_only: bool, version: int) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (id, text)")
        db.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(StoreDamagedError, match="another program"):
        opened(path, read_only=read_only)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_from_the_future_is_refused_and_left_as_it_is(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "a.zettel"
    filled(path, 10)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match=r"version 7.*upgrade"):
        opened(path, read_only=read_only)
    assert path.read_bytes() == before


def test_an_older_file_is_not_migrated_for_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("CREATE TABLE meta (key)")
    with pytest.raises(StoreVersionError, match="open it once for writing"):
        opened(path, read_only=True)


def test_a_migration_that_fails_leaves_the_file_at_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)

    def half(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE more (x)")
        db.execute("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr("zettel.store._sqlite_file.MIGRATIONS", (*MIGRATIONS, half))
    with pytest.raises(StoreError):
        opened(path)
    monkeypatch.undo()
    with closing(opened(path)) as store:
        assert store._one("PRAGMA user_version") == (len(MIGRATIONS),)
        assert store._one("SELECT count(*) FROM sqlite_master WHERE name = 'more'") == (0,)
        assert store.head() == world.head


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A file of version 1."""
    path = tmp_path / "v1.zettel"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((Path(__file__).parent / "v1.sql").read_text())
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    return path


def life_of_v1(store: SQLiteStore) -> World:
    """What was done to that file when it was made."""
    world, commits = World(), store.commits()
    world.add("a")
    world.add("b", derived_from=["a"])
    world.link("a", "b")
    world.accept(next(commits))
    world.revise("a", trigger="b", context="x", tags=["t"])
    world.use("b")
    world.accept(next(commits))
    world.add("c", text="gone")
    world.accept(next(commits))
    world.erase("c")
    world.accept(next(commits))
    world.do(*world.ledger.undo("2.1"))
    world.accept(next(commits))
    return world


def schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(name, " ".join(sql.split())) for name, sql in rows}


def test_step_1_makes_what_it_always_made(v1: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.zettel")) as db:
        MIGRATIONS[0](db)
    assert schema(tmp_path / "new.zettel") == schema(v1)


def test_a_file_of_version_1_is_brought_up_to_date_when_opened_for_writing(v1: Path) -> None:
    before = v1.read_bytes()
    with pytest.raises(StoreVersionError, match="open it once for writing"):
        opened(v1, read_only=True)
    assert v1.read_bytes() == before
    with closing(opened(v1)) as store:
        world = life_of_v1(store)
        assert store.head() == world.head == 5 and list(store.commits()) == world.commits
        assert [(note.id, note.context, note.address) for note in store.notes()] == [("a", "", ""), ("b", "", "")]
        assert [link.key for link in store.links()] == [("a", "b", "similar")] and store.erased() == {"c"}
        assert (store.topics(), store.places(), store.last_topic()) == ({}, {}, 0)
        assert store.fingerprint() == "hashing/64/1" and store.check() == []
        world.grow(1)
        world.place("b", 1)
        world.revise("a", trigger="b", context="y")
        append(store, world)
        assert store.rewrites(["a", "b"], "2025-03-06") == {"a": 1}
    with closing(opened(v1, read_only=True)) as store:
        assert list(store.commits()) == world.commits
        assert [note.address for note in store.notes()] == ["", "1"]
    with closing(opened(v1.with_name("new.zettel"))):
        assert schema(v1) == schema(v1.with_name("new.zettel"))


def test_payloads_of_version_1_are_left_as_they_are(v1: Path) -> None:
    def payloads() -> list[bytes]:
        with closing(sqlite3.connect(v1)) as db:
            return [row[0] for row in db.execute("SELECT payload FROM commits ORDER BY id")]

    old = payloads()
    with closing(opened(v1)) as store:
        world = life_of_v1(store)
        world.use("a")
        append(store, world)
    assert payloads()[:-1] == old and {payload[0] for payload in old} == {1} and payloads()[-1][0] == codec.VERSION


def test_processes_that_make_the_file_at_the_same_time_all_succeed(tmp_path: Path) -> None:
    # One process forks the others, so that they begin together and not when Python has started up.
    done = run(
        """
        import os, sys, time
        from zettel.config import Config
        from zettel.store import _sqlite_file, sqlite
        steps = _sqlite_file.MIGRATIONS
        failed = 0
        for round in range(25):
            path, start, children = f"{sys.argv[1]}/{round}.zettel", time.monotonic() + 0.02, []
            def logged(db):
                steps[0](db)
                os.write(log, b"x")
            log = os.open(path + ".log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            _sqlite_file.MIGRATIONS = (logged, *steps[1:])
            for _ in range(6):
                if not (child := os.fork()):
                    try:
                        while time.monotonic() < start: pass
                        config = Config(busy_timeout_s=10)
                        store = sqlite.open_store(path, namespace="x", read_only=False, config=config)
                        store.set_fingerprint("f")
                        store.close()
                        os._exit(0)
                    except BaseException as error:
                        print(repr(error), file=sys.stderr, flush=True)
                        os._exit(1)
                children.append(child)
            failed += sum(os.waitpid(child, 0)[1] != 0 for child in children)
            assert os.path.getsize(path + ".log") == 1, "migrated more than once"
        sys.exit(bool(failed))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_switch_to_wal_that_sqlite_gives_up_at_once_is_tried_again(tmp_path: Path) -> None:
    # What happens to one of two processes that make a file together; the test above meets it only now and then.
    class Busy:
        tries = 0

        def execute(self, _: str) -> None:
            Busy.tries += 1
            if Busy.tries < 3:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

    with closing(opened(tmp_path / "a.zettel", wait_s=0.1)) as store:
        store._db, real = Busy(), store._db  # type: ignore[assignment]
        store._use_wal()
        assert Busy.tries == 3
        Busy.tries = -1_000_000
        with pytest.raises(sqlite3.OperationalError):
            store._use_wal()
        store._db = real


# --------------------------------------------------------------------- damage


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    for content in (b"\0" * 8192, b"\0" * 100, b"hello, I am a text file\n" * 300, b"x", os.urandom(10_000)):
        path.write_bytes(content)
        for read_only in (False, True):
            with pytest.raises(StoreDamagedError):
                opened(path, read_only=read_only)
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    "address", ["", ".", "/", "nowhere/a.zettel", "nul\0.zettel", "x" * 300], ids=lambda a: repr(a[:20])
)
@pytest.mark.parametrize("read_only", [False, True])
def test_an_address_that_can_be_no_file_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, read_only: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        opened(address, read_only=read_only)
    assert not list(tmp_path.iterdir())


def test_an_odd_name_is_a_name(tmp_path: Path) -> None:
    for name in ("a?mode=memory.zettel", "a#b.zettel", "ä %20.zettel", "file:x.zettel"):
        world = filled(tmp_path / name, 5)
        with closing(opened(tmp_path / name, read_only=True)) as store:
            assert store.head() == world.head
        assert (tmp_path / name).exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, World]:
    """The bytes of a file, and what is in it."""
    path = tmp_path_factory.mktemp("whole") / "a.zettel"
    world = filled(path)
    return path.read_bytes(), world


def read_all(path: Path, *, read_only: bool) -> tuple[Any, ...]:
    """Everything in a file; its last item is what the store finds wrong with it itself."""
    with closing(opened(path, read_only=read_only)) as store:
        problems = store.check()
        try:
            found = (
                list(store.commits()), store.notes(), store.links(), store.arrived(range(200)), store.erased(),
                list(store.commits_of("n3")), store.tail("c", "s", 3), store.known(["n3"]), store.last_ordinal(),
                sorted(store.passages([f"key note {n} " + "word " * (n % 60) for n in range(150)])),
                store.topics(), store.places(), store.last_topic(), store.rewrites(["n3", "n13"], "2025-03-09"),
            )  # fmt: skip
        except StoreDamagedError:
            return ("damaged", problems)
        return (found, problems)


def is_well(path: Path) -> bool:
    """Whether SQLite itself sees nothing wrong."""
    try:
        with closing(sqlite3.connect(path)) as db:
            return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except sqlite3.Error:
        return False


def remove_what_lies_beside(path: Path) -> None:
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


def check_damage(path: Path, sound: Any) -> str:
    """Read a damaged file: an error of ours, a reported problem, or the truth; a lie only where SQLite sees none."""
    well = is_well(shutil.copy(path, path.with_name("copy")))
    outcomes = set()
    for read_only in (True, False):
        try:
            found, problems = read_all(path, read_only=read_only)
        except (StoreDamagedError, StoreVersionError):
            outcomes.add("refused")
            continue
        assert well or problems
        outcomes.add(
            "reported" if problems else "unharmed" if found == sound else "damaged" if found == "damaged" else ""
        )
    return "/".join(sorted(outcomes))


def test_a_truncated_file_is_never_read_as_if_it_were_whole(tmp_path: Path, whole: tuple[bytes, World]) -> None:
    data, world = whole
    path = tmp_path / "a.zettel"
    path.write_bytes(data)
    sound = read_all(path, read_only=True)
    assert sound[0][0] == world.commits and sound[1] == []
    cuts = {1, 50, 99, 100, 101, 512, 4095, 4096, 4097, 8192, len(data) // 2, len(data) - 4096, len(data) - 1}
    for size in sorted(cuts):
        path.write_bytes(data[:size])
        # Of the last page, one byte may be no loss; whatever else is missing is noticed.
        expected = {"refused", "reported", "refused/reported"} | ({"unharmed"} if size == len(data) - 1 else set())
        assert check_damage(path, sound[0]) in expected, size
        remove_what_lies_beside(path)


def test_random_garbage_is_an_error_of_ours_or_a_problem(tmp_path: Path, whole: tuple[bytes, World]) -> None:
    data, _ = whole
    path = tmp_path / "a.zettel"
    path.write_bytes(data)
    sound = read_all(path, read_only=True)
    chance = random.Random(7)
    outcomes = []
    for _ in range(60):
        length = chance.choice([1, 8, 100, 4096, 20_000])
        start = chance.randrange(len(data) - length)
        path.write_bytes(data[:start] + chance.randbytes(length) + data[start + length :])
        outcomes.append(check_damage(path, sound[0]))
        remove_what_lies_beside(path)
    assert outcomes.count("refused") + outcomes.count("reported") > 20


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE notes SET fields = '{]' WHERE ordinal = 3",
        'UPDATE notes SET fields = \'{"colour": 1, "keywords": 7}\' WHERE ordinal = 3',
        "UPDATE notes SET time = 'yesterday' WHERE ordinal = 3",
        "UPDATE notes SET sources = '[7]' WHERE ordinal = 3",
        "UPDATE notes SET text = CAST(x'fffe' AS TEXT) WHERE ordinal = 3",
        "UPDATE commits SET at = 'x'",
        "UPDATE commits SET payload = x'01' WHERE id = 2",
        "UPDATE commits SET payload = 7 WHERE id = 2",
        "UPDATE links SET source = 9999 WHERE source = 3",
        "UPDATE vectors SET spans = '[[0]]'",
        "UPDATE vectors SET data = x'00'",
        "UPDATE notes SET topic = 9999 WHERE ordinal = 3",
        "UPDATE topics SET parent = 9999 WHERE id = 2",
        "UPDATE topics SET parent = id WHERE id = 1",
        "DROP TABLE commits",
    ],
)
def test_rows_that_make_no_sense_are_damage(tmp_path: Path, whole: tuple[bytes, World], damage: str) -> None:
    path = tmp_path / "a.zettel"
    path.write_bytes(whole[0])
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()
    try:
        found, _ = read_all(path, read_only=True)
    except StoreDamagedError:
        found = "damaged"
    assert found == "damaged"


# ---------------------------------------------------------------- other processes


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[[Path, float], None]]:
    """Lets another process hold the write lock of a file for so many seconds; returns when it has it."""
    processes: list[subprocess.Popen[str]] = []

    def hold(path: Path, seconds: float) -> None:
        script = (
            "import sqlite3, sys, time; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "db.execute('BEGIN EXCLUSIVE'); print('held', flush=True); time.sleep(float(sys.argv[2]))"
        )
        command = [sys.executable, "-S", "-c", script, str(path), str(seconds)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout and processes[-1].stdout.readline() == "held\n"

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_a_held_file_is_waited_for(tmp_path: Path, holder: Callable[[Path, float], None]) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(opened(path, wait_s=20)) as store:
        world.use("n1")
        holder(path, 0.4)
        append(store, world, "use")
        assert store.head() == world.head


def test_a_file_held_for_too_long_is_an_error_in_time(tmp_path: Path, holder: Callable[[Path, float], None]) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    holder(path, 30)
    with closing(opened(path, wait_s=0.5)) as store:  # opening only reads
        assert len(store.notes()) == 10
        world.add("late")
        start = time.monotonic()
        with pytest.raises(StoreLockedError, match="busy_timeout_s"):
            store.append(world.draft(), world.head)
        assert 0.4 < time.monotonic() - start < 3
        assert store.head() == world.head and len(store.notes()) == 10


def test_a_new_file_that_another_holds_is_an_error_in_time(
    tmp_path: Path, holder: Callable[[Path, float], None]
) -> None:
    holder(tmp_path / "a.zettel", 30)
    start = time.monotonic()
    with pytest.raises(StoreLockedError):
        opened(tmp_path / "a.zettel", wait_s=0.3)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("read", ["links", "commits_of", "commits", "links of"])
def test_a_commit_that_lands_in_the_middle_of_a_read_does_no_harm(tmp_path: Path, read: str) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(opened(path)) as reader, closing(opened(path)) as writer:
        learn = reader._sync_ids

        def learn_and_be_overtaken() -> None:
            learn()
            reader._sync_ids = learn  # type: ignore[method-assign]
            world.add("new", derived_from=["n1"])
            world.link("n1", "new")
            append(writer, world)

        reader._sync_ids = learn_and_be_overtaken  # type: ignore[method-assign]
        match read:
            case "links":
                assert len(reader.links()) in (9, 10)
            case "links of":
                assert len(reader.links(["n1"])) in (2, 3)
            case "commits_of":
                assert len(list(reader.commits_of("n1"))) in (1, 2)
            case "commits":
                assert len(list(reader.commits())) in (2, 3)
        assert {note.id for note in reader.notes()} == set(world.now.notes)


def test_notes_that_come_and_go_between_two_looks_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(opened(path)) as reader, closing(opened(path)) as writer:
        assert reader.last_ordinal() == 10
        for name in ("x", "y", "z"):
            world.add(name)
            append(writer, world)
        world.erase("y")
        append(writer, world, "forget")
        assert list(reader.commits()) == world.commits
        assert reader.last_ordinal() == 13


# --------------------------------------------------------------------- addresses


def queries(store: SQLiteStore, ask: Callable[[], object]) -> list[str]:
    """The statements that are executed meanwhile."""
    found: list[str] = []
    store._db.set_trace_callback(found.append)
    ask()
    store._db.set_trace_callback(None)
    return found


def addresses(store: SQLiteStore) -> list[str]:
    return [note.address for note in store.notes()]


def test_topics_are_read_once_and_followed_through_ones_own_commits(tmp_path: Path) -> None:
    world = filled(tmp_path / "a.zettel", 20)
    with closing(opened(tmp_path / "a.zettel")) as store:
        assert addresses(store) == ["1.1"] * 10 + ["2.1"] * 10
        assert not any("FROM topics" in q for q in queries(store, store.notes))
        world.grow(1, number=7)
        world.place("n3", 12)
        append(store, world)
        world.place("n19", None)
        world.grow(13, parent=11, number=2)
        append(store, world)
        world.remove_topic(13)
        append(store, world)
        expected = ["7.1"] * 3 + ["2.1"] + ["7.1"] * 6 + ["2.1"] * 9 + [""]
        assert not any("FROM topics" in q for q in queries(store, lambda: expected == addresses(store) or 1 / 0))
        assert store.topics().keys() == {1, 2, 11, 12} == world.now.topics.keys() and store.last_topic() == 13
        for number in range(world.head, 4, -1):
            world.take_back(number)
            append(store, world, "undo")
    assert world.now.topics.keys() == {1, 2, 11, 12}


def test_a_caller_may_do_what_he_likes_with_the_topics_he_was_given(tmp_path: Path) -> None:
    filled(tmp_path / "a.zettel", 10)
    with closing(opened(tmp_path / "a.zettel")) as store:
        store.topics().clear()
        store.places().clear()
        assert addresses(store) == ["1.1"] * 10 and len(store.topics()) == 2 and len(store.places()) == 10


def test_a_commit_that_fails_leaves_the_topics_known_as_they_are(tmp_path: Path) -> None:
    world = filled(tmp_path / "a.zettel", 10)
    with closing(opened(tmp_path / "a.zettel")) as store:
        assert addresses(store) == ["1.1"] * 10
        world.grow(1, number=7)
        orphan = TopicChange(id="", topic_id=50, after={"parent": 99, "number": 1, "name": "x", "named_at": 1})
        with pytest.raises(StoreDamagedError):
            store.append(replace(world.draft(), changes=(*world.draft().changes, orphan)), world.head)
        assert addresses(store) == ["1.1"] * 10
        append(store, world)
        assert addresses(store) == ["7.1"] * 10


def test_commits_that_are_taken_back_together_leave_the_topics_known_as_they_are(tmp_path: Path) -> None:
    world = filled(tmp_path / "a.zettel", 10)
    with closing(opened(tmp_path / "a.zettel")) as store:
        assert addresses(store) == ["1.1"] * 10
        world.grow(1, number=7)

        def break_off() -> None:
            with store.alone():
                store.append(world.draft(), world.head)
                assert addresses(store) == ["7.1"] * 10
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            break_off()
        assert addresses(store) == ["1.1"] * 10
        append(store, world)
        assert addresses(store) == ["7.1"] * 10


def test_at_one_head_has_one_tree(tmp_path: Path) -> None:
    world = filled(tmp_path / "a.zettel", 10)
    with closing(opened(tmp_path / "a.zettel")) as reader, closing(opened(tmp_path / "a.zettel")) as writer:
        with reader.at_one_head():
            topics = reader.topics()
            world.grow(1, number=7)
            world.place("n0", None)
            append(writer, world)
            assert addresses(reader) == ["1.1"] * 10 and reader.topics() == topics and reader.places()["n0"] == 2
            with reader.at_one_head():
                assert addresses(reader) == ["1.1"] * 10
        assert addresses(reader) == ["", *["7.1"] * 9] and reader.topics()[1].number == 7


def test_notes_are_read_with_the_topics_of_their_moment(tmp_path: Path) -> None:
    world = filled(tmp_path / "a.zettel", 10)
    with closing(opened(tmp_path / "a.zettel")) as reader, closing(opened(tmp_path / "a.zettel")) as writer:
        look = reader._topics_at

        def look_and_be_overtaken(head: int) -> Any:
            found = look(head)
            reader._topics_at = look  # type: ignore[method-assign]
            world.grow(50, number=50)
            world.place("n0", 50)
            append(writer, world)
            return found

        reader._topics_at = look_and_be_overtaken  # type: ignore[method-assign]
        assert addresses(reader) == ["1.1"] * 10
        assert addresses(reader) == ["50", *["1.1"] * 9]


# ------------------------------------------------------------------------- full


def test_a_full_database_refuses_a_commit_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(opened(path)) as store:
        store._one(f"PRAGMA max_page_count = {store._one('PRAGMA page_count')[0] + 2}")
        world.add("big", text="word " * 50_000)
        with pytest.raises(StoreFullError, match="nothing of this commit"):
            store.append(world.draft(), world.head)
        assert store.head() == world.head and len(store.notes()) == 10 and store.check() == []
        store._one("PRAGMA max_page_count = 1000000")
        append(store, world)
    with closing(opened(path)) as store:
        assert list(store.commits()) == world.commits


FILL = """
    import resource, sys, signal
    sys.path.insert(0, sys.argv[2])
    from contextlib import closing
    from zettel.testing.journal_world import World
    from zettel.config import Config
    from zettel.errors import StoreError, StoreFullError
    from zettel.store.sqlite import open_store
    path, limit = sys.argv[1], sys.argv[3]
    if limit == "file size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    world, refused = World(), None
    with closing(open_store(path, namespace="x", read_only=False, config=Config(busy_timeout_s=5))) as store:
        for n in range(400):
            world.add(f"n{n}", text=f"{n} " + "word " * 800)
            try:
                world.accept(store.append(world.draft("add"), world.head))
            except StoreError as error:
                refused = error
                break
        assert refused is not None, "there was room for all"
        if limit != "file size":
            assert isinstance(refused, StoreFullError), repr(refused)
        world.drop()
        assert store.head() == world.head > 5
        assert list(store.commits()) == world.commits
        assert store.check() == []
    if limit == "file size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with closing(open_store(path, namespace="x", read_only=False, config=Config())) as store:
        assert list(store.commits()) == world.commits
        assert [n.id for n in store.notes()] == [f"n{n}" for n in range(world.head)]
        assert store.check() == []
    print(world.head, type(refused).__name__)
"""
HELPERS = Path(__file__).parent.parent / "helpers"


def test_a_limit_on_file_sizes_loses_nothing(tmp_path: Path) -> None:
    done = run(FILL, tmp_path / "a.zettel", HELPERS, "file size")
    assert done.returncode == 0, done.stderr


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    mounted = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1500k none "$0" && exec "$@"', str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small disk can't be mounted here (it takes root, and a mount namespace)")
    script = [sys.executable, "-c", textwrap.dedent(FILL), str(tmp_path / "a.zettel"), str(HELPERS), "disk"]
    done = subprocess.run([*mounted, *script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


# -------------------------------------------------------------------- read-only


def test_files_and_folders_that_can_not_be_written(tmp_path: Path) -> None:
    # Root may write everywhere, so all this happens in a process that has stopped being root.
    folder = tmp_path / "shelf"
    folder.mkdir()
    filled(folder / "a.zettel", 10)
    filled(folder / "open.zettel", 10)
    for above in [folder, *folder.parents]:
        if above == Path("/tmp") or above == Path("/"):
            break
        above.chmod(0o755)
    done = run(
        """
        import os, stat, sys
        from contextlib import closing
        from zettel.config import Config
        from zettel.errors import ReadOnlyError, StoreError
        from zettel.model import Use
        from zettel.protocols import Draft
        from zettel.store.sqlite import open_store
        def opened(name, read_only):
            path = f"{sys.argv[1]}/{name}"
            return closing(open_store(path, namespace="default", read_only=read_only, config=Config(busy_timeout_s=2)))
        use = Draft("use", (Use(id="", note_id="n1"),))
        def refused(name):
            try:
                with opened(name, False) as store:
                    store.append(use, 2)
            except ReadOnlyError as error:
                assert "read_only=True" in str(error), error
                return True
        os.chmod(f"{sys.argv[1]}/a.zettel", 0o444)
        os.chmod(sys.argv[1], 0o555)
        if os.getuid() == 0:
            os.setuid(65534)
        assert not os.access(sys.argv[1], os.W_OK)
        before = sorted(os.listdir(sys.argv[1]))
        assert refused("a.zettel"), "written in spite of all"
        with opened("a.zettel", True) as store:
            assert len(store.notes()) == 10 and store.head() == 2
        try:
            opened("new.zettel", False)
        except StoreError as error:
            assert "new.zettel" in str(error)
        else:
            sys.exit("made in spite of all")
        assert sorted(os.listdir(sys.argv[1])) == before
        """,
        folder,
    )
    folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    with closing(opened(folder / "a.zettel", read_only=True)) as store:
        assert store.head() == 2


def test_reading_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    before, times = path.read_bytes(), path.stat().st_mtime_ns
    with closing(opened(path, read_only=True)) as store:
        assert list(store.commits()) == world.commits and store.check() == []
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, times)


def test_a_memory_that_is_being_written_can_be_read_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(opened(path)) as writer, closing(opened(path, read_only=True)) as reader:
        for _ in range(3):
            world.use("n1")
            append(writer, world, "use")
            assert reader.head() == world.head


# ----------------------------------------------------------------------- erasing


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_an_erased_note_is_left(tmp_path: Path, seed: int) -> None:
    """Notes from a few bytes to several pages, erased at random among other changes that move things about."""
    chance, path, world = random.Random(seed), tmp_path / "a.zettel", World()
    names = count()
    gone: list[str] = []
    with closing(opened(path)) as store, closing(opened(path)) as idle:
        for _ in range(60):
            for _ in range(chance.randint(1, 4)):
                n = next(names)
                word = f"zq{n:05}secret"
                size = chance.choice([1, 1, 3, 40, 300, 900])
                world.add(
                    f"n{n}", text=f"{word}ä " * size, context=f"ctx-{word}", keywords=[word] * chance.choice([1, 200])
                )
                topic = n - n % 3 + 1
                world.grow(topic, number=topic, name=f"of {word} " * chance.choice([1, 100]))
                world.place(f"n{n}", topic)
            for note in chance.sample(sorted(world.now.notes), 1):
                word = f"zq{note[1:]:>05}secret"
                world.revise(note, context=f"again {word}" * chance.choice([1, 400]))
                world.link(note, chance.choice(sorted(world.now.notes)), "causes")
            append(store, world)
            assert idle.head() == world.head
            if chance.random() < 0.5:
                note = chance.choice(sorted(world.now.notes))
                gone.append(f"zq{note[1:]:>05}secret")
                changes = (c for commit in world.commits for c in commit.changes if isinstance(c, TopicChange))
                told = {str(side["name"]) for c in changes for side in (c.before, c.after) if side}
                world.erase(note, {name for name in told if gone[-1] in name})
                append(store, world, "forget")
                assert not traces(path, [gone[-1]])
        assert len(gone) > 15 and not traces(path, gone)
        assert list(store.commits()) == world.commits
    kept = [f"zq{note[1:]:>05}secret" for note in world.now.notes]
    assert not traces(path, gone) and set(traces(path, kept)) == set(kept)  # else the search itself is at fault


def test_no_row_speaks_of_an_erased_note_but_its_tombstone(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 20)
    with closing(opened(path)) as store:
        world.revise("n3", trigger="n9", context="x")
        world.revise("n9", trigger="n3", context="x")
        append(store, world)
        tables = [row[0] for row in store._db.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%ordinal INT%'")]

        def speaking() -> set[str]:
            return {t for t in tables if store._db.execute(f"SELECT 1 FROM {t} WHERE ordinal = 4").fetchone()}

        assert speaking() == {"notes", "touches", "rewrites"}
        world.erase("n3")
        append(store, world, "forget")
        assert speaking() == {"erased", "touches"}
        assert store.rewrites(["n9"], "arrivals 0+") == {} == store.rewrites(["n9"], "2025-03-08")


def test_nothing_of_an_erased_note_is_left_in_what_others_quoted(opened_memory: Memory, tmp_path: Path) -> None:
    memory = opened_memory
    said = [
        ("Idris", "Did you feed the xylophonist's ferrets in Ouagadougou?"),
        ("Maren", "Yes, twice, and they bit me."),
        ("Idris", "They always do. Take gloves."),
    ]
    sources = [Source(conversation_id="c", session_id="s", message_id=f"m{n}") for n in range(3)]
    notes = [memory.add(t, speaker=s, source=x, tags=["ours"]) for (s, t), x in zip(said, sources, strict=True)]
    assert "xylophonist" in memory.get(notes[1].id).context
    memory.update(notes[1].id, keywords=["gloves"])
    memory.update(notes[2].id, context="nothing to do with it")
    memory.search("xylophonist ferrets")
    memory.forget(notes[0].id, erase=True)
    path = tmp_path / "agent.zettel"
    assert not traces(path, ["xylophonist", "ferrets", "ouagadougou"])
    other = memory.get(notes[1].id)
    assert other.text == said[1][1] and other.keywords == ("gloves",)
    assert "ours" in other.tags  # somebody gave it that tag
    assert memory.get(notes[2].id).context == "nothing to do with it"
    assert memory.verify().ok, memory.verify().problems
    memory.close()
    assert not traces(path, ["xylophonist", "ferrets", "ouagadougou"])


def test_what_quoted_an_erased_note_is_clean_when_it_comes_back(opened_memory: Memory, tmp_path: Path) -> None:
    memory = opened_memory
    source = Source(conversation_id="c", session_id="s")
    first = memory.add("The xylophonist sang.", speaker="Idris", source=source)
    second = memory.add("I heard him.", speaker="Maren", source=source)
    undone = memory.undo(2)
    assert "xylophonist" not in [n.context for n in memory.notes()]
    memory.forget(first.id, erase=True)
    assert not traces(tmp_path / "agent.zettel", ["xylophonist"])
    memory.undo(undone.id)
    back = memory.get(second.id)
    assert (back.text, back.context) == ("I heard him.", "") and back.keywords == second.keywords
    assert memory.verify().ok, memory.verify().problems


def test_a_quotation_that_somebody_left_in_when_changing_the_rest_goes_too(
    opened_memory: Memory, tmp_path: Path
) -> None:
    memory = opened_memory
    source = Source(conversation_id="c", session_id="s")
    first = memory.add("The xylophonist sang of Ouagadougou.", speaker="Idris", source=source)
    second = memory.add("I heard him.", speaker="Maren", source=source)
    memory.update(second.id, context=f"{second.context} In the rain.", keywords=["rain"])
    memory.update(second.id, context="Only of rain.")
    memory.undo(memory.head)
    memory.forget(first.id, erase=True)
    assert not traces(tmp_path / "agent.zettel", ["xylophonist", "ouagadougou"])
    assert memory.get(second.id).keywords == ("rain",) and memory.verify().ok


@pytest.fixture
def opened_memory(opened: Callable[..., Memory]) -> Memory:  # the fixture of conftest
    return opened("agent.zettel")


def test_a_reader_in_the_way_is_told_and_the_erasure_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.zettel"
    world = filled(path, 10)
    with closing(sqlite3.connect(path, isolation_level=None)) as reading, closing(opened(path, wait_s=0.3)) as store:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM notes").fetchone()
        world.erase("n3")
        with pytest.raises(StoreError, match="the note is erased, but") as caught:
            store.append(world.draft("forget"), world.head)
        assert not isinstance(caught.value, StoreLockedError)  # which would promise that nothing was written
        assert store.erased() == {"n3"} and store.head() == world.head + 1
        reading.execute("COMMIT")
    assert not traces(path, ["note 3 "])


def test_threads_may_take_turns(tmp_path: Path) -> None:
    store, errors = opened(tmp_path / "a.zettel"), []

    def read() -> None:
        try:
            store.head()
        except ZettelError as error:
            errors.append(error)

    with closing(store):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert not errors


# -------------------------------------------------------------------- writing


def test_a_note_may_come_as_another_one_of_its_id_goes(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "a.zettel")) as store:
        world = small(store)
        world.unlink("a", "b")
        world.unlink("c", "a", "causes")
        world.do(NoteChange(id="", note_id="a", ordinal=1, before=world.now.notes["a"][1]))
        world.add("a", text="again")
        world.link("a", "b")
        world.link("c", "a", "similar")
        append(store, world)
        agree(store, world)
        assert store._db.execute("SELECT source, target FROM links").fetchall() == [(4, 2), (3, 4)]


def test_a_commit_of_many_notes_takes_few_statements(tmp_path: Path) -> None:
    said: list[str] = []
    with closing(opened(tmp_path / "a.zettel")) as store:
        world, counts = World(), []
        for size in (1, 40):
            before = len(world.rows)
            for n in range(before, before + size):
                world.add(f"n{n}")
                world.grow(n + 1, number=n + 1)
                world.place(f"n{n}", n + 1)
                world.link(f"n{n}", f"n{max(n - 1, 0)}")
            world.revise("n0", trigger=f"n{before}", context=f"{size}")
            said.clear()
            store._db.set_trace_callback(lambda statement: said.append(" ".join(statement.split()[:3])))
            append(store, world)
            store._db.set_trace_callback(None)
            counts.append(sum(statement.startswith("SELECT") for statement in said))
        assert counts[0] == counts[1], "what is read does not grow with the notes"
