"""Pairs by linear assignment."""

from __future__ import annotations

import numpy as np
import pytest

from jamie.correspondence.couplings import pairs
from jamie.correspondence.couplings.pairs import assigned_pairs

SHAPES = [(80, 130), (130, 80)]


def cloud(n_a, n_b, seed=0):
    """Points, and nearly the same points in another order with some more, or fewer."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(max(n_a, n_b), 5)).astype(np.float32)
    partner = rng.permutation(n_b) if n_a >= n_b else rng.permutation(n_b)[:n_a]
    y = x[:n_b].copy()
    y[partner] = x[: len(partner)]
    y[np.setdiff1d(np.arange(n_b), partner)] = x[len(partner) : n_b]
    return x[:n_a], y + rng.normal(size=y.shape).astype(np.float32) * 1e-3, partner


@pytest.mark.parametrize(("n_a", "n_b"), SHAPES)
def test_cells_are_assigned_to_their_copies_and_others_are_left_out(n_a, n_b):
    x, y, partner = cloud(n_a, n_b)
    rows, columns = assigned_pairs(x, y, np.random.default_rng(1))
    order = np.argsort(rows)
    np.testing.assert_array_equal(rows[order], np.arange(min(n_a, n_b)))
    np.testing.assert_array_equal(columns[order], partner)


def test_batches_hold_each_cell_once(monkeypatch):
    monkeypatch.setattr(pairs, "BATCH", 100)
    rng = np.random.default_rng(0)
    rows, columns = assigned_pairs(rng.normal(size=(300, 2)), rng.normal(size=(250, 2)), rng)
    assert len(np.unique(rows)) == len(rows) > 150
    assert len(np.unique(columns)) == len(columns)


def test_work_is_bounded_however_many_cells_there_are(monkeypatch):
    monkeypatch.setattr(pairs, "BATCH", 60)
    monkeypatch.setattr(pairs, "MAX_BATCHES", 2)
    rng = np.random.default_rng(0)
    rows, _ = assigned_pairs(rng.normal(size=(3000, 2)), rng.normal(size=(500, 2)), rng)
    assert 40 < len(rows) <= 120


def test_pairs_that_are_not_near_both_ways_are_left_out():
    # a far group of x without counterpart is assigned the cells of y that are left
    x, y, partner = cloud(80, 80)
    x[:10] += 30
    rows, columns = assigned_pairs(x, y, np.random.default_rng(0))
    assert rows.min() >= 10
    assert (partner[rows] == columns).mean() > 0.9


def test_where_no_pair_is_near_all_are_kept():
    x, y = np.array([[0.0], [0.0], [0.0]]), np.array([[1.0], [1.0]])
    rows, columns = assigned_pairs(x, y, np.random.default_rng(0))
    assert len(rows) == 2
    assert set(columns) == {0, 1}
