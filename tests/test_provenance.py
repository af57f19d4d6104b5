"""What annotations were derived from is kept when they are made, so that an erasure needs to ask nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from traces import traces

from zettel import Message, Source
from zettel.memory import Memory
from zettel.model import NoteChange
from zettel.protocols import Analysis, Utterance

Opener = Callable[..., Memory]
ANN = "The clinic called: they say I am HIV positive."
BOB = "I will come to the clinic with you. Shall I bring the violin?"


class Sampling:
    """An analyzer that answers differently at each call, and reads keywords, tags and names from what is answered."""

    name = "sampling/1"

    def __init__(self, *, tells_own: bool) -> None:
        self._tells_own = tells_own
        self._call = count(1)

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        return [self._analysis(utterance, next(self._call)) for utterance in utterances]

    def _analysis(self, said: Utterance, call: int) -> Analysis:
        if said.answers_id is None or call > 2:
            return Analysis(f"Call {call}.", (), (), ())
        own = Analysis(f"Call {call}.", ("violin",), ("music",), ("Violin",))
        return Analysis(
            f"Call {call}, on what Ann was told.", ("hiv positive", "seropositivity", *own.keywords),
            ("diagnosis", "music"), ("HIV", "Violin"), (said.answers_id,), own=own if self._tells_own else None,
        )  # fmt: skip


def talk(memory: Memory) -> tuple[str, str]:
    said = (("Ann", ANN), ("Bob", BOB))
    ann, bob = memory.add_many([Message(text=t, speaker=who, conversation_id="c") for who, t in said])
    assert "hiv positive" in bob.keywords and "diagnosis" in bob.tags
    return ann.id, bob.id


@pytest.mark.parametrize("tells_own", [True, False], ids=["tells its own", "does not"])
def test_nothing_is_left_of_what_was_read_from_an_erased_message(
    opened: Opener, tmp_path: Path, tells_own: bool
) -> None:
    memory = opened(analyzer=Sampling(tells_own=tells_own))
    ann, bob = talk(memory)
    memory.update(bob, keywords=[*memory.get(bob).keywords, "rehearsal"])
    assert memory.search("seropositivity diagnosis", 1)[0].note.id in (ann, bob)
    memory.forget(ann, erase=True)
    memory.export(tmp_path / "all.jsonl", history=True)
    memory.export(tmp_path / "now.jsonl")
    for word in ("hiv", "seropositiv", "diagnosis", "what ann was told"):
        assert word not in str([memory.notes(), memory.log(), memory.topics()]).lower()
        for name in ("all.jsonl", "now.jsonl"):
            assert word not in (tmp_path / name).read_text().lower()
        for hit in memory.search(word):
            assert not hit.signals.get("lexical")
    note = memory.get(bob)
    assert note.keywords == ("violin", "rehearsal")
    if tells_own:
        assert (note.context, note.tags, note.entities) == ("Call 2.", ("music",), ("Violin",))
    else:
        assert (note.context, note.tags, note.entities) == ("", (), ("Violin",))
    assert memory.verify().ok
    memory.close()
    assert not traces(tmp_path / "agent.zettel", ["hiv", "seropositiv", "diagnosis", "what ann was told"])


def arrivals(memory: Memory) -> dict[str, NoteChange]:
    return {c.note_id: c for commit in memory.log() for c in commit.changes if isinstance(c, NoteChange)}


def test_the_journal_keeps_what_an_arrival_would_have_been_alone(memory: Memory) -> None:
    said = (("Ann", "Did you see Max?"), ("Bob", "Max? No, Ann, he sleeps."))
    ann, bob = memory.add_many([Message(text=t, speaker=who, conversation_id="c") for who, t in said])
    (alone,) = memory.add_many([Message(text=said[1][1], speaker="Bob", conversation_id="d")])
    change = arrivals(memory)[bob.id]
    assert change.derived_from == (ann.id,) and change.after is not None
    assert change.own["context"] == "Bob (conversation c)."
    for name, value in change.own.items():
        assert value != change.after[name]
        assert name == "context" or value == list(getattr(alone, name))
    assert arrivals(memory)[ann.id].own == {} == arrivals(memory)[alone.id].own


def test_tags_given_by_hand_are_a_note_s_own(opened: Opener) -> None:
    memory, source = opened(analyzer=Sampling(tells_own=False)), Source(conversation_id="c")
    ann = memory.add(ANN, speaker="Ann", source=source)
    bob = memory.add(BOB, speaker="Bob", source=source, tags=["friends"])
    assert bob.tags == ("friends", "diagnosis", "music")
    memory.forget(ann.id, erase=True)
    assert memory.get(bob.id).tags == ("friends",)
