"""The last note that named the same person, place or thing."""

from __future__ import annotations

from typing import Any

import pytest

from zettel.linker.same_entity import links
from zettel.model import Evidence, Note
from zettel.testing.by_hand import arrival, note


def linked(arrived: Note, *others: Note, cosine: float = 0.3, **seen: Any) -> list[str]:
    """The ids of the notes that the arriving one is linked to."""
    near = {other.id: cosine for other in others}
    return [link.target_id for link in links(arrival(arrived, others, near=near, **seen))]


def named(entity: str, text: str = "We went to see {} again.", **fields: Any) -> Note:
    return note(text.format(entity), **{"entities": (entity,), **fields})


def test_a_note_is_linked_to_the_last_one_that_named_its_entity() -> None:
    first, last = named("Buckingham Palace"), named("Buckingham Palace", "I was at {} on Monday.")
    arrived = named("Buckingham Palace")
    [link] = links(arrival(arrived, [first, last, note("A palace.")], near={last.id: 0.3, first.id: 0.9}))
    assert (link.source_id, link.target_id, link.kind) == (arrived.id, last.id, "same_entity")
    assert link.reason == "both mention “Buckingham Palace”"
    assert link.evidence == Evidence(terms=("buckingham", "palac"), quote="Buckingham Palace")
    assert link.weight == pytest.approx(0.84, abs=0.01)


def test_a_chain_leads_through_all_mentions_in_the_order_they_arrived() -> None:
    chain: list[Note] = []
    for n in range(6):
        arrived = named("Buckingham Palace", f"Day {n} at {{}}.")
        assert linked(arrived, *chain) == [note.id for note in chain[-1:]]
        chain.append(arrived)


def test_the_other_note_need_not_list_the_entity_but_must_write_it_so() -> None:
    assert linked(named("Buckingham Palace"), named("Buckingham Palace", entities=())) != []
    assert linked(named("Buckingham Palace"), note("The palace at Buckingham.")) == []
    assert linked(named("Buckingham Palace"), note("We saw buckingham palace.")) == []


def test_an_article_is_no_part_of_a_name() -> None:
    assert linked(named("The Grand Canyon"), named("Grand Canyon")) != []


@pytest.mark.parametrize("called", ["Thanks, {}!", "{}, how are you?", "Hi {}", "Well, {}, I see.", "Good night, {}."])
def test_a_name_that_is_only_called_is_not_spoken_of(called: str) -> None:
    assert linked(named("Bella"), named("Bella", called)) == []
    assert linked(named("Bella", called), named("Bella")) == []
    assert linked(named("Bella", called + " Bella is a cat."), named("Bella")) != []


@pytest.mark.parametrize("entity", ["Mel", "Melanie", "Melanie Smith", "the Melanie"])
def test_who_speaks_is_in_every_note_also_by_a_short_name(entity: str) -> None:
    assert linked(named(entity), named(entity), named("Oslo", speaker="Melanie")) == []
    assert linked(named(entity), named(entity), named("Oslo", speaker="Caroline")) != []


def test_a_single_word_in_another_conversation_may_be_somebody_else() -> None:
    arrived = {"conversation": "ours"}
    assert linked(named("Max", **arrived), named("Max", conversation="theirs")) == []
    assert linked(named("Max", **arrived), named("Max", conversation="ours", session="s9")) != []
    assert linked(named("Max", **arrived), named("Max", conversation=None)) != []
    assert linked(named("Max Müller", **arrived), named("Max Müller", conversation="theirs")) != []


def test_what_every_other_note_names_connects_nothing() -> None:
    assert linked(named("Oslo"), named("Oslo"), counts={"oslo": 10}) != []
    assert linked(named("Oslo"), named("Oslo"), counts={"oslo": 100}) == []


def test_a_mention_that_is_less_close_than_usual_is_passed_over() -> None:
    assert linked(named("Oslo"), named("Oslo"), cosine=0.19, usual=0.2) == []
    assert linked(named("Oslo"), named("Oslo"), cosine=0.21, usual=0.2) != []
    far, near = named("Oslo"), named("Oslo")
    arrived = named("Oslo")
    found = links(arrival(arrived, [near, far], near={near.id: 0.5, far.id: 0.0}))
    assert [link.target_id for link in found] == [near.id]


def test_the_messages_just_before_are_linked_already() -> None:
    before = named("Oslo")
    assert linked(named("Oslo"), before, before=[before]) == []


def test_two_entities_of_one_note_make_one_link_and_the_rarest_make_it() -> None:
    text, both = "In Oslo we saw the Fram Museum.", ("Oslo", "Fram Museum", "Vigeland Park")
    other = note(text, entities=both)
    [link] = links(arrival(note(text, entities=both), [other], near={other.id: 0.3}, counts={"oslo": 9}))
    assert "Fram Museum" in link.reason


def test_an_arriving_note_gets_two_links_at_most_for_its_rarest_entities() -> None:
    names = ("Oslo", "Bergen", "Tromsø")
    others = [named(name) for name in names]
    arrived = note("Oslo and Bergen and Tromsø.", entities=names)
    assert linked(arrived, *others, counts={"oslo": 5, "bergen": 1, "tromsø": 3}) == [others[1].id, others[2].id]


@pytest.mark.parametrize("entity", ["C++", "C#", "Yahoo!", "Mr. T.", "(Un)real", "a|b", "AT&T", "🎻 Society", "Zürich"])
def test_a_name_may_hold_what_means_something_to_regular_expressions(entity: str) -> None:
    assert linked(named(entity), named(entity)) != []
    assert linked(named(entity), note("We went to see others again.")) == []


def test_a_name_inside_a_longer_word_is_no_mention() -> None:
    assert linked(named("Art"), note("Artists in Artois, Kuns-tArt too, and art.")) == []
