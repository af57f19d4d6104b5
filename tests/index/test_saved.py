"""A saved index: what is read back is what was written, or nothing is."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_world import BITS, NOON, WORDS, index_of, note_of, passages_of, vectors_of

from zettel import registry
from zettel.config import Config
from zettel.index import ExactIndex, saved
from zettel.index import exact as exact_module
from zettel.model import Note
from zettel.protocols import Query
from zettel.scoring import ExactScan, fuse
from zettel.text import terms

SIGNALS = registry.signals()
STATUSES = ("active", "active", "superseded", "archived")
STEP = st.tuples(st.sampled_from(["put", "put", "remove"]), st.integers(1, 60), st.integers(0, 3))
STEPS = st.lists(STEP, max_size=40)


def empty(**options: Any) -> ExactIndex:
    return ExactIndex(2, **{"bits": BITS, **options})


def save(index: ExactIndex, folder: Path, **changed: str) -> bool:
    return saved.save(index, 7, folder, **{"namespace": "default", "embedder": "m/1", "made_of": "commit 7", **changed})


def load(index: ExactIndex, folder: Path, **changed: str) -> bool:
    named = {"namespace": "default", "embedder": "m/1", "made_of": "commit 7", **changed}
    return saved.load(index, folder, named["namespace"], named["embedder"], lambda head: named["made_of"])


def apply(index: ExactIndex, steps: Sequence[tuple[str, int, int]], present: dict[int, Note]) -> None:
    for step, number, variant in steps:
        if step == "remove":
            index.remove([f"n{number}"])
            present.pop(number, None)
        else:
            present[number] = note_of(number, variant=variant, status=STATUSES[variant])
            index.put([present[number]], passages_of([present[number]]))


def shown(index: ExactIndex) -> list[dict[str, Any]]:
    """All that can be read of an index, note by note in the order of its rows."""
    columns = index.columns()
    question = "Which puppy, storm or violin did Ann bring?"
    scan = ExactScan(Query(question, tuple(terms(question)), vectors_of(99)[0], NOON), columns, Config())
    fused = fuse(scan, SIGNALS, columns.alive) if columns.alive.any() else None
    nearest = index.nearest(vectors_of(98)[0], 5)
    near = {index.ids[row]: cosine for row, cosine in zip(nearest.rows, nearest.cosines.tolist(), strict=True)}
    spoken = [[index.ids[row] for row in index.rows_saying([term])] for term in terms(" ".join(WORDS))]
    rows: list[dict[str, Any]] = [{"near": near, "all": (nearest.n, nearest.mean, nearest.deviation), "spoken": spoken}]
    for row in np.flatnonzero(columns.alive).tolist():
        assert fused is not None
        places, _ = columns.passages(np.array([row]))
        rows.append({
            "id": index.ids[row], "found": index.row(index.ids[row]) == row, "score": fused.scores[row],
            "values": [values[row] for values in fused.values.values()], "vectors": columns.vectors[places].tolist(),
            "window": [index.ids[w] if w >= 0 else None for w in columns.windows[row]],
            "before": [index.ids[w] for w in index.before(index.ids[row])],
            "kept": (index.tags[row], index.metadata[row], columns.ordinals[row], columns.status[row]),
            "times": np.nan_to_num([columns.times[row], columns.until[row]]).tolist(),
            "numbers": (columns.norms[row], columns.lengths[row], columns.sample_keys[row]),
            "speaker": columns.speakers[columns.speaker[row]] if columns.speaker[row] >= 0 else None,
            "matched": (scan.said(row), scan.noted(row), scan.said_around(row)),
        })  # fmt: skip
    return rows


@given(STEPS, STEPS, st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_loaded_index_is_the_one_that_was_saved_and_goes_on_as_it_would(
    tmp_path: Path, first: list[tuple[str, int, int]], then: list[tuple[str, int, int]], by_codes: bool
) -> None:
    options = {"exact_below": 0 if by_codes else 10_000}
    index, present = empty(**options), dict[int, Note]()
    apply(index, first, present)
    index.nearest(vectors_of(1)[0], 3)  # so that there are codes
    assert save(index, tmp_path)
    loaded = empty(**options)
    assert load(loaded, tmp_path) == 7
    assert len(loaded) == len(index)
    assert shown(loaded) == shown(index.repacked()) == shown(fresh(present, options))
    standing = dict(present)
    apply(index, then, present)
    apply(loaded, then, standing)
    assert shown(loaded.repacked()) == shown(index.repacked()) == shown(fresh(present, options))
    assert not index.is_ordered or shown(index) == shown(index.repacked())
    assert len(loaded.ids) <= len(index.ids)


def fresh(present: dict[int, Note], options: dict[str, int]) -> ExactIndex:
    """An index of the notes present, in the order they arrived."""
    index = empty(**options)
    notes = [present[number] for number in sorted(present)]
    index.put(notes, passages_of(notes))
    return index


def test_what_was_saved_is_replaced_and_namespaces_lie_side_by_side(tmp_path: Path) -> None:
    assert save(index_of([note_of(1)]), tmp_path / "deep")
    assert save(index_of([note_of(2), note_of(3)]), tmp_path / "deep")
    assert save(index_of([note_of(4)]), tmp_path / "deep", namespace="../ö/ \ud800")
    default, other = empty(), empty()
    assert load(default, tmp_path / "deep")
    assert load(other, tmp_path / "deep", namespace="../ö/ \ud800")
    assert (default.ids, other.ids) == (["n2", "n3"], ["n4"])
    assert len(list(tmp_path.rglob("*"))) == 3
    saved.discard(tmp_path / "deep", "default")
    saved.discard(tmp_path / "deep", "default")
    assert not load(empty(), tmp_path / "deep")


def test_what_does_not_fit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(index_of([note_of(1)]), tmp_path)
    fits = empty()
    assert load(fits, tmp_path)
    for changed in ({"namespace": "other"}, {"embedder": "m/2"}, {"made_of": "commit 7 of another memory"}):
        assert not load(empty(), tmp_path, **changed)
    assert not saved.load(empty(), tmp_path, "default", "m/1", lambda head: None)  # the store has no such commit
    for other in (ExactIndex(1), ExactIndex(2, ZoneInfo("Europe/Berlin"))):
        assert not load(other, tmp_path)
        assert len(other) == 0
    assert not load(empty(), tmp_path / "nowhere")
    monkeypatch.setattr(saved, "STOP_WORDS", frozenset({"a"}))
    assert not load(empty(), tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(saved, "_FORMAT", saved._FORMAT + 1)
    assert not load(empty(), tmp_path)


def test_codes_of_other_planes_are_made_anew_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [note_of(n) for n in range(1, 30)]
    index = index_of(notes, exact_below=0)
    near = index.nearest(vectors_of(99)[0], 5)
    save(index, tmp_path)
    other, drawn_otherwise = empty(bits=192, exact_below=0), empty(exact_below=0)
    assert load(other, tmp_path)
    assert np.array_equal(other.nearest(vectors_of(99)[0], 5).rows, near.rows)
    assert other._codes.covering(other.columns().vectors.shape[0]).shape[0] == 3
    monkeypatch.setattr(exact_module, "mark", lambda bits, dimension: "other planes")
    assert load(drawn_otherwise, tmp_path)
    assert drawn_otherwise._codes.covering(other.columns().vectors.shape[0]) is None


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_not_read(tmp_path: Path, where: float, flipped: int, cut: bool) -> None:
    save(index_of([note_of(n) for n in range(1, 20)]), tmp_path)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    place = int(where * len(content))
    if cut:
        del content[place:]
    else:
        content[place] ^= flipped
    file.write_bytes(content)
    index = empty()
    assert not load(index, tmp_path)
    assert (len(index), index.ids) == (0, [])


def test_nothing_of_what_was_removed_is_saved(tmp_path: Path) -> None:
    secret = note_of(5).model_copy(update={
        "id": "n-zebra", "text": "My pin is ZEBRA.", "keywords": ("zebra pin",), "tags": ("zebra",), "speaker": "Zebra",
        "metadata": {"pin": "zebra"}, "entities": ("Zebra",), "context": "About a zebra.",
        "sources": (note_of(5).sources[0].model_copy(update={"conversation_id": "zebra"}),),
    })  # fmt: skip
    index = index_of([note_of(n) for n in range(1, 5)], exact_below=0)
    index.put([secret], {"n-zebra": passages_of([note_of(5)])["n5"]})
    vector = vectors_of(5)[0]
    index.nearest(vector, 3)
    save(index, tmp_path)
    (file,) = tmp_path.iterdir()
    marks = [b"zebra", vector.astype(np.float16).tobytes(), index._codes.covering(6)[:, 4].tobytes()[:8]]
    assert all(mark in file.read_bytes().lower() or mark in file.read_bytes() for mark in marks)
    index.remove(["n-zebra"])
    save(index, tmp_path)
    (file,) = tmp_path.iterdir()
    assert not any(mark in file.read_bytes().lower() or mark in file.read_bytes() for mark in marks)


def test_vectors_that_float16_cannot_hold_are_kept_as_they_are(tmp_path: Path) -> None:
    note = note_of(1)
    index, exact = empty(), np.full((1, 32), np.float32(1 / 3))
    index.put([note], {"n1": passages_of([note])["n1"].__class__(((0, 1),), exact)})
    save(index, tmp_path)
    loaded = empty()
    assert load(loaded, tmp_path)
    assert np.array_equal(loaded.columns().vectors, exact)


def test_a_disk_that_refuses_is_no_error_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert save(index_of([note_of(1)]), tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not save(index_of([note_of(2)]), tmp_path)
    loaded = empty()
    assert load(loaded, tmp_path)
    assert loaded.ids == ["n1"]
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "file").write_text("")
    assert not save(index_of([note_of(1)]), tmp_path / "file")


def test_what_killed_writers_left_is_deleted_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "old.part").write_text("x")
    (tmp_path / "new.part").write_text("x")
    os.utime(tmp_path / "old.part", (time.time() - 7200, time.time() - 7200))
    save(index_of([note_of(1)]), tmp_path)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".npz", ".part"]
    assert (tmp_path / "new.part").exists()
