import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from jamie.regression.knn import KNNRegression


def predict(pairs, rows, query, k, distance, c):
    model = KNeighborsRegressor(k, metric=distance).fit(pairs.x[rows][:, :c], pairs.y[rows])
    return model.predict(query[:, :c])


def test_settings_have_the_least_error_out_of_fold(toy_pairs):
    pairs = toy_pairs(60, 10, 3)
    fitted = KNNRegression().fit(pairs)
    candidates = fitted.tuning["candidates"]
    assert candidates["n_components"] == [4, 8, 10]
    assert candidates["k"] == [1, 2, 3, 5, 8, 12, 20, 32]
    errors = {}
    for setting in ((k, d, c) for k in candidates["k"] for d in candidates["distance"] for c in [4, 8, 10]):
        residual = np.empty_like(pairs.y)
        for inner, outer in pairs.splits:
            residual[outer] = pairs.y[outer] - predict(pairs, inner, pairs.left_out_inputs[outer], *setting)
            residual[outer] -= residual[outer].mean(axis=0)
        errors[setting] = (residual**2).sum()
    best = min(errors, key=errors.__getitem__)
    assert tuple(fitted.tuning["chosen"].values()) == best
    query = pairs.left_out_inputs + 0.1
    np.testing.assert_allclose(fitted.predict(query), predict(pairs, slice(None), fitted.clip(query), *best))


@pytest.mark.parametrize("k", [3, 18])
def test_given_settings_are_kept(k, toy_pairs):
    """Also more neighbors than a fold leaves, of which all are then the neighbors out of fold."""
    pairs = toy_pairs(20, 10, 3)
    fitted = KNNRegression(k=k, distance="cosine", n_components="all").fit(pairs)
    assert fitted.tuning["chosen"] == {"k": k, "distance": "cosine", "n_components": 10}
    expected = np.empty_like(pairs.y)
    for inner, outer in pairs.splits:
        expected[outer] = predict(pairs, inner, pairs.left_out_inputs[outer], min(k, len(inner)), "cosine", 10)
    np.testing.assert_allclose(fitted.out_of_fold, expected, atol=1e-5)
