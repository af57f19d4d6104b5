"""What is exported comes back: round trips of random memories, with and without their history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zettel import Message, registry
from zettel import export as exports
from zettel.config import Config
from zettel.errors import ConflictError, InputError, ZettelError
from zettel.memory import Memory
from zettel.model import Commit, LinkChange, Note, link_fields
from zettel.protocols import Analyzer, Draft, Passages, TopicRow
from zettel.store.sqlite import open_store
from zettel.testing.journal_world import World

ALL = ("active", "superseded", "archived", "quarantined")
EVIDENCE = {"terms": ["new"], "cosine": 0.25, "quote": ""}
QUICK = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

TEXTS = st.sampled_from(
    ["Where is Max?", "In the garden.", "yes", "naïve “café” \u2028 👩‍👩‍👧 \0 \r\n", "I like tea.", "word " * 400]
)
PICK = st.integers(0, 30)
MESSAGES = st.builds(
    Message,
    text=TEXTS,
    speaker=st.sampled_from([None, "Ann", "Bob"]),
    time=st.sampled_from([None, "2023", "2023-05-08", "2023-05-08T13:56:07.123456+02:00", "1850-01-01"]),
    conversation_id=st.sampled_from([None, "c", "c"]),
    session_id=st.sampled_from([None, "s"]),
    message_id=st.sampled_from([None, "m1", "m2", "m3", "m4"]),
    metadata=st.sampled_from([{}, {"a": [1, 2.5, None, {"b": "ü"}]}]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(MESSAGES, min_size=1, max_size=3)),
        st.tuples(st.just("add"), st.lists(MESSAGES, min_size=1, max_size=3)),
        st.tuples(st.just("update"), PICK, st.sampled_from([
            {"trust": 0.25}, {"keywords": ("tea",)}, {"metadata": {"x": "y"}}, {"status": "superseded"},
            {"valid_until": "2024-01"}, {"valid_until": None}, {"context": "Said in passing."},
        ])),
        st.tuples(st.just("forget"), PICK, st.booleans()),
        st.tuples(st.just("use"), PICK),
        st.tuples(st.just("link"), PICK, PICK, st.sampled_from(["similar", "causes"]), st.booleans()),
        st.tuples(st.just("undo"), PICK),
    ),
    min_size=1, max_size=10,
)  # fmt: skip


@contextmanager
def memories(analyzer: Analyzer, *names: str) -> Iterator[list[Any]]:
    """Memories by these names, each in a file of its own, and the folder they are in."""
    with TemporaryDirectory() as folder:
        found = [
            registry.open_memory(Path(folder, name), embedder="hashing:64", analyzer=analyzer, timezone="Europe/Berlin")
            for name in names
        ]
        try:
            yield [*found, Path(folder)]
        finally:
            for memory in found:
                memory.close()


@contextmanager
def suppress_refusal(reason: str) -> Iterator[None]:
    """Pass over a refusal, if it is for this reason."""
    try:
        yield
    except InputError as error:
        if reason not in str(error):
            raise


def live(memory: Memory, steps: list[tuple[Any, ...]]) -> None:
    """Let a memory live through random steps; one that can't be done is passed over."""
    for step, *what in steps:
        notes = memory.notes(status=ALL)
        note = notes[what[0] % len(notes)] if notes and isinstance(what[0], int) else None
        match step:
            case "add":
                with suppress_refusal("erased"):
                    memory.add_many(what[0])
            case "undo" if memory.head:
                with suppress_refusal("undone"):
                    memory.undo(what[0] % memory.head + 1, cascade=True)
            case "update" if note:
                memory.update(note.id, **what[1])
            case "forget" if note:
                memory.forget(note.id, erase=what[1])
            case "use" if note:
                memory.mark_used(note.id)
            case "link" if note:
                link(memory, note, notes[what[1] % len(notes)], what[2], remove=what[3])


