"""A memory as of an earlier commit is the memory that was, and can't be written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from zettel.config import Config
from zettel.errors import NotFoundError, ReadOnlyError, StoreError
from zettel.memory import Memory
from zettel.model import Message, NoteChange, parsed_fields
from zettel.protocols import TopicRow
from zettel.snapshot import Snapshot
from zettel.store.sqlite import open_store
from zettel.testing.journal_world import World, step
from zettel.writer import Writer

Opener = Callable[..., Memory]

QUESTIONS = ["Who adopted a puppy?", "What did Max chew?", "When is the picnic in May?", "sourdough"]
TALK = [
    Message(text=text, speaker=speaker, time=f"2023-05-{8 + n:02}T10:00:00", conversation_id="c", session_id="s")
    for n, (speaker, text) in enumerate(
        [
            ("Caroline", "I adopted a puppy named Max."),
            ("Melanie", "How lovely! What breed is he?"),
            ("Caroline", "A beagle, and he chews on everything."),
            ("Melanie", "My sourdough starter died yesterday."),
        ]
    )
]


def lived(memory: Memory) -> None:
    """A life of one of each kind of commit."""
    first = memory.add("Max chewed my left shoe.", speaker="Caroline", time="2023-05-20", tags=["pets"])
    talk = memory.add_many(TALK)
    memory.update(first.id, tags=["pets", "shoes"], context="About the beagle.", metadata={"n": [1, None]})
    memory.mark_used([first.id, talk[0].id])
    memory.update(first.id, keywords=["sourdough"], valid_until="2024-01-01", trust=0.5)
    memory.forget(talk[3].id)
    memory.undo(3, cascade=True)
    memory.add("The picnic is on 27 May.", id="picnic", time="2023-05-21")
    memory.undo(6)
    memory.undo(8)
    memory.add("The picnic was moved to June.", id="picnic", time="2023-05-25")
    memory.undo(2, cascade=True)
    memory.undo(12)
    memory.add_many(["Sourdough again: flour, water, time.", "Nothing else."])


def seen(memory: Memory) -> dict[str, Any]:
    """All that a memory shows, scores included to the last bit."""
    return {
        "notes": [
            note.model_dump() for note in memory.notes(status=("active", "superseded", "archived", "quarantined"))
        ],
        "links": [link.model_dump() for link in memory._reader.links()],
        "tree": (memory._reader.topics(), memory._reader.places(), memory._reader.last_topic()),
        "log": [commit.model_dump() for commit in memory.log()],
        "head": memory.head,
        "hits": {
            question: [(hit.note.id, hit.rank, hit.score, hit.signals, hit.why) for hit in memory.search(question)]
            for question in QUESTIONS
        },
        "recall": memory.recall(QUESTIONS[0], 60),
    }


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal, but for the last bits of scores: an index that was kept up adds in another order than one made at once."""
    for question in QUESTIONS:
        hits, hits_again = one["hits"][question], other["hits"][question]
        assert [hit[:2] for hit in hits] == [hit[:2] for hit in hits_again]
        assert [hit[2] for hit in hits] == pytest.approx([hit[2] for hit in hits_again], abs=1e-5)
    assert {**one, "hits": None} == {**other, "hits": None}


