import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError, MemoryLimitError
from jamie.methods.mmd import KernelFactor, discrepancy, orthogonality_penalty
from jamie.methods.mmd_ma import MMDMA, _gaussian_factor, _linear_factor
from jamie.metrics.closer_fractions import closer_fractions
from jamie.testing.controls import isometric_copy


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def cells_of(pair):
    views = {v.modality: v for v in (pair.a, pair.b)}
    return Cells(
        views, {m: v.scores for m, v in views.items()}, Correspondences({m: v.n_cells for m, v in views.items()})
    )


def test_discrepancy_equals_kernel_means(rng):
    X, Y = rng.normal(size=(1100, 3)), rng.normal(0.5, size=(50, 3))
    gamma = 1 / (2 * 1.3**2)
    expected = (
        rbf_kernel(X, gamma=gamma).mean() + rbf_kernel(Y, gamma=gamma).mean() - 2 * rbf_kernel(X, Y, gamma).mean()
    )
    assert float(discrepancy(torch.tensor(X), torch.tensor(Y), 1.3)) == pytest.approx(expected)


def test_discrepancy_of_the_same_cells_in_another_order_is_zero(rng):
    X = rng.normal(size=(80, 3))
    assert float(discrepancy(torch.tensor(X), torch.tensor(rng.permutation(X)), 1.0)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(30, 6), (6, 30)])
def test_factors_give_the_kernels(rng, shape):
    X = rng.normal(2, size=shape)
    centred = X - X.mean(axis=0)
    linear = centred @ centred.T
    S = _linear_factor(X)
    np.testing.assert_allclose(S @ S.T, linear / np.diag(linear).mean(), atol=1e-12)
    S, D = _gaussian_factor(X), cdist(X, X)
    expected = np.exp(-(D**2) / (2 * np.median(D[np.triu_indices(len(D), 1)]) ** 2))
    np.testing.assert_allclose(S @ S.T, expected, atol=1e-4)


def test_distortion_and_penalty_equal_their_definitions(rng):
    S, W = rng.normal(size=(30, 6)), rng.normal(size=(6, 2))
    K, Z = S @ S.T, S @ W
    expected = np.linalg.norm(K - Z @ Z.T) ** 2 / np.linalg.norm(K) ** 2
    assert float(KernelFactor(torch.tensor(S)).distortion(torch.tensor(W))) == pytest.approx(expected)
    # with alpha such that S^T alpha = W, alpha^T K alpha is W^T W
    alpha = np.linalg.pinv(S.T) @ W
    expected = np.linalg.norm(alpha.T @ K @ alpha - np.eye(2)) ** 2 / 2
    assert float(orthogonality_penalty(torch.tensor(W))) == pytest.approx(expected)


def test_a_start_has_the_least_distortion_of_its_width(rng):
    S = torch.tensor(rng.normal(size=(30, 6)) * [3, 2, 1, 0.5, 0.3, 0.1], dtype=torch.float32)
    W = KernelFactor(S).starts(2, 3, torch.Generator().manual_seed(0))[1]
    values = np.linalg.svd(S.numpy(), compute_uv=False) ** 2
    assert float(KernelFactor(S).distortion(W)) == pytest.approx((values[2:] ** 2).sum() / (values**2).sum(), rel=1e-4)
    assert float(orthogonality_penalty(W)) == pytest.approx(0, abs=1e-6)


def test_isometric_copies_are_aligned_without_pairs():
    pair = isometric_copy(80)
    cells = cells_of(pair)
    method = MMDMA(n_components=2, max_iterations=200).fit(cells)
    z = method.embed(cells.scores)
    assert sum(closer_fractions(z["a"].astype(float), z["b"].astype(float), *pair.truth.pairs())) / 2 < 0.02
    # the starts end in different optima; the best is one that aligns
    assert max(method.objectives) > 2 * min(method.objectives)


def test_more_iterations_lower_the_objective():
    cells = cells_of(isometric_copy())
    few, many = (min(MMDMA(n_components=2, restarts=1, max_iterations=n).fit(cells).objectives) for n in (1, 100))
    assert many < few


def test_minibatches_align_too():
    pair = isometric_copy(80)
    cells = cells_of(pair)
    z = MMDMA(n_components=2, max_iterations=200, batch_size=60).fit(cells).embed(cells.scores)
    assert sum(closer_fractions(z["a"].astype(float), z["b"].astype(float), *pair.truth.pairs())) / 2 < 0.05


def test_fewer_cells_than_components():
    with pytest.raises(DataError, match=r"method 'mmd_ma': expected more cells of a than components \(30\), found 25"):
        MMDMA(n_components=30).fit(cells_of(isometric_copy(25)))


def test_memory_is_checked_first():
    with pytest.raises(MemoryLimitError, match="kernel of 60 cells would need"):
        MMDMA(kernel="gaussian").fit(cells_of(isometric_copy()), Context(memory_limit=1000))
