"""Searches of memories too large to be held: a store names candidates, and hits are those of an exact search."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import inside
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listing import Listing

from zettel import Config, Message, registry
from zettel.index import shortlist
from zettel.memory import Memory
from zettel.model import Hit
from zettel.protocols import Analyzer, CandidateSource
from zettel.scoring import Fusion
from zettel.store import sqlite

Opener = Callable[..., Memory]
NOON = datetime(2023, 5, 8, 12, tzinfo=UTC)
PEOPLE = ("Ann", "Bob", "user", "assistant")
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("n", "rt", "x")]
FREQUENT = np.array([1 / (n + 3) for n in range(len(WORDS))])


class Pair:
    """The same memory, searched by shortlists and exactly."""

    def __init__(self, open_memory: Opener, messages: Sequence[Message]) -> None:
        self.exact = open_memory("pair.zettel")
        self.notes = self.exact.add_many(messages)
        self.listed = open_memory("pair.zettel", config=Config(exact_below=0))

    def overlap(self, query: str, k: int = 10, **filters: Any) -> float:
        exact, listed = (ids(memory.search(query, k, **filters)) for memory in (self.exact, self.listed))
        return len(set(exact) & set(listed)) / max(len(exact), 1)


def ids(hits: Iterable[Hit]) -> list[str]:
    return [hit.note.id for hit in hits]


def same(listed: Sequence[Hit], exact: Sequence[Hit]) -> None:
    assert ids(listed) == ids(exact)
    for mine, its in zip(listed, exact, strict=True):
        assert (mine.rank, mine.why, mine.via, mine.note) == (its.rank, its.why, its.via, its.note)
        assert mine.score == pytest.approx(its.score, abs=1e-6)
        assert mine.signals == pytest.approx(its.signals, abs=1e-6)


def chatter(n: int, seed: int = 0) -> list[Message]:
    """Messages about a topic a session, of which some words are common and most are rare."""
    draw = np.random.default_rng(seed)
    messages: list[Message] = []
    while len(messages) < n:
        session, weights = len(messages), FREQUENT * draw.gamma(0.3, size=len(WORDS))
        for i in range(int(draw.integers(3, 25))):
            words = draw.choice(WORDS, int(draw.integers(1, 14)), p=weights / weights.sum()).tolist()
            messages.append(
                Message(
                    text=" ".join(words).capitalize() + ".", speaker=PEOPLE[int(draw.integers(4))],
                    conversation_id=f"c{session}", time=NOON + timedelta(hours=session, minutes=i) if i % 7 else None,
                    metadata={"n": i},
                )
            )  # fmt: skip
    return messages[:n]


def questions(n: int, seed: int = 1) -> list[str]:
    draw = np.random.default_rng(seed)
    chosen = draw.choice(WORDS, (n, 4), p=FREQUENT / FREQUENT.sum()).tolist()
    return [f"What did {PEOPLE[i % 4]} say of {' '.join(words[: 1 + i % 4])}?" for i, words in enumerate(chosen)]


@pytest.fixture(autouse=True)
def _named_by_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "SQLiteStore", Listing)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, analyzer: Analyzer) -> Iterator[Opener]:
    """Opens memories that several tests read."""
    memories: list[Memory] = []
    folder = tmp_path_factory.mktemp("kept")

    def open_one(name: str, **options: Any) -> Memory:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite, "SQLiteStore", Listing)
            memories.append(registry.open_memory(folder / name, embedder="hashing", analyzer=analyzer, **options))
        return memories[-1]

    yield open_one
    for memory in memories:
        memory.close()


@pytest.fixture(scope="module")
def large(kept: Opener) -> Pair:
    """More notes than are all scored."""
    return Pair(kept, chatter(2300))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortlists of few notes, for small memories."""
    for name, value in (
        ("_CANDIDATES", 40), ("_BEST", 5), ("_FEW", 30), ("_LISTED", 60), ("_EVENLY", 10), ("_SAMPLE", 60),
    ):  # fmt: skip
        monkeypatch.setattr(shortlist, name, value)


# ----------------------------------------------------------------- all notes are let through


def test_only_a_store_that_names_candidates_is_asked_for_them(opened: Opener) -> None:
    assert isinstance(opened()._store, CandidateSource)
    assert not issubclass(sqlite.SQLiteReader, CandidateSource)


