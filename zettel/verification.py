"""Verifying a memory: its store against its journal, its vectors, and its index against an exact search."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import sqrt
from typing import TypeAlias

import numpy as np

from zettel.addresses import address_of
from zettel.embedding import vector_key
from zettel.errors import StoreDamagedError
from zettel.index import ExactIndex
from zettel.journal import State, apply, tree_faults
from zettel.model import Note, Problem, Verification, link_fields, revisable_fields
from zettel.protocols import Embedder, Passages, Reader, Store

_SAMPLE = 50  # notes whose own vectors serve as queries
_TOP = 10
_ENOUGH = 0.9  # a lower recall of routed searches is reported
_Z = 1.96  # standard deviations on either side of a 95% interval
_WIDER = "searches find {:.3f} of what scoring all notes finds: raise Config.exact_below, or Config.beam_share"
_DIFFERS = "what the store shows is not what the journal amounts to: restore a copy of the memory"


Searching: TypeAlias = Callable[[Note, bool], Sequence[str]]
"""Returns the ids of the best ten notes for a note's own words: by scoring all notes, or as searches usually do."""


def verify(
    reader: Reader, store: Store | None, index: ExactIndex, embedder: Embedder, routed: Searching | None
) -> Verification:
    """Check that everything that is kept twice agrees; see ``Verification``.

    ``routed`` is given if searches are routed: they are compared with exact ones.
    """
    notes = reader.notes()
    keys = {note.id: vector_key(embedder.fingerprint, note) for note in notes}
    passages = reader.passages(keys.values())
    sample = sample_of([note for note in notes if keys[note.id] in passages])
    agreement = _agreement(index, notes, sample, keys, passages)
    recall, low, high = _recall(sample, routed) if routed else (agreement, agreement, agreement)
    problems = [
        *(store.check() if store else ()),
        *_against_journal(reader, notes, named=store is not None),
        *_texts(notes),
        *_vectors(notes, keys, passages),
        *([Problem(place="index", reason=f"it agrees by {agreement:.3f}: reopen the memory")] if agreement < 1 else ()),
        *([Problem(place="search", reason=_WIDER.format(recall))] if high < _ENOUGH else ()),
    ]
    return Verification(
        notes=len(notes), commits=reader.head(), vectors=sum(len(p.vectors) for p in passages.values()), recall=recall,
        recall_low=low, recall_high=high, queries=len(sample), problems=tuple(problems),
    )  # fmt: skip


def _against_journal(reader: Reader, notes: list[Note], *, named: bool) -> Iterator[Problem]:
    """Compare the state that the journal amounts to with what the store shows.

    If ``named``, every topic must have a name. In earlier states, a name that quoted an erased note is blank.
    """
    try:
        changes = (change for commit in reader.commits() for change in commit.changes)
        state = apply(State(), changes, reader.erased())
    except StoreDamagedError as error:
        yield Problem(place="journal", reason=str(error))
        return
    shown = {note.id: (note.ordinal, revisable_fields(note)) for note in notes}
    for note_id in sorted(shown.keys() | state.notes.keys()):
        if shown.get(note_id) != state.notes.get(note_id):
            yield Problem.of_note(note_id, _DIFFERS)
    links = {link.key: link_fields(link) for link in reader.links()}
    for key in sorted(links.keys() | state.links.keys()):
        if links.get(key) != state.links.get(key):
            yield Problem(place=f"link {' '.join(key)}", reason=_DIFFERS)
    yield from _tree(reader, notes, state, named=named)


