import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from jamie.correspondence.couplings.coupling import project_
from jamie.correspondence.gromov import unioncom_problem
from jamie.correspondence.gromov.unioncom_problem import LowRankMatrix, UnionComProblem, descend
from jamie.correspondence.unioncom import relative_objective


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(28, 4))
    return cdist(x, x), cdist(y, y), rng.dirichlet(np.ones(28), size=20)


def eq8(K_x, K_y, F, alpha):
    return np.linalg.norm(alpha * K_x - F @ K_y @ F.T) ** 2


def relative_of(K_x, K_y, F):
    """In double precision."""
    return relative_objective(*(torch.as_tensor(M, dtype=torch.float64) for M in (K_x, K_y, F)))


def exact(K_x, K_y):
    """In double precision and at full rank."""
    return UnionComProblem(*(LowRankMatrix.of(torch.tensor(K, dtype=torch.float64), 0) for K in (K_x, K_y)))


def test_objective_and_alpha_equal_plain_numpy(problem):
    K_x, K_y, F = problem
    found = exact(K_x, K_y).evaluate(torch.tensor(F))
    alpha = np.trace(K_x @ F @ K_y @ F.T) / np.trace(K_x @ K_x)
    assert found.alpha == pytest.approx(alpha)
    assert found.objective == pytest.approx(eq8(K_x, K_y, F, alpha))
    assert found.relative == pytest.approx(np.sqrt(eq8(K_x, K_y, F, alpha)) / np.linalg.norm(F @ K_y @ F.T))
    assert relative_of(K_x, K_y, F) == pytest.approx((found.relative, alpha))
    assert eq8(K_x, K_y, F, alpha) < min(eq8(K_x, K_y, F, alpha * 1.01), eq8(K_x, K_y, F, alpha * 0.99))


def test_gradient_equals_finite_differences(problem):
    K_x, K_y, F = problem
    at = exact(K_x, K_y).evaluate(torch.tensor(F))
    gradient = exact(K_x, K_y).gradient(at, torch.empty(20, 28, dtype=torch.float64)).numpy()
    for i, j in [(0, 0), (7, 20), (19, 27)]:
        step = np.zeros_like(F)
        step[i, j] = 1e-5
        slope = (eq8(K_x, K_y, F + step, at.alpha) - eq8(K_x, K_y, F - step, at.alpha)) / 2e-5
        assert gradient[i, j] == pytest.approx(slope, rel=1e-5)


def test_low_rank_leaves_out_no_more_than_the_tolerance(problem):
    K = problem[1]
    factors = LowRankMatrix.of(torch.tensor(K), 0.05)
    V, values = factors.vectors.numpy(), factors.values.numpy()
    assert len(values) < len(K)
    assert np.linalg.norm(V * values @ V.T - K) <= 0.05 * np.linalg.norm(K)
    smaller = V[:, :-1] * values[:-1] @ V[:, :-1].T
    assert np.linalg.norm(smaller - K) > 0.05 * np.linalg.norm(K)


def test_projection_is_the_nearest_in_kullback_leibler_divergence():
    rng = np.random.default_rng(0)
    kernel = rng.gamma(0.5, size=(12, 15)) * np.linspace(1, 4, 15)
    F, columns = torch.tensor(kernel), torch.ones(15, dtype=torch.float64)
    excess = project_(F, columns, max_iterations=20000, tolerance=1e-10)
    F = F.numpy()
    assert excess <= 1e-10
    np.testing.assert_allclose(F.sum(axis=1), 1)
    assert F.sum(axis=0).max() <= 1 + 1e-9
    # optimality: F is the kernel with rows and columns scaled, a column by less than 1 only where it is full
    scale = np.log(F / kernel)
    by_column = scale - scale[:, [columns.argmax()]]
    np.testing.assert_allclose(by_column, np.broadcast_to(by_column[0], F.shape), atol=1e-9)
    assert by_column.max() <= 1e-9
    np.testing.assert_allclose(F.sum(axis=0)[by_column[0] < -1e-6], 1, atol=1e-6)


def test_descent_lowers_the_objective_and_keeps_zeros(problem):
    K_x, K_y, F = problem
    start = torch.tensor(F)
    start[0, :5] = 0
    project_(start, torch.ones_like(start[0]), max_iterations=1000)
    zeros, before = start == 0, relative_of(K_x, K_y, start)[0]
    found = descend(
        exact(K_x, K_y), start.clone(), max_iterations=500, tolerance=1e-4, report=lambda step, relative, excess: None
    )
    after = relative_of(K_x, K_y, found.F)[0]
    assert found.converged
    assert after < 0.8 * before
    assert after == pytest.approx(found.relative, rel=1e-6)
    assert (found.F[zeros] == 0).all()


def plain_projected_gradient(K_x, K_y, F):
    """An independent solver in numpy: dense, one small step at a time, projected by alternating scaling."""
    for _ in range(1500):
        moved = F @ K_y @ F.T
        alpha = (K_x * moved).sum() / (K_x**2).sum()
        F = F * np.exp(-2e-3 * 4 * (moved - alpha * K_x) @ F @ K_y)
        for _ in range(20):
            F /= F.sum(axis=1, keepdims=True)
            F /= np.maximum(F.sum(axis=0), 1)
    return F


def test_solutions_are_no_worse_than_those_of_a_plain_projected_gradient():
    ratios = []
    for seed in range(5):  # the problem is not convex: from one start, either may end in the better optimum
        rng = np.random.default_rng(seed)
        x, y, F = rng.normal(size=(20, 3)), rng.normal(size=(28, 4)), rng.uniform(0.9, 1.1, size=(20, 28)) / 28
        K_x, K_y, start = cdist(x, x), cdist(y, y), torch.tensor(F)
        project_(start, torch.ones_like(start[0]), max_iterations=1000)
        found = descend(
            exact(K_x, K_y), start, max_iterations=2000, tolerance=1e-5, report=lambda step, relative, excess: None
        )
        ratios.append(found.relative / relative_of(K_x, K_y, plain_projected_gradient(K_x, K_y, F))[0])
    assert np.median(ratios) <= 1.01
    assert max(ratios) <= 1.15


@pytest.mark.parametrize("tolerance", [0.05, 0.005])
def test_leading_eigenvectors_alone_leave_out_no_more_than_all_of_them(monkeypatch, tolerance):
    points = np.random.default_rng(0).normal(size=(400, 4)) * [3, 2, 1, 0.5]
    K = torch.tensor(cdist(points, points))
    every = LowRankMatrix.of(K, tolerance)
    monkeypatch.setattr(unioncom_problem, "DENSE", 100)
    monkeypatch.setattr(unioncom_problem, "FIRST_RANK", 8)
    leading = LowRankMatrix.of(K, tolerance)
    left_out = torch.linalg.norm(leading.vectors * leading.values @ leading.vectors.T - K)
    assert left_out <= tolerance * torch.linalg.norm(K)
    assert len(leading.values) <= 1.3 * len(every.values)
