"""Routed scans against exact ones: what they compute is the very same, and what they leave out is seldom missed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_world import NOON, index_of, note_of, vectors_of
from numpy.typing import NDArray

from zettel import registry
from zettel.config import Config
from zettel.index import ExactIndex
from zettel.protocols import Query, Signal
from zettel.scoring import ExactScan, Fusion, Route, RoutedScan, fuse
from zettel.text import terms

SIGNALS = registry.signals()
N = 3000


@pytest.fixture(scope="module")
def index() -> ExactIndex:
    return index_of([note_of(n) for n in range(1, N + 1)], bits=256)


def query(seed: int) -> Query:
    text = ("Which puppy?", "Where is Ann's violin in the garden?", "bread", "What?")[seed % 4]
    return Query(text, tuple(terms(text)), vectors_of(10_000 + seed)[0], NOON)


def top(scores: NDArray[np.float64], k: int = 10) -> list[int]:
    return np.argsort(-scores, kind="stable")[:k].tolist()


def every(n: int, step: int) -> NDArray[np.bool_]:
    return np.arange(n) % step == 0


@pytest.mark.parametrize("left_out", [10**6, 4], ids=["all", "three of four"])
def test_few_of_the_best_are_missed_and_few_passages_looked_at(index: ExactIndex, left_out: int) -> None:
    columns, mask = index.columns(), np.arange(N) % left_out != 1
    found, shares = [], []
    for seed in range(60):
        asked = query(seed)
        exact = fuse(ExactScan(asked, columns, Config()), SIGNALS, mask)
        scan = RoutedScan(asked, columns, Config(), mask, 10)
        routed = fuse(scan, SIGNALS, mask)
        found.append(len(set(top(exact.scores)) & set(top(routed.scores))) / 10)
        shares.append(scan.n_rescored / len(columns.vectors))
    assert np.mean(found) > 0.95
    assert np.mean(shares) < 0.2
    assert ExactScan(query(0), columns, Config()).n_rescored == len(columns.vectors)


@given(st.integers(0, 999), st.sampled_from([1, 2, 7]), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_rows_with_a_score_have_the_very_values_of_an_exact_search(
    index: ExactIndex, seed: int, step: int, k: int
) -> None:
    columns, mask = index.columns(), every(N, step)
    exact = fuse(ExactScan(query(seed), columns, Config()), SIGNALS, mask)
    scan = RoutedScan(query(seed), columns, Config(), mask, k)
    fusion = Fusion(scan, SIGNALS, mask)
    fused, rows = fusion.fused(), np.flatnonzero(fusion.mask)
    assert set(rows) <= set(np.flatnonzero(mask))
    assert len(rows) >= min(4 * k, mask.sum())
    assert np.array_equal(np.isfinite(fused.scores), fusion.mask)
    for name, values in exact.values.items():
        assert np.array_equal(fused.values[name][rows], values[rows]), name
    around = np.unique(columns.windows[rows])
    assert np.array_equal(scan.cosines[around[1:]], ExactScan(query(seed), columns, Config()).cosines[around[1:]])


@given(st.integers(0, 999), st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_where_a_filter_leaves_few_rows_all_is_exact(index: ExactIndex, seed: int, step: int) -> None:
    columns, mask = index.columns(), every(N, step)
    exact = fuse(ExactScan(query(seed), columns, Config()), SIGNALS, mask)
    scan = RoutedScan(query(seed), columns, Config(), mask, 10)
    fused = fuse(scan, SIGNALS, mask)
    assert np.array_equal(fused.scores, exact.scores)
    assert scan.n_rescored <= len(columns.vectors)


def test_nothing_is_let_through(index: ExactIndex) -> None:
    none = np.zeros(N, np.bool_)
    scan = RoutedScan(query(1), index.columns(), Config(), none, 10)
    assert fuse(scan, SIGNALS, none).scores.tolist() == [-np.inf] * N
    assert scan.n_rescored == 0


def test_estimates_spread_as_the_cosines_do(index: ExactIndex) -> None:
    columns, mask = index.columns(), every(N, 1)
    ratios, raw = [], []
    for seed in range(40):
        exact, routed = ExactScan(query(seed), columns, Config()), RoutedScan(query(seed), columns, Config(), mask, 10)
        pairs = (routed.cosines, exact.cosines), (routed.context_cosines, exact.context_cosines)
        ratios.append([guessed.std() / true.std() for guessed, true in pairs])
        raw.append(columns.estimates(query(seed).vector, None).std() / exact.cosines.std())
    assert np.abs(np.mean(ratios, axis=0) - 1).max() < 0.03
    assert np.mean(raw) > 1.05  # what the calibration is for


def test_rows_beyond_the_route_have_the_cosine_of_their_topic(index: ExactIndex) -> None:
    columns, mask = index.columns(), every(N, 1)
    rows = np.flatnonzero(np.arange(N) % 4 != 3)
    topic = np.where(np.arange(N) % 2, 0.25, -0.5)
    scan = RoutedScan(query(2), columns, Config(), mask, 10, Route(rows, topic))
    whole = RoutedScan(query(2), columns, Config(), mask, 10)
    beyond = np.setdiff1d(np.flatnonzero(~scan._known), rows)
    assert len(np.unique(scan.cosines[beyond])) == 1  # odd rows all, moved and stretched alike
    inside = rows[~scan._known[rows] & ~whole._known[rows]]
    assert np.corrcoef(scan.cosines[inside], whole.cosines[inside])[0, 1] == pytest.approx(1.0)
    fused = fuse(scan, SIGNALS, mask)
    assert np.isfinite(fused.scores).sum() >= 40


def counting(name: str, values: Any) -> tuple[Signal, list[int]]:
    calls: list[int] = []

    def counted(scan: Any) -> NDArray[np.float64]:
        calls.append(1)
        return values(scan)

    made = SimpleNamespace(NAME=name, WEIGHT=1.0, STANDARDIZED=True, values=counted, reason=lambda scan, row: None)
    return cast("Signal", made), calls


def test_a_signal_is_asked_again_only_where_it_reads_cosines(index: ExactIndex) -> None:
    dense, dense_calls = counting("dense", lambda scan: scan.cosines)
    length, length_calls = counting("length", lambda scan: scan.columns.lengths.astype(np.float64))
    mask = every(N, 1)
    fusion = Fusion(RoutedScan(query(3), index.columns(), Config(), mask, 10), [dense, length], mask)
    assert (len(dense_calls), len(length_calls)) == (2, 1)
    fusion.include(np.flatnonzero(fusion.mask)[:5])
    assert (len(dense_calls), len(length_calls)) == (2, 1)
    fusion.include(np.flatnonzero(~fusion.mask)[:5])
    assert (len(dense_calls), len(length_calls)) == (3, 1)
    for calls in (dense_calls, length_calls):
        calls.clear()
    Fusion(ExactScan(query(3), index.columns(), Config()), [dense, length], mask).include(np.array([4]))
    assert (len(dense_calls), len(length_calls)) == (1, 1)


def test_rows_may_be_included_later_unless_a_filter_keeps_them_out(index: ExactIndex) -> None:
    columns, mask = index.columns(), np.arange(N) % 4 != 1
    fusion = Fusion(RoutedScan(query(5), columns, Config(), mask, 10), SIGNALS, mask)
    before = fusion.fused().scores
    left = np.flatnonzero(mask & ~fusion.mask)[:3]
    fusion.include(np.append(left, 1))
    after = fusion.fused()
    assert np.isfinite(after.scores[left]).all()
    assert after.scores[1] == -np.inf
    exact = ExactScan(query(5), columns, Config())
    assert after.values["dense_context"][left].tolist() == exact.context_cosines[left].tolist()
    assert top(after.scores)[0] == top(before)[0]
