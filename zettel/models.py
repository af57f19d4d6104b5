"""The models of an open memory: they are loaded when they are first needed, and one thread at a time asks them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np

from zettel.protocols import Analysis, Analyzer, Embedder, PassageEmbedder, Span, Utterance, Vector

_TEXTS = 128  # after so many texts, another thread, which may have a question to embed, gets its turn


class Models:
    """An embedder and an analyzer, given as functions that are called when first needed: reading a journal loads none.

    Nothing here takes the lock of the memory, so a search never waits until another thread's messages are analyzed.
    """

    def __init__(self, embedder: Callable[[str | None], Embedder], analyzer: Callable[[], Analyzer]) -> None:
        self._make_embedder = embedder
        self._make_analyzer = analyzer
        self._loading_embedder, self._loading_analyzer = threading.RLock(), threading.RLock()
        self._turns = _FairLock()
        self._embedder: Embedder | None = None
        self._shared: _Shared | None = None
        self._analyzer: Analyzer | None = None

    @property
    def loaded(self) -> Embedder | None:
        """The embedder, as it was given; None as long as it is not loaded."""
        return self._embedder

    def embedder(self, made_by: str | None) -> Embedder:
        """The embedder, loaded if it was not; ``made_by`` is the fingerprint that the memory's vectors were made by."""
        with self._loading_embedder:
            if self._embedder is None:
                self._embedder = self._make_embedder(made_by)
            return self._embedder

    def shared(self, embedder: Embedder) -> Embedder:
        """The embedder in a form that any thread may call: calls take turns, and a long call lets others in between."""
        shared = self._shared
        if shared is None or not shared.is_of(embedder):
            kind = _SharedPassages if isinstance(embedder, PassageEmbedder) else _Shared
            shared = self._shared = kind(embedder, self._turns)
        return shared

    def analyzer(self) -> Analyzer:
        """The analyzer in a form that any thread may call: calls take turns."""
        if self._analyzer is not None:
            return self._analyzer
        with self._loading_analyzer:
            if self._analyzer is None:
                self._analyzer = _SharedAnalyzer(self._make_analyzer())
            return self._analyzer


class _FairLock:
    """A lock that threads get in the order in which they ask for it: no thread gets it again before those that wait."""

    def __init__(self) -> None:
        self._next = threading.RLock()  # after an interrupt, a thread may still hold it
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if self._lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 -- as threading.Condition asks
            self._lock.acquire()
            return
        with self._next:
            self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()


class _Shared:
    def __init__(self, embedder: Embedder, turns: _FairLock) -> None:
        self._embedder = embedder
        self._turns = turns

    @property
    def fingerprint(self) -> str:
        return self._embedder.fingerprint

    def is_of(self, embedder: Embedder) -> bool:
        return self._embedder is embedder

    def embed(self, texts: Sequence[str]) -> Vector:
        parts = []
        for start in range(0, max(len(texts), 1), _TEXTS):
            with self._turns:
                parts.append(self._embedder.embed(texts[start : start + _TEXTS]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class _SharedPassages(_Shared):
    _embedder: PassageEmbedder

    def spans(self, text: str, reserve: int = 0) -> list[Span]:
        with self._turns:
            return self._embedder.spans(text, reserve)


class _SharedAnalyzer:
    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._turns = threading.RLock()  # after an interrupt, a thread may still hold it

    @property
    def name(self) -> str:
        return self._analyzer.name

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        with self._turns:
            return self._analyzer.analyze(utterances)