@pytest.fixture
def lived_memory(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> tuple[Memory, list[dict[str, Any]]]:
    """A memory, and what it showed after each commit to one that was opened there and then."""
    memory = opened("agent.zettel")
    then = [seen(memory)]
    commit = Writer.commit

    def commit_and_look(self: Writer, plan: Any) -> Any:
        made = commit(self, plan)
        if made is not None:
            with opened("agent.zettel", read_only=True) as other:
                then.append(seen(other))
        return made

    monkeypatch.setattr(Writer, "commit", commit_and_look)
    lived(memory)
    monkeypatch.undo()
    return memory, then


def test_every_earlier_state_is_shown_as_it_was(lived_memory: tuple[Memory, list[dict[str, Any]]]) -> None:
    memory, then = lived_memory
    assert memory.head == len(then) - 1 == 14
    assert len({repr(state["notes"]) for state in then}) > 8  # else there is nothing to tell apart
    for number, state in enumerate(then):
        past = memory.as_of(number)
        assert len(past) == len(state["notes"])
        assert seen(past) == state
    assert_alike(seen(memory), then[-1])  # and looking back has changed nothing


def test_the_memory_itself_showed_the_same_while_it_grew(opened: Opener) -> None:
    """Its index was kept up commit by commit; one of an earlier time is built at once."""
    memory = opened("agent.zettel")
    lived(memory)
    memory.undo(4)
    memory.search(QUESTIONS[0])
    memory.undo(15)
    assert_alike(seen(memory), seen(memory.as_of(memory.head)))


def test_a_moment_means_the_last_commit_until_then(lived_memory: tuple[Memory, list[dict[str, Any]]]) -> None:
    memory, then = lived_memory
    log = memory.log()
    assert seen(memory.as_of(log[4].at)) == then[max(c.id for c in log if c.at <= log[4].at)]
    assert seen(memory.as_of(log[0].at - timedelta(seconds=1))) == then[0]
    assert seen(memory.as_of("2999-01-01")) == then[-1]


def test_one_may_go_back_from_there(lived_memory: tuple[Memory, list[dict[str, Any]]]) -> None:
    memory, then = lived_memory
    past = memory.as_of(6)
    assert seen(past.as_of(3)) == then[3]
    with pytest.raises(NotFoundError):
        past.as_of(7)


def test_history_ends_there(opened: Opener) -> None:
    memory = opened()
    lived(memory)
    first = memory.notes()[0].id
    assert [entry.commit for entry in memory.history(first)] == [1, 3, 4, 5, 7]
    assert [entry.commit for entry in memory.as_of(4).history(first)] == [1, 3, 4]
    assert memory.as_of(4).diff(3) == memory.diff(3)
    with pytest.raises(NotFoundError):
        memory.as_of(4).diff(5)


def test_what_came_later_goes_on_without_it(opened: Opener) -> None:
    memory = opened()
    lived(memory)
    past = memory.as_of(3)
    before = seen(past)
    memory.add("Something new.")
    memory.update("picnic", context="changed")
    assert seen(past) == before


def test_nothing_can_be_written_to_the_past(opened: Opener, tmp_path: Path) -> None:
    memory = opened()
    lived(memory)
    note = memory.notes()[0].id
    (tmp_path / "talk.txt").write_text("# 2025-03-04 18:30\nIdris: hello\nMaren: hello\n")
    memory.export(tmp_path / "dump.jsonl")
    past, head = memory.as_of(3), memory.head
    attempts: list[Callable[[], object]] = [
        lambda: past.add("x"), lambda: past.add_many(["x"]), lambda: past.ingest(tmp_path / "talk.txt"),
        lambda: past.update(note, context="x"), lambda: past.mark_used(note), lambda: past.forget(note),
        lambda: past.forget(note, erase=True), lambda: past.undo(1), lambda: past.undo("1.1", cascade=True),
        lambda: past.load(tmp_path / "dump.jsonl"),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(ReadOnlyError, match="earlier time"):
            attempt()
    assert memory.head == head


def test_what_was_erased_since_is_gone_from_the_past(opened: Opener) -> None:
    memory = opened()
    lived(memory)
    talk = [note for note in memory.as_of(2).notes() if note.conversation]
    assert "puppy" in talk[0].text and "puppy" in talk[1].context
    memory.forget(talk[0].id, erase=True)
    past = memory.as_of(2)
    assert [note.id for note in past.notes()] == [memory.notes()[0].id, *(note.id for note in talk[1:])]
    shown = seen(past)
    assert "puppy" not in repr([shown["notes"], shown["log"], list(shown["hits"].values())])
    with pytest.raises(NotFoundError, match="erased"):
        past.get(talk[0].id)


def test_the_past_ends_with_the_memory_it_belongs_to(opened: Opener) -> None:
    memory = opened()
    memory.add("x")
    past = memory.as_of(1)
    past.close()
    assert len(memory) == 1
    memory.close()
    with pytest.raises(StoreError, match="closed"):
        past.notes()


@settings(max_examples=40, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(data=st.data())
def test_a_reader_of_the_past_shows_what_the_journal_amounted_to(data: st.DataObject) -> None:
    store = open_store(":memory:", namespace="x", read_only=False, config=Config())
    world = World()
    for _ in range(data.draw(st.integers(1, 10))):
        if cause := step(world, data.draw):
            world.accept(store.append(world.draft(cause), world.head))
    for number, state in enumerate(world.states):
        past = Snapshot(store, number)
        notes = {i: v for i, v in state.notes.items() if i not in world.erased}
        then = World()
        then.now = state
        rows = sorted(
            (
                world.rows[n][0].model_copy(
                    update={**parsed_fields(f), "address": then.address(state.places.get(i))}
                )
                for i, (n, f) in notes.items()
            ),
            key=by_ordinal,
        )
        assert past.places() == {i: t for i, t in state.places.items() if i in notes}
        assert past.topics() == {t: TopicRow(**fields) for t, fields in state.topics.items()}
        assert past.last_topic() == state.last_topic
        assert past.head() == number and past.notes() == rows
        assert past.notes(["a", "c", "never"]) == [note for note in rows if note.id in "ac"]
        for k in (0, 1, 9):
            assert past.tail("c", "s", k) == (rows[-k:] if k else [])
        links = {key: fields for key, fields in state.links.items() if world.erased.isdisjoint(key[:2])}
        assert {link.key: link.weight for link in past.links()} == {key: f["weight"] for key, f in links.items()}
        assert [link.key for link in past.links(["a"])] == sorted(key for key in links if "a" in key[:2])
        assert list(past.commits()) == world.commits[:number] == list(past.commits(0, 99))
        assert list(past.commits_of("a")) == [c for c in store.commits_of("a") if c.id <= number]
        assert past.known(["a", "b", "never"]) == {"a", "b"} & (set(notes) | world.erased)
        came = [c.ordinal for x in world.commits[:number] for c in x.changes if isinstance(c, NoteChange)]
        assert past.last_ordinal() == max(came, default=0)
    store.close()


def by_ordinal(note: Any) -> int:
    return int(note.ordinal)
