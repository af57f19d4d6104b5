"""The public API's types, as a program that uses zettel sees them: mypy reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import zettel
from zettel.protocols import Analysis, Arrival, Encounter, LinkRule, Policy, Question, Rewrite, Scan, Signal, Utterance


def use(memory: zettel.Memory) -> None:
    """What a program calls."""
    note = memory.add("x", speaker="Ann", time=datetime(2025, 5, 8), tags=["a"], metadata={"stars": 3})
    assert_type(note, zettel.Note)
    assert_type(note.time, datetime | None)
    assert_type(note.tags, tuple[str, ...])
    assert_type(memory.add_many(["x", zettel.Message(text="y")]), list[zettel.Note])
    assert_type(memory.ingest(["chats/", "notes/*.txt"], on_progress=progressed), zettel.IngestReport)
    hits = memory.search("x", k=2, since="2025", speaker="Ann", tags=["a"], where={"stars": {"gte": 3}})
    assert_type(hits, list[zettel.Hit])
    assert_type(hits[0].signals, dict[str, float])
    assert_type(memory.recall("x", max_tokens=100), str)
    assert_type(memory.why_not("x", note.id), zettel.WhyNot)
    assert_type(memory.get(note.id), zettel.Note)
    assert_type(memory.notes(until="2025"), list[zettel.Note])
    assert_type(memory.links(note.id), list[zettel.Link])
    assert_type(memory.neighbors(note.id, hops=2), list[zettel.Note])
    assert_type(memory.topics(), list[zettel.Topic])
    assert_type(memory.log(), list[zettel.Commit])
    assert_type(memory.history(note.id), list[zettel.HistoryEntry])
    assert_type(memory.diff(1), list[zettel.FieldDiff])
    assert_type(memory.undo(1, cascade=True), zettel.Commit)
    assert_type(memory.verify(), zettel.Verification)
    assert_type(memory.head, int)
    memory.as_of(1).search("x")
    memory.link(note.id, hits[0].note.id, "causes", reason="because")


def progressed(progress: zettel.Progress) -> None:
    """What is told while files are read."""
    assert_type(progress.done, int)


def refused(error: zettel.ZettelError) -> str:
    """Errors are told apart by class, and hold what was refused as values."""
    if isinstance(error, zettel.ConflictError):
        assert_type(error.blocking, tuple[str, ...])
    if isinstance(error, zettel.InputError):
        assert_type(error.items, tuple[tuple[int, str], ...])
    return str(error)


def changed(commit: zettel.Commit) -> list[str]:
    """Changes are told apart by class."""
    return [change.note_id for change in commit.changes if isinstance(change, zettel.NoteChange | zettel.Revision)]


async def awaited(memory: zettel.AsyncMemory) -> None:
    """The same, awaited."""
    assert_type(await memory.search("x"), list[zettel.Hit])
    assert_type(await memory.add("x"), zettel.Note)


class MyEmbedder:
    """An embedder of somebody's own."""

    fingerprint = "mine/1"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors."""
        return np.ones((len(texts), 1), np.float32)


class MyAnalyzer:
    """An analyzer of somebody's own."""

    name = "mine/1"

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        """Nothing in particular."""
        return [Analysis("", (), (), (), analyzed_by="other/1") for _ in utterances]


class MyRule:
    """A rule that asks."""

    KIND: zettel.model.LinkKind = "similar"
    DEGREE = 1

    def links(self, arrival: Arrival) -> Any:
        """No links."""
        yield Question(arrival.note.text)

    def answer(self, questions: Sequence[Question]) -> list[bool]:
        """No."""
        return [False for _ in questions]


class MyPolicy:
    """A policy that does nothing."""

    def rewrite(self, encounter: Encounter) -> Rewrite | None:
        """None."""
        del encounter
        return None


class MySignal:
    """A signal that says nothing."""

    NAME = "mine"
    WEIGHT = 1.0
    STANDARDIZED = False

    def values(self, scan: Scan) -> NDArray[np.float64]:
        """Zeros."""
        return np.zeros(scan.columns.n)

    def reason(self, scan: Scan, row: int) -> str | None:
        """None."""
        del scan, row
        return None


rule: LinkRule = MyRule()
policy: Policy = MyPolicy()
signal: Signal = MySignal()
config = zettel.Config(rules=["built-in", "mine"], policies=(), signals=["dense"], weights={"dense": 2})
opened = zettel.open_memory("a.zettel", embedder=MyEmbedder(), analyzer=MyAnalyzer(), config=config)
assert_type(opened, zettel.Memory)
assert_type(zettel.open_memory("a.zettel", embedder="hashing", analyzer="local", read_only=True), zettel.Memory)
