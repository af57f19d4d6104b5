"""What happens to one open memory while another changes the same file, and what an erasure leaves with either."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from inside import held

from zettel import Config, Message
from zettel.errors import EmbedderMismatchError, HeadMovedError, StoreError
from zettel.memory import Memory
from zettel.model import Commit
from zettel.protocols import Draft

Opener = Callable[..., Memory]
SAID = (("My secret pin is ZEBRA", "Ann"), ("Noted.", "Bob"))


def talk(memory: Memory) -> tuple[str, str]:
    a, b = memory.add_many([Message(text=t, conversation_id="c", speaker=who) for t, who in SAID])
    assert "ZEBRA" in b.context
    return a.id, b.id


def interfering(memory: Memory, monkeypatch: pytest.MonkeyPatch, what: Callable[[], Any], *, before: bool) -> None:
    """Has ``what`` happen just before, or just after, the memory's next append."""
    append = memory._store.append  # type: ignore[union-attr]

    def slowed(draft: Draft, head: int) -> Commit:
        monkeypatch.undo()
        if before:
            what()
        commit = append(draft, head)
        if not before:
            what()
        return commit

    monkeypatch.setattr(memory._store, "append", slowed)


def test_a_loaded_memory_still_knows_who_quotes_whom(memory: Memory, opened: Opener, tmp_path: Path) -> None:
    a, b = talk(memory)
    memory.export(tmp_path / "e.jsonl")
    moved = opened("moved.zettel")
    moved.load(tmp_path / "e.jsonl")
    moved.forget(a, erase=True)
    assert "ZEBRA" not in str([moved.get(b), *moved.log()])
    moved.close()
    assert b"ZEBRA" not in (tmp_path / "moved.zettel").read_bytes()


def test_an_earlier_state_forgets_what_is_erased_after_it_was_opened(memory: Memory) -> None:
    a, b = talk(memory)
    earlier = memory.as_of(memory.head)
    assert len(earlier.search("What is the pin?")) == 2
    memory.forget(a, erase=True)
    assert [note.id for note in earlier.notes()] == [b] and len(earlier) == 1
    assert "ZEBRA" not in str([earlier.get(b), *earlier.search("What is the pin?")])
    assert earlier.verify().ok


