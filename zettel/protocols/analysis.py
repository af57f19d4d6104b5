"""The protocol of analyzers, which find keywords, tags, entities and a context in messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Utterance:
    """What an analyzer may know of a message: the message itself, and the one that it answers.

    The answered message is its parent if the transcript names one, else the last one before it in the same session by
    another speaker. An analysis depends on nothing else, so that a batch gives the same as adding one by one.
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
    """What an analyzer makes of an utterance. ``derived_from`` names the notes whose text it quotes or has read from.

    ``own`` is what it would make of the utterance alone, if it answered nothing: what is left when the answered note is
    erased. None says that nothing would differ. If ``derived_from`` names a note and ``own`` is missing, no context is
    left, and of the lists what the utterance itself says.

    ``analyzed_by`` names what made it, if that is not the analyzer itself: an analyzer that asks a model names the one
    that stood in when the model failed ("local/1").
    """

    context: str
    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[str, ...]
    derived_from: tuple[str, ...] = ()
    analyzed_by: str | None = None
    own: Analysis | None = None


@runtime_checkable
class Analyzer(Protocol):
    """Finds keywords, tags, entities and a context of one sentence in messages.

    A file in ``analyzer/`` defines ``create(model: str | None) -> Analyzer``.
    """

    @property
    def name(self) -> str:
        """Name and version ("local/1"); this is ``Note.analyzed_by``, unless an analysis names something else."""
        ...

    def analyze(self, utterances: Sequence[Utterance]) -> list[Analysis]:
        """One analysis an utterance, in order; each depends on its own utterance only.

        Raises:
            AnalyzerError: the analyzer itself failed.
        """
        ...
