"""A question learns its answer."""

from __future__ import annotations

from zettel.evolution._quoting import lesson, quotation, speaker
from zettel.protocols import Encounter, Rewrite
from zettel.text import shorten, terms

_TAG = "answered"


def rewrite(encounter: Encounter) -> Rewrite | None:
    """Teach the question its answer, and tag it "answered"."""
    arrived, question = encounter.arrived, encounter.neighbor
    if not any(link.kind == "elaborates" and link.source_id == arrived.id for link in encounter.links):
        return None
    answer = quotation(arrived, set(terms(question.text)))
    if not answer:
        return None
    return Rewrite(
        fields={"tags": list(dict.fromkeys((*question.tags, _TAG)))},
        reason=f"{speaker(arrived)} answers it: “{shorten(answer, 60)}”",
        lessons=(lesson("answered", arrived, answer),),
    )
