"""Nearest cells against sklearn's search over all pairs."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances

from jamie.correspondence.graphs import neighbors
from jamie.correspondence.graphs.neighbors import nearest, neighbor_graph

METRICS = ("euclidean", "cosine", "correlation")


def points(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + 2.0


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


def test_small_groups_far_from_each_other_are_separated():
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


@pytest.mark.parametrize("metric", METRICS)
class TestInvertedFile:
    """What searches more pairs than `EXACT_PAIRS`."""

    @pytest.fixture
    def cells(self, metric, monkeypatch):
        monkeypatch.setattr(neighbors, "EXACT_PAIRS", 0)
        return points(3000) + 3 * points(20, seed=1).repeat(150, axis=0)

    def test_finds_most_of_the_nearest_and_their_exact_distances(self, cells, metric, monkeypatch):
        others = cells[:500] + 0.1 * points(500, seed=2)
        found = nearest(others, cells, 8, metric=metric)
        monkeypatch.setattr(neighbors, "EXACT_PAIRS", 10**9)
        exact = nearest(others, cells, 8, metric=metric)
        same = found[0] == exact[0]
        assert same.mean() > 0.98
        np.testing.assert_array_equal(found[1][same], exact[1][same])

    def test_finds_the_same_with_any_number_of_threads_and_leaves_it_as_it_was(self, cells, metric):
        threads = torch.get_num_threads()
        found = []
        try:
            for n in (1, 2):
                torch.set_num_threads(n)
                before = torch.get_num_threads(), faiss.omp_get_max_threads()
                found.append(neighbor_graph(cells, 8, metric=metric, seed=5))
                assert (torch.get_num_threads(), faiss.omp_get_max_threads()) == before
        finally:
            torch.set_num_threads(threads)
        np.testing.assert_array_equal(found[0].indices, found[1].indices)
        np.testing.assert_array_equal(found[0].data, found[1].data)

    def test_compares_all_points_where_its_clusters_hold_too_few(self, cells, metric, monkeypatch):
        monkeypatch.setattr(neighbors, "_PROBED", 1)
        found = nearest(cells[:50], cells, 40, metric=metric)
        monkeypatch.setattr(neighbors, "EXACT_PAIRS", 10**9)
        np.testing.assert_array_equal(found, nearest(cells[:50], cells, 40, metric=metric))


def test_inputs_stay_as_they_are():
    queries, targets = points(30).astype(np.float32), points(40, seed=1).astype(np.float32)
    before = queries.copy(), targets.copy()
    nearest(queries, targets, 3, metric="correlation")
    np.testing.assert_array_equal(queries, before[0])
    np.testing.assert_array_equal(targets, before[1])
