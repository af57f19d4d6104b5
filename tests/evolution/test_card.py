"""What a note learns: how many lessons, which give way, how they are shown."""

from __future__ import annotations

import pytest

from zettel.card import card, line
from zettel.evolution import continued, evolve
from zettel.evolution._quoting import is_said_in, lesson, with_lesson
from zettel.model import Lesson, Note, parsed_fields
from zettel.testing.by_hand import encounter, link, note

FIRST = "Ann on pottery in May 2023."


def number(n: int) -> Lesson:
    return lesson("later", note("?", f"n{n}", speaker="Ann"), f"number {n}")


def shown(*numbers: int) -> list[str]:
    return [f"Later, Ann: “number {n}”" for n in numbers]


def learned(text: str, **about: str) -> Note:
    """A note after one with this text carried it on."""
    older, arrived = note("Pottery.", context=FIRST), note(text, session="later", **about)
    [revision] = evolve([encounter(arrived, older, link(arrived, older))], [continued], {}, per_add=1, per_day=1)
    return older.model_copy(update=parsed_fields(revision.after))


def test_a_card_is_the_context_and_a_line_a_lesson() -> None:
    assert card(note("Pottery.")) == ""
    assert card(note("Pottery.", context=FIRST)) == FIRST
    assert card(note("Pottery.", context=FIRST, learned=(number(1), number(2)))).split("\n") == [FIRST, *shown(1, 2)]
    assert card(note("Pottery.", learned=(number(1),))) == f"\n{shown(1)[0]}"


def test_any_kind_of_lesson_is_shown() -> None:
    assert line(number(1).model_copy(update={"kind": "denied"})) == "Denied, Ann: “number 1”"


def test_three_lessons_are_kept_at_most_and_the_newest_stay() -> None:
    known: tuple[Lesson, ...] = ()
    for n in range(10):
        known = with_lesson(known, number(n))
        assert list(map(line, known)) == shown(*range(max(n - 2, 0), n + 1))


def test_what_people_write_is_their_own_whatever_it_looks_like() -> None:
    older = note("Pottery.", context="\n".join([FIRST, *shown(1, 2, 3), "My own words."]))
    arrived = note("Pottery!", session="later", speaker="Ann")
    [revision] = evolve([encounter(arrived, older, link(arrived, older))], [continued], {}, per_add=1, per_day=1)
    assert revision.after.keys() == {"learned"}
    after = older.model_copy(update=parsed_fields(revision.after))
    assert card(after) == f"{older.context}\nLater, Ann: “Pottery!”"


def test_a_lesson_that_reads_the_same_becomes_the_newest() -> None:
    known = number(1), number(2), number(3)
    again = number(1).model_copy(update={"note_id": "another"})
    assert with_lesson(known, again) == (number(2), number(3), again)
    assert with_lesson((number(1),), number(1)) == (number(1),)


TEXTS = [
    "Pottery is fun.", 'I said “yes” to "pottery"!', "pottery : “x”", "Pottery – yes… no…", "Well… pottery…",
    "**Pottery**: `x` | y", "What? Pottery? Really?", "pottery, " * 40, "Pottery\nin\ttwo  lines \x00 and  more.",
    "Hello! Pottery. [shares an image: pottery] Bye.", "Pottery – " + "a" * 300, "陶芸 pottery 👩‍👩‍👧\u2028 end",
    "Wait, what about pottery – the " + "kiln - " * 30, "pottery" + "!" * 200 + " end",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_what_is_quoted_is_known_for_the_note_s_own(text: str) -> None:
    after = learned(text, speaker="Ann: “x”, of “Y”", at="2023-05-08")
    [taught] = after.learned
    assert after.context == FIRST
    assert len(card(after).split("\n")) == 2
    assert is_said_in(taught.text, note(text))
    assert not is_said_in(taught.text, note("Something else."))


def test_what_was_only_said_again_teaches_nothing() -> None:
    older = note("Pottery is fun.", context=FIRST)
    arrived = note("Pottery is fun.", session="later")
    assert continued.rewrite(encounter(arrived, older, link(arrived, older))) is None
