"""What every signal promises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zettel.config import Config
from zettel.embedder.hashing import create
from zettel.index import ExactIndex
from zettel.index.query import read_query
from zettel.model import Note, Source
from zettel.protocols import Passages, Signal
from zettel.scoring import ExactScan
from zettel.testing._shared import examples

Row: TypeAlias = tuple[str, str | None, str | None, bool]
"""A note's text, its speaker, its session, and whether its time is known."""

EMBEDDER = create("32")
WORDS = st.sampled_from(["boat", "lamp", "puppy", "Maren", "storm", "blue", "door", "yesterday", "May", "2025", "the"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
SPEAKERS = st.sampled_from([None, "Maren", "user", "Idris Vale"])
SESSIONS = st.sampled_from([None, "a", "b"])
ROWS = st.lists(st.tuples(TEXTS, SPEAKERS, SESSIONS, st.booleans()), min_size=1, max_size=8)


def scan_of(signal: Signal, rows: Sequence[Row], question: str) -> ExactScan:
    """A question compared with notes made of ``rows``, with the columns that a signal declares."""
    start = datetime(2025, 5, 1, tzinfo=UTC)
    notes = [
        Note(
            id=f"n{i}", ordinal=i, text=text, speaker=speaker, created_at=start,
            time=start + timedelta(days=i) if dated else None, time_precision="day" if dated else None,
            sources=(Source(conversation_id="c", session_id=session),) if session else (),
        )
        for i, (text, speaker, session, dated) in enumerate(rows, 1)
    ]  # fmt: skip
    index = ExactIndex(window=2, own=getattr(signal, "COLUMNS", ()))
    vectors = EMBEDDER.embed([n.text for n in notes])
    index.put(notes, {n.id: Passages(((0, len(n.text)),), v[None]) for n, v in zip(notes, vectors, strict=True)})
    query = read_query(question, EMBEDDER.embed([question])[0], start + timedelta(days=9))
    return ExactScan(query, index.columns(), Config())


class SignalContract:
    """The suite for a signal: set ``plugin``, or override the fixture ``signal``."""

    plugin: Any

    @pytest.fixture(scope="class")
    @classmethod
    def signal(cls) -> Signal:
        """The signal under test."""
        signal: Signal = cls.plugin
        return signal

    def test_it_keeps_the_protocol(self, signal: Signal) -> None:
        assert isinstance(signal, Signal)
        assert isinstance(signal.NAME, str)
        assert signal.NAME
        assert np.isfinite(signal.WEIGHT)
        assert isinstance(signal.STANDARDIZED, bool)

    @examples(30)
    @given(rows=ROWS, question=TEXTS)
    def test_each_row_gets_a_finite_value_and_the_same_again(
        self, signal: Signal, rows: list[Row], question: str
    ) -> None:
        scan = scan_of(signal, rows, question)
        values = signal.values(scan)
        assert values.shape == (len(rows),)
        assert np.isfinite(values).all()
        assert np.array_equal(values, signal.values(scan))
        assert np.array_equal(values, signal.values(scan_of(signal, rows, question)))

    @examples(30)
    @given(rows=ROWS, question=TEXTS)
    def test_columns_are_left_as_they_are(self, signal: Signal, rows: list[Row], question: str) -> None:
        scan, same = scan_of(signal, rows, question), scan_of(signal, rows, question)
        signal.values(scan)
        for name in ("alive", "status", "lengths", "times", "until", "speaker", "ordinals", "vectors"):
            np.testing.assert_array_equal(getattr(scan.columns, name), getattr(same.columns, name), name)

    @examples(30)
    @given(rows=ROWS, question=TEXTS)
    def test_reasons_are_parts_of_a_sentence(self, signal: Signal, rows: list[Row], question: str) -> None:
        scan = scan_of(signal, rows, question)
        for row in range(len(rows)):
            reason = signal.reason(scan, row)
            assert reason is None or (reason and reason == reason.strip() and not reason.endswith("."))