def link(memory: Memory, a: Note, b: Note, kind: Any, *, remove: bool = False) -> None:
    """Journal a link, as those who will make links do: through a draft."""
    store = memory._store
    assert store is not None
    if a.id == b.id:
        return
    there = {k.key: link_fields(k) for k in store.links()}
    before = there.get((a.id, b.id, kind))
    weight = 0.5 if before is None else 0.75
    values = {"weight": weight, "reason": "both “new”", "created_by": "test", "evidence": EVIDENCE}
    after = None if remove else values
    if before != after:
        change = LinkChange(id="", source_id=a.id, target_id=b.id, kind=kind, before=before, after=after)
        store.append(Draft("edit", (change,)), store.head())


def told(memory: Memory, *fields: str) -> list[dict[str, Any]]:
    return [note.model_dump(mode="json", exclude=set(fields)) for note in memory.notes(status=ALL)]


def links(memory: Memory) -> list[dict[str, Any]]:
    return [k.model_dump() for k in memory._reader.links()]


def journal(memory: Memory) -> list[dict[str, Any]]:
    return [commit.model_dump(mode="json") for commit in memory.log()]


def found(memory: Memory) -> list[tuple[str, Any]]:
    return [(h.note.id, pytest.approx(h.score)) for h in memory.search("Where does Max like tea?", k=99, status=ALL)]


@given(steps=STEPS)
@QUICK
def test_without_history_into_an_empty_memory(analyzer: Analyzer, steps: list[tuple[Any, ...]]) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        live(source, steps)
        before = journal(source)
        n_lines = source.export(folder / "e.jsonl")
        lines = (folder / "e.jsonl").read_bytes().split(b"\n")
        n_derived = sum(line.startswith(b'{"derived"') for line in lines)
        assert len(lines) == n_lines + 1 == len(source) + n_derived + len(links(source)) + 2
        commit = target.load(folder / "e.jsonl")
        assert told(target, "created_at", "ordinal") == told(source, "created_at", "ordinal")
        assert [n.ordinal for n in target.notes(status=ALL)] == list(range(1, len(source) + 1))
        assert links(target) == links(source)
        assert found(target) == found(source)
        assert (commit is None) == (len(source) == 0)
        assert target.load(folder / "e.jsonl") is None
        assert target.verify().ok
        assert source.verify().ok
        assert journal(source) == before


@given(steps=STEPS, others=STEPS)
@QUICK
def test_without_history_into_a_memory_that_has_notes(
    analyzer: Analyzer, steps: list[tuple[Any, ...]], others: list[tuple[Any, ...]]
) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        live(source, steps)
        live(target, others)
        kept, erased = {n["id"]: n for n in told(target)}, target._reader.erased()
        kept_links = {(k["source_id"], k["target_id"], k["kind"]): k for k in links(target)}
        source.export(folder / "e.jsonl")
        commit = target.load(folder / "e.jsonl")
        now = {n["id"]: n for n in told(target)}
        offered = {n["id"]: n for n in told(source)}
        assert {i: n for i, n in now.items() if i in kept} == kept
        assert now.keys() == kept.keys() | (offered.keys() - erased)
        assert all(now[i]["text"] == n["text"] for i, n in offered.items() if i in now)
        now_links = {(k["source_id"], k["target_id"], k["kind"]): k for k in links(target)}
        assert {key: k for key, k in now_links.items() if key in kept_links} == kept_links
        wanted = {(k["source_id"], k["target_id"], k["kind"]) for k in links(source)}
        assert now_links.keys() == kept_links.keys() | {key for key in wanted if now.keys() >= set(key[:2])}
        assert target.load(folder / "e.jsonl") is None
        assert target.verify().ok
        if commit is not None:
            target.undo(commit.id)
            assert {n["id"]: n for n in told(target)} == kept
            assert target.load(folder / "e.jsonl") is not None
            assert {n["id"] for n in told(target)} == now.keys()
            assert target.verify().ok


@given(steps=STEPS)
@QUICK
def test_with_history_into_an_empty_memory(analyzer: Analyzer, steps: list[tuple[Any, ...]]) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        live(source, steps)
        source.export(folder / "e.jsonl", history=True)
        last = target.load(folder / "e.jsonl")
        assert journal(target) == journal(source)
        assert (last.id if last else 0) == source.head == target.head
        assert told(target) == told(source)
        assert links(target) == links(source)
        assert found(target) == found(source)
        assert target.verify().ok
        for number in range(source.head + 1):
            then, copy = source.as_of(number), target.as_of(number)
            assert told(copy) == told(then)
            assert links(copy) == links(then)
            assert found(copy) == found(then)
            assert [source.diff(n) for n in range(1, number)] == [target.diff(n) for n in range(1, number)]
        for note in source.notes(status=ALL):
            assert target.history(note.id) == source.history(note.id)
        assert target._reader.erased() == source._reader.erased()
        target.export(folder / "again.jsonl", history=True)
        assert (folder / "again.jsonl").read_bytes() == (folder / "e.jsonl").read_bytes()


