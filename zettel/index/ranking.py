"""Ranking: score every note that the filters let through, order them, and say why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zettel import graph
from zettel.config import Config
from zettel.filters import Filter
from zettel.model import STATUSES, Hit, Link, LinkKind, Note, WhyNot
from zettel.protocols import Columns, Query, Reader, Scan, Signal
from zettel.scoring import Census, ExactScan, Fused, Fusion, Route, RoutedScan

_SEEDS = 5  # the links of so many best notes are walked
_FIELD = 50  # how far the seeds stand out is measured from the last of so many best notes
_ASSISTANTS = frozenset({"assistant", "ai", "bot", "chatbot", "model", "system"})
_REASONS = 3  # a hit's `why` names at most so many signals, the heaviest ones
_VIA_COSINE = 0.3  # a neighbor without a word of the query counts as walked if its cosine is at least this


_Reason: TypeAlias = Callable[[Scan, int], str | None]
Linked: TypeAlias = Callable[[Sequence[str], Sequence[LinkKind]], Iterable[Link]]
"""Returns the links of the given notes that are of the given kinds."""


class NoteRows(Protocol):
    """Notes as rows that can be ranked: the index of a whole memory, or the candidates of one question."""

    def __len__(self) -> int: ...

    @property
    def ids(self) -> Sequence[str]:
        """The note of each row."""
        ...

    @property
    def tags(self) -> Sequence[frozenset[str]]:
        """The tags of each row's note."""
        ...

    @property
    def metadata(self) -> Sequence[Mapping[str, Any]]:
        """The metadata of each row's note."""
        ...

    def row(self, note_id: str) -> int | None:
        """A note's row; None if it is not in the table."""
        ...

    def columns(self) -> Columns:
        """The columns that signals read."""
        ...


@dataclass(frozen=True, slots=True)
class Sampled:
    """What is known of the whole memory if the rows are only a part of it.

    ``scored`` says which rows may be found; the others serve as context by their words and vectors. ``row_weights`` are
    the numbers of notes that the rows represent when measures are standardized. Both have the shape ``(n,)``.
    """

    census: Census
    scored: NDArray[np.bool_]
    row_weights: NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """All rows that a search scored, with what is needed to order and to explain them."""

    index: NoteRows
    scan: ExactScan
    signals: Sequence[Signal]
    fused: Fused
    mask: NDArray[np.bool_]
    gains: Mapping[int, Link]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows that meet the filter, best first; rows of equal score are in the order their notes arrived."""
        return self._sorted(np.flatnonzero(self.mask))

    def top(self, k: int) -> list[int]:
        """The first ``k`` rows of ``rows``, without sorting the others."""
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
        ways = {row: self._ways(row) for row in rows}
        # The links of every second message of a way include all links of the way.
        between = {ids[other] for row in rows for way in ways[row] for other in (way[1::2] if len(way) > 2 else [row])}
        links = {link.key[:2]: link for link in reader.links(between, ("next",))}
        walked = {row: [links.get((ids[a], ids[b])) for way in ways[row] for a, b in pairwise(way)] for row in rows}
        return [self._hit(row, rank, notes[ids[row]], walked[row]) for rank, row in enumerate(rows, 1)]

    def _hit(self, row: int, rank: int, note: Note, walked: Iterable[Link | None]) -> Hit:
        return Hit.model_construct(
            note=note, rank=rank, score=float(self.fused.scores[row]), signals=self.signals_of(row), why=self.why(row),
            via=tuple(dict.fromkeys(link for link in (*walked, self.gains.get(row)) if link is not None)),
        )  # fmt: skip

    def signals_of(self, row: int) -> dict[str, float]:
        """Each signal's own value for a row."""
        return {name: float(values[row]) for name, values in self.fused.values.items()}

    def why(self, row: int) -> str:
        """A sentence made by the heaviest signals that have something to say."""
        parts = self.fused.parts
        said: list[tuple[float, _Reason]] = [(float(parts[s.NAME][row]), s.reason) for s in self.signals]
        if row in self.gains:
            said.append((float(parts[LINKED][row]), self._linked))
        speaking = sorted((pair for pair in said if pair[0] > 0), key=lambda pair: -pair[0])
        reasons = list(islice(filter(None, (reason(self.scan, row) for _, reason in speaking)), _REASONS))
        if not reasons:
            return "Nothing in it stands out for this question; it is the nearest there is."
        sentence = "; ".join(reasons)
        return sentence[0].upper() + sentence[1:] + "."

    def _linked(self, scan: Scan, row: int) -> str:
        del scan
        return f"it is linked to one of the best notes: {self.gains[row].reason}"

    def _ways(self, row: int) -> list[list[int]]:
        """The ways, as rows, from a note to each message around it that speaks for it.

        A message speaks for a note if it has words of the question that the note lacks, or is closer to the question.
        """
        window = self.scan.columns.windows[row].tolist()
        half = len(window) // 2
        own = set(self.scan.said(row))
        ways = []
        for place, other in enumerate(window):
            if other >= 0 and self._speaks(other, row, own):
                before, steps = place < half, place % half + 1
                between = window[:steps] if before else window[half : half + steps]
                way = [row, *between]
                ways.append(way[::-1] if before else way)
        return ways

    def _speaks(self, other: int, row: int, own: set[str]) -> bool:
        cosine = self.scan.cosines[other]
        return any(w not in own for w in self.scan.said(other)) or cosine >= max(_VIA_COSINE, self.scan.cosines[row])


