"""Notes on one subject: close in meaning, and sharing rare words."""

from __future__ import annotations

from typing import Any

import pytest

from zettel.linker.similar import DEGREE, links
from zettel.model import Attachment, Evidence, Note
from zettel.testing.by_hand import arrival, note

WORDS = ("pottery", "kiln")


def pot(text: str = "The pottery came out of the kiln.", **fields: Any) -> Note:
    return note(text, **{"keywords": WORDS, **fields})


def reasons(arrived: Note, other: Note, cosine: float = 0.8, **seen: Any) -> list[str]:
    return [link.reason for link in links(arrival(arrived, [other], near={other.id: cosine}, **seen))]


def test_close_notes_that_share_rare_words_are_linked_and_the_reason_quotes_them() -> None:
    arrived, other = pot("My Pottery cracked in the kiln!"), pot()
    [link] = links(arrival(arrived, [other], near={other.id: 0.8}))
    assert (link.source_id, link.target_id, link.kind, link.created_by) == (
        arrived.id, other.id, "similar", "linker/similar"
    )  # fmt: skip
    assert link.reason == "both speak of “kiln” and “Pottery”, and are close in meaning (0.80)"
    assert link.evidence == Evidence(terms=("kiln", "potteri"), cosine=0.8)
    assert link.weight == pytest.approx(0.8 * (1 - 2.718 ** -(2 * 0.9)), abs=0.01)


def test_shared_words_without_closeness_are_no_reason() -> None:
    assert reasons(pot(), pot(), cosine=0.49) == []
    assert reasons(pot(), pot(), cosine=0.51) != []


def test_closeness_without_shared_words_is_no_reason() -> None:
    assert reasons(note("Thanks so much!"), note("Thank you, that is kind."), cosine=0.99) == []
    assert reasons(pot("The pottery is drying."), pot("The kiln is cold."), cosine=0.99) == []


def test_one_rare_word_is_too_little_and_common_words_are_too() -> None:
    assert reasons(pot(keywords=WORDS[:1]), pot("Pottery again.", keywords=WORDS[:1])) == []
    assert reasons(pot(), pot(), counts=dict.fromkeys(WORDS, 400)) == []


def test_a_word_counts_where_one_note_is_about_it_and_both_say_it() -> None:
    assert reasons(pot(), pot(keywords=())) != []
    assert reasons(pot(keywords=()), pot()) != []
    assert reasons(pot(keywords=()), pot(keywords=())) == []
    assert reasons(pot(), pot(keywords=(), entities=WORDS)) != []
    said_by_one = pot("Something else entirely."), pot()
    assert reasons(*said_by_one) == reasons(*reversed(said_by_one)) == []


def test_the_threshold_rises_where_all_notes_are_close() -> None:
    """Two and a half standard deviations above the mean; of a few notes these are guesses and count for little."""
    assert reasons(pot(), pot(), 0.6, usual=0.4, spread=0.1, n_notes=1000) == []
    assert reasons(pot(), pot(), 0.7, usual=0.4, spread=0.1, n_notes=1000) != []
    assert reasons(pot(), pot(), 0.7, usual=0.9, spread=0.1, n_notes=4) != []


def test_two_conversations_need_more_in_common_than_one() -> None:
    text, three = "The pottery came out of the kiln with a blue glaze.", (*WORDS, "glaze")
    counts = {"pottery": 5, "kiln": 5}
    ours = pot(text, conversation="ours")
    assert reasons(ours, pot(text, conversation="ours", session="s9"), counts=counts) != []
    assert reasons(ours, pot(text, conversation="theirs"), counts=counts) == []
    assert reasons(ours, pot(text, conversation="theirs", keywords=three), counts=counts) != []
    assert reasons(ours, pot(text, conversation=None), counts=counts) != []
    assert reasons(pot(text, conversation=None), pot(text, conversation="theirs"), counts=counts) != []


def test_what_is_told_of_a_shared_file_does_not_count() -> None:
    picture = "Look! [shares an image: a photo of pottery in a kiln]"
    assert reasons(pot(), pot(picture)) == []
    assert reasons(pot(picture), pot(picture)) == []
    assert reasons(pot(), pot(f"The pottery of the kiln! {picture}")) != []


def test_a_description_is_told_by_its_place_in_the_text_not_by_how_it_is_written() -> None:
    text = "Look! (pottery, kiln) The pottery!"
    picture = Attachment(kind="image", description="pottery, kiln", start=6, end=21)
    assert reasons(pot(), pot(text)) != []
    assert reasons(pot(), pot(text, attachments=(picture,))) == []
    said = f"{text} [shares an image: of a kiln]"
    assert reasons(pot(), pot(said, attachments=(picture,))) != [], "where places are told, brackets say nothing"


def test_names_of_those_who_speak_do_not_count() -> None:
    def called(name: str, speaker: str | None) -> list[str]:
        arrived = note(f"{name} has a kiln.", keywords=(name, "kiln"), speaker="Bob")
        return reasons(arrived, note(f"The kiln of {name}.", keywords=(name, "kiln"), speaker=speaker))

    assert called("Melanie", "Caroline") != []
    assert called("Melanie", "Melanie Smith") == []


def test_fillers_do_not_count() -> None:
    words = ("amazing", "thanks", "weekend")
    text = "Amazing weekend, thanks!"
    assert reasons(note(text, keywords=words), note(text, keywords=words), cosine=0.95) == []


def test_only_the_strongest_few_are_linked() -> None:
    others = [pot(f"Pottery of kiln {n}.") for n in range(8)]
    near = {other.id: 0.6 + n / 100 for n, other in enumerate(others)}
    found = list(links(arrival(pot(), others, near=near)))
    assert [link.target_id for link in found] == [other.id for other in others[:-4:-1]]
    assert [link.weight for link in found] == sorted((link.weight for link in found), reverse=True)
    assert len(found) < DEGREE


def test_a_weight_is_never_above_one_whatever_rounding_does_to_a_cosine() -> None:
    text = "pottery kiln glaze clay wheel apron sponge"
    words = tuple(text.split())
    arrived, other = note(text, keywords=words), note(text, keywords=words)
    [link] = links(arrival(arrived, [other], near={other.id: 1.0000002}))
    assert link.weight == 1.0
