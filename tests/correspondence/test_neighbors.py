"""Nearest cells against sklearn's search over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from jamie.correspondence import neighbors
from jamie.correspondence.neighbors import nearest, neighbor_graph

METRICS = ("euclidean", "cosine", "correlation")


def points(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + 2.0


@pytest.fixture
def approximate(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sizes are above the limit of the exact search."""
    monkeypatch.setattr(neighbors, "EXACT_PAIRS", 0)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("precision", ["double", "single"])
def test_nearest_are_those_of_all_pairs(metric, precision, monkeypatch):
    monkeypatch.setattr(neighbors, "_BLOCK", 500)  # several blocks
    if precision == "single":
        monkeypatch.setattr(neighbors, "_DOUBLE_PAIRS", 0)
    queries, targets = points(40), points(90, seed=1)
    index, lengths = nearest(queries, targets, 5, metric=metric)
    expected = pairwise_distances(queries, targets, metric=metric)
    np.testing.assert_array_equal(index, np.argsort(expected, axis=1)[:, :5])
    np.testing.assert_allclose(lengths, np.sort(expected, axis=1)[:, :5], rtol=1e-6)
    assert (index.dtype, lengths.dtype) == (np.int64, np.float32)


def test_small_groups_far_from_each_other_are_told_apart():
    centres = 1e4 * points(5, seed=1)
    targets = (centres[:, None] + 1e-1 * points(100, seed=2).reshape(5, 20, 6)).reshape(100, 6)
    index, _ = nearest(targets, targets, 4)
    np.testing.assert_array_equal(index, np.argsort(pairwise_distances(targets), axis=1, kind="stable")[:, :4])


def test_no_more_neighbours_than_points():
    index, lengths = nearest(points(4), points(3, seed=1), 10)
    assert index.shape == lengths.shape == (4, 3)
    assert neighbor_graph(points(4), 10).nnz == 4 * 3


@pytest.mark.parametrize("metric", METRICS)
def test_graph_holds_the_nearest_others(metric):
    cells = points(60)
    graph = neighbor_graph(cells, 7, metric=metric)
    expected = pairwise_distances(cells, metric=metric)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_array_equal(np.diff(graph.indptr), 7)
    np.testing.assert_array_equal(graph.indices.reshape(60, 7), np.argsort(expected, axis=1)[:, :7])
    np.testing.assert_allclose(graph.data.reshape(60, 7), np.sort(expected, axis=1)[:, :7], rtol=1e-9)


def test_graph_of_equal_points_leaves_each_out_of_its_own_neighbours():
    cells = np.repeat(points(3), 20, axis=0)
    graph = neighbor_graph(cells, 4)
    np.testing.assert_array_equal(np.diff(graph.indptr), 4)
    assert graph.diagonal().sum() == 0
    assert (graph.indices.reshape(60, 4) != np.arange(60)[:, None]).all()
    np.testing.assert_array_equal(graph.data, 0)


def test_constant_rows_have_correlation_0_with_all():
    cells = points(20)
    cells[3] = 0.1  # its mean is not exactly 0.1
    index, lengths = nearest(cells[[3]], cells, 20, metric="correlation")
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    assert set(index[0]) == set(range(20))


def test_search_by_descent_finds_most_and_is_the_same_for_the_same_seed(approximate):
    cells = points(400)
    cells[:3] = cells[3]
    found = neighbor_graph(cells, 8, seed=5)
    exact = pairwise_distances(cells)
    np.fill_diagonal(exact, np.inf)
    best = np.sort(exact, axis=1)[:, :8]
    assert np.mean(found.data.reshape(400, 8) <= best + 1e-9) > 0.98
    assert (found.indices.reshape(400, 8) != np.arange(400)[:, None]).all()
    again = neighbor_graph(cells, 8, seed=5)
    np.testing.assert_array_equal(found.indices, again.indices)


def test_search_by_descent_of_other_points(approximate):
    queries, targets = points(50), points(300, seed=1)
    _, lengths = nearest(queries, targets, 6, metric="correlation")
    best = np.sort(pairwise_distances(queries, targets, metric="correlation"), axis=1)[:, :6]
    assert np.mean(lengths <= best + 1e-6) > 0.95


def test_inputs_stay_as_they_are():
    queries, targets = points(30).astype(np.float32), points(40, seed=1).astype(np.float32)
    before = queries.copy(), targets.copy()
    nearest(queries, targets, 3, metric="correlation")
    np.testing.assert_array_equal(queries, before[0])
    np.testing.assert_array_equal(targets, before[1])