@given(st.integers(0, 99), st.integers(1, 60), st.integers(1, 12))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_where_few_notes_are_let_through_hits_are_those_of_an_exact_search(
    tmp_path_factory: pytest.TempPathFactory, analyzer: Analyzer, seed: int, n: int, k: int
) -> None:
    path = tmp_path_factory.mktemp("few") / "m.zettel"
    with registry.open_memory(path, embedder="hashing", analyzer=analyzer) as exact:
        notes = exact.add_many(chatter(n, seed))
        config = Config(exact_below=0)
        with registry.open_memory(path, embedder="hashing", analyzer=analyzer, config=config) as listed:
            for query in (*questions(4, seed), notes[-1].text, "Who?"):
                same(listed.search(query, k), exact.search(query, k))
                assert listed.recall(query) == exact.recall(query)
            exact.forget(notes[0].id)
            for query in questions(2, seed):  # what a speaker usually says is a mean over archived notes, too
                assert set(ids(listed.search(query, n))) == set(ids(exact.search(query, n)))
                assert ids(listed.search(query, status="archived")) == [notes[0].id]
            assert inside.held(listed) is None


def test_a_memory_without_notes_finds_nothing(opened: Opener) -> None:
    memory = opened(config=Config(exact_below=0))
    assert memory.search("anything") == []
    note = memory.add("words", speaker="Ann")
    assert memory.search("words", speaker="Bob") == []
    assert memory.why_not("words", note.id, speaker="Bob").step == "filter"
    memory.forget(note.id)
    assert memory.search("words") == []
    memory.forget(note.id, erase=True)
    assert memory.search("words") == []


# ----------------------------------------------------------------- some are


def test_most_of_the_best_are_found_among_thousands(large: Pair) -> None:
    found = [large.overlap(query) for query in questions(60)]
    assert np.mean(found) >= 0.95
    assert inside.held(large.listed) is None  # which would hold all notes
    assert 0 < len(inside.shortlist(large.listed)._index) <= 2300


