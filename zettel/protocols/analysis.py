"""What analyzers implement: messages to keywords, tags, entities and a sentence of context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Utterance:
    """What an analyzer may know of one message: itself, and the message before it in its session.

    ``answers`` is the message it answers: its parent where the transcript names one, else the one before it in the
    same session by another speaker. Analyses depend on nothing else, so that a batch gives what single adds give.
    """

    text: str
    speaker: str | None = None
    time: datetime | None = None
    time_precision: str | None = None
    conversation_id: str | None = None
    session_id: str | None = None
    answers_id: str | None = None
    answers_speaker: str | None = None
    answers_text: str | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyzer makes of an utterance. ``derived_from`` names the notes whose text it quotes.

    ``analyzed_by`` names what made it, if that is not the analyzer itself: an analyzer that asks a model names the one
    that stood in when the model failed ("local/1").
    """

    context: str
    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[str, ...]
    derived_from: tuple[str, ...] = ()
    analyzed_by: str | None = None


@runtime_checkable
class Analyzer(Protocol):
    """Reads keywords, tags, entities and a one-sentence context out of messages.

    A file in ``analyzer/`` defines ``create(model: str | None) -> Analyzer``.
    """

    @property
    def name(self) -> str:
        """Name and version ("local/1"), as kept in ``Note.analyzed_by`` if an analysis names nothing else."""
        ...

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        """One analysis an utterance, in order; each depends on its own utterance only.

        Raises:
            AnalyzerError: the analyzer itself failed.
        """
        ...
