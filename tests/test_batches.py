"""A batch is only a batch: it gives what adding its messages one by one gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zettel import Message, registry
from zettel.memory import Memory
from zettel.model import Note
from zettel.protocols import Analyzer

QUERIES = ("Where is Max the puppy?", "What does Ann like about tea in May 2023?", "yes")

TEXTS = st.sampled_from(
    [
        "Where is Max?", "In the garden.", "yes", "yes", "I like tea.", "Tea in May 2023?", "What a lovely puppy, Max!",
        "What do you like?", "We are going to Rome next week.", "no", "tea " * 600,
        "The clay and the kiln were in Rome.", "I like the clay of the kiln in Rome.", "Clay from the kiln of Rome?",
    ]
)  # fmt: skip
INSTANT = datetime(2023, 5, 8, 23, 30, tzinfo=UTC)
TIMES = st.sampled_from(
    [None, None, "2023-05", "2023-05-08", INSTANT, INSTANT.astimezone(timezone(timedelta(hours=2))), "2023-05-09T01:30"]
)
MESSAGES = st.builds(
    Message,
    text=TEXTS,
    speaker=st.sampled_from([None, "Ann", "Bob", "Ann"]),
    role=st.sampled_from([None, None, "user"]),
    time=TIMES,
    conversation_id=st.sampled_from([None, "c", "c", "c", "d"]),
    session_id=st.sampled_from([None, None, "1", ""]),
    message_id=st.sampled_from([None, None, "m1", "m2", "m3"]),
    parent_id=st.sampled_from([None, None, None, "m1", "m2"]),
    metadata=st.sampled_from([{}, {"n": 1}]),
)
ITEMS = st.lists(st.one_of(MESSAGES, MESSAGES, TEXTS), min_size=1, max_size=12)
QUICK = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@contextmanager
def two_memories(analyzer: Analyzer) -> Iterator[tuple[Memory, Memory]]:
    options: dict[str, Any] = {"embedder": "hashing:64", "analyzer": analyzer}
    with (
        TemporaryDirectory() as folder,
        registry.open_memory(Path(folder, "a"), **options) as a,
        registry.open_memory(Path(folder, "b"), **options) as b,
    ):
        yield a, b


def told(notes: Sequence[Note]) -> list[dict[str, Any]]:
    # As text, since equal instants in two zones would be equal as datetimes.
    return [note.model_dump(mode="json", exclude={"created_at"}) for note in notes]


def found(memory: Memory) -> list[list[tuple[str, float, dict[str, float], str, Any]]]:
    return [[(h.note.id, h.score, h.signals, h.why, h.via) for h in memory.search(q, k=99)] for q in QUERIES]


def added(memory: Memory, batches: Iterable[Sequence[Message | str]]) -> list[dict[str, Any]]:
    """Add batch by batch: the notes that were returned, as they are in the end.

    Each is returned as it is when its batch is in; what arrives later may rewrite its card and change its address.
    """
    ids: list[str] = []
    for batch in batches:
        notes = memory.add_many(batch)
        assert notes == [memory.get(note.id) for note in notes]
        ids += [note.id for note in notes]
    return told([memory.get(note_id) for note_id in ids])


def same(a: Memory, b: Memory) -> None:
    assert told(a.notes(status=("active", "archived"))) == told(b.notes(status=("active", "archived")))
    assert (a.links(), a.topics()) == (b.links(), b.topics())
    journals = [
        [change.model_dump(exclude={"id"}) for commit in memory.log() for change in commit.changes] for memory in (a, b)
    ]
    assert journals[0] == journals[1]
    assert found(a) == found(b)


@given(items=ITEMS)
@QUICK
def test_a_batch_gives_what_single_adds_give(analyzer: Analyzer, items: list[Message | str]) -> None:
    with two_memories(analyzer) as (whole, single):
        assert added(whole, [items]) == added(single, ([item] for item in items))
        same(whole, single)
        assert whole.head == 1
        assert whole.verify().ok


@given(items=ITEMS, splits=st.lists(st.integers(0, 12), max_size=4))
@QUICK
def test_any_split_into_batches_gives_the_same(
    analyzer: Analyzer, items: list[Message | str], splits: list[int]
) -> None:
    with two_memories(analyzer) as (whole, parted):
        borders = [0, *sorted(splits), len(items)]
        assert added(whole, [items]) == added(parted, (items[a:b] for a, b in pairwise(borders)))
        same(whole, parted)


@given(before=ITEMS, items=ITEMS, forgotten=st.sets(st.integers(0, 11)))
@QUICK
def test_a_batch_after_forgetting_gives_what_single_adds_give(
    analyzer: Analyzer, before: list[Message | str], items: list[Message | str], forgotten: set[int]
) -> None:
    with two_memories(analyzer) as (whole, single):
        for memory in (whole, single):
            notes = memory.add_many(before)
            for n in forgotten:
                if n < len(notes):
                    memory.forget(notes[n].id)
        assert told(whole.notes(status="archived")) == told(single.notes(status="archived"))
        assert added(whole, [items]) == added(single, ([item] for item in items))
        same(whole, single)


def test_only_the_last_messages_of_a_session_are_looked_at_forgotten_ones_counted(analyzer: Analyzer) -> None:
    """Twenty, whether they come in one batch or not, and whether some of them were forgotten or not."""

    def message(n: int, **fields: Any) -> Message:
        return Message(text=f"message {n}", conversation_id="c", message_id=f"m{n}", speaker="Ann", **fields)

    with two_memories(analyzer) as (whole, single):
        for memory in (whole, single):
            notes = memory.add_many([message(0, parent_id=None), *(message(n) for n in range(1, 20))])
            for note in notes[5:15]:
                memory.forget(note.id)
        items = [message(n) for n in range(20, 25)]
        items += [message(30, parent_id="m0"), message(31, parent_id="m19"), message(32, parent_id="m7")]
        whole.add_many(items)
        for item in items:
            single.add_many([item])
        same(whole, single)
        quoting = [c.derived_from for c in whole.log()[-1].changes if c.type == "note"]
        assert quoting[-3] == ()  # too long ago
        assert quoting[-1] == ()  # forgotten


def test_the_same_instant_in_two_zones_is_read_as_written(analyzer: Analyzer) -> None:
    east = timezone(timedelta(hours=2))
    items = [Message(text="Happy birthday!", speaker="Ann", time=INSTANT.astimezone(zone)) for zone in (UTC, east)]
    with two_memories(analyzer) as (whole, single):
        for item in items:
            single.add_many([item])
        contexts = [note.context for note in whole.add_many(items)]
        assert contexts == [note.context for note in single.notes()]
        assert "8 May" in contexts[0]
        assert "9 May" in contexts[1]


def test_plain_adds_and_batches_of_texts_are_the_same(analyzer: Analyzer) -> None:
    texts = ["yes", "Where is Max?", "yes"]
    with two_memories(analyzer) as (whole, single):
        whole.add_many(texts)
        for text in texts:
            single.add(text)
        same(whole, single)