@given(steps=STEPS, number=PICK, cascade=st.booleans())
@QUICK
def test_undo_works_on_after_a_load_with_history(
    analyzer: Analyzer, steps: list[tuple[Any, ...]], number: int, cascade: bool
) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        live(source, steps)
        source.export(folder / "e.jsonl", history=True)
        target.load(folder / "e.jsonl")
        if not source.head:
            return

        def undone(memory: Memory) -> tuple[str, list[Any]] | tuple[Any, ...]:
            try:
                commit: Commit = memory.undo(number % source.head + 1, cascade=cascade)
            except ConflictError as error:
                return "blocked", list(error.blocking)
            except ZettelError as error:
                return "refused", str(error)
            return "undone", [change.model_dump(mode="json") for change in commit.changes]

        assert undone(target) == undone(source)
        assert told(target, "created_at") == told(source, "created_at")
        assert links(target) == links(source)
        target.add("one more")
        assert target.verify().ok


def test_a_history_is_refused_by_a_memory_that_has_commits(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        source.add("apples")
        target.add("pears")
        source.export(folder / "e.jsonl", history=True)
        for _ in range(2):
            with pytest.raises(InputError, match="empty memory only.*'default'.*choose a new file or namespace"):
                target.load(folder / "e.jsonl")
            assert [n.text for n in target.notes(status=ALL)] == ["pears"]
            target.forget(target.notes(status=ALL)[0].id)
        with pytest.raises(InputError, match="empty memory only"):
            source.load(folder / "e.jsonl")


def test_a_namespace_that_is_empty_takes_a_history_beside_others(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        note = source.add("apples")
        target.add("pears")
        source.export(folder / "e.jsonl", history=True)
        with registry.open_memory(folder / "target", namespace="new", embedder="hashing:64", analyzer=analyzer) as new:
            new.load(folder / "e.jsonl")
            assert new.notes() == [note]
            assert new.namespaces() == ["default", "new"]
        assert [n.text for n in target.notes()] == ["pears"]


def test_what_was_erased_is_in_no_export(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        source.add("Quetzalcoatl", id="a")
        source.add("apples", id="b")
        source.export(folder / "before.jsonl")
        source.forget("a", erase=True)
        for history in (False, True):
            source.export(folder / "e.jsonl", history=history)
            assert "uetzalcoatl" not in (folder / "e.jsonl").read_text()
        target.load(folder / "e.jsonl")
        assert [n.id for n in target.notes()] == ["b"]
        with pytest.raises(InputError, match="erased"):
            target.add("Quetzalcoatl", id="a")
        # An older export does not bring it back, neither where it was erased nor where that is known.
        for memory in (source, target):
            assert memory.load(folder / "before.jsonl") is None
            assert "a" not in memory


def test_an_ingestion_after_a_load_adds_nothing(analyzer: Analyzer, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("Ann: one\nBob: two\nAnn: three\nBob: four\n")
    for history in (False, True):
        with memories(analyzer, "source", "target") as (source, target, folder):
            source.ingest(path)
            source.forget(source.notes()[0].id)
            source.export(folder / "e.jsonl", history=history)
            target.load(folder / "e.jsonl")
            assert target.ingest(path).new == 0
            assert [n.text for n in target.notes()] == ["two", "three", "four"]


def test_an_export_may_be_loaded_with_another_embedder(analyzer: Analyzer) -> None:
    with memories(analyzer, "source") as (source, folder):
        source.add_many(["apples", "word " * 2000])
        for history in (False, True):
            source.export(folder / "e.jsonl", history=history)
            with registry.open_memory(folder / f"{history}", embedder="hashing:128", analyzer=analyzer) as target:
                target.load(folder / "e.jsonl")
                assert [h.note.text for h in target.search("apples", k=1)] == ["apples"]
                assert target.verify().ok


def test_the_file_is_plain_json_lines(analyzer: Analyzer) -> None:
    with memories(analyzer, "source") as (source, folder):
        a, b = source.add("café \u2028 \n"), source.add("two")
        link(source, a, b, "similar")
        source.export(folder / "e.jsonl")
        head, *rest = [json.loads(line) for line in (folder / "e.jsonl").read_text("utf-8").split("\n")[:-1]]
        assert head == {"zettel": "export", "version": 1, "namespace": "default", "history": False, "lines": 3}
        assert [next(iter(row)) for row in rest] == ["note", "note", "link"]
        assert rest[0]["note"]["text"] == "café \u2028 \n"
        assert "café" in (folder / "e.jsonl").read_text("utf-8")
        assert not (folder / "e.jsonl.part").exists()


def test_a_link_to_a_note_that_was_erased_here_is_left_out(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        a, b, c = (source.add(text, id=text) for text in "abc")
        for memory in (source, target):
            memory.add("b", id="b")
        link(source, a, b, "similar")
        link(source, a, c, "causes")
        target.forget("b", erase=True)
        source.export(folder / "e.jsonl")
        target.load(folder / "e.jsonl")
        assert [(k["source_id"], k["target_id"]) for k in links(target)] == [("a", "c")]
        assert target.verify().ok


def test_the_history_up_to_before_an_erasure_cannot_stand_alone(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        source.add("apples", id="a")
        source.add("pears", id="b")
        source.forget("a", erase=True)
        then = source.as_of(2)
        with pytest.raises(InputError, match="'a' was erased since.*export the memory itself"):
            then.export(folder / "e.jsonl", history=True)
        assert not list(folder.glob("e.jsonl*"))
        then.export(folder / "e.jsonl")
        target.load(folder / "e.jsonl")
        assert [n.id for n in target.notes()] == ["b"]
        assert target.verify().ok


def test_exports_of_earlier_times(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "plain", "history") as (source, plain, history, folder):
        source.add("apples")
        source.add("pears")
        source.update(source.notes()[0].id, trust=0.5)
        then = source.as_of(2)
        then.export(folder / "plain.jsonl")
        then.export(folder / "history.jsonl", history=True)
        plain.load(folder / "plain.jsonl")
        history.load(folder / "history.jsonl")
        assert [n.trust for n in plain.notes()] == [1.0, 1.0]
        assert journal(history) == journal(then)
        assert told(history) == told(then)
        assert history.verify().ok


# ----------------------------------------------------------------------- topics

TOPIC: dict[str, Any] = {"parent": None, "number": 5, "name": "x", "named_at": 1}


def planted(tmp_path: Path, *more: dict[str, Any]) -> Path:
    """An export with history: notes a and b, a in topic 2 beneath topic 1; then a commit of ``more`` changes."""
    world, path = World(), tmp_path / "e.jsonl"
    world.add("a")
    world.add("b")
    world.grow(1)
    world.grow(2, parent=1)
    world.place("a", 2)
    with closing(open_store(":memory:", namespace="x", read_only=False, config=Config())) as store:
        world.accept(store.append(world.draft("add"), 0))
        exports.write(path, store, "x", history=True)
    lines = path.read_text().splitlines()
    if more:
        changes = [{"id": f"2.{n}", **change} for n, change in enumerate(more, 1)]
        commit = {**json.loads(lines[-1])["commit"], "id": 2, "changes": changes}
        lines = [lines[0].replace('"lines":3', '"lines":4'), *lines[1:], json.dumps({"commit": commit})]
    path.write_text("\n".join(lines) + "\n")
    return path


def topic(topic_id: Any = 5, **sides: Any) -> dict[str, Any]:
    return {"type": "topic", "topic_id": topic_id, **sides}


def placement(note_id: str, **sides: Any) -> dict[str, Any]:
    return {"type": "placement", "note_id": note_id, **sides}


def test_a_tree_comes_back_with_its_history(tmp_path: Path) -> None:
    path = planted(
        tmp_path, topic(after=TOPIC), placement("b", after=5), topic(before=TOPIC, after={**TOPIC, "name": ""}),
        placement("a", before=2), topic(2, before={**TOPIC, "parent": 1, "number": 1, "name": "topic 2"}),
    )  # fmt: skip
    export = exports.read(path)
    assert export.commits is not None
    rows = {note.ordinal: (note, f"key {note.id}") for note in export.notes}
    vectors = {key: Passages(((0, len(note.text)),), np.eye(1, 4, dtype=np.float32)) for note, key in rows.values()}
    with closing(open_store(":memory:", namespace="x", read_only=False, config=Config())) as store:
        store.restore(export.commits, rows, vectors)
        assert tuple(store.commits()) == export.commits
        assert store.topics() == {1: TopicRow(None, 1, "topic 1", 1), 5: TopicRow(None, 5, "", 1)}
        assert [note.address for note in store.notes()] == ["", "5"] and store.last_topic() == 5
        exports.write(tmp_path / "again.jsonl", store, "x", history=True)
        exports.write(tmp_path / "plain.jsonl", store, "x", history=False)
    assert exports.read(tmp_path / "again.jsonl") == export
    plain = (tmp_path / "plain.jsonl").read_text()
    assert "address" not in plain and "topic" not in plain and len(plain.splitlines()) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([placement("b", after=9)], "does not fit"),
        ([placement("b", before=2)], None),  # a note that is in no topic may be taken out of one
        ([placement("b", before=2, after=2)], "does not fit"),
        ([placement("z", after=2)], "not there yet"),
        ([placement("b", after="two")], "valid integer"),
        ([placement("b", after=1)], "topic 1 is unsound: it holds notes"),
        ([topic(after={**TOPIC, "parent": 9})], "does not fit"),
        ([topic(after={**TOPIC, "parent": 5})], "does not fit"),
        ([topic(before=TOPIC, after=TOPIC)], "does not fit"),
        ([topic()], "does not fit"),
        ([topic(1, before={**TOPIC, "number": 1, "name": "topic 1"})], "does not fit"),
        ([topic(after={**TOPIC, "number": 1})], "topic 1 is unsound: a topic beside it has number 1"),
        ([topic(after={**TOPIC, "number": 0})], "no topic can have"),
        ([topic(after={**TOPIC, "number": 1.5})], "no topic can have"),
        ([topic(after={**TOPIC, "number": True})], "no topic can have"),
        ([topic(after={**TOPIC, "number": 2**70})], "no topic can have"),
        ([topic(after={**TOPIC, "named_at": -1})], "no topic can have"),
        ([topic(after={**TOPIC, "name": 7})], "no topic can have"),
        ([topic(after={**TOPIC, "colour": "red"})], "no topic can have"),
        ([topic(after={"name": "x"})], "no topic can have"),
        ([topic(0, after=TOPIC)], "no topic can have"),
        ([topic(2**70, after=TOPIC)], "no topic can have"),
        ([topic("x", after=TOPIC)], "valid integer"),
        ([topic(after=TOPIC, undoes="2.1")], "none of its kind before it"),
        ([topic(after=TOPIC, undoes="1.1")], "none of its kind before it"),
        ([placement("b", after=2, undoes="9.1")], "none of its kind before it"),
        ([{**topic(after=TOPIC), "id": "1.1"}], "not numbered"),
    ],
    ids=lambda value: json.dumps(value)[:80] if isinstance(value, list) else "",
)
def test_a_tree_that_is_none_is_refused(tmp_path: Path, changes: list[dict[str, Any]], says: str | None) -> None:
    path = planted(tmp_path, *changes)
    if says is None:
        assert exports.read(path).commits is not None
        return
    with pytest.raises(InputError, match=says):
        exports.read(path)


def test_a_note_has_no_address_before_it_has_a_place(analyzer: Analyzer) -> None:
    with memories(analyzer, "source", "target") as (source, target, folder):
        source.add("apples", id="a")
        source.export(folder / "e.jsonl")
        text = (folder / "e.jsonl").read_text()
        (folder / "e.jsonl").write_text(text.replace('{"note":{', '{"note":{"address":"7.7.7",'))
        target.load(folder / "e.jsonl")
        assert target.get("a").address != "7.7.7"
