"""The names of notes from transcripts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zettel.identity import note_id
from zettel.ingest import identify
from zettel.model import Message
from zettel.protocols import Entry

ANY = st.text(st.characters())  # lone surrogates too
PLACES = st.tuples(ANY, st.none() | ANY, st.none() | ANY, st.none() | ANY, ANY, st.integers(0, 5))


def named(*texts: str, session: str | None = None) -> tuple[str, ...]:
    return identify("default", [Entry(Message(text=t, conversation_id="c", session_id=session), "") for t in texts])


def test_the_name_of_a_message_never_changes() -> None:
    # Memories hold these names: a change of the hash needs another tag.
    assert note_id("default", "conv-1", "session_1", "D1:1", "hi", 0) == "z1ec49e35c78d8d8be8dc75b42"
    assert note_id("default", "chat", None, None, "hi", 1) == "z13ab99da266504f33d404bb90"


@given(PLACES)
def test_a_name_is_a_tag_and_hex_digits(place: tuple[str, str | None, str | None, str | None, str, int]) -> None:
    assert re.fullmatch("z1[0-9a-f]{24}", note_id(*place))


@given(PLACES, PLACES)
def test_names_are_equal_only_for_equal_places(
    a: tuple[str, str | None, str | None, str | None, str, int],
    b: tuple[str, str | None, str | None, str | None, str, int],
) -> None:
    def meant(place: tuple[str, str | None, str | None, str | None, str, int]) -> tuple[object, ...]:
        return place[:5] if place[3] is not None else place

    assert (note_id(*a) == note_id(*b)) == (meant(a) == meant(b))


@given(ANY, ANY)
def test_text_moved_from_one_field_to_the_next_gives_another_name(a: str, b: str) -> None:
    if a + b != a:
        assert note_id("n", a + b, None, None, "", 0) != note_id("n", a, b, None, "", 0)


def test_half_characters_in_two_ways_are_told_apart() -> None:
    assert note_id("n", None, None, None, "\ud83d\ude00", 0) != note_id("n", None, None, None, "\U0001f600", 0)


def test_equal_texts_are_counted_inside_their_session() -> None:
    assert len(set(named("ok", "ok", "no"))) == 3
    assert named("ok", session="a")[0] != named("ok", session="b")[0]


@given(st.lists(st.sampled_from(["ok", "no", "yes"]), max_size=8), st.integers(0, 8))
def test_a_message_put_in_renames_no_other(texts: list[str], at: int) -> None:
    assert set(named(*texts)) < set(named(*texts[:at], "new", *texts[at:]))


def test_the_same_message_id_and_text_twice_is_one_message() -> None:
    entries = [Entry(Message(text=t, conversation_id="c", message_id="m"), "") for t in ("ok", "ok", "no")]
    first, second, other = identify("default", entries)
    assert first == second != other


def test_namespaces_are_apart() -> None:
    entries = [Entry(Message(text="ok", conversation_id="c"), "")]
    assert identify("a", entries) != identify("b", entries)
