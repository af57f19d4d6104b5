"""Searching: read the query, score every note the filters let through, and say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from zettel.config import Config
from zettel.errors import InputError
from zettel.filters import Filter
from zettel.index import ExactIndex
from zettel.model import STATUSES, Hit, Link, Note, WhyNot
from zettel.protocols import Query, Reader, Signal, Vector
from zettel.scoring import Fused, Scan, fuse
from zettel.text import shorten, terms
from zettel.times import query_interval

_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()  # a float is too coarse for its microseconds
_REASONS = 3  # parts of a hit's `why`: the heaviest ones
_VIA_COSINE = 0.3  # a neighbor that shares no word with the query counts as walked from this cosine on


def read_query(text: str, vector: Vector, at: datetime) -> Query:
    """A question with its stems, and the time it speaks of, read at the moment ``at``."""
    since, until = query_interval(text, at) or (None, None)
    return Query(text, tuple(terms(text)), vector, at, since, until)


def check_query(text: str, k: int) -> None:
    """Refuse what can't be searched for.

    Raises:
        InputError: an empty question, one that is not text, or a ``k`` below 1.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the query is empty ({text!r}): ask in words")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InputError("the query holds a lone surrogate, which is no character: decode it properly first")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is {k!r}: it must be a whole number of at least 1")


def present(index: ExactIndex) -> datetime:
    """The memory's own present, where the caller names no moment of asking: when the newest thing in it happened.

    So the same question of the same memory gives the same answer whatever the clock says.
    """
    newest = index.newest()
    return datetime.now(UTC) if newest is None else datetime.fromtimestamp(min(newest, _LAST), UTC)


@dataclass(frozen=True)
class Ranking:
    """All rows a search scored, with what is needed to order and to explain them."""

    index: ExactIndex
    scan: Scan
    signals: Sequence[Signal]
    fused: Fused
    mask: NDArray[np.bool_]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows the filter let through, best first; equal scores stand in the order their notes arrived."""
        return self._sorted(np.flatnonzero(self.mask))

    def top(self, k: int) -> list[int]:
        """The first ``k`` of ``rows``, without sorting the others."""
        scores = self.fused.scores
        if k >= len(scores):
            return list(self.rows.tolist())
        border = np.partition(scores, len(scores) - k)[len(scores) - k]
        return list(self._sorted(np.flatnonzero(self.mask & (scores >= border)))[:k].tolist())

    def _sorted(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        order = np.lexsort((self.scan.columns.ordinals[rows], -self.fused.scores[rows]))
        return rows[order]

    def hits(self, k: int, reader: Reader) -> list[Hit]:
        """The best ``k`` as hits."""
        ids = self.index.ids
        best = self.top(k)
        notes = {note.id: note for note in reader.notes([ids[row] for row in best])}
        rows = [row for row in best if ids[row] in notes]
        return [self._hit(row, rank, notes[self.index.ids[row]]) for rank, row in enumerate(rows, 1)]

    def _hit(self, row: int, rank: int, note: Note) -> Hit:
        return Hit.model_construct(
            note=note, rank=rank, score=float(self.fused.scores[row]), signals=self.signals_of(row), via=self._via(row),
            why=self.why(row),
        )  # fmt: skip

    def signals_of(self, row: int) -> dict[str, float]:
        """Each signal's own value for a row."""
        return {name: float(values[row]) for name, values in self.fused.values.items()}

    def why(self, row: int) -> str:
        """A sentence of the heaviest signals that have something to say."""
        heaviest = sorted(self.signals, key=lambda s: -self.fused.parts[s.NAME][row])
        speaking = [s for s in heaviest if self.fused.parts[s.NAME][row] > 0]
        reasons = [reason for signal in speaking if (reason := signal.reason(self.scan, row))]
        if not reasons:
            return "Nothing in it stands out for this question; it is the nearest there is."
        sentence = "; ".join(reasons[:_REASONS])
        return sentence[0].upper() + sentence[1:] + "."

    def _via(self, row: int) -> tuple[Link, ...]:
        """The neighboring messages that speak for a note: they have words it lacks, or are closer than it is."""
        own = set(self.scan.said(row))
        links = []
        for place, other in enumerate(self.scan.columns.windows[row].tolist()):
            if other < 0:
                continue
            words = [w for w in self.scan.said(other) if w not in own]
            cosine = float(self.scan.cosines[other])
            if words or cosine >= max(_VIA_COSINE, self.scan.cosines[row]):
                links.append(self._next(row, other, place, words, cosine))
        return tuple(links)

    def _next(self, row: int, other: int, place: int, words: list[str], cosine: float) -> Link:
        half = self.scan.columns.windows.shape[1] // 2
        before, distance = place < half, place % half + 1
        what = "has " + ", ".join(f"“{w}”" for w in words) if words else f"is close to the question ({cosine:.2f})"
        side = ("just " if distance == 1 else f"{distance} places ") + ("before" if before else "after")
        first, second = (other, row) if before else (row, other)
        return Link.model_construct(
            source_id=self.index.ids[first], target_id=self.index.ids[second], kind="next", weight=1 / distance,
            reason=f"the message {side} it in the same session {what}",
            created_by="retrieval",
        )  # fmt: skip


