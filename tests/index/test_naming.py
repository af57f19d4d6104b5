"""Names of topics: apt to a person who reads an outline."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel.index.naming import CHATTER, MAX_NAME, Material, Vocabulary
from zettel.text import terms


class Memory:
    """Notes told as (keywords, speaker, entities, subjects), named ``a0``, ``a1`` ... by group."""

    def __init__(self) -> None:
        self.materials: dict[str, Material] = {}
        self.words = Vocabulary(self.materials.__getitem__)

    def add(self, group: str, keywords: Sequence[str], speaker: str | None = None, entities=(), subjects=()) -> str:
        note_id = f"{group}{len(self.materials)}"
        self.materials[note_id] = Material(tuple(keywords), tuple(subjects), tuple(entities), speaker)
        self.words.add([note_id])
        return note_id

    def group(self, group: str) -> list[str]:
        return [note_id for note_id in self.materials if note_id.startswith(group)]

    def name(self, group: str, avoid: Sequence[str] = ()) -> str:
        return self.words.name([self.group(group)], avoid)


@pytest.fixture
def memory() -> Memory:
    """Twenty notes each of pottery (a), of running (b) and of nothing in particular (c), told by Ada and Melanie."""
    memory = Memory()
    for n in range(20):
        speaker = "Ada" if n % 2 else "Melanie"
        memory.add("a", ["pottery class", f"kiln{n}", "friend"] if n % 4 else ["clay", "friend"], speaker)
        memory.add("b", [("half marathon", "running shoes", "marathon")[n % 3], f"mile{n}", "friend"], speaker)
        memory.add("c", [f"odd{n}", "friend"], speaker)
    return memory


def test_a_name_tells_a_topic_from_the_rest(memory):
    assert memory.name("a").startswith("pottery class")
    assert memory.name("b").startswith("marathon")
    assert "friend" not in memory.name("a") + memory.name("b")


def test_a_topic_whose_notes_share_nothing_of_their_own_is_small_talk(memory):
    assert memory.name("c") == CHATTER


def test_a_word_of_few_notes_is_told_beside_small_talk(memory):
    for note_id in memory.group("c")[:2]:
        memory.materials[note_id] = Material(("whistle", "friend"), (), (), "Ada")
    memory.words.remove(memory.group("c")), memory.words.add(memory.group("c"))
    assert memory.name("c") == f"{CHATTER} · whistle"


def test_phrases_are_taken_where_the_word_mostly_stands_in_them():
    memory = Memory()
    for n in range(12):
        memory.add("a", ["adoption agency" if n % 6 else "adoption", f"x{n}"])
        memory.add("b", [f"y{n}"])
        memory.add("c", [f"z{n}"])
    assert memory.name("a") == "adoption agency"


def test_a_word_that_mostly_describes_others_is_no_name_of_its_own():
    memory = Memory()
    for n in range(12):
        memory.add("a", [f"yellow thing{n}", "bicycle"])
        memory.add("b", [f"y{n}"])
        memory.add("c", [f"z{n}"])
    assert memory.name("a") == "bicycle"


def test_surface_forms_are_the_most_frequent_and_nouns_before_deeds():
    memory = Memory()
    for n in range(12):
        memory.add("a", ["adopted" if n < 7 else "adoption", f"x{n}"], entities=["GraphQL"] if n % 2 else ["graphql"])
        memory.add("b", [f"y{n}"])
        memory.add("c", [f"z{n}"])
        memory.add("a", ["graphql"], entities=["GraphQL"])
    assert memory.name("a").split(" · ")[0] == "GraphQL"
    assert "adopted" not in memory.name("a")


def test_names_of_those_who_speak_are_no_topics_nor_is_what_they_are_called():
    memory = Memory()
    for n in range(12):
        memory.add("a", ["mel", "caroline", "garden"], "Caroline" if n % 2 else "Melanie", entities=["Mel", "Caroline"])
        memory.add("b", [f"y{n}"], "Caroline")
        memory.add("c", [f"z{n}"], "Caroline")
    assert memory.name("a") == "garden"


def test_what_is_said_beside_names_of_those_who_speak_is_told():
    memory = Memory()
    for n in range(20):
        memory.add("a", ["caroline", "whistle" if n < 2 else f"x{n}"], "Caroline")
        memory.add("b", [f"y{n}"], "Caroline")
        memory.add("c", [f"z{n}"], "Caroline")
    assert memory.name("a") == f"{CHATTER} · whistle"


def test_a_car_is_no_nickname_of_caroline():
    memory = Memory()
    for n in range(12):
        memory.add("a", ["car"], "Caroline")
        memory.add("b", [f"y{n}"], "Caroline")
        memory.add("c", [f"z{n}"], "Caroline")
    assert memory.name("a") == "car"


def test_one_who_only_spoke_earlier_may_be_spoken_of():
    memory = Memory()
    for n in range(12):
        memory.add("a", ["oliver"], "Ada", entities=["Oliver"])
        memory.add("b", [f"y{n}"], "Ada")
        memory.add("c", [f"z{n}"], "Ada")
    gone = memory.add("d", ["hello"], "Oliver")
    assert memory.name("a") == CHATTER
    memory.words.remove([gone])
    assert memory.name("a") == "Oliver"


def test_terms_of_a_name_are_not_variants_of_one_word():
    memory = Memory()
    for n in range(16):
        memory.add("a", ["dancer", "dance", "healthy"] if n % 2 else ["dances", "dancing shoes", "health"])
        memory.add("b", [f"y{n}"])
        memory.add("c", [f"z{n}"])
    stems = [terms(part)[0] for part in memory.name("a").split(" · ")]
    assert len(stems) == 2
    assert not stems[0].startswith(stems[1][:4])


def test_a_name_differs_from_those_around_it(memory):
    alone = memory.name("a")
    assert memory.name("a", avoid=[alone]) != alone
    first = memory.name("b").split(" · ")[0]
    assert memory.name("b", avoid=[first]) != first


def test_two_topics_with_the_same_best_words_are_told_apart_by_another():
    memory = Memory()
    for n in range(20):
        memory.add("a", ["alpaca" if n < 14 else "barley", "clover" if n % 7 == 0 else f"x{n}"])
        memory.add("b", [f"y{n}"])
        memory.add("c", [f"z{n}"])
    assert memory.name("a") == "alpaca · barley"
    assert memory.name("a", avoid=["alpaca · barley"]) == "alpaca · clover"


def test_a_subject_is_named_where_no_word_is_shared():
    memory = Memory()
    for n in range(12):
        memory.add("a", [f"x{n}"], subjects=["animals"])
        memory.add("b", [f"y{n}"], subjects=["music"])
        memory.add("c", [f"z{n}"], subjects=["music"])
    assert memory.name("a") == "animals"


def test_what_all_parts_share_names_a_topic_of_topics_before_what_is_in_one():
    memory = Memory()
    for n in range(10):
        memory.add("a", ["tractor", "harvest" if n < 3 else f"w{n}"])
        memory.add("b", ["harvest" if n < 3 else f"x{n}"])
        memory.add("c", ["harvest" if n < 3 else f"y{n}"])
        for other in range(5):
            memory.add("d", [f"z{n}.{other}"])
    parts = [memory.group("a"), memory.group("b"), memory.group("c")]
    assert memory.words.name(parts).split(" · ")[0] == "harvest"
    assert memory.name("a").split(" · ")[0] == "tractor"


def test_a_single_note_is_named_by_its_own_words():
    memory = Memory()
    memory.add("a", ["adoption agency", "interview"], "Ada")
    assert memory.name("a") in {"adoption agency · interview", "interview · adoption agency"}


def test_a_first_few_notes_are_not_called_small_talk():
    memory = Memory()
    for keywords in (["puppy"], ["train to Bergen"], ["tax return"]):
        memory.add("a", keywords)
    assert CHATTER not in memory.name("a")


def test_nothing_to_tell_is_small_talk_too():
    memory = Memory()
    memory.add("a", [])
    memory.add("a", ["oh", "the"])
    assert memory.name("a") == CHATTER
    assert memory.words.name([[]]) == CHATTER


def test_counts_go_back_to_nothing_even_when_annotations_change_meanwhile(memory):
    memory.name("a")
    for note_id in memory.materials:
        memory.materials[note_id] = Material(("something else",), (), (), "Zoe")
    memory.words.remove(list(memory.materials))
    assert not +memory.words._notes_with
    assert not +memory.words._notes_by
    assert not memory.words._forms


WORDS = st.text(st.sampled_from("abcdefgh AB·-'#~ß語"), max_size=30)
MATERIALS = st.builds(
    Material,
    st.lists(WORDS, max_size=5).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
    st.lists(WORDS, max_size=3).map(tuple),
    st.none() | WORDS,
)


@given(st.lists(MATERIALS, min_size=1, max_size=30), st.lists(WORDS, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_notes_have_a_name_of_limited_length_whatever_their_order(materials, avoid, random):
    ids = [f"n{i}" for i in range(len(materials))]
    words, other = (Vocabulary(dict(zip(ids, materials, strict=True)).__getitem__) for _ in range(2))
    shuffled = random.sample(ids, len(ids))
    words.add(ids)
    for note_id in shuffled:
        other.add([note_id])
        other.name([[note_id]])
    name = words.name([ids], avoid)
    assert name == other.name([shuffled], avoid)
    assert name.strip()
    assert len(name) <= MAX_NAME
