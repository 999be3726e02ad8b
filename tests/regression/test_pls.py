import numpy as np
import pytest
from sklearn import cross_decomposition

from jamie.regression import pls
from jamie.regression.pls import PLSRegression


@pytest.mark.parametrize("dense", [64, 2])
@pytest.mark.parametrize(("n", "d", "t"), [(60, 7, 6), (60, 6, 7), (20, 40, 5), (24, 5, 50), (40, 6, 1)])
def test_it_is_that_of_scikit_learn_with_the_components_of_least_error(n, d, t, dense, toy_pairs, monkeypatch):
    monkeypatch.setattr(pls, "_DENSE", dense)  # below, the first eigenvector alone is computed
    pairs = toy_pairs(n, d, t)
    fitted = PLSRegression().fit(pairs)

    def fit(rows, k):
        model = cross_decomposition.PLSRegression(k, scale=False, tol=1e-14, max_iter=100_000)
        return model.fit(pairs.x[rows], pairs.y[rows])

    errors = []
    for k in range(1, fitted.tuning["candidates"]["n_components"][1] + 1):
        residual = np.empty_like(pairs.y)
        for inner, outer in pairs.splits:
            predicted = fit(inner, k).predict(pairs.left_out_inputs[outer]).reshape(len(outer), -1)
            residual[outer] = pairs.y[outer] - predicted
            residual[outer] -= residual[outer].mean(axis=0)
        errors.append((residual**2).sum())
    k = int(np.argmin(errors)) + 1
    assert fitted.tuning["chosen"] == {"n_components": k}
    expected = fit(slice(None), k).predict(pairs.x).reshape(n, -1)
    np.testing.assert_allclose(fitted.predict(pairs.x), expected, atol=1e-5)
