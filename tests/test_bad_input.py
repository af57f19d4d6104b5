"""What can't be used is refused with its value and the way out, and leaves the memory whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zettel import Config, Message, Source, registry
from zettel.embedder.hashing import HashingEmbedder
from zettel.errors import (
    AnalyzerError,
    EmbedderError,
    EmbedderMismatchError,
    InputError,
    NotFoundError,
    StoreDamagedError,
    StoreError,
    StoreVersionError,
    ZettelError,
)
from zettel.memory import Memory
from zettel.protocols import Analysis, Utterance

Opener = Callable[..., Memory]
Call = Callable[[Memory], object]
HALF = "\ud800"  # one half of a character
TRUE: Any = True


@pytest.fixture
def kept(memory: Memory) -> Iterator[Memory]:
    """A memory with a note, which must be the same after the test."""
    memory.add("a note about apples", id="a", speaker="Ann", time="2023-05-08", metadata={"n": 1})
    memory.update("a", trust=0.5)
    notes, log = memory.notes(), memory.log()
    yield memory
    assert (memory.notes(), memory.log()) == (notes, log)
    assert memory.search("apples")[0].note.id == "a"
    assert memory.verify().ok


def refused(memory: Memory, call: Call, *says: str, error: type[ZettelError] = InputError) -> ZettelError:
    """The error a call raises; its message must hold each of ``says``."""
    with pytest.raises(ZettelError) as caught:
        call(memory)
    assert type(caught.value) is error, repr(caught.value)
    for part in says:
        assert part in str(caught.value)
    return caught.value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# -------------------------------------------------------------------------- texts


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u00a0\u2003\u3000", "\u2028\x1f"])
def test_a_text_without_words_is_refused(kept: Memory, text: str) -> None:
    refused(kept, lambda m: m.add(text), "empty", repr(text), "needs words")
    refused(kept, lambda m: m.add_many(["ok", text]), "item 1", "empty", "none was added")


@pytest.mark.parametrize("text", [None, 5, ["a"], object()])
def test_what_is_no_text_is_refused(kept: Memory, text: Any) -> None:
    refused(kept, lambda m: m.add(text), "text", "valid string")


@pytest.mark.parametrize("text", ["\0", "a\0b", "\x07", "\ufffe", "\u200b", "🫠", "-", "'; DROP TABLE x; --", "[1]"])
def test_any_character_is_kept(memory: Memory, text: str) -> None:
    note = memory.add(text, speaker=text, metadata={text: [text]}, source=text, tags=[text])
    assert memory.get(note.id) == note
    assert (note.text, note.speaker, note.metadata) == (text, text, {text: [text]})
    assert memory.search(text)[0].note == note
    assert text in memory.recall("anything", max_tokens=200) or not text.isprintable()
    assert memory.verify().ok


def test_a_text_of_a_megabyte_is_found_by_words_at_its_end(memory: Memory) -> None:
    memory.add_many([f"filler {n}" for n in range(20)])
    note = memory.add("lorem ipsum " * 90_000 + "the quick xylophone")
    assert len(note.text) > 1_000_000
    hit = memory.search("quick xylophone")[0]
    assert hit.note == note
    assert "xylophone" in hit.why
    assert memory.verify().vectors > 20 + 1000  # its passages
    assert memory.recall("xylophone", max_tokens=50)
    assert memory.verify().ok


def test_a_text_beyond_the_limit_is_refused(opened: Opener) -> None:
    memory = opened(config=Config(max_text=1000))
    memory.add("x" * 1000)
    refused(memory, lambda m: m.add("x" * 1001), "1,001", "1,000", "Config.max_text", "split it")
    refused(memory, lambda m: m.add_many(["x" * 1001]), "item 0", "1,001", "split it")
    assert len(memory) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.add(HALF),
        lambda m: m.add("x", speaker=HALF),
        lambda m: m.add("x", tags=["ok", HALF]),
        lambda m: m.add("x", metadata={"a": [{"b": HALF}]}),
        lambda m: m.add("x", metadata={HALF: 1}),
        lambda m: m.add("x", metadata={"a": {HALF: 1}}),
        lambda m: m.add("x", source=HALF),
        lambda m: m.add("x", source=Source(span=HALF)),
        *(
            lambda m, field=field: m.add_many([Message(**{"text": "x", field: HALF})])
            for field in ("text", "speaker", "role", "conversation_id", "session_id", "message_id", "parent_id")
        ),
        lambda m: m.add_many([Message(text="x", metadata={HALF: 1})]),
        lambda m: m.update("a", context=HALF),
        lambda m: m.update("a", keywords=[HALF]),
        lambda m: m.update("a", metadata={"a": HALF}),
        lambda m: m.update("a", metadata={HALF: 1}),
        lambda m: m.search(HALF),
        lambda m: m.recall(HALF),
        lambda m: m.why_not(HALF, "a"),
    ],
)
def test_half_characters_are_refused(kept: Memory, call: Call) -> None:
    refused(kept, call, "surrogate", "decode")


def test_half_characters_as_a_time_or_an_id_are_refused(kept: Memory) -> None:
    refused(kept, lambda m: m.add("x", time=HALF), repr(HALF), "2023-05-08")
    refused(kept, lambda m: m.add("x", id=HALF), repr(HALF), "printable")


def test_half_characters_in_a_filter_match_nothing(kept: Memory) -> None:
    for filters in ({"speaker": HALF}, {"tags": HALF}, {"where": {HALF: 1}}, {"where": {"n": HALF}}):
        assert kept.search("apples", **filters) == []  # type: ignore[arg-type]


# ----------------------------------------------------------------------- metadata


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, {"a": math.nan}], 10**5000], ids=range(5))
def test_numbers_that_json_cannot_tell_are_refused(kept: Memory, value: Any) -> None:
    refused(kept, lambda m: m.add("x", metadata={"a": value}), "not a JSON value", "finite numbers")
    refused(kept, lambda m: m.update("a", metadata={"a": value}), "not a JSON value", "finite numbers")
    refused(kept, lambda m: m.add_many([Message(text="x", metadata={"a": value})]), "item 0", "finite numbers")


@pytest.mark.parametrize(
    "metadata", [{1: 1}, {None: 1}, {"a": {2: 1}}, {"a": {1, 2}}, {"a": datetime.min}, {"a": b"x"}]
)
def test_what_json_does_not_know_is_refused(kept: Memory, metadata: Any) -> None:
    refused(kept, lambda m: m.add("x", metadata=metadata), "metadata", "valid")
    refused(kept, lambda m: m.update("a", metadata=metadata), "'a'", "metadata", "valid")


@pytest.mark.parametrize("metadata", ["abc", [1], 5])
def test_metadata_that_is_no_mapping_is_refused(kept: Memory, metadata: Any) -> None:
    refused(kept, lambda m: m.add("x", metadata=metadata), "metadata")


def test_metadata_may_be_deep_but_not_endless(memory: Memory) -> None:
    metadata = {"a": nested(100), "b": 10**400, "c": 1e308, "d": [True, None, "", {}]}
    note = memory.add("x", metadata=metadata)
    assert memory.get(note.id).metadata == metadata
    for depth in (300, 100_000):
        refused(memory, lambda m, depth=depth: m.add("x", metadata={"a": nested(depth)}), "metadata")
    endless: list[Any] = []
    endless.append(endless)
    refused(memory, lambda m: m.add("x", metadata={"a": endless}), "metadata", "cyclic")
    assert len(memory) == 1


# -------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    "time",
    [
        "soon",
        "",
        "2023-13",
        "2023-02-30",
        "2023-05-08T25:00",
        "8 May 2023",
        "0000",
        "10000-01-01",
        "2023-5-8",
        "x" * 9999,
    ],
)
def test_a_bad_time_is_refused(kept: Memory, time: str) -> None:
    for call in (
        lambda m: m.add("x", time=time), lambda m: m.search("apples", since=time), lambda m: m.notes(until=time),
        lambda m: m.search("apples", at=time), lambda m: m.as_of(time), lambda m: m.update("a", valid_until=time),
        lambda m: m.why_not("apples", "a", since=time), lambda m: m.recall("apples", at=time),
    ):  # fmt: skip
        error = refused(kept, call, time[:60], '"2023-05-08"')
        assert len(str(error)) < 300
    refused(kept, lambda m: m.add_many([Message(text="x", time=time)]), "item 0", '"2023-05-08"')


@pytest.mark.parametrize("time", [5, 1.5, ["2023"], b"2023"])
def test_what_is_no_time_is_refused(kept: Memory, time: Any) -> None:
    for call in (
        lambda m: m.search("apples", since=time), lambda m: m.notes(until=time), lambda m: m.search("apples", at=time),
    ):  # fmt: skip
        refused(kept, call, repr(time), '"2023-05-08"')


class Nowhere(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None

    def dst(self, when: datetime | None) -> timedelta | None:
        return None

    def tzname(self, when: datetime | None) -> str | None:
        return None


EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
ABSURD = [
    datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), datetime(1, 1, 1, 14, tzinfo=EAST),
    datetime(9999, 12, 31, 11, 59, tzinfo=WEST), datetime(2023, 5, 8, tzinfo=timezone(timedelta(hours=23, minutes=59))),
    datetime(2023, 5, 8, tzinfo=Nowhere()), datetime(2023, 5, 8, tzinfo=timezone(timedelta(seconds=61))),
    "0001", "9999", "0001-01-01T00:00-12:00", "9999-12-31T23:59:59+14:00",
]  # fmt: skip


@pytest.mark.parametrize("time", ABSURD, ids=str)
def test_absurd_times_are_kept_found_and_filtered(opened: Opener, time: datetime | str) -> None:
    memory = opened()
    note = memory.add("an apple", time=time)
    memory.add("a pear", time="2023-05-08")
    assert note.time is not None
    assert note.time.utcoffset() is not None
    for reader in (memory, opened()):
        assert reader.get(note.id) == note
        assert len(reader.search("apple", since=note.time, until=note.time)) >= 1
        assert len(reader.search("an apple last week")) == 2
        assert len(reader.search("apple", since=datetime.min, until=datetime.max)) == 2
        assert "apple" in reader.recall("apple")
        assert len(reader.search("apple yesterday", at=time)) == 2
        assert reader.as_of(time).head in (0, 2)
    assert memory.verify().ok


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("America/New_York", "0001-01-01T00:00Z"),
        ("Asia/Tokyo", "9999-12-31T23:00Z"),
        ("UTC", "9999-12-31T23:59:59.999999"),
    ],
)
def test_a_memory_at_the_calendars_end_can_be_searched_in_any_zone(opened: Opener, zone: str, time: str) -> None:
    memory = opened(timezone=zone)
    memory.add("an apple", time=time)
    assert len(memory.search("apple")) == 1


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", datetime.min.replace(tzinfo=EAST)]
)
def test_a_note_beyond_the_calendar_of_utc_is_refused(kept: Memory, time: datetime | str) -> None:
    refused(kept, lambda m: m.add("x", time=time), str(time)[:10], "leave it out")
    kept.search("apples", since=time)
    kept.search("apples", until=time)


# -------------------------------------------------------------------- the searches


@pytest.mark.parametrize("k", [0, -1, True, False, 1.5, None, "5", 1.0])
def test_k_must_be_a_whole_number_from_one_on(kept: Memory, k: Any) -> None:
    refused(kept, lambda m: m.search("apples", k), f"k is {k!r}", "at least 1")
    refused(kept, lambda m: m.why_not("apples", "a", k), f"k is {k!r}", "at least 1")
    refused(kept, lambda m: m.recall("apples", k), f"max_tokens is {k!r}", "at least 1")


@pytest.mark.parametrize("k", [1, 1_000_000, 10**30], ids=["one", "a million", "beyond"])
def test_a_k_beyond_the_notes_gives_all(kept: Memory, k: int) -> None:
    assert [hit.note.id for hit in kept.search("apples", k)] == ["a"]
    assert "apples" in kept.recall("apples", max(k, 100))


@pytest.mark.parametrize("query", ["", " \n", None, 5, b"apples"])
def test_an_empty_query_is_refused(kept: Memory, query: Any) -> None:
    for call in (lambda m: m.search(query), lambda m: m.recall(query), lambda m: m.why_not(query, "a")):
        refused(kept, call, repr(query), "ask in words")


@pytest.mark.parametrize(
    "query", ["apples " * 15_000, "last week " * 10_000, "\0", "?", "the of and", "x" * 100_000], ids=range(6)
)
def test_long_and_odd_queries_are_answered(kept: Memory, query: str) -> None:
    assert [hit.note.id for hit in kept.search(query)] == ["a"]


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"color": "red"}, ["'color'", "since, until, speaker, tags, where, status"]),
        ({"zone": "UTC"}, ["'zone'", "since, until"]),
        ({"cls": 1}, ["'cls'", "since, until"]),
        ({"speaker": 5}, ["speaker is 5", "text"]),
        ({"speaker": [5]}, ["speaker is [5]", "text"]),
        ({"tags": 5}, ["tags is 5", "text"]),
        ({"tags": ["a", None]}, ["tags is", "None", "text"]),
        ({"status": "gone"}, ["'gone'", "active, superseded, archived, quarantined"]),
        ({"status": ["active", "gone"]}, ["'gone'", "active, superseded"]),
        ({"status": 5}, ["status is 5", "text"]),
        ({"where": "n"}, ["where is 'n'", "mapping"]),
        ({"where": ["n"]}, ["where is ['n']", "mapping"]),
        ({"where": {1: 1}}, ["where is {1: 1}", "mapping"]),
        ({"where": {"n": {"above": 1}}}, ["where['n']", "'above'", "ne, gt, gte, lt, lte"]),
        ({"where": {"n": {"gt": 1, 5: 1}}}, ["where['n']", "5", "ne, gt, gte, lt, lte"]),
    ],
    ids=str,
)
def test_a_bad_filter_is_refused(kept: Memory, filters: dict[str, Any], says: list[str]) -> None:
    for call in (
        lambda m: m.search("apples", **filters), lambda m: m.notes(**filters), lambda m: m.recall("apples", **filters),
        lambda m: m.why_not("apples", "a", **filters),
    ):  # fmt: skip
        refused(kept, call, *says)


# ------------------------------------------------------------------- unknown names


@pytest.mark.parametrize("id", ["nobody", "", "A", " a", "z1" + 24 * "0", "1.1"])
def test_an_unknown_id_is_told(kept: Memory, id: str) -> None:
    for call in (
        lambda m: m.get(id), lambda m: m.update(id, trust=1), lambda m: m.forget(id), lambda m: m.mark_used(["a", id]),
        lambda m: m.forget(id, erase=True), lambda m: m.history(id), lambda m: m.why_not("apples", id),
    ):  # fmt: skip
        refused(kept, call, repr(id), "'default'", "ids come from", error=NotFoundError)
    assert id not in kept


def test_half_characters_as_an_unknown_id_are_told(kept: Memory) -> None:
    for call in (
        lambda m: m.get(HALF), lambda m: m.forget(HALF), lambda m: m.history(HALF), lambda m: m.mark_used(HALF),
    ):  # fmt: skip
        refused(kept, call, error=NotFoundError)
    assert HALF not in kept


@pytest.mark.parametrize("commit", [0, -1, 99, 10**30, "99"])
def test_an_unknown_commit_is_told(kept: Memory, commit: Any) -> None:
    refused(kept, lambda m: m.diff(commit), str(commit), "the newest is 2", error=NotFoundError)
    refused(kept, lambda m: m.undo(commit), str(commit), "log()", error=NotFoundError)


def test_an_unknown_change_is_told(kept: Memory) -> None:
    for change in ("99.1", "1.99", "a.b"):
        refused(kept, lambda m, change=change: m.undo(change), change, "log()", error=NotFoundError)
    for name in ("x", ""):
        refused(kept, lambda m, name=name: m.undo(name), repr(name), '"12.3"', error=NotFoundError)
        refused(kept, lambda m, name=name: m.diff(name), repr(name), '"12.3"', error=NotFoundError)
    for number in (99, -1):
        refused(kept, lambda m, n=number: m.as_of(n), str(number), "the newest is 2", error=NotFoundError)


@pytest.mark.parametrize("id", ["", "a b", "a\n", "\0", "x" * 201, 5, True, b"a", ["a"]])
def test_a_bad_id_is_refused(kept: Memory, id: Any) -> None:
    refused(kept, lambda m: m.add("x", id=id), repr(id)[:50], "1 to 200 printable characters without spaces")


def test_an_id_in_use_is_refused(kept: Memory) -> None:
    refused(kept, lambda m: m.add("another text", id="a"), "'a'", "another id")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": "x"}, ["'text'", "context, keywords, tags"]),
        ({"speaker": "x"}, ["'speaker'", "context, keywords, tags"]),
        ({"analyzed_by": "me"}, ["'analyzed_by'", "context, keywords, tags"]),
        ({"colour": "x", "trust": 1}, ["'colour'", "context, keywords, tags"]),
        ({"status": "gone"}, ["'a'", "status", "'active', 'superseded', 'archived' or 'quarantined'"]),
        ({"trust": 1.1}, ["'a'", "trust", "less than or equal to 1"]),
        ({"trust": -0.1}, ["'a'", "trust", "greater than or equal to 0"]),
        ({"trust": math.nan}, ["'a'", "trust"]),
        ({"tags": "red"}, ["'a'", "tags", "tuple"]),
        ({"tags": [1]}, ["'a'", "tags", "string"]),
        ({"context": None}, ["'a'", "context", "string"]),
        ({"metadata": [1]}, ["'a'", "metadata", "dictionary"]),
    ],
    ids=str,
)
def test_a_bad_update_is_refused(kept: Memory, fields: dict[str, Any], says: list[str]) -> None:
    refused(kept, lambda m: m.update("a", **fields), *says)


# -------------------------------------------------------------------------- batches


def test_a_batch_with_bad_items_lists_them_all_and_adds_none(kept: Memory) -> None:
    bad = ["good", "", Message(text="x", time="soon"), 5, Message(text=HALF), "also good", None, ("a",), "\n", "", ""]
    call: Any = lambda m: m.add_many(bad)
    error = refused(kept, call, "9 of 11", "none was added", "item 1:", "item 2:", "more in .items")
    assert isinstance(error, InputError)
    assert [position for position, _ in error.items] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert "'soon'" in error.items[1][1]
    assert "int 5 is neither zettel.Message nor str" in error.items[2][1]
    assert all(reason for _, reason in error.items)


@pytest.mark.parametrize("messages", ["a text", Message(text="x"), None, 5])
def test_what_is_no_batch_is_refused(kept: Memory, messages: Any) -> None:
    refused(kept, lambda m: m.add_many(messages), type(messages).__name__, "put it into one")


def test_an_error_inside_a_callers_generator_is_theirs(kept: Memory) -> None:
    def messages() -> Iterator[str]:
        yield "good"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        kept.add_many(messages())


@pytest.mark.parametrize("source", [5, {"uri": "x"}, b"x"])
def test_a_bad_source_is_refused(kept: Memory, source: Any) -> None:
    refused(kept, lambda m: m.add("x", source=source), repr(source), "zettel.Source")


@pytest.mark.parametrize("tags", ["red", 5, None, [1], [None]])
def test_bad_tags_are_refused(kept: Memory, tags: Any) -> None:
    refused(kept, lambda m: m.add("x", tags=tags), "tags", repr(tags))


# ------------------------------------------------------------------------- opening


@pytest.mark.parametrize("zone", ["Mars/Base", "", "UTC+1", "../etc/passwd", "/etc/localtime", "a\0b"])
def test_a_bad_timezone_is_refused(opened: Opener, zone: str) -> None:
    with pytest.raises(InputError, match="Europe/Berlin") as caught:
        opened(timezone=zone)
    assert repr(zone) in str(caught.value) or zone in str(caught.value)


@pytest.mark.parametrize("namespace", ["", "a\n", "\0", HALF])
def test_a_bad_namespace_is_refused(opened: Opener, namespace: str) -> None:
    with pytest.raises(InputError, match="printable") as caught:
        opened(namespace=namespace)
    assert repr(namespace) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name"), [("embedder", "bert"), ("embedder", "_texts"), ("embedder", "hashing:x"), ("analyzer", "x")]
)
def test_an_unknown_plugin_is_refused(opened: Opener, kind: str, name: str) -> None:
    with pytest.raises(InputError, match=r"hashing|local") as caught:
        opened(**{kind: name}).add("x")
    assert name.partition(":")[2] or name in str(caught.value)


def test_a_folder_or_a_place_that_does_not_exist_is_no_memory(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "such" / "place", Path(__file__) / "below"):
        with pytest.raises(StoreError, match="folder.*name a file") as caught:
            registry.open_memory(path, embedder="hashing")
        assert str(path) in str(caught.value)
    for address in ("http://example.org/x", "neo5j://host"):
        with pytest.raises(InputError, match="no store serves.*use a path") as refusal:
            registry.open_memory(address)
        assert repr(address) in str(refusal.value)


def test_what_is_there_must_be_a_memory(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Dear diary,\n" * 500)
    with pytest.raises(StoreDamagedError, match="text is damaged or no zettel memory.*restore a copy"):
        opened("text")
    assert (tmp_path / "text").read_text().startswith("Dear diary")
    with pytest.raises(StoreError, match="no memory at .*nothing.*check the path"):
        opened("nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("place", ["/proc/x.zettel", "/dev/full/x.zettel", "/dev/null/x"])
def test_a_place_that_cannot_be_written_is_told(place: str) -> None:
    with pytest.raises(ZettelError) as caught:
        registry.open_memory(place, embedder="hashing")
    assert place in str(caught.value)


# ------------------------------------------------------------------------ embedders


class Embedder:
    """One without passages, that returns what it is told."""

    fingerprint = "odd/1"

    def __init__(self, result: Callable[[Sequence[str]], Any]) -> None:
        self.embed = result


def fail(texts: Sequence[str]) -> Any:
    raise RuntimeError("CUDA out of memory")


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda texts: np.ones((len(texts) + 1, 1)), "shape (2, 1) for 1 texts: it must return (texts, dimension)"),
        (lambda texts: np.ones(8), "shape (8,) for 1 texts"),
        (lambda texts: np.float32(1), "shape () for 1 texts"),
        (lambda texts: [], "shape (0,) for 1 texts"),
        (lambda texts: np.ones((len(texts), 0)), "length 0: vectors must be finite and normalized"),
        (lambda texts: np.ones((len(texts), 4)), "length 2: vectors must be finite and normalized"),
        (lambda texts: np.zeros((len(texts), 4)), "length 0"),
        (lambda texts: np.full((len(texts), 4), math.nan), "length nan"),
        (lambda texts: np.full((len(texts), 4), 1e300), "length inf"),
        (lambda texts: None, "odd/1"),
        (lambda texts: [[1.0], [1.0, 2.0]], "odd/1"),
        (lambda texts: [["a"]], "odd/1"),
        (fail, "failed (RuntimeError: CUDA out of memory): mend it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "call",
)
def test_a_bad_embedder_is_blamed(opened: Opener, result: Any, says: str) -> None:
    good = lambda texts: np.eye(4, dtype=np.float32)[[len(text) % 4 for text in texts]]
    embedder = Embedder(good)
    memory = opened(embedder=embedder)
    memory.add("apples", id="a")
    embedder.embed = result
    refused(memory, lambda m: m.add("pears"), "embedder odd/1", says, error=EmbedderError)
    refused(memory, lambda m: m.search("a pear"), "embedder odd/1", says, error=EmbedderError)
    assert memory.head == 1
    embedder.embed = good
    assert memory.search("a pear")[0].note.id == "a"
    assert memory.verify().ok


@pytest.mark.parametrize(
    "spans",
    [[], [(0, 3)], [(1, 6)], [(0, 2), (3, 6)], [(0, 9)], [(3, 6), (0, 3)], [(0, 6), (2, 4)], None],
    ids=str,
)
def test_passages_must_cover_the_text(opened: Opener, spans: Any) -> None:
    class Passages(HashingEmbedder):
        def spans(self, text: str, reserve: int = 0) -> Any:
            return spans

    memory = opened(embedder=Passages(64))
    with pytest.raises(EmbedderError, match=r"hashing/64/1 .*(cover the whole text|mend it)"):
        memory.add("apples")
    assert len(memory) == 0


def test_a_memory_is_opened_with_the_embedder_it_was_made_by(opened: Opener) -> None:
    opened().add("apples")
    for other in ("hashing:64", HashingEmbedder(128)):
        with pytest.raises(EmbedderMismatchError, match="hashing/384/1.*not.*(64|128).*export"):
            opened(embedder=other)
    assert opened().verify().ok


# ------------------------------------------------------------------------ analyzers


class Analyzer:
    """One that returns what it is told."""

    name = "odd/1"

    def __init__(self, result: Callable[[Sequence[Utterance]], Any]) -> None:
        self.analyze = result


def analysis(**fields: Any) -> Callable[[Sequence[Utterance]], Any]:
    empty = {"context": "", "keywords": (), "tags": (), "entities": ()}
    return lambda utterances: [Analysis(**{**empty, **fields}) for _ in utterances]


def crash(utterances: Sequence[Utterance]) -> Any:
    raise ValueError("no such tensor")


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (lambda utterances: [], "no analyses for 1 messages"),
        (lambda utterances: analysis()(utterances) * 2, "2 analyses for 1 messages"),
        (lambda utterances: None, "no analyses for 1 messages"),
        (lambda utterances: [None for _ in utterances], "zettel.protocols.Analysis"),
        (crash, "failed (ValueError: no such tensor)"),
        (analysis(context=None), "context must be a text"),
        (analysis(context=HALF), "surrogate"),
        (analysis(keywords=(HALF,)), "surrogate"),
        (analysis(keywords="abc"), "tuple of texts"),
        (analysis(tags=(1,)), "tuple of texts"),
        (analysis(entities=None), "tuple of texts"),
        (analysis(derived_from=("nobody",)), "derived_from"),
        (analysis(analyzed_by=1), "analyzed_by"),
        (analysis(analyzed_by=HALF), "surrogate"),
    ],
)
def test_a_bad_analyzer_is_blamed(opened: Opener, result: Any, says: str) -> None:
    odd = Analyzer(analysis(context="Fine."))
    memory = opened(analyzer=odd)
    note = memory.add("apples")
    assert (note.context, note.analyzed_by) == ("Fine.", "odd/1")
    odd.analyze = result
    refused(memory, lambda m: m.add("pears"), "analyzer odd/1", says, "nothing was added", error=AnalyzerError)
    assert memory.head == 1
    odd.analyze = analysis(analyzed_by="local/1")
    assert memory.add("pears").analyzed_by == "local/1"
    assert memory.verify().ok


# -------------------------------------------------------------------- export and load


@pytest.fixture
def dumps(opened: Opener, tmp_path: Path) -> tuple[Path, Path]:
    """Exports of a small memory, without and with history."""
    memory = opened("source")
    memory.add_many([Message(text=t, conversation_id="c", message_id=t) for t in ("one?", "two")])
    memory.update(memory.notes()[0].id, trust=0.5)
    memory.undo(memory.head)
    memory.export(tmp_path / "plain")
    memory.export(tmp_path / "history", history=True)
    return tmp_path / "plain", tmp_path / "history"


def edited(line: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        assert old in lines[line]
        return [*lines[:line], lines[line].replace(old, new, 1), *lines[line + 1 :]]

    return edit


def without(line: int) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:line], *lines[line + 1 :]]


def recounted(edit: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[str]]:
    """The edit, with the number of lines in the head set right, so that it is not that which is noticed."""

    def both(lines: list[str]) -> list[str]:
        head, *rest = edit(lines)
        return [json.dumps({**json.loads(head), "lines": len(rest)}, separators=(",", ":")), *rest]

    return both


def test_the_exports_are_good_before_they_are_damaged(opened: Opener, dumps: tuple[Path, Path]) -> None:
    for n, path in enumerate(dumps):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(recounted(lambda lines: lines)(lines)) + "\n")
        memory = opened(f"copy {n}")
        memory.load(path)
        assert len(memory) == 2
        assert memory.verify().ok


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: [], "no export of zettel"),
        (lambda lines: lines[1:], "no export of zettel"),
        (lambda lines: ["Dear diary,"], "no export of zettel"),
        (lambda lines: ['{"name": "package"}'], "no export of zettel"),
        (lambda lines: ["[1]"], "no export of zettel"),
        (edited(0, '"version":1', '"version":2'), "version 2, this zettel reads 1: upgrade"),
        (lambda lines: lines[:-1], "lines of the"),
        (lambda lines: lines[:1], "has 0 lines of the"),
        (lambda lines: [*lines, lines[-1]], "lines of the"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "not JSON"),
        (edited(1, '"text":"one?"', '"text":"won!"'), "is not the one its source was hashed with"),
        (edited(1, '"text":"one?"', '"text":"\\ud800"'), "line 2: a lone surrogate"),
        (edited(1, '"text":"one?"', '"text":NaN'), "line 2: not JSON"),
        (edited(1, '"text":"one?"', '"text":5'), "line 2"),
        (edited(1, '"text":"one?",', ""), "line 2"),
        (edited(1, '"text":"one?"', '"text":"one?","color":"red"'), "line 2"),
        (edited(1, '"note"', '"nota"'), "line 2: neither a note, a link nor a commit"),
        (edited(1, '{"note"', '{"x":1,"note"'), "line 2: neither a note"),
        (lambda lines: [lines[0], "[" * 100_000, *lines[2:]], "line 2: not JSON"),
        (lambda lines: [lines[0], "", *lines[1:]], "line 2: not JSON"),
        (lambda lines: [lines[0], "5", *lines[2:]], "line 2: not a JSON object"),
    ],
)
def test_a_damaged_export_is_refused_whole(
    opened: Opener, dumps: tuple[Path, Path], history: bool, damage: Callable[[list[str]], list[str]], says: str
) -> None:
    path = dumps[history]
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in damage(lines)))
    memory = opened("target")
    error = refused(memory, lambda m: m.load(path), str(path), says)
    assert len(str(error)) < 600
    assert any(remedy in str(error) for remedy in ("make one with export()", "upgrade", "export again"))
    assert (len(memory), memory.head) == (0, 0)
    memory.add("still in order")
    assert memory.verify().ok


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (without(1), "is missing"),
        (without(3), "not numbered"),
        (without(4), "not numbered"),
        (lambda lines: [*lines[:3], lines[4], lines[3], lines[5]], "not numbered"),
        (edited(4, '"at":"20', '"at":"30'), "order of their times"),
        (edited(4, '"trust":0.5', '"trust":5'), "no note or link can have"),
        (edited(4, '"trust":0.5', '"text":"x"'), "no note or link can have"),
        (edited(4, '"before":{"trust":1.0}', '"before":{"trust":0.7}'), "does not fit"),
        (edited(4, '"trigger":null', '"trigger":"nobody"'), "not there yet"),
        (edited(4, '"note_id":"z1', '"note_id":"z2'), "not there yet"),
        (edited(3, '"ordinal":2', '"ordinal":1'), "is missing"),
        (edited(4, '"type":"revision"', '"type":"rumour"'), "line 5"),
    ],
)
def test_a_history_that_is_none_is_refused(
    opened: Opener, dumps: tuple[Path, Path], damage: Callable[[list[str]], list[str]], says: str
) -> None:
    path = dumps[1]
    lines = path.read_text().splitlines()
    assert [next(iter(json.loads(line))) for line in lines[1:]] == ["note", "note", "commit", "commit", "commit"]
    path.write_text("".join(f"{line}\n" for line in recounted(damage)(lines)))
    memory = opened("target")
    refused(memory, lambda m: m.load(path), str(path), says, "nothing was loaded")
    assert (len(memory), memory.head) == (0, 0)


def test_a_link_told_twice_is_one_link(opened: Opener, dumps: tuple[Path, Path]) -> None:
    lines = dumps[0].read_text().splitlines()
    a, b = (row["note"]["id"] for row in map(json.loads, lines[1:]) if "note" in row)
    link = {"source_id": a, "target_id": b, "kind": "similar", "weight": 0.5, "reason": "", "created_by": "me"}
    astray = {**link, "target_id": "nobody"}
    with dumps[0].open("a") as file:
        file.writelines(json.dumps({"link": row}) + "\n" for row in (link, {**link, "weight": 0.7}, astray))
    lines = dumps[0].read_text().splitlines()
    dumps[0].write_text("".join(f"{line}\n" for line in recounted(lambda lines: lines)(lines)))
    memory = opened("target")
    memory.load(dumps[0])
    assert memory.verify().ok


@pytest.mark.parametrize("name", ["nothing", ".", "a\0b", "x" * 300, "binary", HALF])
def test_what_cannot_be_read_is_no_export(kept: Memory, tmp_path: Path, name: str) -> None:
    (tmp_path / "binary").write_bytes(b"\x89PNG\xff\xfe\0")
    refused(kept, lambda m: m.load(tmp_path / name), "export")


@pytest.mark.parametrize("place", ["no/such/place", "file/below", "x" * 300, "a\0b", HALF])
def test_an_export_to_a_place_that_cannot_be_written_is_told(kept: Memory, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    refused(kept, lambda m: m.export(tmp_path / place), "can't be written", "name another file", error=StoreError)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("place", [".", "", "file", "folder", "agent.zettel"])
def test_an_export_does_not_replace_another_file(kept: Memory, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    refused(kept, lambda m: m.export(tmp_path / place), str(tmp_path / place), "overwritten", "name another file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_failed_export_leaves_the_old_one(kept: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump"
    kept.export(path)
    before = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zettel.export.os.fsync", full)
    refused(kept, lambda m: m.export(path), "No space left", error=StoreError)
    assert path.read_bytes() == before
    assert not path.with_name("dump.part").exists()


# --------------------------------------------------------------------------- ingest


def test_a_place_without_transcripts_is_told(kept: Memory, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(kept, lambda m: m.ingest(tmp_path / "empty"), "empty", ".txt")
    refused(kept, lambda m: m.ingest(tmp_path / "gone.txt"), "gone.txt", "does not exist")
    refused(kept, lambda m: m.ingest([]), "give a path")
    (tmp_path / "chat.txt").write_text("Ann: hi\n")
    refused(kept, lambda m: m.ingest(tmp_path, format="slack"), "'slack'", "plain")


def test_a_transcript_with_bad_messages_gives_the_good_ones(opened: Opener, tmp_path: Path) -> None:
    rows = [{"role": "user", "content": text} for text in ("good", "x" * 2000, "\u200b", "also good")]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    memory = opened(config=Config(max_text=1000))
    report = memory.ingest(tmp_path)
    assert (report.new, report.failed) == (3, 2)
    assert {problem.place for problem in report.files[0].problems} == {"line 2", "line 5"}
    again = memory.ingest(tmp_path)
    assert (again.new, again.unchanged, again.failed) == (0, 3, 2)


# ---------------------------------------------------------------------- newer stores


def test_a_memory_of_a_newer_zettel_is_told(opened: Opener, tmp_path: Path) -> None:
    import sqlite3

    opened().close()
    db = sqlite3.connect(tmp_path / "agent.zettel")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreVersionError, match="99.*upgrade"):
        opened()


def test_verify_tells_missing_vectors(opened: Opener, tmp_path: Path) -> None:
    import sqlite3

    with opened() as memory:
        memory.add("apples", id="a")
    db = sqlite3.connect(tmp_path / "agent.zettel")
    db.execute("DELETE FROM vectors")
    db.commit()
    db.close()
    [problem] = opened().verify().problems
    assert problem.place == "note a"


@pytest.mark.parametrize("config", [Config(window=0), Config(query_cache=0)], ids=["window", "query_cache"])
def test_the_smallest_settings_work(opened: Opener, config: Config) -> None:
    memory = opened(config=config)
    memory.add_many([Message(text=t, conversation_id="c") for t in ("one", "two")])
    assert len(memory.search("one")) == 2


def test_utc_is_the_default(memory: Memory) -> None:
    assert memory.add("x", time="2023").time == datetime(2023, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch", 0), ("batch", True), ("window", -1), ("query_cache", -1), ("max_text", "many"), ("busy_timeout_s", -1)],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"Config.{name} is {value!r}"):
        Config(**{name: value})


@pytest.mark.parametrize("what", [None, 1.5, True, [1]])
def test_what_names_no_commit_is_refused(kept: Memory, what: Any) -> None:
    for call in (lambda m: m.undo(what), lambda m: m.diff(what), lambda m: m.log(after=what)):
        refused(kept, call, repr(what), "number")


def test_a_number_is_no_time_of_a_message(kept: Memory) -> None:
    refused(kept, lambda m: m.add("x", time=5), "a number is no time", "2023-05-08")
