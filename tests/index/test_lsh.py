"""Codes: what they say of vectors, and that they say it whatever stands beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_world import index_of, note_of, unit, vectors_of

from zettel.index.lsh import Codes, _planes, encode, mark


def random_units(n: int, dimension: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, dimension)))


@pytest.mark.parametrize(("bits", "dimension"), [(64, 64), (128, 384), (256, 100), (384, 384), (512, 48)])
def test_planes_are_rotations_stacked(bits: int, dimension: int) -> None:
    planes = _planes(bits, dimension) / 2**16
    assert planes.shape == (bits, dimension)
    for start in range(0, bits, dimension):
        own = planes[start : start + dimension]
        assert np.allclose(own @ own.T, np.eye(len(own)), atol=2e-3)
    assert abs(np.corrcoef(planes[0], planes[-1])[0, 1]) < 0.9  # another rotation, not the first once more


def test_planes_are_known_by_a_mark() -> None:
    assert mark(128, 32) == mark(128, 32)
    assert len({mark(128, 32), mark(64, 32), mark(128, 64)}) == 3


@given(st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([(64, 8), (128, 48), (192, 384)]))
@settings(max_examples=40, deadline=None)
def test_a_code_is_the_same_alone_and_among_others(n: int, seed: int, shape: tuple[int, int]) -> None:
    vectors = random_units(n, shape[1], seed)
    together = encode(vectors, shape[0])
    alone = [encode(vectors[i : i + 1], shape[0])[:, 0] for i in range(n)]
    assert together.shape == (shape[0] // 64, n)
    assert np.array_equal(together, np.stack(alone, axis=1))


def test_differing_bits_estimate_cosines() -> None:
    vectors = random_units(4000, 96)
    vectors[1] = -vectors[0]
    vectors[2] = unit(vectors[0] + vectors[3])  # at 45 degrees or so
    codes = Codes(192)
    codes.cover(vectors)
    differences = codes.differences(vectors[0])
    assert differences[:2].tolist() == [0, 192]
    assert codes.cosines(differences)[:2].tolist() == pytest.approx([1.0, -1.0])
    errors = codes.cosines(differences) - vectors @ vectors[0]
    # A bit differs with probability angle / pi, so that independent ones would give pi / 2 / sqrt(192) = 0.113.
    assert abs(errors[2:].mean()) < 0.02
    assert 0.06 < errors[3:].std() < 0.105


def test_named_passages_differ_as_all_do() -> None:
    codes, vectors = Codes(64), random_units(50, 16)
    codes.cover(vectors)
    named = np.array([7, 3, 41])
    assert np.array_equal(codes.differences(vectors[9], named), codes.differences(vectors[9])[named])


def test_codes_grow_with_the_vectors_and_forget_what_was_wiped() -> None:
    vectors, grown = random_units(70, 16), Codes(64)
    for n in (1, 2, 2, 64, 70):
        grown.cover(vectors[:n])
    assert np.array_equal(grown.covering(70), encode(vectors, 64))
    assert grown.covering(71) is None
    grown.wipe(slice(3, 5))
    vectors[3:5] = 0
    assert np.array_equal(grown.covering(70), encode(vectors, 64))


def test_the_nearest_notes_are_found_by_codes() -> None:
    notes = [note_of(n) for n in range(1, 4001)]
    index = index_of(notes, exact_below=0)
    exact = index_of(notes)
    found, errors = [], []
    for asked in range(5001, 5061):
        query = vectors_of(asked)[0]
        mine, true = index.nearest(query, 10), exact.nearest(query, 10)
        found.append(len(set(mine.rows.tolist()) & set(true.rows.tolist())) / 10)
        errors.append((mine.mean - true.mean, mine.deviation / true.deviation - 1))
        shared = [place for place, row in enumerate(mine.rows.tolist()) if row in true.rows]
        assert set(mine.cosines[shared].tolist()) <= set(true.cosines.tolist())  # exact, however they were found
        assert mine.n == true.n == 4000
    assert np.mean(found) > 0.95
    of_mean, of_deviation = np.array(errors).T
    assert np.abs(of_mean).max() < 0.03
    assert np.abs(of_deviation).max() < 0.15
    assert abs(of_deviation.mean()) < 0.03  # codes alone would spread too far, and always
