"""Packing the best notes as text to put before a language model: cited, and in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from zettel.card import card
from zettel.model import Hit, Note
from zettel.text import shorten

_SHORT = 60  # a text of fewer characters is shown with its context: "The blue one, definitely." says little alone


def estimate_tokens(text: str) -> int:
    """An estimate, rather too high than too low, of the number of tokens that a language model makes of a text.

    It is a third more than the number of words, or a quarter of the number of letters if that is more. Each character
    beyond ASCII counts as one token.
    """
    ascii_letters = sum(c < "\x80" for c in text)
    return ceil(max(len(text.split()) * 4 / 3, ascii_letters / 4) + len(text) - ascii_letters)


def pack(hits: Sequence[Hit], max_tokens: int) -> str:
    """As many of the best ``hits`` as fit into ``max_tokens``, in order of time, numbered, each with its source.

    Equal texts of one speaker are shown once. If not even the first hit fits, it is cut.
    """
    chosen: list[Note] = []
    seen: set[tuple[str | None, str]] = set()
    left = max_tokens
    for hit in hits:
        key = hit.note.speaker, " ".join(hit.note.text.lower().split())
        cost = estimate_tokens(_line(99, hit.note)) + 1
        if key not in seen and cost <= left:
            seen.add(key)
            chosen.append(hit.note)
            left -= cost
    if not chosen and hits:
        return _cut(hits[0].note, max_tokens)
    return "\n".join(_line(n, note) for n, note in enumerate(sorted(chosen, key=_when), 1))


def _when(note: Note) -> tuple[float, int]:
    return (note.time.timestamp() if note.time else float("inf")), note.ordinal


def _line(number: int, note: Note) -> str:
    time = f"{note.time:%Y-%m-%d %H:%M} " if note.time and note.time_precision in ("second", "minute") else ""
    if note.time and not time:
        time = f"{note.time.isoformat()[: {'year': 4, 'month': 7}.get(note.time_precision or '', 10)]} "
    speaker = f"{note.speaker}: " if note.speaker else ""
    said = card(note) if len(note.text) < _SHORT else ""
    context = f" [{said}]" if said else ""
    mark = " (superseded)" if note.status == "superseded" else ""
    return f"[{number}] {time}{speaker}{' '.join(note.text.split())}{context}{mark} ({cite(note)})"


def _cut(note: Note, max_tokens: int) -> str:
    for width in range(4 * max_tokens, 0, -max(1, max_tokens // 8)):
        line = _line(1, note.model_copy(update={"text": shorten(note.text, width), "context": "", "learned": ()}))
        if estimate_tokens(line) <= max_tokens:
            return line
    return ""


def cite(note: Note) -> str:
    """The origin of a note for people: file, session and message; the note's id if no source is known."""
    source = note.sources[0] if note.sources else None
    if source is None or not (source.uri or source.conversation_id):
        return f"note {note.id}"
    file = source.uri.rstrip("/").rsplit("/", 1)[-1] if source.uri else None
    parts = [file or source.conversation_id, source.message_id or source.span]
    return ", ".join(part for part in parts if part)
