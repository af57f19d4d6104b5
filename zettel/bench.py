"""The time that ingesting and searching take on this machine, compared with embedding alone in the same run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zettel.config import DEFAULT, Config
from zettel.errors import InputError
from zettel.memory import Memory
from zettel.model import Note
from zettel.protocols import PassageEmbedder, Span, Vector
from zettel.registry import embedder as make_embedder
from zettel.registry import open_memory

_QUERIES = 200
_ADDS = 50
_QUERY_CHARACTERS = 80  # about the length of a question


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Times of one run: ``*_s`` in seconds, ``*_ms`` medians in milliseconds. Ratios also hold on other machines.

    ``embed_s`` is the time of one uncached call over exactly the strings that the ingestion embedded. ``again_s`` is
    the time of ingesting the same files again.
    """

    notes: int
    ingest_s: float
    embed_s: float
    again_s: float
    again_commits: int
    add_ms: float
    add_embed_ms: float
    bytes_per_note: float
    search_ms: float
    query_embed_ms: float

    @property
    def ingest_ratio(self) -> float:
        """The time of the ingestion, divided by that of embedding its strings."""
        return self.ingest_s / self.embed_s

    @property
    def again_share(self) -> float:
        """The time of the second ingestion, divided by that of the first."""
        return self.again_s / self.ingest_s

    @property
    def add_ratio(self) -> float:
        """The median time of adding one note to the full memory, divided by that of embedding the same strings."""
        return self.add_ms / self.add_embed_ms

    @property
    def search_ratio(self) -> float:
        """The median time of a search, its question's embedding included, divided by that of embedding a question."""
        return self.search_ms / self.query_embed_ms


class _Recorder:
    """An embedder that records the strings that it embeds."""

    def __init__(self, inner: PassageEmbedder) -> None:
        self.inner = inner
        self.fingerprint = inner.fingerprint
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vector:
        self.texts += texts
        return self.inner.embed(texts)

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        return self.inner.spans(text, reserve)


def bench(paths: Sequence[str | Path], embedder: str = "minilm", config: Config = DEFAULT) -> BenchReport:
    """Ingest transcripts twice into a memory in a temporary folder, and search it.

    Raises:
        InputError: the files hold no message that can be used.
    """
    inner = make_embedder(embedder)
    if not isinstance(inner, PassageEmbedder):
        raise InputError(f"embedder {embedder!r} can't be measured: it has no spans()")
    recorder = _Recorder(inner)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.zettel"
        with open_memory(path, embedder=recorder, config=config) as memory:
            memory.add("A first note, so that every model is loaded.")
            recorder.texts.clear()
            start = time.perf_counter()
            first = memory.ingest(list(paths))
            ingest_s = time.perf_counter() - start
            if not first.new:
                raise InputError(f"no message of {', '.join(map(str, paths))} can be used: see zettel ingest")
            start = time.perf_counter()
            inner.embed(list(recorder.texts))
            embed_s = time.perf_counter() - start
            start = time.perf_counter()
            again = memory.ingest(list(paths))
            again_s = time.perf_counter() - start
            notes = memory.notes()
            questions = [note.text[:_QUERY_CHARACTERS] for note in notes[:: max(1, len(notes) // _QUERIES)]]
            search_ms, embed_ms = _searches(memory, inner, questions[:_QUERIES])
            size = path.stat().st_size
            add_ms, add_embed_ms = _adds(memory, recorder, notes[:: max(1, len(notes) // _ADDS)][:_ADDS])
    return BenchReport(
        notes=first.new, ingest_s=ingest_s, embed_s=embed_s, again_s=again_s, again_commits=len(again.commits),
        bytes_per_note=size / first.new, add_ms=add_ms, add_embed_ms=add_embed_ms, search_ms=search_ms,
        query_embed_ms=embed_ms,
    )  # fmt: skip


def _adds(memory: Memory, recorder: _Recorder, like: Sequence[Note]) -> tuple[float, float]:
    """The medians in milliseconds of adding one note, and of only embedding the same strings; measured in turn."""
    add_s, embed_s = [], []
    for note in like:
        recorder.texts.clear()
        start = time.perf_counter()
        memory.add(f"{note.text} Once more.", speaker=note.speaker, time=note.time)
        middle = time.perf_counter()
        recorder.inner.embed(list(recorder.texts))
        add_s.append(middle - start)
        embed_s.append(time.perf_counter() - middle)
    return 1000 * statistics.median(add_s), 1000 * statistics.median(embed_s)


def _searches(memory: Memory, inner: PassageEmbedder, queries: Sequence[str]) -> tuple[float, float]:
    """The medians in milliseconds of a search, and of only embedding its question; measured in turn."""
    search_s, embed_s = [], []
    memory.search("the first search builds the index")
    for query in queries:
        start = time.perf_counter()
        inner.embed([query])
        middle = time.perf_counter()
        memory.search(query)
        search_s.append(time.perf_counter() - middle)
        embed_s.append(middle - start)
    return 1000 * statistics.median(search_s), 1000 * statistics.median(embed_s)
