"""What arriving notes do to a memory: the same however they come, within its bounds, and undone as it was done."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inside import held, parts, state, with_parts

from zettel import Config, Message, registry
from zettel.errors import ConflictError, InputError, NotFoundError, StoreFullError
from zettel.evolution import EVOLVED
from zettel.filters import SEARCHED
from zettel.index.tree import Limits, TopicTree
from zettel.journal import State, apply, needs, writes
from zettel.memory import Memory
from zettel.model import (
    STATUSES,
    Change,
    Commit,
    Link,
    LinkChange,
    Note,
    NoteChange,
    Placement,
    Revision,
    TopicChange,
    day_of,
    link_fields,
    revisable_fields,
)
from zettel.protocols import Analysis, Arrival, Draft, Encounter, Rewrite
from zettel.text import terms

QUERIES = ("Where did Max put the clay and the kiln?", "concert in Oslo in May 2023", "thanks")
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
LIMITS = Limits(max_leaf=6, min_leaf=2, max_children=3)  # so that a dozen notes are enough for topics to split

# -------------------------------------------------------------------- what is said

SUBJECTS = (
    ("clay", "kiln", "glaze", "pottery"), ("violin", "orchestra", "concert", "rehearsal"),
    ("tomato", "seedling", "compost", "greenhouse"),
)  # fmt: skip
NAMES = ("Lake Tahoe", "Max", "Aunt Rosa", "Oslo", "Bob")
SAYINGS = (
    "The {a} and the {b} came out fine, so I showed the {c} to {name}.", "Where did you put the {a} and the {b}?",
    "My {a} cost 30 dollars, the {b} of {name} was cheaper.", "I left the {a} by the {b} in {name}.",
    "The {a} {b}, and the {c}, {name} says.", "We had {a} {b} and {c}.", "Thanks, {name}!", "yes",
)  # fmt: skip
TEXTS = st.builds(
    lambda saying, words, name: saying.format(a=words[0], b=words[1], c=words[2], name=name),
    st.sampled_from(SAYINGS), st.sampled_from(SUBJECTS).flatmap(st.permutations), st.sampled_from(NAMES),
)  # fmt: skip
ABOUT: dict[str, Sequence[Any]] = {
    "speaker": ["Ann", "Bob", "Ann", "Bob", None],
    "time": [None, "2023-05-08T10:00", "2023-05-08T11:00", "2023-05-09", "2023-06"],
    "conversation_id": ["c", "c", "c", "d", None],
    "session_id": ["1", "2", None],
    "message_id": [None, None, None, "m1", "m2"],
}
MESSAGES = st.builds(Message, text=TEXTS, **{name: st.sampled_from(values) for name, values in ABOUT.items()})
ITEMS = st.lists(MESSAGES, min_size=1, max_size=18)


def named(items: Iterable[Message], name: str) -> list[Message]:
    """The same messages, each of which is new."""
    return [item.model_copy(update={"message_id": f"{name}{n}"}) for n, item in enumerate(items)]


def chat(seed: int, n: int = 40) -> list[Message]:
    """A conversation at random, the same for the same seed."""
    draw = random.Random(seed)
    said = []
    for i in range(n):
        a, b, c = draw.sample(draw.choice(SUBJECTS), 3)
        text = draw.choice(SAYINGS).format(a=a, b=b, c=c, name=draw.choice(NAMES))
        about = {name: draw.choice(values) for name, values in ABOUT.items()}
        said.append(Message(text=text, **{**about, "message_id": f"m{i}"}))
    return said


def eager(met: Encounter) -> Rewrite:
    """A policy that rewrites what topics are named by and words are found by, whoever meets, so that it matters how."""
    tag = f"met {len(met.others)}"
    fields: dict[str, Any] = {
        "keywords": [*met.neighbor.keywords[-3:], *met.arrived.keywords[:1]],
        "tags": [*(tag for tag in met.neighbor.tags if not tag.startswith("met")), tag],
    }
    return Rewrite(fields, "they met", tuple(note.id for _, note in met.others))


# ---------------------------------------------------------------- memories in files


@pytest.fixture(scope="module", autouse=True)
def _little_room() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zettel.index.state.TopicTree", partial(TopicTree, limits=LIMITS))
        patch.setattr("zettel.linker.similar.DEGREE", 3)
        yield


Open = Callable[..., Memory]


@contextmanager
def places() -> Iterator[Open]:
    """Opens memories in files of a folder, by name; of a name that is open already, another writer of its file."""
    analyzer = registry.analyzer()
    with TemporaryDirectory() as folder, ExitStack() as stack:

        def open_one(name: str, **options: Any) -> Memory:
            path = Path(folder, name)
            memory = registry.open_memory(path, embedder="hashing:64", analyzer=analyzer, **options)
            policies = (*registry.policies(), SimpleNamespace(rewrite=eager))
            return with_parts(stack.enter_context(memory), policies=policies)

        yield open_one


@pytest.fixture
def place() -> Iterator[Open]:
    with places() as open_one:
        yield open_one


# ------------------------------------------------------------------- what is compared


def changes_of(memory: Memory) -> list[Change]:
    return [change for commit in memory.log() for change in commit.changes]


def journal(memory: Memory) -> list[dict[str, Any]]:
    """The whole sequence of changes, however they were put into commits."""
    return [change.model_dump(exclude={"id", "undoes"}) for change in changes_of(memory)]


def shown(memory: Memory) -> dict[str, Any]:
    """All that a memory shows of its notes, links and topics."""
    notes = memory.notes(status=STATUSES)
    return {
        "notes": [note.model_dump(mode="json", exclude={"created_at"}) for note in notes],
        "links": memory.links(), "topics": memory.topics(),
    }  # fmt: skip


def found(memory: Memory) -> list[Any]:
    return [[(h.note.id, h.score, h.signals, h.why) for h in memory.search(q, k=50)] for q in QUERIES]


WORDS = sorted({*terms(" ".join([*map(" ".join, SUBJECTS), *NAMES, *SAYINGS, *ABOUT["speaker"][:2]])), "may", "2023"})


def inside(memory: Memory) -> dict[str, Any]:
    """What index and tree hold: the notes of each word, the messages around each note, what topics would be called."""
    derived = state(memory)
    index, tree = derived.index, derived.tree
    columns = index.columns()
    postings = {word: columns.posting(word) for word in WORDS}
    return {
        "words": {
            (word, index.ids[row]): counts
            for word, p in postings.items()
            for row, *counts in zip(p.rows, p.text, p.annotations, strict=True) if columns.alive[row]
        },
        "around": {
            note_id: [index.ids[other] for other in columns.windows[row] if other >= 0]
            for row, note_id in enumerate(index.ids) if note_id
        },
        "tags": {note_id: index.tags[row] for row, note_id in enumerate(index.ids) if note_id},
        "names": {topic.address: tree._words.name([tree.notes_in(topic.id)]) for topic in tree.topics()},
    }  # fmt: skip


def same(one: Memory, other: Memory) -> None:
    assert journal(one) == journal(other)
    assert shown(one) == shown(other)
    assert inside(one) == inside(other)


def sound(memory: Memory) -> None:
    """Each searched note is in one leaf, and no other note is; what the memory holds is what it has written down."""
    notes, topics = memory.notes(status=STATUSES), memory.topics()
    by_address = {topic.address: topic for topic in topics}
    assert [note.id for note in notes if bool(note.address) != (note.status in SEARCHED)] == []
    above = {topic.parent_id for topic in topics}
    seated = Counter(note.address for note in notes if note.address)
    assert {by_address[address].id for address in seated}.isdisjoint(above), "a leaf holds no topics"
    for topic in topics:
        inside = [n for address, n in seated.items() if f"{address}.".startswith(f"{topic.address}.")]
        assert topic.n_notes == sum(inside) > 0
        assert topic.name.strip()
        if topic.parent_id is not None:
            assert topic.address.rpartition(".")[0] in by_address
    ends = {note.id for note in notes}
    assert all({link.source_id, link.target_id} <= ends for link in memory.links())
    verified = memory.verify()
    assert verified.ok, verified.problems
    if (derived := held(memory)) is not None and derived._tree is not None:
        assert derived.tree.rows() == memory._reader.topics()
        assert {n: derived.tree.place(n) for n in ends} == {n: memory._reader.places().get(n) for n in ends}


# --------------------------------------------------------------------- the corpus


def test_the_corpus_is_rich_enough_to_tell_something() -> None:
    """All kinds of links, links that give way, rewrites of every field by every policy, topics in topics."""
    kinds: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    reasons = ""
    gone = depth = 0
    for seed in range(4):
        with places() as open_one:
            memory = open_one("a")
            memory.add_many(chat(seed))
            sound(memory)
            changes = changes_of(memory)
            kinds.update(link.kind for link in memory.links())
            fields.update(name for c in changes if isinstance(c, Revision) for name in c.after)
            reasons += " ".join(c.reason for c in changes if isinstance(c, Revision))
            gone += sum(isinstance(c, LinkChange) and c.after is None for c in changes)
            depth = max(depth, *(topic.address.count(".") for topic in memory.topics()))
    assert set(kinds) == {"similar", "next", "same_entity", "elaborates"}
    assert set(fields) == set(EVOLVED) - {"context"}
    assert all(words in reasons for words in ("answers it", "comes back to it", "two notes on its subject"))
    assert depth >= 1
    assert min(*kinds.values(), fields["learned"]) >= 5, (kinds, fields)
    assert gone >= 1


# ------------------------------------------------------------------- however they come


@given(items=ITEMS, splits=st.lists(st.integers(0, 18), max_size=3))
@QUICK
def test_a_batch_its_parts_and_single_adds_grow_the_same_memory(items: list[Message], splits: list[int]) -> None:
    with places() as open_one:
        whole, parted, single = (open_one(name) for name in "abc")
        whole.add_many(items)
        for start, end in pairwise([0, *sorted(splits), len(items)]):
            parted.add_many(items[start:end])
        for item in items:
            single.add_many([item])
        same(whole, parted)
        same(whole, single)
        same(whole, open_one("a"))
        assert found(whole) == found(single)
        sound(single)


@given(items=ITEMS, splits=st.lists(st.integers(1, 18), min_size=1, max_size=3))
@QUICK
def test_a_memory_that_is_opened_anew_decides_as_one_that_stayed_open(items: list[Message], splits: list[int]) -> None:
    with places() as open_one:
        whole = open_one("a")
        whole.add_many(items)
        for start, end in pairwise([0, *sorted(splits), len(items)]):
            with open_one("b") as parted:
                parted.add_many(items[start:end])
        same(whole, open_one("b"))


@pytest.mark.parametrize("degree", [1, 3])
def test_a_long_conversation_grows_the_same_by_itself_and_piece_by_piece(
    place: Open, monkeypatch: pytest.MonkeyPatch, degree: int
) -> None:
    for rule in ("similar", "same_entity"):
        monkeypatch.setattr(f"zettel.linker.{rule}.DEGREE", degree)
    items = chat(5, 120)
    whole, parted = place("a"), place("b")
    whole.add_many(items)
    draw, done = random.Random(0), 0
    while done < len(items):
        n = draw.choice([1, 2, 3, 20])
        parted.add_many(items[done : done + n])
        done += n
        if n == 3:
            parted.close()
            parted = place("b")
    same(whole, parted)
    same(whole, place("a"))
    sound(parted)
    bounded(whole)


# ---------------------------------------------------------------------- its bounds


def arrivals(memory: Memory) -> Iterator[tuple[str, list[Change]]]:
    """Each note that arrived, with the changes that its arrival caused."""
    caused: list[Change] = []
    arrived = ""
    for change in changes_of(memory):
        if isinstance(change, NoteChange):
            if arrived:
                yield arrived, caused
            arrived, caused = change.note_id, []
        else:
            caused.append(change)
    if arrived:
        yield arrived, caused


def bounded(memory: Memory) -> None:
    """What holds of each arrival, in a memory that nothing but adds have changed."""
    notes = {note.id: note for note in memory.notes(status=STATUSES)}
    degrees = {rule.KIND: rule.DEGREE for rule in registry.rules()}
    held: Counter[tuple[str, str]] = Counter()
    on_day: Counter[tuple[str, str]] = Counter()
    for arrived, changes in arrivals(memory):
        linked: set[str] = set()
        revised: list[str] = []
        for change in changes:
            if isinstance(change, LinkChange):
                for end in (change.source_id, change.target_id):
                    held[end, change.kind] += 1 if change.after else -1
                    assert held[end, change.kind] <= degrees[change.kind]
                if change.after:
                    assert change.before is None
                    assert arrived in {change.source_id, change.target_id}
                    linked |= {change.source_id, change.target_id} - {arrived}
            if isinstance(change, Revision):
                assert change.trigger == arrived
                assert change.note_id in linked, "only what was linked is rewritten"
                assert set(change.after) == set(change.before) <= set(EVOLVED)
                assert arrived in change.derived_from
                assert notes[change.note_id].trust <= notes[arrived].trust
                on_day[change.note_id, day_of(notes[arrived].time, notes[arrived].ordinal)] += 1
                revised.append(change.note_id)
        assert len(set(revised)) == len(revised) <= memory.config.rewrites_per_add
        assert not linked or all(link.by_rule for link in memory.links(arrived))
    assert max(on_day.values(), default=0) <= memory.config.rewrites_per_day


@given(
    items=ITEMS, splits=st.lists(st.integers(0, 18), max_size=2), per_add=st.integers(0, 2), per_day=st.integers(0, 2)
)
@QUICK
def test_each_arrival_keeps_the_bounds_and_no_text_changes(
    items: list[Message], splits: list[int], per_add: int, per_day: int
) -> None:
    with places() as open_one:
        memory = open_one("a", config=Config(rewrites_per_add=per_add, rewrites_per_day=per_day))
        texts: dict[str, str] = {}
        for start, end in pairwise([0, *sorted(splits), len(items)]):
            added = memory.add_many(items[start:end])
            texts.update((note.id, item.text) for note, item in zip(added, items[start:end], strict=True))
        assert {note.id: note.text for note in memory.notes()} == texts
        bounded(memory)


def test_bounds_on_rewrites_bind(place: Open) -> None:
    def rewrites(name: str, **bounds: int) -> Counter[str]:
        memory = place(name, config=Config(**bounds))
        memory.add_many(chat(1, 60))
        bounded(memory)
        return Counter(c.note_id for c in changes_of(memory) if isinstance(c, Revision))

    free = rewrites("a", rewrites_per_add=99, rewrites_per_day=99)
    assert 0 < rewrites("b", rewrites_per_add=1).total() < free.total()
    assert max(free.values()) > 1
    per_day = rewrites("c", rewrites_per_day=1)
    assert 0 < per_day.total() < free.total()
    assert rewrites("d", rewrites_per_day=0).total() == rewrites("e", rewrites_per_add=0).total() == 0


def answer(memory: Memory, question: Note, n: int, **about: Any) -> int:
    """Have a question answered; how many times that rewrites it."""
    text = f"We fired {n} bowls in the kiln."
    memory.add_many([Message(text=text, speaker=f"Bob {n}", conversation_id="c", parent_id="q", **about)])
    return sum(isinstance(c, Revision) and c.note_id == question.id for c in memory.log()[-1].changes)


def test_days_are_counted_over_the_whole_journal_and_undone_rewrites_count_too(place: Open) -> None:
    twice = Config(rewrites_per_day=2)
    question = Message(text="What did you fire in the kiln?", speaker="Ann", conversation_id="c", message_id="q")
    memory = place("a", config=twice)
    [asked] = memory.add_many([question])
    monday, tuesday = {"time": "2023-05-08T10:00"}, {"time": "2023-05-09"}
    assert [answer(memory, asked, 1, **monday), answer(memory, asked, 2, **tuesday)] == [1, 1]
    memory.undo(memory.head, cascade=True)
    memory.close()
    memory = place("a", config=twice)
    assert [answer(memory, asked, 3, **monday), answer(memory, asked, 4, **monday)] == [1, 0]
    assert answer(memory, asked, 5, **tuesday) == 1, "what the other did on that day is undone, but counts"
    memory.undo(memory.head)
    assert answer(memory, asked, 6, **tuesday) == 0
    timeless = place("b", config=twice)
    [asked] = timeless.add_many([question])
    assert [answer(timeless, asked, n) for n in range(3)] == [1, 1, 0]
    timeless.add_many([f"number {n}" for n in range(100)])
    assert answer(timeless, asked, 3) == 1, "a hundred arrivals make a day"


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_not_searched_is_neither_linked_nor_rewritten(place: Open, status: Any) -> None:
    memory = place("a")
    memory.add_many([f"We also talked of subject number {n}." for n in range(20)])
    [old] = memory.add_many([Message(text="The clay was in the kiln with the glaze.", conversation_id="c")])
    memory.update(old.id, status=status)
    said = "The clay and the glaze came out of the kiln!"
    [new] = memory.add_many([Message(text=said, conversation_id="c", session_id="later")])
    linked = [link for link in memory.links(new.id) if old.id in link.key]
    assert bool(linked) == bool(memory.get(old.id).learned) == (status in SEARCHED)


def test_what_is_put_away_gives_no_words_to_others(place: Open) -> None:
    def taken_on(status: Any) -> bool:
        """Whether a note takes on a keyword that the newest note shares with one of this status."""
        memory = with_parts(place(f"a {status}"), policies=registry.policies())
        memory.add_many([f"We also talked of subject number {n}." for n in range(20)])
        old = memory.add("The clay was in the kiln with the glaze.")
        kin = memory.add("The clay went into the kiln with a glaze.")
        memory.update(kin.id, status=status, keywords=["kiln fire"])
        assert {old.id, kin.id} in [{*link.key[:2]} for link in memory.links(old.id, "similar")]
        terse = SimpleNamespace(
            name="terse/1", analyze=lambda said: [Analysis("", ("kiln fire", "clay", "glaze"), (), ())]
        )
        with_parts(memory, analyzer=terse)
        memory.add("The clay and the glaze came out of the kiln!")
        return "kiln fire" in memory.get(old.id).keywords

    assert {status: taken_on(status) for status in STATUSES} == {status: status in SEARCHED for status in STATUSES}


# ------------------------------------------------------------------ policies and rules


def test_a_policy_that_says_what_it_must_not_changes_nothing(place: Open) -> None:
    def rogue(**fields: Any) -> Any:
        return SimpleNamespace(rewrite=lambda met: Rewrite(fields, "because"))

    usual, odd = place("a"), place("b")
    with_parts(usual, policies=())
    with_parts(odd, policies=(rogue(text="x"), rogue(status="archived"), rogue(tags="art"), rogue(context=[])))
    for memory in (usual, odd):
        memory.add_many(chat(2, 20))
    same(usual, odd)


def scripted(kind: Any, degree: int) -> Any:
    """A rule that links a note to those it names: "note4, similar to note2 by 7" with weight 0.7."""

    def links(seen: Arrival) -> Iterator[Link]:
        for name, weight in re.findall(rf"{kind} to (note\d+) by (\d)", seen.note.text):
            for near in seen.saying(terms(f"the {name}name"))[0]:
                yield Link(
                    source_id=seen.note.id, target_id=near.note.id, kind=kind, weight=int(weight) / 10,
                    reason="it says so", created_by="linker/scripted",
                )  # fmt: skip

    return SimpleNamespace(KIND=kind, DEGREE=degree, links=links)


SCRIPTED = scripted("similar", 1), scripted("part_of", 2)
NAMING = st.lists(
    st.lists(st.tuples(st.sampled_from(["similar", "part_of"]), st.integers(0, 4), st.integers(1, 9)), max_size=3),
    min_size=6, max_size=12,
)  # fmt: skip


LOSES_A_LINK_WHILE_ANOTHER_IS_STORED: Any = [
    [], [("similar", 0, 5)], [("part_of", 0, 5)], [("similar", 1, 9)], [("part_of", 0, 3)], [("part_of", 0, 2)]
]  # fmt: skip


@given(naming=NAMING, splits=st.lists(st.integers(1, 11), max_size=2))
@example(naming=LOSES_A_LINK_WHILE_ANOTHER_IS_STORED, splits=[3])
@settings(QUICK, max_examples=12)
def test_links_that_give_way_in_a_batch_give_way_as_they_would_one_by_one(
    naming: list[list[tuple[str, int, int]]], splits: list[int]
) -> None:
    said = [
        ", ".join([f"The note{n}name", *(f"{kind} to note{other} by {weight}" for kind, other, weight in named)])
        for n, named in enumerate(naming)
    ]
    with places() as open_one:
        whole, parted, single = (with_parts(open_one(name), rules=SCRIPTED) for name in "abc")
        whole.add_many(said)
        for start, end in pairwise([0, *sorted(splits), len(said)]):
            parted.add_many(said[start:end])
        for text in said:
            single.add(text)
        same(whole, parted)
        same(whole, single)
        held = Counter((end, link.kind) for link in whole.links() for end in link.key[:2])
        assert all(n <= {"similar": 1, "part_of": 2}[kind] for (_, kind), n in held.items())


def test_two_rules_of_one_kind_keep_the_journal_whole(place: Open) -> None:
    from zettel.linker import similar

    twin = SimpleNamespace(KIND="similar", DEGREE=similar.DEGREE, links=similar.links)
    usual, doubled = place("a"), place("b")
    with_parts(doubled, rules=(*registry.rules(), twin))
    for memory in (usual, doubled):
        memory.add_many(chat(1, 60))
    same(usual, doubled)
    sound(doubled)


# ------------------------------------------------------------------- other writers


def before_append(memory: Memory, do: Callable[[], object], times: int = 1) -> None:
    """Have something happen just before the next appends of a memory, when its plan is made already."""
    append, left = memory._store.append, [times]  # type: ignore[union-attr]

    def late(draft: Draft, head: int) -> Commit:
        if left[0]:
            left[0] -= 1
            do()
        return append(draft, head)

    memory._store.append = late  # type: ignore[method-assign,union-attr]


@given(first=ITEMS, second=ITEMS, third=ITEMS)
@QUICK
def test_a_plan_that_came_too_late_is_made_again(
    first: list[Message], second: list[Message], third: list[Message]
) -> None:
    """Another process is quicker: nothing is lost, and the journal is that of one writer who adds in this order."""
    with places() as open_one:
        slow, quick, alone = open_one("a"), open_one("a"), open_one("b")
        slow.add_many(first[:3])
        third = named(third, "late")
        before_append(slow, lambda: quick.add_many(second))
        slow.add_many(third)
        for items in (first[:3], second, third):
            alone.add_many(items)
        same(slow, alone)
        same(quick, alone)
        probe = chat(9, 3)
        for memory in (slow, alone):
            memory.add_many(probe)
        same(slow, alone)
        sound(slow)
        sound(quick)


@given(items=ITEMS, turns=st.lists(st.booleans(), min_size=18, max_size=18), late=st.sets(st.integers(0, 17)))
@QUICK
def test_writers_that_take_turns_grow_the_memory_of_one(
    items: list[Message], turns: list[bool], late: set[int]
) -> None:
    with places() as open_one:
        one, other, alone = open_one("a"), open_one("a"), open_one("b")
        items = named(items, "m")
        order: list[Message] = []
        for n, (item, turn) in enumerate(zip(items, turns, strict=False)):
            memory, rival = (one, other) if turn else (other, one)
            if n in late:
                extra = Message(text=f"The kiln, the clay and the glaze of day {n}.", speaker="Ann")
                before_append(memory, partial(rival.add_many, [extra]))
                order.append(extra)
            memory.add_many([item])
            order.append(item)
        for item in order:
            alone.add_many([item])
        same(one, alone)
        same(other, alone)
        assert found(one) == found(other) == found(alone)
        sound(one)


@pytest.mark.parametrize("fails", [False, True])
def test_who_came_too_late_twice_plans_with_nobody_else_writing(place: Open, fails: bool) -> None:
    """And does what the one before would have done; where even that fails, nothing of it is left."""
    slow, quick, alone = place("a"), place("a"), place("b")
    items = chat(7, 40)
    late = [partial(quick.add_many, items[10:15]), partial(quick.add_many, items[15:20])]
    slow.add_many(items[:10])

    def full() -> None:
        raise StoreFullError("the disk is full")

    def next_one() -> None:
        ([*late, full] if fails else late)[len(done)]()
        done.append(True)

    done: list[bool] = []
    before_append(slow, next_one, times=3 if fails else 2)
    with pytest.raises(StoreFullError) if fails else nullcontext():
        slow.add_many(items[20:30])
    for start, end in ((0, 10), (10, 15), (15, 20), *([] if fails else [(20, 30)])):
        alone.add_many(items[start:end])
    for memory in (slow, quick, place("a")):
        same(memory, alone)
    for memory in (slow, alone):
        memory.add_many(items[30:])
    same(slow, alone)
    sound(slow)


def test_forgetting_under_an_adds_feet_is_seen(place: Open) -> None:
    slow, quick = place("a"), place("a")
    old = slow.add("The clay and the kiln and the glaze came out fine.")
    before_append(slow, lambda: quick.forget(old.id, erase=True))
    new = slow.add("The clay, the kiln and the glaze came out fine again!")
    assert slow.links(new.id) == []
    assert not any(isinstance(c, Revision) for c in changes_of(slow))
    sound(slow)


# ----------------------------------------------------------------- what fails midway


@given(before=ITEMS, failing=ITEMS, after=ITEMS, again=st.booleans())
@QUICK
def test_an_add_that_fails_at_the_disk_leaves_no_trace(
    before: list[Message], failing: list[Message], after: list[Message], again: bool
) -> None:
    def full() -> None:
        raise StoreFullError("the disk is full")

    with places() as open_one:
        shaken, steady = open_one("a"), open_one("b")
        for memory in (shaken, steady):
            memory.add_many(before)
        failing = named(failing, "f")
        before_append(shaken, full)
        with pytest.raises(StoreFullError):
            shaken.add_many(failing)
        same(shaken, steady)
        for memory in (shaken, steady):
            if again:
                memory.add_many(failing)
            memory.add_many(after)
        same(shaken, steady)
        assert found(shaken) == found(steady)
        sound(shaken)


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("kind", ["rules", "policies"])
def test_an_add_that_is_stopped_while_it_is_planned_leaves_no_trace(place: Open, kind: str) -> None:
    left = [0]

    def stop(_: object) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Stopped
        return () if kind == "rules" else None

    plug = SimpleNamespace(KIND="similar", DEGREE=1, links=stop, rewrite=stop)
    shaken, steady = place("a"), place("b")
    with_parts(shaken, **{kind: (*parts(shaken, kind), plug)})
    items = chat(3, 30)
    for memory in (shaken, steady):
        memory.add_many(items[:15])
    left[0] = 9
    with pytest.raises(Stopped):
        shaken.add_many(items[15:])
    for memory in (shaken, steady):
        memory.add_many(items[15:])
    same(shaken, steady)
    sound(shaken)


def test_who_never_got_in_and_who_left_do_not_speak_here(place: Open) -> None:
    """Names of those who speak make no links; only of those who do."""

    def grown(memory: Memory) -> list[str]:
        for n in range(4):
            memory.add(f"Something else, number {n}.", speaker="Ann")
        memory.add("We met Melanie Frost at the lake.", speaker="Ann")
        memory.add("It rained.", speaker="Ann")
        memory.add("Then Melanie Frost came along to the lake.", speaker="Ann")
        return [link.kind for link in memory.links() if link.kind == "same_entity"]

    fresh, undone, failed, erased, speaking = (place(name) for name in "abcde")
    undone.add("Hello.", speaker="Melanie Frost")
    undone.undo(1)
    before_append(failed, partial(pytest.fail, "the disk is full"))
    with pytest.raises(pytest.fail.Exception):
        failed.add("Hello.", speaker="Melanie Frost")
    erased.forget(erased.add("Hello.", speaker="Melanie Frost").id, erase=True)
    speaking.add("Hello.", speaker="Melanie Frost")
    assert [grown(memory) for memory in (fresh, undone, failed, erased)] == [["same_entity"]] * 4
    assert grown(speaking) == []


# ---------------------------------------------------------------------------- undo


def test_undoing_every_commit_newest_first_leaves_nothing(place: Open) -> None:
    memory = place("a")
    items = chat(4, 45)
    for start in range(0, 45, 9):
        memory.add_many(items[start : start + 9])
    for note in memory.notes()[::7]:
        memory.forget(note.id)
    for commit in reversed(memory.log()):
        memory.undo(commit)
        sound(memory)
    assert (memory.notes(status=STATUSES), memory.links(), memory.topics()) == ([], [], [])
    memory.add_many(items)
    sound(memory)


def without(commits: Iterable[Commit], dropped: set[str]) -> tuple[list[Change], set[str]]:
    """The changes of a journal without undos, less some and all that stands on them; and which those are."""
    last: dict[tuple[str, ...], str] = {}
    gone: set[str] = set()
    left: list[Change] = []
    for change in (change for commit in commits for change in commit.changes):
        cells = (*writes(change), *needs(change))
        bases = {last[cell] for cell in cells if cell in last}
        last.update(dict.fromkeys(writes(change), change.id))
        if change.id in dropped or bases & gone:
            gone.add(change.id)
        else:
            left.append(change)
    return left, gone


def amounts_to(memory: Memory, changes: Iterable[Change]) -> None:
    """The notes and links are those that the changes make; the tree is another matter."""
    state = apply(State(), [c for c in changes if not isinstance(c, TopicChange | Placement)])
    notes = memory.notes(status=STATUSES)
    assert {note.id: (note.ordinal, revisable_fields(note)) for note in notes} == state.notes
    links = {link.key: link_fields(link) for link in memory.links()}
    assert links == state.links


def triggered(memory: Memory) -> dict[str, list[Revision]]:
    found: dict[str, list[Revision]] = {}
    for change in changes_of(memory):
        if isinstance(change, Revision) and change.trigger:
            found.setdefault(change.trigger, []).append(change)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_what_an_arrival_rewrote_is_taken_back_exactly(place: Open, seed: int) -> None:
    """Where later rewrites build on it, they are named, and go along with a cascade."""
    memory = place("a")
    memory.add_many(chat(seed, 28))
    alone = blocked = 0
    for trigger, revisions in triggered(memory).items():
        commits, before = memory.log(), shown(memory)
        wanted = {revision.id for revision in revisions}
        left, gone = without(commits, wanted)
        if gone == wanted:
            undone = memory.undo(trigger=trigger)
            alone += 1
        else:
            with pytest.raises(ConflictError) as conflict:
                memory.undo(trigger=trigger)
            assert set(conflict.value.blocking) == gone - wanted
            assert memory.head == commits[-1].id
            undone = memory.undo(trigger=memory.get(trigger), cascade=True)
            blocked += 1
        assert {change.undoes for change in undone.changes} == gone
        assert all(isinstance(change, Revision) for change in undone.changes)
        amounts_to(memory, left)
        assert memory.undo(trigger=trigger) == undone, "a second time changes nothing"
        assert memory.topics() == before["topics"]
        assert memory.links() == before["links"]
        memory.undo(undone)
        assert shown(memory) == before
        sound(memory)
        memory = fresh(place, memory, trigger)  # so that `without` reads a journal without undos
    assert alone
    assert blocked


def fresh(place: Open, memory: Memory, name: str) -> Memory:
    """A memory in which the same was added, and nothing undone."""
    again = place(name)
    again.add_many([_message(note) for note in memory.notes()])
    return again


def _message(note: Note) -> Message:
    source = note.sources[0] if note.sources else None
    about = {n: getattr(source, n) for n in ("conversation_id", "session_id", "message_id")} if source else {}
    return Message(
        text=note.text, speaker=note.speaker, time=note.time, time_precision=note.time_precision, **about
    )  # fmt: skip


def test_a_note_that_rewrote_nothing_has_nothing_to_take_back(place: Open) -> None:
    memory = place("a")
    note = memory.add("The clay.")
    with pytest.raises(NotFoundError, match="caused no revision"):
        memory.undo(trigger=note.id)


def test_an_arrivals_rewrites_and_links_go_with_it(place: Open) -> None:
    memory = place("a")
    items = chat(1)
    memory.add_many(items[:-1])
    before = shown(memory)
    memory.add_many(items[-1:])
    assert memory.links() != before["links"]
    memory.undo(memory.head)
    assert shown(memory) == before
    assert inside(memory) == inside(place("a"))


# ------------------------------------------------------------------- whatever is done

VERBS = ("add", "add", "forget", "restore", "revise", "undo", "undo", "undo", "trigger", "erase", "link")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(VERBS),
        st.integers(0, 1000),
        st.lists(MESSAGES, min_size=1, max_size=5),
    ),
    min_size=1, max_size=10,
)  # fmt: skip


def step(memory: Memory, verb: str, n: int, items: list[Message]) -> None:
    """Do one thing; ``n`` tells to what."""
    notes = memory.notes(status=STATUSES)
    note = notes[n % len(notes)] if notes else None
    match verb:
        case "add":
            memory.add_many(items)
        case "forget" if note:
            memory.forget(note.id)
        case "restore" if note:
            memory.update(note.id, status=STATUSES[n % len(STATUSES)])
        case "revise" if note:
            memory.update(note.id, keywords=["clay kiln", f"word {n}"], context=f"Words number {n}.")
        case "link" if note and note is not notes[-1]:
            memory.link(note.id, notes[-1].id, reason=f"they go together {n}")
        case "erase" if note and n % 3 == 0:
            memory.forget(note.id, erase=True)
        case "undo":
            undoable = [c for c in memory.log() if all(x.type != "erasure" for x in c.changes)]
            if undoable:
                memory.undo(undoable[-1 - n % min(len(undoable), 6)], cascade=True)
        case "trigger":
            caused = [c.trigger for c in changes_of(memory) if isinstance(c, Revision) and c.trigger]
            if caused:
                memory.undo(trigger=caused[n % len(caused)], cascade=True)


@given(items=st.lists(MESSAGES, min_size=8, max_size=16), steps=STEPS, turns=st.lists(st.booleans(), min_size=10))
@settings(QUICK, max_examples=20)
def test_whatever_is_done_the_topics_stay_whole_and_every_process_does_the_same(
    items: list[Message], steps: list[tuple[str, int, list[Message]]], turns: list[bool]
) -> None:
    """One that stays open, two that take turns, and one that is opened anew for each step write the same journal."""
    with places() as open_one:
        one, first, second = open_one("a"), open_one("b"), open_one("b")
        open_one("c").add_many(items)
        one.add_many(items)
        first.add_many(items)
        for (verb, n, more), turn in zip(steps, turns, strict=False):
            step(one, verb, n, more)
            sound(one)
            step(first if turn else second, verb, n, more)
            with open_one("c") as anew:
                step(anew, verb, n, more)
        last = open_one("c")
        for memory in (first, second, last):
            same(one, memory)
        for memory in (one, last):
            memory.add_many(chat(8, 4))
        same(one, last)
        same(one, open_one("a"))
        sound(last)


@given(items=st.lists(MESSAGES, min_size=8, max_size=16), steps=STEPS, rivals=STEPS)
@QUICK
def test_whatever_another_process_does_meanwhile_the_topics_stay_whole(
    items: list[Message], steps: list[tuple[str, int, list[Message]]], rivals: list[tuple[str, int, list[Message]]]
) -> None:
    with places() as open_one:
        one, other = open_one("a"), open_one("a")
        one.add_many(items)
        for mine, theirs in zip(steps, rivals, strict=False):
            before_append(one, partial(step, other, *theirs))
            with suppress(NotFoundError, InputError):  # they may have erased it
                step(one, *mine)
        one.add_many(chat(8, 4))
        sound(one)
        same(one, other)
        same(one, open_one("a"))


@pytest.mark.parametrize("seed", range(4))
def test_a_busy_life_leaves_the_topics_whole(place: Open, seed: int) -> None:
    draw = random.Random(seed)
    memory, items = place("a"), chat(seed, 200)
    verbs = ["add", "add", "forget", "restore", "revise", "undo", "trigger", "erase", "link"]
    for n in range(0, 200, 4):
        step(memory, draw.choice(verbs) if n > 40 else "add", draw.randrange(1000), items[n : n + 4])
        if n % 20 == 0:
            sound(memory)
    anew = place("a")
    assert shown(memory) == shown(anew)
    assert found(memory) == found(anew)
    sound(anew)


# ------------------------------------------------------------ from before there were topics


@contextmanager
def before_topics(memory: Memory) -> Iterator[None]:
    """Write commits as they were before there were topics."""
    append = memory._store.append  # type: ignore[union-attr]

    def bare(draft: Draft, head: int) -> Commit:
        kept = tuple(c for c in draft.changes if not isinstance(c, TopicChange | Placement))
        return append(replace(draft, changes=kept), head)

    memory._store.append = bare  # type: ignore[method-assign,union-attr]
    yield
    memory.close()


def test_the_notes_of_an_older_memory_get_their_places_with_the_next_add(place: Open) -> None:
    items = chat(6, 30)
    memory = place("a")
    with before_topics(memory):
        memory.add_many(items[:29])
        memory.forget(memory.notes()[3].id)
    memory, twin = place("a"), place("a")
    assert (memory.topics(), {note.address for note in memory.notes()}) == ([], {""})
    assert memory.verify().ok
    assert memory.search("the kiln and the clay")
    forgotten = memory.notes()[5]
    memory.forget(forgotten.id)
    memory.undo(memory.head)
    memory.add_many(items[29:])
    sound(memory)
    assert len(memory.topics()) > 3
    assert shown(twin) == shown(memory)
    memory.undo(memory.head)
    memory.add("The kiln.")
    sound(memory)
