import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.methods.joint_graph import joint_graph, neighbor_graph, smallest_eigenvectors
from jamie.testing import toy


def brute_force(scores, k):
    distances = cdist(scores, scores)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :k]
    graph = np.zeros_like(distances)
    np.put_along_axis(graph, nearest, 1, axis=1)
    return np.maximum(graph, graph.T)


def test_neighbors_are_mutual():
    scores = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
    np.testing.assert_array_equal(neighbor_graph(scores, 4).toarray(), brute_force(scores, 4))
    assert neighbor_graph(scores, 50).sum() == 23 * 22


def test_pairs_weigh_mu_times_the_neighbors():
    cells = toy.cells(3)
    graph = joint_graph(cells, 5, 0.7, "nlma")
    weights = np.diag(graph.degrees) - graph.laplacian.toarray()
    inside = sum(weights[rows, rows].sum() for rows in graph.rows.values())
    assert weights.sum() - inside == pytest.approx(0.7 * inside)
    between = weights[graph.rows["rna"], graph.rows["protein"]]
    known = cells.known.between("rna", "protein").matrix.toarray()
    np.testing.assert_allclose(between / between.max(), known / known.max(), rtol=1e-6)
    np.testing.assert_allclose(graph.laplacian.sum(axis=1), 0, atol=1e-10)


def test_a_modality_without_pairs_is_named():
    given = toy.cells(3)
    pair = {("rna", "atac"): given.known.between("rna", "atac")}
    cells = Cells(given.views, given.targets, Correspondences(given.known.sizes, pair))
    with pytest.raises(DataError, match=r"method 'lma': .* found none between rna and protein"):
        joint_graph(cells, 5, 0.9, "lma")


def test_eigenvectors_are_those_of_a_dense_solver():
    graph = joint_graph(toy.cells(), 5, 0.9, "nlma")
    n = len(graph.degrees)
    assert graph.components().shape[1] == 1
    constant = sparse.csr_array(np.full((n, 1), n**-0.5))
    found = smallest_eigenvectors(graph.laplacian, constant, 6, np.random.default_rng(0))
    expected = np.linalg.eigh(graph.laplacian.toarray())[1][:, 1:7]
    np.testing.assert_allclose(np.abs(np.diag(found.T @ expected)), 1, atol=1e-8)
