"""What every signal promises: one suite over all files in ``zettel/scoring/``."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel import registry
from zettel.config import Config
from zettel.embedder.hashing import create
from zettel.index import ExactIndex
from zettel.model import Note, Source
from zettel.protocols import Passages
from zettel.retrieval import read_query
from zettel.scoring import Scan

EMBEDDER = create("32")
WORDS = st.sampled_from(["boat", "lamp", "puppy", "Maren", "storm", "blue", "door", "yesterday", "May", "2025", "the"])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
SPEAKERS = st.sampled_from([None, "Maren", "user", "Idris Vale"])
SESSIONS = st.sampled_from([None, "a", "b"])
NOTES = st.lists(st.tuples(TEXTS, SPEAKERS, SESSIONS, st.booleans()), min_size=1, max_size=8)


def scan_of(rows, question):
    from datetime import UTC, datetime, timedelta

    start = datetime(2025, 5, 1, tzinfo=UTC)
    notes = [
        Note(
            id=f"n{i}", ordinal=i, text=text, speaker=speaker, created_at=start,
            time=start + timedelta(days=i) if dated else None, time_precision="day" if dated else None,
            sources=(Source(conversation_id="c", session_id=session),) if session else (),
        )
        for i, (text, speaker, session, dated) in enumerate(rows, 1)
    ]  # fmt: skip
    index = ExactIndex(window=2)
    vectors = EMBEDDER.embed([n.text for n in notes])
    index.put(notes, {n.id: Passages(((0, len(n.text)),), v[None]) for n, v in zip(notes, vectors, strict=True)})
    query = read_query(question, EMBEDDER.embed([question])[0], start + timedelta(days=9))
    return Scan(query, index.columns(), Config())


@pytest.mark.parametrize("signal", registry.signals(), ids=lambda s: s.NAME)
class TestSignal:
    def test_is_named_by_its_file_and_weighted(self, signal):
        assert signal.__name__ == f"zettel.scoring.{signal.NAME}"
        assert np.isfinite(signal.WEIGHT) and isinstance(signal.STANDARDIZED, bool)

    @settings(max_examples=30, deadline=None)
    @given(rows=NOTES, question=TEXTS)
    def test_gives_each_row_a_finite_value_and_the_same_again(self, signal, rows, question):
        scan = scan_of(rows, question)
        values = signal.values(scan)
        assert values.shape == (len(rows),) and np.isfinite(values).all()
        assert np.array_equal(values, signal.values(scan_of(rows, question)))

    @settings(max_examples=30, deadline=None)
    @given(rows=NOTES, question=TEXTS)
    def test_gives_its_reasons_as_parts_of_a_sentence(self, signal, rows, question):
        scan = scan_of(rows, question)
        for row in range(len(rows)):
            reason = signal.reason(scan, row)
            assert reason is None or (reason == reason.strip() and not reason.endswith(".") and reason[0] != " ")
