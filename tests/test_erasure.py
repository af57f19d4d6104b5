"""What an erasure takes out of other notes' annotations and of the names of topics, and what it leaves there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from traces import traces

from zettel import erasure
from zettel.config import Config
from zettel.model import Lesson, Placement, Revision, TopicChange
from zettel.protocols import Analysis, Utterance
from zettel.store.sqlite import SQLiteStore, open_store
from zettel.testing.journal_world import World

SECRET = "The xylophonist of Ouagadougou sang twice."
WORDS = ["xylophonist", "ouagadougou", "sang twice"]


def analyze(utterances: Sequence[Utterance]) -> list[Analysis]:
    """Contexts that quote what is answered; keywords are the words of the text and of that, from six letters on."""
    found = []
    for said in utterances:
        context = "Somebody speaks" + (f', answering "{said.answers_text}"' if said.answers_text else "")
        words = f"{said.text} {said.answers_text or ''}".replace(".", "").split()
        found.append(Analysis(f"{context}.", tuple(w for w in words if len(w) > 5), (), ()))
    return found


class Place:
    """A store with a world beside it, and erasures as a memory does them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keeps_own = True  # what is a note's own, as journals do since erasures read it there
        self.store: SQLiteStore = open_store(str(path), namespace="x", read_only=False, config=Config())
        self.world = World()

    def commit(self, cause: Any = "add") -> None:
        self.world.accept(self.store.append(self.world.draft(cause), self.world.head))

    def arrive(self, note_id: str, text: str, *, answers: str | None = None, **fields: Any) -> None:
        """A note, analyzed as an answer to another; a commit of its own."""
        asked = self.world.rows[self.world.ordinals[answers]][0].text if answers else None
        (analysis,) = analyze([Utterance(text, answers_id=answers, answers_text=asked)])
        made = {"context": analysis.context, "keywords": list(analysis.keywords), **fields}
        (alone,) = analyze([Utterance(text)])
        own = {"context": alone.context, "keywords": list(alone.keywords)} if answers and self.keeps_own else {}
        derived_from = [answers] if answers else ()
        self.world.add(note_id, text=text, session=None, derived_from=derived_from, own=own, **made)
        self.commit()

    def revise(self, note_id: str, *derived_from: str, **fields: Any) -> None:
        self.world.revise(note_id, derived_from=derived_from, trigger=next(iter(derived_from), None), **fields)
        self.commit()

    def erase(self, note_id: str, moves: Any = ()) -> None:
        (note,) = self.store.notes([note_id]) or self.store.arrived([self.world.ordinals[note_id]]).values()
        draft = erasure.plan(note, self.store, moves)
        self.world.rewrite(draft.rewrites)
        self.world.do(*draft.changes)
        self.world.accept(self.store.append(draft, self.world.head))
        assert self.store.notes() == self.store.notes(list(self.world.now.notes))
        shown = {note.id: note.context for note in self.store.notes()}
        assert shown == {i: fields["context"] for i, (_, fields) in self.world.now.notes.items()}
        assert {t: row.name for t, row in self.store.topics().items()} == {
            t: fields["name"] for t, fields in self.world.now.topics.items()
        }

    def context(self, note_id: str) -> str:
        return str(self.world.now.notes[note_id][1]["context"])

    def keywords(self, note_id: str) -> list[str]:
        return list(self.world.now.notes[note_id][1]["keywords"])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An empty place."""
    place = Place(tmp_path / "a.zettel")
    with closing(place.store):
        yield place


def lived(place: Place) -> None:
    """Note d answers p; its context was extended by a quotation of e, then by one of t, its keywords by theirs."""
    place.arrive("p", "Peacocks dance outside.")
    place.arrive("d", "Indeed, loudly.", answers="p", tags=["ours"])
    place.arrive("e", SECRET)
    context, keywords = place.context("d"), place.keywords("d")
    place.revise("d", "e", context=f"{context}\nLater: “{SECRET}”", keywords=[*keywords, "xylophonist"])
    place.arrive("t", "Tomorrow brings thunder.")
    place.revise(
        "d", "t", context=f"{place.context('d')}\nLater: “Tomorrow brings thunder.”",
        keywords=[*place.keywords("d"), "thunder"],
    )  # fmt: skip


def test_a_quotation_between_others_goes_and_the_others_stay(place: Place) -> None:
    lived(place)
    place.erase("e")
    assert not traces(place.path, WORDS)
    assert place.context("d").split("\n") == [
        'Somebody speaks, answering "Peacocks dance outside.".', "Later: “Tomorrow brings thunder.”",
    ]  # fmt: skip
    assert place.keywords("d") == ["Indeed,", "loudly", "Peacocks", "outside", "thunder"]
    assert place.world.now.notes["d"][1]["tags"] == ["ours"]
    before = [c.before for x in place.world.commits for c in x.changes if isinstance(c, Revision)]
    assert before[0]["context"] == 'Somebody speaks, answering "Peacocks dance outside.".'  # it was clean before


def test_what_an_erasure_left_is_known_to_quote_the_others(place: Place) -> None:
    lived(place)
    for note_id, words in (("e", WORDS), ("t", ["thunder", "tomorrow"]), ("p", ["peacocks", "outside"])):
        place.erase(note_id)
        assert not traces(place.path, words)
    assert place.context("d") == "Somebody speaks." and place.keywords("d") == ["Indeed,", "loudly"]


def test_quotations_are_found_in_whatever_order_their_notes_are_erased(place: Place) -> None:
    lived(place)
    for note_id, words in (("p", ["peacocks", "outside"]), ("t", ["thunder", "tomorrow"]), ("e", WORDS)):
        place.erase(note_id)
        assert not traces(place.path, words)
    assert place.context("d") == "Somebody speaks."


def test_a_line_that_gave_way_to_newer_ones_is_found_in_the_commits(place: Place) -> None:
    lived(place)
    place.revise("d", "p", context="Somebody speaks.\nLater: “Tomorrow brings thunder.”\nLater: “Peacocks.”")
    place.erase("e")
    assert not traces(place.path, WORDS)
    assert place.context("d") == "Somebody speaks.\nLater: “Tomorrow brings thunder.”\nLater: “Peacocks.”"


def test_what_gave_way_to_a_quotation_and_came_back_stays(place: Place) -> None:
    lived(place)
    card = "Somebody speaks.\nLater: “Peacocks, often.”"
    place.revise("d", "p", context=card)
    place.revise("d", "e", context=f"Somebody speaks.\nLater: “{SECRET}”")
    place.world.take_back(place.world.head)
    place.commit("undo")
    place.erase("e")
    assert not traces(place.path, WORDS)
    assert place.context("d") == card


def test_a_short_quotation_in_a_longer_sentence_goes_too(place: Place) -> None:
    place.arrive("d", "Indeed, loudly.")
    place.arrive("e", "Xylophonists!")
    place.revise("d", "e", context="Somebody speaks. Then of xylophonists.")
    place.revise("d", context="Somebody speaks. Then of xylophonists. And it rained.")  # by hand: quotes nobody
    place.erase("e")
    assert not traces(place.path, ["xylophonist"])
    assert place.context("d") == "Somebody speaks. And it rained."


def test_a_rewritten_context_falls_back_to_the_analysis(place: Place) -> None:
    lived(place)
    place.revise("d", "e", "t", context="They spoke of thunder, and how the xylophonist of Ouagadougou sang.")
    place.erase("e")
    assert not traces(place.path, WORDS)
    assert place.context("d") == "Somebody speaks."


def test_undone_and_done_again_it_stays_clean(place: Place) -> None:
    lived(place)
    place.world.take_back(6)
    place.commit("undo")
    place.world.take_back(4)
    place.commit("undo")
    place.erase("e")
    assert not traces(place.path, WORDS)
    for number in (8, 7, 8):
        place.world.take_back(number, cascade=True)
        place.commit("undo")
        assert not traces(place.path, WORDS)


def test_of_a_journal_that_kept_nothing_for_its_own_stays_what_the_text_says(place: Place) -> None:
    place.keeps_own = False
    place.arrive("e", SECRET)
    place.arrive("d", "Indeed, loudly.", answers="e", tags=["loudly indeed", "singers"], entities=["Indeed", "Mali"])
    place.erase("e")
    assert not traces(place.path, WORDS)
    assert place.context("d") == "" and place.keywords("d") == ["Indeed,", "loudly"]
    fields = place.world.now.notes["d"][1]
    assert (fields["tags"], fields["entities"]) == (["loudly indeed"], ["Indeed"])


def test_what_people_have_taken_out_does_not_come_back(place: Place) -> None:
    place.arrive("e", SECRET)
    place.arrive("d", "Indeed, loudly.", answers="e")
    place.revise("d", keywords=["xylophonist", "loudly"])
    place.erase("e")
    assert place.keywords("d") == ["loudly"]


def lesson(note_id: str, text: str) -> dict[str, Any]:
    return Lesson(kind="later", note_id=note_id, text=text).model_dump(mode="json")


def test_what_was_learned_from_a_note_goes_with_it_by_its_id_alone(place: Place) -> None:
    lived(place)
    heard, thunder = lesson("e", "In other words."), lesson("t", "Tomorrow.")
    place.revise("d", "e", learned=[heard])
    place.revise("d", "t", learned=[heard, thunder])
    place.revise("d", "e", learned=[heard, thunder, {**heard, "text": "Once more."}])
    place.erase("e")
    assert not traces(place.path, [*WORDS, "in other words", "once more"])
    assert place.world.now.notes["d"][1]["learned"] == [thunder]
    place.erase("t")
    assert place.world.now.notes["d"][1]["learned"] == []


# ----------------------------------------------------------------------- topics


def planted(place: Place) -> None:
    """Topics named by words of their notes, one of them by those of e alone; some were named so before."""
    place.arrive("a", "Max the beagle barked at Rosa.", entities=["Max", "Rosa"])
    place.arrive("b", "Max sleeps.", entities=["Max"])
    place.arrive("e", SECRET, entities=["Ouagadougou"], tags=["serenades"])
    world = place.world
    world.grow(1, name="Max · Ouagadougou", named_at=3)
    world.grow(2, parent=1, name="Max")
    world.grow(3, parent=1, number=2, name="xylophonists")
    world.grow(4, parent=1, number=3, name="twice-told serenades")
    for note, topic in (("a", 2), ("b", 2), ("e", 3)):
        world.place(note, topic)
    place.commit()
    world.grow(2, name="Rosa")
    world.remove_topic(4)
    world.grow(2, name="Max")
    place.commit()


def names(place: Place) -> dict[int, str]:
    return {topic: row.name for topic, row in place.store.topics().items()}


def test_names_lose_the_words_that_only_the_erased_note_has(place: Place) -> None:
    planted(place)
    place.erase("e")
    assert names(place) == {1: "Max", 2: "Max", 3: "unnamed"}
    assert not traces(place.path, [*WORDS, "serenade", "twice-told"])
    assert "Max · " not in repr(place.world.commits)
    told = [c.after["name"] for x in place.world.commits for c in x.changes if isinstance(c, TopicChange) and c.after]
    assert told == ["", "Max", "", "", "Rosa", "Max", "Max", "unnamed"]
    assert place.store.places() == {"a": 2, "b": 2} == place.world.now.places
    for number in range(place.world.head - 1):
        place.world.ledger.tree_inverse(number + 1)  # the journal is whole
    assert place.store.topics()[1].named_at == 3


def test_words_that_another_note_has_stay_in_names(place: Place) -> None:
    planted(place)
    place.arrive("c", "I know a xylophonist.", keywords=["serenade"])
    place.arrive("f", "Nothing.", context="Of Ouagadougou, told twice.")
    place.erase("e")
    assert names(place) == {1: "Max · Ouagadougou", 2: "Max", 3: "xylophonists"}
    place.erase("c")
    assert names(place) == {1: "Max · Ouagadougou", 2: "Max", 3: "unnamed"}
    assert not traces(place.path, ["xylophonist", "serenade"])


def test_words_that_stand_only_in_a_quotation_go_with_it(place: Place) -> None:
    planted(place)
    place.revise("a", "e", keywords=["Ouagadougou"], context=f"Later: “{SECRET}”")
    place.erase("e")
    assert names(place)[1] == "Max"
    assert not traces(place.path, WORDS)


def test_words_that_another_note_got_from_it_go_whatever_they_are(place: Place) -> None:
    planted(place)
    place.revise("a", "e", keywords=["Balladeer"])
    place.world.grow(2, name="Rosa · Balladeer")
    place.commit()
    place.erase("e")
    assert names(place)[2] == "Rosa"
    assert not traces(place.path, [*WORDS, "balladeer"])


def test_moves_made_for_the_erasure_are_blanked_too(place: Place) -> None:
    planted(place)
    before = dict(place.world.now.topics)
    moves = [
        Placement(id="", note_id="e", before=3, after=None),
        TopicChange(id="", topic_id=3, before=before[3]),
        TopicChange(id="", topic_id=1, before=before[1], after={**before[1], "name": "Max · beagle · twice sang"}),
    ]
    place.erase("e", moves=moves)
    assert names(place) == {1: "Max · beagle", 2: "Max"}
    assert not traces(place.path, WORDS)


def test_a_journal_without_telling_names_is_not_rewritten(place: Place) -> None:
    planted(place)
    kept = place.world.commits[3:]
    place.erase("b")
    assert place.world.commits[3:5] == kept and names(place)[1] == "Max · Ouagadougou"
    assert len(place.world.commits[-1].changes) == 1
