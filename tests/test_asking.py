"""Rules and policies that ask: what the driver gives back, collects and refuses."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zettel.asking import MAX_ROUNDS, Asking, links_of, name_of, rewrite_of
from zettel.errors import InputError, PluginError
from zettel.evolution import evolve
from zettel.linker import link as link_by_rules
from zettel.model import Link
from zettel.protocols import Arrival, AskingPolicy, AskingRule, Encounter, Policy, Question, Rewrite
from zettel.testing.by_hand import arrival, encounter, link, note

OLD, NEW = note("A boat.", id="old", tags=("sea",)), note("Which boat?", id="new")
SEEN = arrival(NEW, [OLD], near={"old": 0.9})
MET = encounter(NEW, OLD)


class Judge:
    """A rule and a policy that ask about every note they are shown."""

    NAME = "judge"
    KIND = "similar"
    DEGREE = 3

    def __init__(self, says: Any = "yes") -> None:
        self.says = says
        self.calls: list[list[str]] = []

    def links(self, seen: Arrival) -> Generator[Link | Question, Any, list[Link]]:
        for near in seen.nearest:
            if (yield Question(f"are {near.note.text} and {seen.note.text} alike?")) == "yes":
                yield link(seen.note, near.note)
        return []

    def rewrite(self, met: Encounter) -> Generator[Question, Any, Rewrite | None]:
        tag = yield Question(f"a tag for {met.neighbor.text}?")
        again = yield Question(f"a tag for {met.neighbor.text}?")
        assert tag == again
        return Rewrite({"tags": [*met.neighbor.tags, str(tag)]}, "it was asked")

    def answer(self, questions: Sequence[Question]) -> list[Any]:
        self.calls.append([question.text for question in questions])
        return [self.says] * len(questions)


def planned(judge: Any) -> Any:
    asking = Asking()
    while True:
        links = links_of(judge, SEEN, asking)
        rewrite = rewrite_of(judge, MET, asking)
        if not asking.unanswered:
            return links, rewrite
        asking = asking.answered()


def test_a_plug_in_that_asks_keeps_both_protocols() -> None:
    assert isinstance(Judge(), AskingRule)
    assert isinstance(Judge(), AskingPolicy)
    assert isinstance(Judge(), Policy)


def test_a_plan_is_provisional_until_its_questions_are_answered_in_one_call_each() -> None:
    judge, asking = Judge(), Asking()
    assert links_of(judge, SEEN, asking) == []
    assert rewrite_of(judge, MET, asking) is None
    assert [(name, q.text) for name, q in asking.unanswered] == [
        ("linker/judge", "are A boat. and Which boat? alike?"), ("evolution/judge", "a tag for A boat.?"),
    ]  # fmt: skip
    assert judge.calls == [], "nothing is asked of the plug-in while a plan is made"
    links, rewrite = planned(judge)
    assert links == [link(NEW, OLD)]
    assert rewrite == Rewrite({"tags": ["sea", "yes"]}, "it was asked")
    assert len(judge.calls) == 2


def test_a_question_asked_twice_is_answered_once() -> None:
    judge, asking = Judge(), Asking()
    for _ in range(3):
        links_of(judge, SEEN, asking)
        links_of(judge, arrival(NEW, [OLD, OLD], near={"old": 0.9}), asking)
    asking.answered()
    assert judge.calls == [["are A boat. and Which boat? alike?"]]


def test_link_and_evolve_pass_questions_on() -> None:
    judge, asking = Judge(), Asking()
    assert link_by_rules(SEEN, [judge], lambda _: (), asking) == []
    assert evolve([MET], [judge], {}, per_add=1, per_day=1, asking=asking) == []
    assert len(asking.unanswered) == 2
    known = asking.answered()
    assert [change.target_id for change in link_by_rules(SEEN, [judge], lambda _: (), known)] == ["old"]
    [revision] = evolve([MET], [judge], {}, per_add=1, per_day=1, asking=known)
    assert revision.after == {"tags": ["sea", "yes"]}
    assert not known.unanswered


SCRIPTS = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=8)
VALUES = st.integers() | st.lists(st.sampled_from("xyz"), max_size=3)
ANSWERS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@settings(deadline=None)
@given(script=SCRIPTS, answers=ANSWERS)
def test_the_same_answers_give_the_same_result_and_the_same_open_question(script: Any, answers: Any) -> None:
    def links(seen: Arrival) -> Generator[Any, Any, None]:
        for text, spoil in script:
            answer = yield Question(text)
            yield link(NEW, OLD, reason=json.dumps(answer))
            if spoil and isinstance(answer, list):
                answer.append("changed by the plug-in")

    rule: Any = SimpleNamespace(NAME="scripted", KIND="similar", DEGREE=1, links=links)
    known = {("linker/scripted", Question(text)): json.dumps(answer) for text, answer in answers.items()}
    one, two = Asking(known), Asking(known)
    found = links_of(rule, SEEN, one)
    assert found == links_of(rule, SEEN, two)
    assert list(one.unanswered) == list(two.unanswered)
    first = next((text for text, _ in script if text not in answers), None)
    assert [question.text for _, question in one.unanswered] == ([first] if first else [])
    assert [json.loads(each.reason) for each in found] == ([] if first else [answers[text] for text, _ in script])


def test_plain_functions_and_plain_generators_go_through_as_they_are() -> None:
    def lazy(seen: Arrival) -> Any:
        yield link(seen.note, OLD)

    for links in (lambda _: [link(NEW, OLD)], lambda _: (link(NEW, OLD) for _ in "x"), lazy):
        assert links_of(SimpleNamespace(KIND="similar", DEGREE=1, links=links), SEEN, Asking()) == [link(NEW, OLD)]  # type: ignore[arg-type]
    same = Rewrite({"tags": []}, "x")
    assert rewrite_of(SimpleNamespace(rewrite=lambda _: same), MET, Asking()) is same  # type: ignore[arg-type]
    assert rewrite_of(SimpleNamespace(rewrite=lambda _: None), MET, Asking()) is None  # type: ignore[arg-type]


def broken(_: object) -> Any:
    yield Question("x")
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("links", "message"),
    [(lambda _: 1 / 0, r"linker/odd failed in links\(\) \(ZeroDivisionError: "), (broken, "ZeroDivisionError"),
     (lambda _: None, "not iterable"), (lambda _: ["x"], "'x', which is neither a Link nor a Question")],
    ids=["raises", "raises later", "none", "no link"],
)  # fmt: skip
def test_a_rule_that_fails_is_named(links: Any, message: str) -> None:
    rule: Any = SimpleNamespace(NAME="odd", KIND="similar", DEGREE=1, links=links)
    with pytest.raises(PluginError, match=message) as caught:
        links_of(rule, SEEN, Asking({("linker/odd", Question("x")): "1"}))
    assert caught.value.__cause__ is not None


def test_a_policy_that_fails_is_named() -> None:
    policy: Any = SimpleNamespace(NAME="odd", rewrite=lambda _: {"tags": []})
    with pytest.raises(PluginError, match="evolution/odd failed in rewrite.*neither a Rewrite nor a Question"):
        rewrite_of(policy, MET, Asking())


def test_what_zettel_raises_itself_and_what_stops_a_program_goes_through() -> None:
    for raised in (InputError("of zettel"), KeyboardInterrupt()):
        policy: Any = SimpleNamespace(rewrite=lambda _, raised=raised: (_ for _ in ()).throw(raised))
        with pytest.raises(type(raised)):
            rewrite_of(policy, MET, Asking())


@pytest.mark.parametrize(
    ("answer", "message"),
    [(lambda asked: [], r"answer\(\) gave \[\] for 1 questions"), (lambda asked: "x", "'x' for 1 questions"),
     (lambda asked: [object()], "not JSON serializable"), (lambda asked: 1 / 0, "ZeroDivisionError"),
     (lambda asked: [float("nan")], "not JSON compliant")],
    ids=["too few", "a text", "no JSON", "raises", "NaN"],
)  # fmt: skip
def test_answers_are_checked(answer: Any, message: str) -> None:
    judge, asking = Judge(), Asking()
    judge.answer = answer  # type: ignore[method-assign]
    links_of(judge, SEEN, asking)
    with pytest.raises(PluginError, match=f"linker/judge failed in answer.*{message}"):
        asking.answered()


def test_who_asks_without_answering_is_told_so() -> None:
    asking = Asking()
    rule: Any = SimpleNamespace(NAME="mute", KIND="similar", DEGREE=1, links=lambda _: (Question("?") for _ in "x"))
    assert links_of(rule, SEEN, asking) == []
    with pytest.raises(PluginError, match="linker/mute failed in answer.*no attribute 'answer'"):
        asking.answered()


def test_who_asks_for_ever_is_stopped() -> None:
    numbers = iter(range(10**6))
    judge = Judge()
    judge.rewrite = lambda met: (Question(str(next(numbers))) for _ in "x")  # type: ignore[assignment, method-assign]
    with pytest.raises(PluginError, match=f"evolution/judge still asked new questions after {MAX_ROUNDS:,} rounds"):
        planned(judge)
    assert len(judge.calls) == MAX_ROUNDS + 1  # one more for the link


def test_a_name_is_that_of_the_file_or_of_the_class() -> None:
    from zettel.linker import similar

    assert name_of(similar) == "similar"
    assert name_of(Judge()) == "judge"
    assert name_of(object()) == "object"
