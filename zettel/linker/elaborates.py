"""Links from an answer to its question."""

from __future__ import annotations

import re
from collections.abc import Iterable

from zettel.attachments import spoken
from zettel.linker._shared import content, telling
from zettel.model import Evidence, Link, LinkKind, Note
from zettel.protocols import Arrival
from zettel.text import shorten

KIND: LinkKind = "elaborates"
DEGREE = 4

_ENOUGH = 3  # an answer with fewer telling terms is a mere nod
_QUOTE = 80
_NAME = 60
_SENTENCE = re.compile(r"[^.!?\n]*[.!?]+|[^.!?\n]+")
_LAST = 2  # a question must be among so many last sentences: a speaker who goes on talking waits for no answer


def links(arrival: Arrival) -> Iterable[Link]:
    """From the arriving note to the question it answers, if the question asks for something and the answer says it."""
    asked = arrival.answered
    if asked is None or asked.speaker == arrival.note.speaker:
        return
    question = question_of(asked, arrival.people)
    if question and len(content(arrival.note, arrival.people)) >= _ENOUGH:
        name = shorten(asked.speaker or "", _NAME)
        who, quote = f"{name}'s " if name else "", shorten(question, _QUOTE)
        yield Link(
            source_id=arrival.note.id, target_id=asked.id, kind=KIND, weight=0.8,
            reason=f"answers {who}“{quote}”", evidence=Evidence(quote=quote), created_by="linker/elaborates",
        )  # fmt: skip


def question_of(note: Note, people: frozenset[str]) -> str:
    """The question that a note ends with, if it asks for something in particular; "" if there is no such question."""
    said = [sentence.strip() for sentence in _SENTENCE.findall(spoken(note)) if sentence.strip()]
    questions = (sentence for sentence in reversed(said[-_LAST:]) if sentence.rstrip("!.").endswith("?"))
    return next((question for question in questions if telling(question, people)), "")
