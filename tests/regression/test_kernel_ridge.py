import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn import kernel_ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer

from jamie.regression import kernel_ridge as module
from jamie.regression.kernel_ridge import KernelRidgeRegression


def test_it_is_that_of_scikit_learn_with_a_centered_kernel(toy_pairs):
    pairs = toy_pairs(50, 3, 1)
    fitted = KernelRidgeRegression().fit(pairs)
    chosen = fitted.tuning["chosen"]
    gamma = 0.5 / (chosen["bandwidth"] * np.median(pdist(pairs.x))) ** 2
    query = pairs.left_out_inputs
    center = KernelCenterer().fit(rbf_kernel(pairs.x, pairs.x, gamma))
    model = kernel_ridge.KernelRidge(alpha=chosen["penalty"]["median"], kernel="precomputed")
    model.fit(center.transform(rbf_kernel(pairs.x, pairs.x, gamma)), pairs.y - pairs.y.mean(axis=0))
    expected = model.predict(center.transform(rbf_kernel(query, pairs.x, gamma))) + pairs.y.mean(axis=0)
    np.testing.assert_allclose(fitted.predict(query), expected, atol=1e-5)


def test_prediction_is_a_sum_over_centers(toy_pairs):
    pairs = toy_pairs(40, 3, 2)
    fitted = KernelRidgeRegression().fit(pairs)
    z = (pairs.x - fitted.mean) @ fitted.axes
    expected = rbf_kernel(z, fitted.centers, 0.5 / fitted.bandwidth**2) @ fitted.dual + fitted.offset
    np.testing.assert_allclose(fitted.predict(pairs.x), expected)


def test_many_cells_are_predicted_in_parts(toy_pairs, monkeypatch):
    pairs = toy_pairs(40, 3, 2)
    fitted = KernelRidgeRegression().fit(pairs)
    whole = fitted.predict(pairs.x)
    sizes = []
    predict = type(fitted)._predict
    monkeypatch.setattr(type(fitted), "_predict", lambda self, x: sizes.append(len(x)) or predict(self, x))
    monkeypatch.setattr("jamie.regression.fitted.ROWS_AT_ONCE", 16)
    np.testing.assert_allclose(fitted.predict(pairs.x), whole)
    assert sizes == [16, 16, 8]


@pytest.mark.parametrize("n_centers", [40, 60])
def test_few_centers_come_near_all(n_centers, toy_pairs, monkeypatch):
    pairs = toy_pairs(200, 3, 2)
    exact = KernelRidgeRegression().fit(pairs)
    monkeypatch.setattr(module, "MOST_CENTERS", n_centers)
    fitted = KernelRidgeRegression().fit(pairs)
    assert fitted.tuning["n_centers"] == len(fitted.centers) == n_centers
    correlation = np.corrcoef(fitted.predict(pairs.x).T, exact.predict(pairs.x).T)
    assert np.diag(correlation[:2, 2:]).min() > 0.99


def test_what_is_not_linear_is_found(toy_pairs):
    pairs = toy_pairs(100, 2, 1, targets=lambda y: y)
    x = pairs.x[:, :1]
    curved = type(pairs).of(x, np.sin(2 * x), np.random.default_rng(0))
    assert KernelRidgeRegression().fit(curved).tuning["error"] < 0.05
