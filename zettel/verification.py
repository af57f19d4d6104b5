"""Verifying a memory: its store against its journal, its vectors, and its index against a fresh exact search."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from zettel.addresses import address_of
from zettel.embedding import vector_key
from zettel.errors import StoreDamagedError
from zettel.index import ExactIndex
from zettel.journal import State, apply, tree_faults
from zettel.model import Note, Problem, Verification, revisable_fields
from zettel.protocols import Embedder, Passages, Reader, Store

_SAMPLE = 50  # notes whose own vectors serve as queries
_TOP = 10
_DIFFERS = "what the store shows is not what the journal amounts to: restore a copy of the memory"


def verify(reader: Reader, store: Store | None, index: ExactIndex, embedder: Embedder) -> Verification:
    """Check everything that is kept twice against each other; see ``Verification``."""
    notes = reader.notes()
    keys = {note.id: vector_key(embedder.fingerprint, note) for note in notes}
    passages = reader.passages(keys.values())
    recall, n_queries = _recall(index, notes, keys, passages)
    problems = [
        *(store.check() if store else ()),
        *_against_journal(reader, notes),
        *_texts(notes),
        *_vectors(notes, keys, passages),
        *([Problem(place="index", reason=f"recall is {recall:.3f}: reopen the memory")] if recall < 1 else ()),
    ]
    return Verification(
        notes=len(notes), commits=reader.head(), vectors=sum(len(p.vectors) for p in passages.values()), recall=recall,
        queries=n_queries, problems=tuple(problems),
    )  # fmt: skip


def _against_journal(reader: Reader, notes: list[Note]) -> Iterator[Problem]:
    """What the journal amounts to, and what the store shows, must be the same."""
    try:
        changes = (change for commit in reader.commits() for change in commit.changes)
        state = apply(State(), changes, reader.erased())
    except StoreDamagedError as error:
        yield Problem(place="journal", reason=str(error))
        return
    shown = {note.id: (note.ordinal, revisable_fields(note)) for note in notes}
    for note_id in sorted(shown.keys() | state.notes.keys()):
        if shown.get(note_id) != state.notes.get(note_id):
            yield Problem(place=f"note {note_id}", reason=_DIFFERS)
    links = {k.key: k.model_dump(include={"weight", "reason", "created_by"}) for k in reader.links()}
    for key in sorted(links.keys() | state.links.keys()):
        if links.get(key) != state.links.get(key):
            yield Problem(place=f"link {' '.join(key)}", reason=_DIFFERS)
    yield from _tree(reader, notes, state)


def _tree(reader: Reader, notes: list[Note], state: State) -> Iterator[Problem]:
    """The topic tree: as the journal has it, and sound."""
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
        if not row.name:
            yield Problem(place=f"topic {topic_id}", reason="it has no name")
    for note in notes:
        if note.address != address_of(rows, places.get(note.id)):
            yield Problem(place=f"note {note.id}", reason=f"its address {note.address!r} is not that of its topic")


def _texts(notes: list[Note]) -> Iterator[Problem]:
    for note in notes:
        expected = note.sources[0].sha256 if note.sources else None
        if expected and hashlib.sha256(note.text.encode()).hexdigest() != expected:
            yield Problem(place=f"note {note.id}", reason="its text is not the one its source was hashed with")


def _vectors(notes: list[Note], keys: dict[str, str], passages: dict[str, Passages]) -> Iterator[Problem]:
    for note in notes:
        found = passages.get(keys[note.id])
        if found is None:
            reason = "no vectors belong to its text: something other than zettel altered it"
            yield Problem(place=f"note {note.id}", reason=reason)
            continue
        lengths = np.linalg.norm(found.vectors, axis=1)
        if not np.allclose(lengths, 1, atol=0.01):
            yield Problem(place=f"note {note.id}", reason=f"a vector has length {lengths.max():.3g}, not 1")
        if found.spans[0][0] != 0 or found.spans[-1][1] != len(note.text):
            yield Problem(place=f"note {note.id}", reason="its passages do not cover its text")


def _recall(
    index: ExactIndex, notes: list[Note], keys: dict[str, str], passages: dict[str, Passages]
) -> tuple[float, int]:
    """The index, grown commit by commit, against a plain product with the vectors the store has: top ten by cosine."""
    held = [note for note in notes if keys[note.id] in passages]
    step = max(1, len(held) // _SAMPLE)
    sample = held[::step][:_SAMPLE]
    columns = index.columns()
    if not sample:
        return 1.0, 0
    matrices = [passages[keys[note.id]].vectors for note in held]
    first = np.cumsum([0, *(len(m) for m in matrices[:-1])])
    exact = np.concatenate(matrices)
    found = 0
    for note in sample:
        query = passages[keys[note.id]].vectors[0]
        best = np.maximum.reduceat(exact @ query, first)
        mine = np.maximum.reduceat(columns.vectors @ query, columns.first)
        mine[~columns.alive] = -np.inf
        wanted = {held[i].id for i in np.argsort(-best, kind="stable")[:_TOP]}
        # Ties and rounding may swap notes at the border: what counts is that the index gives as close a note.
        border = np.sort(best)[-len(wanted)] - 1e-5
        found += sum(index.row(i) is not None and mine[index.row(i)] >= border for i in wanted) / len(wanted)
    return found / len(sample), len(sample)