def rank(
    index: ExactIndex, query: Query, allowed: Filter, signals: Sequence[Signal], config: Config
) -> Ranking:
    """Score all rows the filter lets through."""
    scan = Scan(query, index.columns(), config)
    mask = allowed_rows(index, allowed)
    return Ranking(index, scan, signals, fuse(scan, signals, mask, config.weights), mask)


def allowed_rows(index: ExactIndex, allowed: Filter) -> NDArray[np.bool_]:
    """The rows a filter lets through, as a mask."""
    columns = index.columns()
    searched = np.array([status in allowed.status for status in STATUSES], np.bool_)
    mask: NDArray[np.bool_] = columns.alive & searched[columns.status]
    if allowed.since is not None:
        mask &= columns.until > allowed.since.timestamp()
    if allowed.until is not None:
        mask &= columns.times < allowed.until.timestamp()
    if allowed.speakers is not None:
        named = np.array([*(s.casefold() in allowed.speakers for s in columns.speakers), False], np.bool_)
        mask &= named[columns.speaker]
    if allowed.tags:
        mask &= np.array([allowed.tags <= tags for tags in index.tags], np.bool_)
    if allowed.where:
        mask &= np.array([allowed.fits_metadata(m) for m in index.metadata], np.bool_)
    return mask


def why_not(ranking: Ranking, note: Note, allowed: Filter, k: int) -> WhyNot:
    """Which step of a search lost a note, and by how much."""
    if note.status not in allowed.status:
        return WhyNot(note_id=note.id, step="status", why=f"It is not searched: {allowed.refusal(note)}.")
    row = ranking.index.row(note.id)
    places = [] if row is None else np.flatnonzero(ranking.rows == row).tolist()
    if row is None or not places:
        return WhyNot(note_id=note.id, step="filter", why=f"A filter keeps it out: {allowed.refusal(note)}.")
    place = places[0] + 1
    score = float(ranking.fused.scores[row])
    signals = ranking.signals_of(row)
    if place <= k:
        why = f"It is found, at rank {place}: {ranking.why(row)}"
        return WhyNot(note_id=note.id, step="found", why=why, rank=place, score=score, signals=signals)
    last = int(ranking.rows[k - 1])
    behind = float(ranking.fused.scores[last]) - score
    gaps = {n: float(p[last] - p[row]) for n, p in ranking.fused.parts.items()}
    worst = max(gaps, key=lambda name: gaps[name])
    why = (
        f"It is outranked: at rank {place} of {len(ranking.rows)}, {behind:.2f} of score behind the last of {k} hits;"
        f" it loses most by {worst} ({gaps[worst]:.2f})."
    )
    return WhyNot(
        note_id=note.id, step="outranked", why=why, rank=place, score=score, behind=behind, signals=signals
    )  # fmt: skip


# --------------------------------------------------------------------- recall

_SHORT = 60  # characters below which a text is shown with its context: "The blue one, definitely." says little alone


def estimate_tokens(text: str) -> int:
    """About how many tokens a language model makes of a text, rather too many than too few.

    A third more than its words, or a quarter of its letters where that is more; each character beyond ASCII counts as
    one token.
    """
    ascii_letters = sum(c < "\x80" for c in text)
    return ceil(max(len(text.split()) * 4 / 3, ascii_letters / 4) + len(text) - ascii_letters)


def pack(hits: Sequence[Hit], max_tokens: int) -> str:
    """The best of ``hits`` that fit into ``max_tokens``, in order of time, numbered, each with its source.

    Equal texts of one speaker are told once. Where not even the first fits, it is cut.
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
    context = f" [{note.context}]" if note.context and len(note.text) < _SHORT else ""
    mark = " (superseded)" if note.status == "superseded" else ""
    return f"[{number}] {time}{speaker}{' '.join(note.text.split())}{context}{mark} ({cite(note)})"


def _cut(note: Note, max_tokens: int) -> str:
    for width in range(4 * max_tokens, 0, -max(1, max_tokens // 8)):
        line = _line(1, note.model_copy(update={"text": shorten(note.text, width), "context": ""}))
        if estimate_tokens(line) <= max_tokens:
            return line
    return ""


def cite(note: Note) -> str:
    """Where a note comes from, for people: file, session and message; the note's id where no source is known."""
    source = note.sources[0] if note.sources else None
    if source is None or not (source.uri or source.conversation_id):
        return f"note {note.id}"
    file = source.uri.rstrip("/").rsplit("/", 1)[-1] if source.uri else None
    parts = [file or source.conversation_id, source.message_id or source.span]
    return ", ".join(part for part in parts if part)


