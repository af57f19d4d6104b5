"""Asking an analyzer, and checking what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zettel.checks import check_json, shown
from zettel.errors import AnalyzerError, InputError, ZettelError
from zettel.protocols import Analysis, Analyzer, Utterance


def analyze(analyzer: Analyzer, utterances: Sequence[Utterance]) -> list[Analysis]:
    """Call ``analyzer.analyze(utterances)`` and check what it returns.

    Raises:
        AnalyzerError: it failed, or did not return one usable analysis for each utterance.
    """
    try:
        analyses: object = analyzer.analyze(utterances)
    except ZettelError:
        raise
    except Exception as error:
        raise AnalyzerError(
            f"analyzer {analyzer.name} failed ({type(error).__name__}: {error}); nothing was added: mend it, or open"
            " the memory with another analyzer"
        ) from error
    found = len(analyses) if isinstance(analyses, list | tuple) else None
    if not isinstance(analyses, list | tuple) or found != len(utterances):
        raise AnalyzerError(
            f"analyzer {analyzer.name} returned {found or 'no'} analyses for {len(utterances)} messages; nothing was"
            " added: it must return one a message"
        )
    for utterance, analysis in zip(utterances, analyses, strict=True):
        if fault := _fault(analysis, utterance):
            raise AnalyzerError(f"analyzer {analyzer.name} returned {shown(analysis)}; nothing was added: {fault}")
    return list(analyses)


def _fault(analysis: object, utterance: Utterance) -> str:
    """What makes an analysis unusable; "" if it is usable."""
    if not isinstance(analysis, Analysis):
        return "it must return values of zettel.protocols.Analysis"
    by: object = analysis.analyzed_by
    lists = analysis.keywords, analysis.tags, analysis.entities, analysis.derived_from
    if not isinstance(analysis.context, str) or not all(_is_texts(values) for values in lists):
        return "the context must be a text, every other field a tuple of texts"
    if by is not None and not isinstance(by, str):
        return "analyzed_by must be a text, or None for the analyzer's own name"
    if not {utterance.answers_id}.issuperset(analysis.derived_from):
        return f"derived_from may name only the message answered, {utterance.answers_id!r}"
    try:
        check_json([analysis.context, by, *lists])
    except InputError as error:
        return str(error)
    return "" if analysis.own is None else _fault(analysis.own, replace(utterance, answers_id=None))


def _is_texts(values: object) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(value, str) for value in values)
