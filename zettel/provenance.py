"""What of a note's annotations is its own: what would stand there without the notes that they were derived from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from zettel.model import NoteChange
from zettel.protocols import Analysis
from zettel.text import terms

ANALYZED = ("context", "keywords", "tags", "entities")
"""The fields that an analyzer fills."""

LISTS = ANALYZED[1:]


def own_analysis(analysis: Analysis, text: str) -> Analysis:
    """What an analysis of a text would be without the notes it was derived from.

    If the analyzer did not say so, it is what is sure to come from the text: no context, and of the lists what it says.
    """
    if not analysis.derived_from:
        return analysis
    if analysis.own is not None:
        return analysis.own
    keywords, tags, entities = (
        tuple(_said_in(text, items)) for items in (analysis.keywords, analysis.tags, analysis.entities)
    )
    return Analysis("", keywords, tags, entities, analyzed_by=analysis.analyzed_by)


def own_fields(arrival: NoteChange, text: str) -> dict[str, JsonValue]:
    """The analyzed fields that a note arrived with, as they would be without the notes they were derived from.

    An arrival from before those were kept has what is sure to come from its text.
    """
    fields = {name: value for name, value in (arrival.after or arrival.before or {}).items() if name in ANALYZED}
    if arrival.own or not arrival.derived_from:
        return {**fields, **arrival.own}
    return {name: list(_said_in(text, _texts(fields.get(name)))) if name in LISTS else "" for name in ANALYZED}


def differing(own: Mapping[str, JsonValue], fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The analyzed fields in which a note's own values are others than those it has."""
    return {name: own[name] for name in ANALYZED if own[name] != fields[name]}


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _said_in(text: str, items: Iterable[str]) -> Iterable[str]:
    """The items of which each word stands in a text."""
    said = set(terms(text))
    for item in items:
        stems = terms(item)
        if said.issuperset(stems) if stems else item in text:
            yield item
