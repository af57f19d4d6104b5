"""The protocols of link rules and evolution policies, and the values that these get and return."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from zettel.model import Lesson, Link, LinkKind, Note


@dataclass(frozen=True, slots=True)
class Question:
    """What a slow rule or policy must know before it can decide: everything that its answer depends on, as text.

    Questions with the same text are the same question, and get the same answer for as long as a plan is being made.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A note near an arriving one, and the cosine of their vectors."""

    note: Note
    cosine: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A note that has just arrived, and what a link rule may know of the memory.

    - ``before``: the messages before it in its session, nearest first. ``answered``: the message that it answers.
    - ``nearest``: the notes closest to it, best first, without those of ``before``.
    - ``usual``, ``spread``: mean and standard deviation of its cosines with all ``n_notes``.
    - ``rarity_of(n)``: how rare something is that ``n`` notes have: 1 for none, 0 for all. ``rarity(term)``: the rarity
      of one of its terms among the other notes.
    - ``saying(terms)``: the newest notes whose texts have all of some terms, newest first, and the number of all.
    - ``people``: the words of all speakers' names, in lower case.
    """

    note: Note
    before: tuple[Note, ...]
    answered: Note | None
    nearest: tuple[Candidate, ...]
    usual: float
    spread: float
    n_notes: int
    rarity: Callable[[str], float]
    rarity_of: Callable[[int], float]
    saying: Callable[[Sequence[str]], tuple[Sequence[Candidate], int]]
    people: frozenset[str]


@runtime_checkable
class LinkRule(Protocol):
    """One reason to link an arriving note. A file in ``linker/`` has these names at its top level.

    ``KIND`` is the kind of its links, ``DEGREE`` the highest number of links of that kind that a note may have. If a
    note has as many, a stronger link replaces the weakest one that rules have made.
    """

    KIND: LinkKind
    DEGREE: int

    def links(self, arrival: Arrival) -> Iterable[Link | Question]:
        """Links with the arriving note at one end. Pure: the same arrival gives the same links.

        Only an ``AskingRule`` may give questions too.
        """
        ...


@runtime_checkable
class AskingRule(LinkRule, Protocol):
    """A rule that is slow to decide, because it asks a model or a server.

    Its ``links`` is a generator: it runs while the memory plans, so it never waits. It yields links and questions, in
    any order, and receives the answer to a question as the value of that ``yield``; it may return more links. If an
    answer is not known yet, ``links`` is closed there and counts as no links; ``answer`` is then called while the
    memory is free for others, and the plan is made again, with ``links`` called again. The same arrival and the same
    answers give the same links and questions.
    """

    def links(self, arrival: Arrival) -> Generator[Link | Question, JsonValue, Iterable[Link] | None]:
        """Links and questions; see above."""
        ...

    def answer(self, questions: Sequence[Question]) -> Sequence[JsonValue]:
        """One answer a question, in order. All questions that a plan left open come in one call, each once.

        May take long, and need not give the same answer twice: the first one stands for the plan.
        """
        ...


@dataclass(frozen=True, slots=True)
class Encounter:
    """A note that has just arrived, a neighbor that it was linked to, these links, and the neighbor's other links.

    Each link in ``others`` comes with the note at its other end. Links to notes that a search doesn't show are left
    out.
    """

    arrived: Note
    neighbor: Note
    links: tuple[Link, ...]
    others: tuple[tuple[Link, Note], ...]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """New values of a neighbor's annotations (context, keywords, tags), and the reason as a sentence.

    ``derived_from`` has the ids of the notes, besides the arriving one, whose words the values use. ``lessons`` are
    what the neighbor learns; each comes from the arriving note or from one of ``derived_from``.
    """

    fields: Mapping[str, JsonValue]
    reason: str
    derived_from: tuple[str, ...] = ()
    lessons: tuple[Lesson, ...] = ()


@runtime_checkable
class Policy(Protocol):
    """One way in which an arriving note changes what its neighbors' cards say.

    A file in ``evolution/`` has this name at its top level.
    """

    def rewrite(self, encounter: Encounter) -> Rewrite | Generator[Question, JsonValue, Rewrite | None] | None:
        """The new annotations of the neighbor; None if nothing changes. Pure: the same encounter gives the same result.

        Only an ``AskingPolicy`` may be a generator.
        """
        ...


@runtime_checkable
class AskingPolicy(Policy, Protocol):
    """A policy that is slow to decide, because it asks a model or a server; ``AskingRule`` says how it is run."""

    def rewrite(self, encounter: Encounter) -> Generator[Question, JsonValue, Rewrite | None]:
        """Yields questions, receives their answers, and returns what a ``Policy`` returns."""
        ...

    def answer(self, questions: Sequence[Question]) -> Sequence[JsonValue]:
        """One answer a question, in order; see ``AskingRule.answer``."""
        ...
