import numpy as np
import pytest

from jamie.regression.reduced_rank import PENALTIES, ReducedRankRegression


def solve(x, y, penalty, rank):
    """Coefficients of reduced-rank ridge regression by augmented data, as Mukherjee and Zhu (2011) define them."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    X = np.vstack([x - x_mean, np.sqrt(penalty) * np.eye(x.shape[1])])
    Y = np.vstack([y - y_mean, np.zeros((x.shape[1], y.shape[1]))])
    B = np.linalg.lstsq(X, Y, rcond=None)[0]
    V = np.linalg.svd(X @ B, full_matrices=False)[2][:rank].T
    return lambda z: (z - x_mean) @ B @ V @ V.T + y_mean


@pytest.mark.parametrize(("n", "d", "t"), [(60, 7, 6), (20, 40, 5), (24, 5, 50)])
def test_rank_and_penalty_have_the_least_error_out_of_fold(n, d, t, toy_pairs):
    pairs = toy_pairs(n, d, t)
    fitted = ReducedRankRegression().fit(pairs)
    unit = n * pairs.x.var(axis=0).mean()
    most = fitted.tuning["candidates"]["rank"][1]
    errors = {}
    for penalty in PENALTIES:
        for rank in range(1, most + 1):
            residual = np.empty_like(pairs.y)
            for inner, outer in pairs.splits:
                predict = solve(pairs.x[inner], pairs.y[inner], penalty * unit, rank)
                residual[outer] = pairs.y[outer] - predict(pairs.left_out_inputs[outer])
                residual[outer] -= residual[outer].mean(axis=0)
            errors[penalty, rank] = (residual**2).sum()
    penalty, rank = min(errors, key=errors.__getitem__)
    assert fitted.tuning["chosen"] == {"penalty": pytest.approx(penalty), "rank": rank}
    np.testing.assert_allclose(
        fitted.predict(pairs.x), solve(pairs.x, pairs.y, penalty * unit, rank)(pairs.x), atol=1e-6
    )
    assert np.linalg.matrix_rank(fitted.matrix, tol=1e-8) == rank
