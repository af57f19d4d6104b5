"""Running rules and policies, which may ask questions: known answers are given, open questions are collected.

No plug-in waits here. A plan is made with the answers known so far. If it leaves questions open, their plug-ins answer
them while the memory is free for others, and the plan is made again::

    asking = Asking()
    while True:
        plan = make_plan(asking)  # under the lock; it calls links_of and rewrite_of
        if not asking.unanswered:
            break
        asking = asking.answered()  # without the lock: this may be slow

The same answers give the same plan. Only ``Asking.answered`` calls what is slow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from zettel.errors import PluginError, ZettelError
from zettel.model import Link
from zettel.protocols import Arrival, Encounter, LinkRule, Policy, Question, Rewrite

T = TypeVar("T")
Asked: TypeAlias = tuple[str, Question]
"""A plug-in's kind and name ("linker/similar"), and what it asked."""

MAX_ROUNDS = 1_000
"""Times that one plan is made again for answers: a plug-in that asks on and on would keep its caller for ever."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The answers that a plan is made with, and the questions that it leaves open, each once and in order of asking.

    ``answers`` holds each answer as JSON text, so that no plug-in can change what another plan receives; ``rounds``
    counts how often questions were answered for the plan.
    """

    answers: Mapping[Asked, str] = field(default_factory=dict)
    rounds: int = 0
    unanswered: dict[Asked, object] = field(default_factory=dict)
    """The open questions, each with the plug-in that answers it."""

    def answered(self) -> Asking:
        """What the plan is to be made again with: each plug-in answers its open questions in one call.

        Raises:
            PluginError: a plug-in failed, did not give one JSON value a question, or has asked too often.
        """
        if self.rounds >= MAX_ROUNDS:
            names = ", ".join(sorted({name for name, _ in self.unanswered}))
            raise PluginError(
                f"{names} still asked new questions after {MAX_ROUNDS:,} rounds of answers; nothing was changed: its"
                " questions must depend on nothing but what it is shown, and come to an end"
            )
        by_plugin: dict[str, list[Question]] = {}
        for name, question in self.unanswered:
            by_plugin.setdefault(name, []).append(question)
        new = dict(self.answers)
        for name, questions in by_plugin.items():
            plugin = self.unanswered[name, questions[0]]
            texts = _guarded(name, "answer", partial(_answers, plugin, questions))
            new.update({(name, question): text for question, text in zip(questions, texts, strict=True)})
        return Asking(new, self.rounds + 1)


def links_of(rule: LinkRule, arrival: Arrival, asking: Asking) -> list[Link]:
    """The links that a rule proposes; none while a question of it is open.

    Raises:
        PluginError: the rule failed, or gave something other than links and questions.
    """
    name = f"linker/{name_of(rule)}"

    def found() -> list[Link]:
        made: object = rule.links(arrival)
        if isinstance(made, Generator):
            run = _run(name, rule, made, asking)
            made = () if run is None else (*run.yielded, *(run.returned or ()))
        return [_checked(item, Link) for item in made]  # type: ignore[attr-defined]  # what a plug-in gives is tried

    return _guarded(name, "links", found)


def rewrite_of(policy: Policy, encounter: Encounter, asking: Asking) -> Rewrite | None:
    """What a policy makes of a neighbor; None while a question of it is open.

    Raises:
        PluginError: the policy failed, or gave something other than a rewrite, None and questions.
    """
    name = f"evolution/{name_of(policy)}"

    def found() -> Rewrite | None:
        made: object = policy.rewrite(encounter)
        if isinstance(made, Generator):
            run = _run(name, policy, made, asking)
            made = None if run is None else next(iter(run.yielded), run.returned)
        return None if made is None else _checked(made, Rewrite)

    return _guarded(name, "rewrite", found)


def name_of(plugin: object) -> str:
    """A plug-in's name: its ``NAME``, else the file of a module, else the class of an object."""
    name = getattr(plugin, "NAME", None) or getattr(plugin, "__name__", None) or type(plugin).__name__
    return str(name).rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class _Run:
    """A generator that came to its end: what it yielded besides questions, and what it returned."""

    yielded: Sequence[object]
    returned: Any


def _run(name: str, plugin: object, generator: Generator[object, object, object], asking: Asking) -> _Run | None:
    """Run a generator with the answers known; None if it came to a question that is open, which is noted."""
    yielded: list[object] = []
    answer: object = None
    while True:
        try:
            item = generator.send(answer)
        except StopIteration as end:
            return _Run(yielded, end.value)
        answer = None
        if not isinstance(item, Question):
            yielded.append(item)
        elif (name, item) in asking.answers:
            answer = json.loads(asking.answers[name, item])
        else:
            asking.unanswered.setdefault((name, item), plugin)
            generator.close()
            return None


def _answers(plugin: object, questions: Sequence[Question]) -> list[str]:
    """What a plug-in answers, as JSON."""
    answers: object = plugin.answer(questions)  # type: ignore[attr-defined]  # a plug-in without it gets an error that says so
    if not isinstance(answers, Sequence) or isinstance(answers, str) or len(answers) != len(questions):
        raise TypeError(f"answer() gave {answers!r:.60} for {len(questions)} questions: it must give a list of as many")
    return [json.dumps(answer, allow_nan=False) for answer in answers]


def _checked(item: object, kind: type[T]) -> T:
    if not isinstance(item, kind):
        raise TypeError(f"it gave {item!r:.60}, which is neither a {kind.__name__} nor a Question")
    return item


def _guarded(name: str, method: str, call: Callable[[], T]) -> T:
    """The result of a call of a plug-in. An error that it raises is raised again with the plug-in's name."""
    try:
        return call()
    except ZettelError:
        raise
    except Exception as error:
        raise PluginError(
            f"{name} failed in {method}() ({type(error).__name__}: {error}); nothing was changed: mend it, or leave it"
            " out of Config.rules or Config.policies"
        ) from error
