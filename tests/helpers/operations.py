"""What can be done with a memory, as values: drawn by hypothesis, done to one memory, and to a copy of it besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from zettel import Message, registry
from zettel.memory import Memory
from zettel.protocols import Analysis, Utterance

TEXTS = (
    "Caroline adopted a puppy named Max.",
    "Which animal lives with Caroline?",
    "The puppy chewed my running shoes yesterday.",
    "My secret pin is ZEBRA.",
    "What did you say the pin was?",
    "It is ZEBRA, as I told you.",
    "We sailed to the lighthouse on 8 May 2023 and saw a seal.",
    "The lighthouse needs new paint. Maren will buy it in June.",
    "Who repairs the roof of the lighthouse?",
    "Idris repairs the roof next week.",
    "I moved from Lisbon to Porto for the new job at Acme.",
    "How do you like Porto?",
    "Porto is lovely; the job at Acme is hard.",
    "ok",
    "Thanks!",
    "The bread was burnt again, so we bought a new oven.",
    "Melanie signed up for a pottery class on Tuesday.",
    "Pottery calms me down, and the class is full of kind people.",
    "My sister Melanie sold her first bowl at the market.",
    "子犬の名前は何ですか",
    " ".join(f"Chapter {n}: the keeper of the lighthouse wrote about storm number {n}." for n in range(40)),
)
SPEAKERS = ("Ann", "Bob", "Cleo", None)
DAYS = (None, "2023-05-08", "2023-05-09T10:00:00", "2023-06", "2024-01-02")
QUESTIONS = ("Which animal lives with Caroline?", "Who repairs the lighthouse next week?", "pin ZEBRA")


class Cached:
    """The default analyzer, which analyzes each message once: it says the same of the same message each time."""

    def __init__(self) -> None:
        self._inner = registry.analyzer()
        self._known: dict[str, Analysis] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        keys = [repr(utterance) for utterance in utterances]
        new = {key: u for key, u in zip(keys, utterances, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._inner.analyze(list(new.values())), strict=True))
        return [self._known[key] for key in keys]


@cache
def analyzer() -> Cached:
    return Cached()


@dataclass
class Acting:
    """A memory that something is done to: the notes it has by then, and the folder its files go to."""

    memory: Memory
    open: Callable[[], Memory]
    ids: Sequence[str]
    head: int
    shared: Path  # files that are read
    out: Path  # files that are written
    linked: Sequence[tuple[str, str]] = ()  # the notes that are linked by then
    made: list[Path] = field(default_factory=list)

    def id(self, n: int) -> str:
        return self.ids[n % len(self.ids)] if self.ids else "z1nobody"


@dataclass(frozen=True)
class Add:
    text: int
    speaker: int = 0
    day: int = 0
    name: str | None = None
    tags: tuple[str, ...] = ()

    def __call__(self, on: Acting) -> Any:
        return on.memory.add(
            TEXTS[self.text], speaker=SPEAKERS[self.speaker], time=DAYS[self.day], id=self.name, tags=self.tags
        )  # fmt: skip


@dataclass(frozen=True)
class AddMany:
    """Messages of one session; their numbers are their ids, so that some come twice, and some with another text."""

    texts: tuple[int, ...]
    session: int
    first: int | None

    def __call__(self, on: Acting) -> Any:
        return on.memory.add_many(
            Message(text=TEXTS[text], speaker=SPEAKERS[(text + n) % 3], time=DAYS[text % 5], conversation_id="talk",
                    session_id=f"s{self.session}", message_id=None if self.first is None else str(self.first + n))
            for n, text in enumerate(self.texts)
        )  # fmt: skip


@dataclass(frozen=True)
class Ingest:
    """A transcript that has grown by some lines."""

    texts: tuple[int, ...]

    def __call__(self, on: Acting) -> Any:
        return on.memory.ingest(on.shared / "chat.txt")

    def prepare(self, shared: Path) -> None:
        with (shared / "chat.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{SPEAKERS[n % 3]}: {TEXTS[n]}\n" for n in self.texts)


@dataclass(frozen=True)
class Update:
    note: int
    fields: tuple[tuple[str, Any], ...]

    def __call__(self, on: Acting) -> Any:
        return on.memory.update(on.id(self.note), **dict(self.fields))


@dataclass(frozen=True)
class Link:
    a: int
    b: int
    kind: Any

    def __call__(self, on: Acting) -> Any:
        return on.memory.link(on.id(self.a), on.id(self.b), self.kind, reason="they belong together")


@dataclass(frozen=True)
class Unlink:
    n: int

    def __call__(self, on: Acting) -> Any:
        ends = on.linked[self.n % len(on.linked)] if on.linked else None
        return on.memory.unlink(*ends) if ends else None


@dataclass(frozen=True)
class Use:
    notes: tuple[int, ...]

    def __call__(self, on: Acting) -> Any:
        return on.memory.mark_used([on.id(n) for n in self.notes])


@dataclass(frozen=True)
class Forget:
    note: int
    erase: bool

    def __call__(self, on: Acting) -> Any:
        return on.memory.forget(on.id(self.note), erase=self.erase)


@dataclass(frozen=True)
class Undo:
    """A commit, the n-th before the head; with ``change``, one of its changes."""

    back: int
    change: int | None = None
    cascade: bool = False

    def __call__(self, on: Acting) -> Any:
        commit = max(on.head - self.back, 1)
        what = commit if self.change is None else f"{commit}.{self.change}"
        return on.memory.undo(what, cascade=self.cascade)


@dataclass(frozen=True)
class UndoCaused:
    note: int

    def __call__(self, on: Acting) -> Any:
        return on.memory.undo(trigger=on.id(self.note), cascade=True)


@dataclass(frozen=True)
class Search:
    question: int
    k: int

    def __call__(self, on: Acting) -> Any:
        return on.memory.search((*QUESTIONS, *TEXTS)[self.question], self.k)


@dataclass(frozen=True)
class Export:
    history: bool

    def __call__(self, on: Acting) -> Any:
        path = on.out / f"history-{self.history}.jsonl"
        on.made.append(path)
        return on.memory.export(path, history=self.history), path.read_bytes()


@dataclass(frozen=True)
class Load:
    """An export of another memory, or of what this one was earlier (if there is one)."""

    what: str

    def __call__(self, on: Acting) -> Any:
        own = on.shared / "history-False.jsonl"
        return on.memory.load(own if self.what == "own" and own.exists() else on.shared / f"{self.what}.jsonl")


@dataclass(frozen=True)
class Reopen:
    """Close it, open it again, and ask it something, so that what is saved beside the file is taken up."""

    def __call__(self, on: Acting) -> Any:
        on.memory.close()
        on.memory = on.open()
        return on.memory.search(QUESTIONS[0])


def told(value: Any) -> Any:
    """What a call gave, without the times at which it was done."""
    if isinstance(value, BaseModel):
        times = {"at", "created_at"}
        return {name: told(getattr(value, name)) for name in type(value).model_fields if name not in times}
    return [told(item) for item in value] if isinstance(value, list | tuple) else value


numbers = st.integers(0, 40)
texts = st.integers(0, len(TEXTS) - 1)
revised = st.one_of(
    st.tuples(st.just("tags"), st.lists(st.sampled_from(["pets", "home", "ZEBRA"]), unique=True).map(tuple)),
    st.tuples(st.just("keywords"), st.lists(st.sampled_from(["puppy", "roof", "pin"]), unique=True).map(tuple)),
    st.tuples(st.just("status"), st.sampled_from(["active", "superseded", "archived", "quarantined"])),
    st.tuples(st.just("context"), st.sampled_from(["", "About a pet.", "About a lighthouse."])),
    st.tuples(st.just("metadata"), st.sampled_from([{}, {"room": "kitchen"}])),
    st.tuples(st.just("trust"), st.sampled_from([0.5, 1.0])),
)
adding = st.one_of(
    st.builds(
        Add, texts, st.integers(0, 3), st.integers(0, 4), st.sampled_from([None, None, "x1", "x2"]),
        st.sampled_from([(), ("pets",)]),
    ),
    st.builds(
        AddMany, st.lists(texts, min_size=1, max_size=5).map(tuple), st.integers(0, 2), st.none() | st.integers(0, 12)
    ),
    st.builds(Ingest, st.lists(texts, max_size=6).map(tuple)),
)  # fmt: skip
changing = st.one_of(
    st.builds(Update, numbers, st.lists(revised, min_size=1, max_size=2).map(tuple)),
    st.builds(Link, numbers, numbers, st.sampled_from(["similar", "supersedes", "causes"])),
    st.builds(Unlink, numbers),
    st.builds(Use, st.lists(numbers, max_size=3).map(tuple)),
    st.builds(Forget, numbers, st.booleans()),
)
undoing = st.one_of(
    st.builds(Undo, st.integers(0, 6), st.none() | st.integers(1, 4), st.booleans()), st.builds(UndoCaused, numbers)
)
reading = st.one_of(
    st.builds(Search, st.integers(0, len(QUESTIONS + TEXTS) - 1), st.sampled_from([1, 5, 50])),
    st.builds(Export, st.booleans()),
    st.just(Reopen()),
)
loading = st.builds(Load, st.sampled_from(["other", "other", "own", "history"]))
