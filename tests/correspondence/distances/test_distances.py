import logging

import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances

from jamie.core.data import Block, View
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.distances.scores import Correlation, Cosine, Euclidean


def view(X):
    X = np.asarray(X, np.float32)
    return View("rna", Block(X, pd.Index([str(i) for i in range(X.shape[1])])), X)


def knn_paths(X, k):
    """Shortest paths from dense distances alone."""
    D = cdist(X, X)
    edges = np.zeros_like(D)
    for i, row in enumerate(D):
        near = np.argsort(np.where(np.arange(len(D)) == i, np.inf, row))[:k]
        edges[i, near] = row[near]
    return shortest_path(np.maximum(edges, edges.T), directed=False)


@pytest.fixture
def cloud():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def test_euclidean_equals_scipy(cloud):
    np.testing.assert_allclose(Euclidean().pairwise(view(cloud)), cdist(cloud, cloud), rtol=1e-6)
    np.testing.assert_allclose(Euclidean().pairwise(view(cloud), [3, 7]), cdist(cloud, cloud[[3, 7]]), rtol=1e-6)


def test_geodesic_equals_shortest_paths(cloud):
    expected = knn_paths(cloud.astype(float), 7)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(Geodesic(k=7).pairwise(view(cloud)), expected, rtol=1e-6)


def test_geodesic_to_landmarks_is_a_part_of_all(cloud):
    every = Geodesic(k=5).pairwise(view(cloud))
    np.testing.assert_allclose(Geodesic(k=5).pairwise(view(cloud), [9, 0, 41]), every[:, [9, 0, 41]], rtol=1e-12)


def test_geodesic_with_more_neighbours_than_cells_is_euclidean(cloud):
    few = cloud[:6]
    np.testing.assert_allclose(Geodesic(k=10).pairwise(view(few)), cdist(few, few), rtol=1e-5)


def test_geodesic_by_itself_takes_a_fifth_of_the_cells_and_at_most_fifty(cloud):
    np.testing.assert_array_equal(Geodesic(k="auto").pairwise(view(cloud)), Geodesic(k=12).pairwise(view(cloud)))
    many = np.random.default_rng(1).normal(size=(300, 2))
    np.testing.assert_array_equal(Geodesic(k="auto").pairwise(view(many)), Geodesic(k=50).pairwise(view(many)))


def test_components_are_joined_by_their_shortest_edges(caplog):
    # on a line: three groups with gaps of 9, 18; paths on a line are the differences of positions
    line = np.concatenate([np.arange(5), 13 + np.arange(5), 35 + np.arange(5)])[:, None].astype(float)
    with caplog.at_level(logging.WARNING, "jamie"):
        distances = Geodesic(k=2).pairwise(view(line))
    np.testing.assert_allclose(distances, cdist(line, line), rtol=1e-6)
    assert "modality 'rna': the nearest-neighbor graph has 3 components" in caplog.text
    assert "lengths 9 to 18" in caplog.text


def test_identical_cells_in_different_components_are_at_distance_zero():
    twins = np.repeat([[0.0], [5.0]], 8, axis=0)
    np.testing.assert_allclose(Geodesic(k=2).pairwise(view(twins)), cdist(twins, twins), atol=1e-9)


@pytest.mark.parametrize(("distance", "metric"), [(Cosine(), "cosine"), (Correlation(), "correlation")])
def test_angular_distances_equal_sklearn(cloud, distance, metric):
    shifted = cloud + np.arange(4.0)
    expected = pairwise_distances(shifted.astype(float), metric=metric)
    np.testing.assert_allclose(distance.pairwise(view(shifted)), expected, atol=1e-6)
    np.testing.assert_allclose(distance.pairwise(view(shifted), [3, 7]), expected[:, [3, 7]], atol=1e-6)


def test_cell_without_direction_is_at_distance_one_from_all_others(cloud):
    cloud[4] = 0.1
    expected = np.where(np.arange(60) == 4, 0, 1)
    np.testing.assert_allclose(Correlation().pairwise(view(cloud), [4])[:, 0], expected, atol=1e-12)
    cloud[4] = 0
    np.testing.assert_allclose(Cosine().pairwise(view(cloud), [4])[:, 0], expected, atol=1e-12)
