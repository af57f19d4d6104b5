"""The lines of a card: which are added, which give way, which go with what they quote."""

from __future__ import annotations

from typing import Any

import pytest

from zettel.evolution import added, continued
from zettel.evolution._card import is_said_in, with_line
from zettel.testing.by_hand import encounter, link, note

FIRST = "Ann on pottery in May 2023."


def line(n: int) -> str:
    return f"Later, Ann: “number {n}”"


def carried_on(text: str, context: str = FIRST, **about: Any) -> str:
    """A context after a note with this text carried it on."""
    older = note("Pottery.", context=context)
    arrived = note(text, session="later", **about)
    rewrite = continued.rewrite(encounter(arrived, older, link(arrived, older)))
    assert rewrite is not None
    return str(rewrite.fields["context"])


def test_three_lines_are_added_at_most_and_the_newest_stay() -> None:
    context = FIRST
    for n in range(10):
        context = with_line(context, line(n))
        assert context.split("\n") == [FIRST, *(line(i) for i in range(max(n - 2, 0), n + 1))]
        assert added(context) == context.split("\n")[1:]


def test_what_people_have_written_below_stays_where_it_is() -> None:
    context = f"{FIRST}\nLater I moved.\n{line(1)}\nMy own words.\n{line(2)}"
    assert with_line(with_line(context, line(3)), line(4)) == (
        f"{FIRST}\nLater I moved.\nMy own words.\n{line(2)}\n{line(3)}\n{line(4)}"
    )


def test_the_analyzers_line_is_never_an_added_one() -> None:
    assert added(line(1)) == []
    context = line(1)
    for n in (1, 2, 3, 4):
        context = with_line(context, line(n))
    assert context.split("\n")[0] == line(1)
    assert with_line("", line(1)) == f"\n{line(1)}"


def test_a_line_told_again_becomes_the_newest() -> None:
    context = f"{FIRST}\n{line(1)}\n{line(2)}\n{line(3)}"
    assert with_line(context, line(1)).split("\n")[1:] == [line(2), line(3), line(1)]
    assert with_line(f"{FIRST}\n{line(1)}", line(1)) == f"{FIRST}\n{line(1)}"


TEXTS = [
    "Pottery is fun.", 'I said “yes” to "pottery"!', "pottery : “x”", "Pottery – yes… no…", "Well… pottery…",
    "**Pottery**: `x` | y", "What? Pottery? Really?", "pottery, " * 40, "Pottery\nin\ttwo  lines \x00 and  more.",
    "Hello! Pottery. [shares an image: pottery] Bye.", "Pottery – " + "a" * 300, "陶芸 pottery 👩‍👩‍👧\u2028 end",
    "Wait, what about pottery – the " + "kiln - " * 30, "pottery" + "!" * 200 + " end",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_what_is_quoted_is_known_for_the_note_s_own(text: str) -> None:
    context = carried_on(text, speaker="Ann: “x”, of “Y”", at="2023-05-08")
    first, line = context.split("\n")
    quote = line.rsplit(": “", 1)[1].removesuffix("”")
    assert first == FIRST
    assert is_said_in(quote, note(text))
    assert not is_said_in(quote, note("Something else."))


def test_what_was_only_said_again_adds_no_line() -> None:
    older = note("Pottery is fun.", context=FIRST)
    arrived = note("Pottery is fun.", session="later")
    assert continued.rewrite(encounter(arrived, older, link(arrived, older))) is None