@pytest.mark.parametrize(
    "filters",
    [
        {"speaker": "ann"}, {"speaker": ["Bob", "user"]}, {"since": NOON + timedelta(days=30)},
        {"until": NOON + timedelta(days=2)}, {"where": {"n": {"gte": 20}}}, {"where": {"n": 1}, "speaker": "Ann"},
        {"tags": "nobody-has-it"},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_filter_shuts_out_is_never_found(large: Pair, filters: dict[str, Any]) -> None:
    allowed = {note.id for note in large.exact.notes(**filters)}
    for query in questions(6):
        found = ids(large.listed.search(query, 30, **filters))
        assert set(found) <= allowed
        assert len(found) == min(30, len(allowed))


def test_all_that_a_restrictive_filter_lets_through_is_scored(large: Pair) -> None:
    filters: dict[str, Any] = {"speaker": "Ann", "where": {"n": {"gte": 15}}}
    for query in questions(6):
        exact, listed = (memory.search(query, 500, **filters) for memory in (large.exact, large.listed))
        assert set(ids(exact)) == set(ids(listed))
        assert large.overlap(query, **filters) >= 0.9
        for mine, its in zip(sorted(listed, key=_id), sorted(exact, key=_id), strict=True):
            for name in ("dense", "dense_context", "lexical", "lexical_context", "speaker", "role", "time"):
                assert mine.signals[name] == pytest.approx(its.signals[name], abs=1e-6), name


def _id(hit: Hit) -> str:
    return hit.note.id


def test_hits_have_the_values_of_an_exact_search(large: Pair) -> None:
    compared = 0
    for query in questions(20):
        exact = {hit.note.id: hit for hit in large.exact.search(query, 30)}
        for hit in large.listed.search(query):
            its = exact.get(hit.note.id)
            if its is not None:
                compared += 1
                for name in ("dense", "dense_context", "lexical", "lexical_context", "speaker", "role", "time"):
                    assert hit.signals[name] == pytest.approx(its.signals[name], abs=1e-6), name
                assert hit.signals.keys() == its.signals.keys()
    assert compared > 150


def spread(memory: Memory, query: str, name: str) -> float:
    """By how much a measure was divided to become a score."""
    ranking = inside.ranking(memory, query)
    values, parts = ranking.fused.values[name][ranking.rows], ranking.fused.parts[name][ranking.rows]
    return (values.max() - values.min()) / max(float(parts.max() - parts.min()), 1e-9)


@pytest.mark.parametrize("name", ["dense", "dense_context", "lexical", "lexical_context", "substance"])
def test_what_stands_out_does_so_about_as_far_as_among_all_notes(large: Pair, name: str) -> None:
    ratios = [spread(large.listed, q, name) / spread(large.exact, q, name) for q in questions(20)]
    assert abs(np.mean(np.log(ratios))) < 0.1
    assert np.std(np.log(ratios)) < 0.15


def test_a_row_that_stands_for_several_weighs_as_several() -> None:
    values, standing = np.array([0.0, 1.0, 5.0, 9.0]), np.array([1.0, 2.0, 0.0, 3.0])
    signal: Any = SimpleNamespace(NAME="x", WEIGHT=2.0, STANDARDIZED=True, values=lambda scan: values)
    scan: Any = SimpleNamespace(columns=SimpleNamespace(n=4))
    mask = np.array([True, True, True, False])
    repeated = np.array([0.0, 1.0, 1.0])
    scores = Fusion(scan, [signal], mask, row_weights=standing).fused().scores
    assert scores[:3] == pytest.approx(2 * (values[:3] - repeated.mean()) / repeated.std())
    assert scores[3] == -np.inf


def test_a_search_depends_on_none_before_it(large: Pair, kept: Opener) -> None:
    config = Config(exact_below=0)
    asked = questions(50, seed=7)
    fresh, used = (kept("pair.zettel", config=config) for _ in range(2))
    first = fresh.search("What did Ann say of baban?", 30)
    for n, query in enumerate(asked):
        used.search(query, **({"speaker": "Bob"} if n % 3 == 0 else {}))  # type: ignore[arg-type]
    after = used.search("What did Ann say of baban?", 30)
    assert [hit.model_dump() for hit in after] == [hit.model_dump() for hit in first]


def test_a_search_depends_on_no_order_of_hashes(large: Pair, tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parent / 'helpers')!r}]\n"
        "import test_shortlist as here\n"
        "from zettel import Config, registry\n"
        "here.sqlite.SQLiteStore = here.Listing\n"
        "memory = registry.open_memory(sys.argv[1], read_only=True, config=Config(exact_below=0))\n"
        "print([(h.note.id, h.score, h.why) for q in here.questions(3) for h in memory.search(q)])\n"
    )
    address = large.exact._store.address  # type: ignore[union-attr]
    found = {
        subprocess.run(
            [sys.executable, script, address], env=os.environ | {"PYTHONHASHSEED": seed}, check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


def test_what_is_held_is_bounded(large: Pair, kept: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = kept("pair.zettel", config=Config(exact_below=0))
    asked = questions(4, seed=3)
    free = [memory.search(query) for query in asked]
    monkeypatch.setattr(shortlist, "_KEPT", 100)
    sizes = []
    for query, hits in zip(asked, free, strict=True):
        assert memory.search(query) == hits
        sizes.append(len(inside.shortlist(memory)._index))
    assert max(sizes) < len(large.notes)


def test_many_hits_may_be_asked_for(large: Pair) -> None:
    hits = large.listed.search("What did Ann say of baban?", 700)
    assert len(hits) == len(set(ids(hits))) == 700
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.usefixtures("narrow")
def test_a_moved_head_is_seen(opened: Opener) -> None:
    pair = Pair(opened, chatter(150))
    listed, query = pair.listed, pair.notes[70].text
    assert query in [hit.note.text for hit in listed.search(query, 3)]
    new = pair.exact.add(query + " Zanzibar!", speaker="Ann")  # by another process, say
    assert new.id in ids(listed.search(query + " Zanzibar!", 3))
    assert listed.search("Zanzibar")[0].signals["lexical"] > 0
    pair.exact.forget(new.id)
    assert new.id not in ids(listed.search(query + " Zanzibar!", 150))
    assert listed.why_not("Zanzibar", new.id).step == "status"
    pair.exact.forget(pair.notes[70].id, erase=True)
    assert pair.notes[70].id not in ids(listed.search(query, 150))
    assert listed.search("Zanzibar", status="archived")[0].note.id == new.id


@pytest.mark.usefixtures("narrow")
def test_the_far_end_of_a_link_is_found(opened: Opener) -> None:
    pair = Pair(opened, chatter(300))
    here, there = pair.exact.add("qqqq wwww"), pair.exact.add("The parrot.")
    pair.exact.add_many([f"{note.text} again" for note in pair.notes])
    pair.exact.link(here.id, there.id, "similar", weight=1.0, reason="by hand")
    unlinked = opened("pair.zettel", config=Config(exact_below=0, expansion=0))
    unlinked.search("qqqq wwww")
    assert inside.shortlist(unlinked)._index.row(there.id) is None
    listed, exact = ({h.note.id: h for h in memory.search("qqqq wwww")} for memory in (pair.listed, pair.exact))
    assert listed[there.id].signals["linked"] > 0
    assert [link.reason for link in listed[there.id].via] == ["by hand"]
    assert listed[there.id].why == exact[there.id].why


@pytest.mark.usefixtures("narrow")
def test_why_not_looks_among_the_notes_looked_at(opened: Opener) -> None:
    pair = Pair(opened, chatter(400))
    query = questions(3)[2]
    hits = pair.listed.search(query)
    found = pair.listed.why_not(query, hits[3].note.id)
    assert (found.step, found.rank, found.score) == ("found", 4, hits[3].score)
    steps = Counter(pair.listed.why_not(query, note.id).step for note in pair.notes[::10])
    assert steps["outranked"] > 30
    lost = next(note for note in pair.notes if note.id not in ids(pair.listed.search(query, 50)))
    said = pair.listed.why_not(query, lost.id)
    assert "notes looked at" in said.why and said.rank is not None and said.rank > 10
    assert inside.held(pair.listed) is None


@pytest.mark.usefixtures("narrow")
def test_why_not_tells_what_the_shortlist_lost(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(opened, chatter(400))
    query = questions(3)[2]
    best = pair.listed.search(query)[0].note.id

    def blind(method: Callable[..., list[str]]) -> Callable[..., list[str]]:
        return lambda *args: [note_id for note_id in method(*args) if note_id != best]

    for name in ("nearest_notes", "notes_saying", "sampled"):
        monkeypatch.setattr(Listing, name, blind(getattr(Listing, name)))
    monkeypatch.setattr(shortlist, "_BEST", 0)
    reopened = opened("pair.zettel", config=Config(exact_below=0, expansion=0, window=0))
    assert best not in ids(reopened.search(query))
    said = reopened.why_not(query, best)
    assert said.step == "routed"
    assert said.rank is not None and said.rank <= 10
    assert said.why.startswith("The shortlist lost it")


@pytest.mark.usefixtures("narrow")
def test_names_of_notes_that_are_gone_are_passed_over(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(opened, chatter(150))
    query = questions(3)[2]
    before = pair.listed.search(query)
    for name in ("nearest_notes", "notes_saying", "sampled"):
        method = getattr(Listing, name)
        monkeypatch.setattr(Listing, name, lambda *args, method=method: [*method(*args), "never"])
    after = ids(opened("pair.zettel", config=Config(exact_below=0)).search(query))
    assert len(after) == 10
    assert len({*after} & {*ids(before)}) >= 8


def test_verifying_compares_with_an_exact_search(opened: Opener) -> None:
    found = Pair(opened, chatter(80)).listed.verify()
    assert found.ok
    assert found.recall == 1.0


# ----------------------------------------------------------------- real talk


def _data() -> Path:
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    return Path(os.environ.get("ZETTEL_DATA", beside)) / "locomo" / "locomo.json.gz"


@pytest.mark.slow
@pytest.mark.skipif(not _data().exists(), reason="the LoCoMo data is not here: set ZETTEL_DATA to its folder")
def test_real_conversations_are_searched_as_exactly(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened()
    memory.ingest([_data()])
    monkeypatch.setattr(shortlist, "_FEW", 1000)
    listed = opened(config=Config(exact_below=0))
    asked = [note.text for note in memory.notes()[:: len(memory) // 40] if len(note.text) > 20]
    overlaps = [len({*ids(memory.search(q))} & {*ids(listed.search(q))}) / 10 for q in asked]
    assert np.mean(overlaps) >= 0.95
