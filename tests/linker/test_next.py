"""The message before."""

from __future__ import annotations

import pytest

from zettel.linker.next import links
from zettel.testing.by_hand import arrival, note


def test_a_note_is_said_next_after_the_last_of_its_session() -> None:
    older, last = note("one"), note("two", speaker="Ann")
    arrived = note("three", speaker="Bob", session="session_1")
    [link] = links(arrival(arrived, [older, last], before=[last, older]))
    assert (link.source_id, link.target_id, link.kind, link.weight) == (last.id, arrived.id, "next", 1.0)
    assert link.reason == "Bob speaks right after it in session session_1"


@pytest.mark.parametrize(
    ("speaker", "session", "reason"),
    [
        ("Ann", "s1", "Ann goes on right after it in session s1"), ("Ann", None, "Ann goes on right after it"),
        (None, None, "it speaks right after it"),
    ],
)  # fmt: skip
def test_the_reason_says_who_speaks_and_where(speaker: str | None, session: str | None, reason: str) -> None:
    [link] = links(arrival(note("b", speaker=speaker, session=session), before=[note("a", speaker="Ann")]))
    assert link.reason == reason


def test_the_first_of_a_session_follows_on_nothing() -> None:
    close = note("the same words")
    assert list(links(arrival(note("the same words"), [close], near={close.id: 1.0}))) == []