def rank(
    index: NoteRows, query: Query, allowed: Filter, signals: Sequence[Signal], config: Config,
    links_of: Linked | None = None, *, route: Route | None = None, k: int = 10, sampled: Sampled | None = None,
) -> Ranking:  # fmt: skip
    """Score the rows that meet the filter, then walk the links of the best ones, which ``links_of`` returns.

    With a ``route``, only rows that may be among the best ``k``, and rows that links lead to, are scored. ``sampled``
    is given if ``index`` is only a part of the memory.
    """
    allowed_mask = allowed_rows(index, allowed)
    columns = index.columns()
    if sampled is not None:
        allowed_mask &= sampled.scored
    scan = ExactScan(query, columns, config, sampled.census if sampled else None)
    if route is not None:
        scan = RoutedScan(query, columns, config, allowed_mask, k, route)
    fusion = Fusion(scan, signals, allowed_mask, config.weights, sampled.row_weights if sampled else None)
    ranking = Ranking(index, scan, signals, fusion.fused(), fusion.mask, {})
    if links_of is None or not config.expansion:
        return ranking
    gains = _gains(ranking, allowed_mask, links_of)
    fusion.include(np.array(list(gains), np.int64))
    values = np.zeros(columns.n)
    for row, (value, _) in gains.items():
        values[row] = value
    fused, part = fusion.fused(), config.expansion * values
    expanded = Fused(fused.scores + part, {**fused.values, LINKED: values}, {**fused.parts, LINKED: part})
    return replace(ranking, fused=expanded, mask=fusion.mask, gains={row: link for row, (_, link) in gains.items()})


LINKED = "linked"
"""The name, in a hit's ``signals``, of what it gains by links from better notes."""


def _gains(
    ranking: Ranking, allowed: NDArray[np.bool_], links_of: Linked
) -> dict[int, tuple[float, Link]]:
    """What rows gain by the links of the best notes, each with the link of the highest gain.

    An assistant's notes are left out: they repeat everything that was said, and are linked to all of it.
    """
    index, columns, scores = ranking.index, ranking.scan.columns, ranking.fused.scores
    takes_part = np.array([*(speaker.lower() not in _ASSISTANTS for speaker in columns.speakers), True])
    top = ranking.top(_FIELD)
    seeds = {
        index.ids[row]: float(scores[row] - scores[top[-1]])
        for row in top[:_SEEDS]
        if takes_part[columns.speaker[row]] and scores[row] > scores[top[-1]]
    }
    found = graph.activation(seeds, links_of(list(seeds), graph.WALKED)) if seeds else {}
    reached = {row: gain for note_id, gain in found.items() if (row := index.row(note_id)) is not None}
    return {row: gain for row, gain in reached.items() if allowed[row] and takes_part[columns.speaker[row]]}


def allowed_rows(index: NoteRows, allowed: Filter) -> NDArray[np.bool_]:
    """The rows that meet a filter, as a mask."""
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


def why_not(
    ranking: Ranking, note: Note, allowed: Filter, k: int, found: Collection[str] | None = None,
    *, shortlisted: bool = False,
) -> WhyNot:  # fmt: skip
    """Which step of a search lost a note, and by how much.

    ``ranking`` is the ranking of all notes; if searches are ``shortlisted``, that of the notes looked at, with this one
    among them. ``found`` are the ids that a routed search returned; None if the search was not routed.
    """
    if note.status not in allowed.status:
        return WhyNot(note_id=note.id, step="status", why=f"It is not searched: {allowed.refusal(note)}.")
    row = ranking.index.row(note.id)
    places = [] if row is None else np.flatnonzero(ranking.rows == row).tolist()
    if row is None or not places:
        return WhyNot(note_id=note.id, step="filter", why=f"A filter keeps it out: {allowed.refusal(note)}.")
    place = places[0] + 1
    score = float(ranking.fused.scores[row])
    signals = ranking.signals_of(row)
    if place <= k and found is not None and note.id not in found:
        why = (
            f"The shortlist lost it: beside the notes looked at it would be at rank {place}, but was not among those"
            " nearest to the question, nor among those that share most words with it."
            if shortlisted
            else f"Routing lost it: among all notes it is at rank {place}, but its topic or its code seemed too far."
        )
        return WhyNot(note_id=note.id, step="routed", why=why, rank=place, score=score, signals=signals)
    if place <= k:
        why = f"It is found, at rank {place}: {ranking.why(row)}"
        return WhyNot(note_id=note.id, step="found", why=why, rank=place, score=score, signals=signals)
    last = int(ranking.rows[k - 1])
    behind = float(ranking.fused.scores[last]) - score
    gaps = {n: float(p[last] - p[row]) for n, p in ranking.fused.parts.items()}
    worst = max(gaps, key=lambda name: gaps[name])
    of = f"{len(ranking.rows)} notes looked at" if shortlisted else f"{len(ranking.rows)}"
    why = (
        f"It is outranked: at rank {place} of {of}, {behind:.2f} of score behind the last of {k} hits;"
        f" it loses most by {worst} ({gaps[worst]:.2f})."
    )
    return WhyNot(
        note_id=note.id, step="outranked", why=why, rank=place, score=score, behind=behind, signals=signals
    )  # fmt: skip
