import logging

import numpy as np
import ot
import pytest
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError, MemoryLimitError, TrainingError
from jamie.methods.scot import Scot, barycentric_projection
from jamie.metrics.closer_fractions import closer_fractions
from jamie.testing.controls import isometric_copy


def cells_of(pair):
    views = {v.modality: v for v in (pair.a, pair.b)}
    return Cells(
        views, {m: v.scores for m, v in views.items()}, Correspondences({m: v.n_cells for m, v in views.items()})
    )


def steps(X, k):
    """Steps along the neighbour graph, from dense distances alone."""
    D = cdist(X, X)
    np.fill_diagonal(D, np.inf)
    graph = np.zeros_like(D)
    np.put_along_axis(graph, np.argsort(D, axis=1)[:, :k], 1, axis=1)
    found = shortest_path(np.maximum(graph, graph.T), directed=False)
    return found / found.max()


@pytest.mark.parametrize("marginals", ["balanced", "unbalanced"])
def test_isometric_copies_are_aligned_without_pairs(marginals):
    pair = isometric_copy(80)
    cells = cells_of(pair)
    z = Scot(metric="euclidean", k=6, epsilon=2e-3, marginals=marginals).fit(cells).embed(cells.scores)
    np.testing.assert_array_equal(z["b"], pair.b.scores)
    assert sum(closer_fractions(z["a"], z["b"].astype(float), *pair.truth.pairs())) / 2 < 0.1


def test_balanced_plan_equals_pots():
    pair = isometric_copy(40)
    method = Scot(metric="euclidean", k=8, epsilon=0.02)
    K_x, K_y = (method._distances(view) for view in (pair.a, pair.b))
    np.testing.assert_allclose(K_x, steps(pair.a.scores, 8))
    plan = ot.gromov.entropic_gromov_wasserstein(K_x, K_y, epsilon=0.02, max_iter=500, tol=1e-9)
    np.testing.assert_allclose(method._transport(K_x, K_y), plan, atol=1e-3 / 40)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 40, rtol=1e-3)


def test_unbalanced_marginals_tend_to_the_balanced_ones():
    pair = isometric_copy(40, 20)
    off = []
    for rho in (0.01, 0.1, 10.0):
        method = Scot(metric="euclidean", marginals="unbalanced", rho=rho, epsilon=0.01)
        plan = method._transport(*(method._distances(view) for view in (pair.a, pair.b)))
        off.append(np.abs(plan.sum(axis=1) * 40 - 1).max())
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.01


def test_barycentric_projection_are_weighted_means(caplog):
    plan = np.array([[0.1, 0.3, 0.0], [0.0, 0.0, 0.2], [0.0, 0.0, 0.0]])
    scores = np.array([[0.0, 4.0], [8.0, 0.0], [1.0, 2.0]])
    with caplog.at_level(logging.WARNING, "jamie"):
        found = barycentric_projection(plan, scores)
    np.testing.assert_allclose(found, [[6, 1], [1, 2], [3, 2]])
    assert "1 of 3 cells have no mass" in caplog.text


def test_cells_without_a_path_are_as_far_as_any():
    pair = isometric_copy(20)
    X = np.concatenate([np.arange(10.0), 100 + np.arange(10.0)])[:, None].astype(np.float32)
    view = type(pair.a)("a", pair.a.block, X)
    distances = Scot(metric="euclidean", k=2)._distances(view)
    assert distances.max() == 1
    assert (distances[:10, 10:] == 1).all()


def test_too_few_cells_for_the_neighbours():
    with pytest.raises(DataError, match=r"modality 'a': expected more than 30 cells for 30 neighbors .* found 25"):
        Scot(k=30).fit(cells_of(isometric_copy(25)))


def test_epsilon_too_small_for_the_precision():
    with pytest.raises(TrainingError, match=r"satisfies its marginals, found none at epsilon 1e-07\s+raise epsilon"):
        Scot(metric="euclidean", epsilon=1e-7).fit(cells_of(isometric_copy(40)))


def test_memory_is_asked_for_first():
    with pytest.raises(MemoryLimitError, match="scot on 60 and 60 cells would need"):
        Scot().fit(cells_of(isometric_copy()), Context(memory_limit=1000))