def test_a_flush_that_a_reader_prevented_is_made_up_for(opened: Opener, tmp_path: Path) -> None:
    memory = opened(config=Config(busy_timeout_s=0.1))
    a, _ = talk(memory)
    with sqlite3.connect(tmp_path / "agent.zettel", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM notes").fetchone()
        with pytest.raises(StoreError, match="the note is erased"):
            memory.forget(a, erase=True)
        reader.execute("COMMIT")
    reader.close()
    memory.add("something else")
    left = b"".join(path.read_bytes() for path in tmp_path.glob("agent.zettel*"))
    assert b"ZEBRA" not in left


def test_a_file_is_whole_while_another_process_writes(memory: Memory, opened: Opener, tmp_path: Path) -> None:
    """Each read of several steps sees one moment, whatever is committed between its steps."""
    memory.add_many([f"note {n}" for n in range(20)])
    other = opened()
    notes = other._reader.notes

    def slow(ids: Any = None) -> Any:
        found = notes(ids)
        memory.add("one more")
        return found

    other._reader.notes = slow  # type: ignore[method-assign]
    assert other.verify().ok
    other.export(tmp_path / "h.jsonl", history=True)
    opened("moved.zettel").load(tmp_path / "h.jsonl")


def test_vectors_that_another_namespace_erases_are_made_again(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = opened(namespace="here"), opened(namespace="there")
    note = there.add("the very same words")
    interfering(here, monkeypatch, lambda: there.forget(note.id, erase=True), before=True)
    here.add("the very same words")
    assert len(here.search("very same words")) == 1
    assert here.verify().ok


def test_an_add_returns_its_note_though_it_is_undone_at_once(memory: Memory, opened: Opener, monkeypatch: Any) -> None:
    other = opened()
    interfering(memory, monkeypatch, lambda: other.undo(other.head), before=False)
    assert memory.add("short of life").text == "short of life"
    assert len(memory) == 0


def test_an_ingestion_counts_only_what_it_added_itself(opened: Opener, monkeypatch: Any, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("".join(f"{'Ann' if n % 2 else 'Bob'}: message {n}\n" for n in range(20)))
    memory, other = opened(config=Config(batch=5)), opened()
    erased: list[str] = []

    def meanwhile() -> None:
        other.ingest(path)
        erased.append(other.notes()[0].id)
        other.forget(erased[0], erase=True)

    interfering(memory, monkeypatch, meanwhile, before=True)
    report = memory.ingest(path)
    assert (report.new, report.unchanged, report.failed, report.commits) == (0, 20, 0, ())
    assert len(memory) == 19


def test_a_name_that_a_loaded_note_has_taken_is_passed_over(memory: Memory, opened: Opener, tmp_path: Path) -> None:
    memory.add("filler")
    memory.add("hello there")
    memory.undo(1)
    memory.export(tmp_path / "e.jsonl")
    moved = opened("moved.zettel")
    moved.load(tmp_path / "e.jsonl")
    again = moved.add("hello there")
    assert len(moved) == 2 and moved.get(again.id).text == "hello there"


def test_the_moment_of_asking_is_not_that_of_a_note_that_was_put_away(memory: Memory) -> None:
    memory.add("I went swimming", time="2023-05-10")
    memory.add("The weather was fine", time="2023-05-17")
    late = memory.add("Flying cars", time="3000-01-01")
    assert memory.search("Who was swimming last week?")[0].signals["time"] == 0
    memory.forget(late.id)
    best = memory.search("Who was swimming last week?")[0]
    assert best.note.text == "I went swimming" and best.signals["time"] == 1


def test_an_empty_memory_takes_any_embedder(opened: Opener) -> None:
    opened(embedder="hashing:64").close()
    memory = opened(embedder="hashing:32")
    assert memory.verify().ok
    memory.add("now it is made by this one")
    with pytest.raises(EmbedderMismatchError, match="hashing/64"):
        opened(embedder="hashing:64")


def test_an_erasure_asks_no_analyzer(memory: Memory, opened: Opener, analyzer: Any) -> None:
    a, b = talk(memory)

    class Down:
        name = "down/1"

        def analyze(self, utterances: Any) -> Any:
            raise RuntimeError("the model is down")

    other = opened(analyzer=Down())
    other.forget(a, erase=True)
    assert "ZEBRA" not in str([other.get(b), *other.log()]) and other.get(b).context == "Bob (conversation c)."
    assert other.verify().ok


def test_an_index_leaves_nothing_of_what_went(memory: Memory) -> None:
    memory.add("to stay")
    note = memory.add("My secret pin is ZEBRA", tags=["zebra"], metadata={"pin": "ZEBRA"})
    memory.search("pin")
    memory.forget(note.id, erase=True)
    memory.search("pin")
    derived = held(memory)
    assert derived is not None
    index = derived.index
    assert "zebra" not in str([index.ids, index.tags, index.metadata]).lower()
    assert not index.columns().vectors[1].any()


def test_an_export_leaves_what_stands_beside_it(memory: Memory, tmp_path: Path) -> None:
    beside = tmp_path / "e.jsonl.part"
    beside.write_text("mine")
    memory.add("x")
    memory.export(tmp_path / "e.jsonl")
    assert beside.read_text() == "mine"
    assert {path.name for path in tmp_path.glob("*e.jsonl*")} == {"e.jsonl", "e.jsonl.part"}


def test_who_is_always_overtaken_keeps_the_others_out_in_the_end(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = opened()
    first = memory.add("a boat in the harbor")
    store: Any = memory._store

    class Overtaken:
        """The store, as one sees it whom others always overtake."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        @contextmanager
        def at_one_head(self) -> Iterator[None]:
            with store.at_one_head():
                yield
            if not store._is_alone:
                raise HeadMovedError("others wrote meanwhile")

    overtaken = Overtaken()
    monkeypatch.setattr(memory, "_reader", overtaken)
    monkeypatch.setattr(memory._derived, "_reader", overtaken)
    monkeypatch.setattr(memory._writer, "_store", overtaken)
    second = memory.add("another boat in the harbor")
    memory.forget(first.id)
    memory.undo(memory.head)
    assert [note.id for note in memory.notes()] == [first.id, second.id]
    assert {hit.note.id for hit in memory.search("boat")} == {first.id, second.id}
    assert memory.topics() and memory.verify().ok