def _tree(reader: Reader, notes: list[Note], state: State, *, named: bool) -> Iterator[Problem]:
    """Check that the topic tree is the journal's, and sound."""
    rows, places = reader.topics(), reader.places()
    topics = {topic_id: asdict(row) for topic_id, row in rows.items()}
    for topic_id in sorted(topics.keys() | state.topics.keys()):
        if topics.get(topic_id) != state.topics.get(topic_id):
            yield Problem(place=f"topic {topic_id}", reason=_DIFFERS)
    for note_id in sorted(places.keys() | state.places.keys()):
        if places.get(note_id) != state.places.get(note_id):
            yield Problem(place=f"the place of note {note_id}", reason=_DIFFERS)
    if topics != state.topics or places != state.places:
        return
    if reader.last_topic() != state.last_topic:
        yield Problem(place="the last topic's id", reason=_DIFFERS)
    for place, reason in tree_faults(state):
        yield Problem(place=place, reason=reason)
    for topic_id, row in rows.items():
        if named and not row.name:
            yield Problem(place=f"topic {topic_id}", reason="it has no name")
    for note in notes:
        if note.address != address_of(rows, places.get(note.id)):
            yield Problem.of_note(note.id, f"its address {note.address!r} is not that of its topic")


def _texts(notes: list[Note]) -> Iterator[Problem]:
    for note in notes:
        expected = note.sources[0].sha256 if note.sources else None
        if expected and hashlib.sha256(note.text.encode()).hexdigest() != expected:
            yield Problem.of_note(note.id, "its text is not the one its source was hashed with")


def _vectors(notes: list[Note], keys: dict[str, str], passages: dict[str, Passages]) -> Iterator[Problem]:
    for note in notes:
        found = passages.get(keys[note.id])
        if found is None:
            reason = "no vectors belong to its text: something other than zettel altered it"
            yield Problem.of_note(note.id, reason)
            continue
        lengths = np.linalg.norm(found.vectors, axis=1)
        if not np.allclose(lengths, 1, atol=0.01):
            yield Problem.of_note(note.id, f"a vector has length {lengths.max():.3g}, not 1")
        if found.spans[0][0] != 0 or found.spans[-1][1] != len(note.text):
            yield Problem.of_note(note.id, "its passages do not cover its text")


def sample_of(notes: list[Note]) -> list[Note]:
    """The notes whose own words and vectors serve as questions."""
    return notes[:: max(1, len(notes) // _SAMPLE)][:_SAMPLE]


def _recall(sample: list[Note], routed: Searching) -> tuple[float, float, float]:
    """The share of an exact search's hits that a routed search finds, and its 95% interval (Wilson 1927)."""
    found = [(set(routed(note, True)), set(routed(note, False))) for note in sample]
    n = sum(len(exact) for exact, _ in found)
    if not n:
        return 1.0, 0.0, 1.0
    share = sum(len(exact & near) for exact, near in found) / n
    center = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n)) / (1 + _Z**2 / n)
    return share, max(center - half, 0.0), min(center + half, 1.0)


def _agreement(
    index: ExactIndex, notes: list[Note], sample: list[Note], keys: dict[str, str], passages: dict[str, Passages]
) -> float:
    """The share of the ten nearest notes, by a plain product with the store's vectors, that the index finds too."""
    embedded = [note for note in notes if keys[note.id] in passages]
    columns = index.columns()
    if not sample:
        return 1.0
    matrices = [passages[keys[note.id]].vectors for note in embedded]
    first = np.cumsum([0, *(len(m) for m in matrices[:-1])])
    exact = np.concatenate(matrices)
    found = 0
    for note in sample:
        query = passages[keys[note.id]].vectors[0]
        best = np.maximum.reduceat(exact @ query, first)
        mine = np.maximum.reduceat(columns.vectors @ query, columns.first)
        mine[~columns.alive] = -np.inf
        wanted = {embedded[i].id for i in np.argsort(-best, kind="stable")[:_TOP]}
        # Ties and rounding may swap the last notes, so a note counts as found if the index has one as near.
        border = np.sort(best)[-len(wanted)] - 1e-5
        found += sum(index.row(i) is not None and mine[index.row(i)] >= border for i in wanted) / len(wanted)
    return found / len(sample)
