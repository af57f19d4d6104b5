"""The context of a message as one sentence: who said it, when, in which session, and in answer to what."""

from __future__ import annotations

import re

from zettel.protocols import Utterance
from zettel.text import shorten
from zettel.times import TimeMention, describe, describe_interval

QUOTE_LENGTH = 80
"""The highest number of characters that are quoted of the answered message."""

_MAX_NAME = 60
_MAX_TIMES = 3
_OPAQUE = re.compile(r"[0-9a-fA-F-]{16,}|\S{33,}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T][\d:.+Z-]*)?")
_MARKUP = re.compile(r"```.*?(?:```|$)|[`*#|]+|[\x00-\x1f\x7f-\x9f]", re.DOTALL)


def one_line(text: str) -> str:
    """``text`` without code blocks, Markdown marks and control characters, with single spaces as white space."""
    return " ".join(_MARKUP.sub(" ", text).split())


def shortened(text: str, limit: int = QUOTE_LENGTH) -> str:
    """``text`` on one line, cut on a word boundary to at most ``limit`` characters, the ellipsis included.

    Double quotes become single ones, so that the result can be put between double quotes.
    """
    # A cut far beyond the limit keeps a message of a megabyte from being cleaned for its first eighty characters.
    return shorten(one_line(text[: limit * 50]).translate(_SINGLE_QUOTES), limit)


_SINGLE_QUOTES = str.maketrans({'"': "'", "“": "'", "”": "'"})


def session_name(utterance: Utterance) -> str:
    """How the session, else the conversation, is named to a reader ("session 3"); "" if its id says nothing.

    A session named by its date tells nothing beyond the time of the utterance.
    """
    for kind, name in (("session", utterance.session_id), ("conversation", utterance.conversation_id)):
        words = shortened(re.sub(r"[\W_]+", " ", name or ""), _MAX_NAME)
        opaque = _OPAQUE.fullmatch((name or "").strip()) or (utterance.time and _DATE.fullmatch((name or "").strip()))
        if words and not opaque:
            known = re.match(r"(?:session|conversation|conv|chat|thread|meeting)\b", words, re.IGNORECASE)
            return words[0].lower() + words[1:] if known else f"{kind} {words}"
    return ""


def context(utterance: Utterance, mentions: list[TimeMention], keywords: tuple[str, ...]) -> tuple[str, bool]:
    """The sentence, and whether it quotes the answered message; "" if nothing is known.

    ``mentions`` are the times in the utterance; those that depend on its time are given with their dates.
    """
    quote = shortened(utterance.answers_text or "")
    parts = [_opening(utterance), _answering(utterance, quote)]
    sentence = ", ".join(part for part in parts if part)
    times = "; ".join(_resolved(mentions, utterance)[:_MAX_TIMES])
    sentence = "; ".join(part for part in (sentence, times) if part)
    if keywords and sentence in ("", shortened(utterance.speaker or "", _MAX_NAME)):
        # Nothing but the speaker, if that, is known: the subject at least tells one note from another.
        sentence = ", ".join(part for part in (sentence, f"about {_listed(keywords[:3])}") if part)
    return _finished(sentence), bool(quote)


def _opening(utterance: Utterance) -> str:
    speaker = shortened(utterance.speaker or "", _MAX_NAME)
    when = ""
    if utterance.time is not None:
        month_or_year = utterance.time_precision in ("month", "year")
        when = (
            f"in {describe(utterance.time, 'month' if utterance.time_precision == 'month' else 'year')}"
            if month_or_year
            else f"on {describe(utterance.time, 'day')}"
        )
    session = session_name(utterance)
    if not speaker and (when or session):
        speaker = "said"
    if session:
        session = f"({session})" if when or speaker != "said" else f"in {session}"
    return " ".join(part for part in (speaker, when, session) if part)


def _answering(utterance: Utterance, quote: str) -> str:
    other = shortened(utterance.answers_speaker or "", _MAX_NAME)
    if quote:
        return f'answering {other}\'s "{quote}"' if other else f'answering "{quote}"'
    return f"answering {other}" if other else ""


def _resolved(mentions: list[TimeMention], utterance: Utterance) -> list[str]:
    """``"yesterday" is 7 May 2023`` for each time that stands in need of the utterance's own."""
    if utterance.time is None or utterance.time_precision in ("month", "year"):
        return []
    seen: dict[str, str] = {}
    for mention in mentions:
        if mention.relative:
            said = one_line(mention.text)
            seen.setdefault(said.lower(), f'"{said}" is {describe_interval(mention.since, mention.until)}')
    return list(seen.values())


def _listed(words: tuple[str, ...]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _finished(sentence: str) -> str:
    """The sentence with a full stop, and with a capital if its first word is one of ours."""
    if not sentence:
        return ""
    first = sentence.split(" ", 1)[0]
    if first in ("said", "answering", "about"):
        sentence = sentence[0].upper() + sentence[1:]
    return sentence + ("" if sentence.endswith(".") else ".")
