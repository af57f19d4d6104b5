"""A note's own annotations: what they would be without the notes that they were derived from."""

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

    If the analyzer did not say, only what certainly comes from the text is kept: no context, and of each list the items
    whose words are all in the text.
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
    """The analyzed fields that a note arrived with, as they would be without the notes that they were derived from.

    An older journal does not say; then only what certainly comes from the note's text is kept.
    """
    fields = {name: value for name, value in (arrival.after or arrival.before or {}).items() if name in ANALYZED}
    if arrival.own or not arrival.derived_from:
        return {**fields, **arrival.own}
    return {name: list(_said_in(text, _texts(fields.get(name)))) if name in LISTS else "" for name in ANALYZED}


def differing(own: Mapping[str, JsonValue], fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The note's own values of those analyzed fields in which they differ from ``fields``."""
    return {name: own[name] for name in ANALYZED if own[name] != fields[name]}


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _said_in(text: str, items: Iterable[str]) -> Iterable[str]:
    """The items whose words are all in a text."""
    said = set(terms(text))
    for item in items:
        stems = terms(item)
        if said.issuperset(stems) if stems else item in text:
            yield item
