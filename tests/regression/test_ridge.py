import numpy as np
import pytest
from sklearn import linear_model

from jamie.regression import penalties as penalties_module
from jamie.regression.ridge import PENALTIES, RidgeRegression


def left_out_errors(pairs, penalty):
    """(t,) squared errors of scikit-learn's ridge regression out of fold, less the mean error of each fold."""
    errors = np.zeros(pairs.y.shape[1])
    for fold in np.unique(pairs.folds):
        inner, outer = pairs.folds != fold, pairs.folds == fold
        x = np.clip(pairs.x[outer], pairs.x[inner].min(axis=0), pairs.x[inner].max(axis=0))
        residual = pairs.y[outer] - linear_model.Ridge(penalty).fit(pairs.x[inner], pairs.y[inner]).predict(x)
        errors += ((residual - residual.mean(axis=0)) ** 2).sum(axis=0)
    return errors


@pytest.mark.parametrize(("n", "d", "t"), [(60, 7, 4), (25, 40, 3), (24, 5, 50)])
@pytest.mark.parametrize("penalty", ["per_target", "shared"])
def test_it_is_ridge_of_scikit_learn_with_the_penalty_of_least_error_out_of_fold(
    n, d, t, penalty, toy_pairs, monkeypatch
):
    monkeypatch.setattr(penalties_module, "PRIOR_PAIRS", 0)
    pairs = toy_pairs(n, d, t)
    candidates = PENALTIES * n * pairs.x.var(axis=0).mean()
    axes = np.linalg.svd(pairs.y - pairs.y.mean(axis=0), full_matrices=False)[2][: n - 1]  # one a principal axis
    turned = toy_pairs(n, d, t, targets=lambda y: (y - y.mean(axis=0)) @ axes.T)
    errors = np.array([left_out_errors(turned, a) for a in candidates])
    if penalty == "shared":
        errors = np.repeat(errors.sum(axis=1, keepdims=True), errors.shape[1], axis=1)
    best = candidates[errors.argmin(axis=0)]
    assert len(set(best)) > 1 or penalty == "shared"
    fitted = RidgeRegression(penalty=penalty).fit(pairs)
    expected = linear_model.Ridge(best).fit(pairs.x, turned.y).predict(pairs.x) @ axes + pairs.y.mean(axis=0)
    np.testing.assert_allclose(fitted.predict(pairs.x), expected, atol=1e-8)
    B, b = fitted.affine()
    np.testing.assert_allclose(pairs.x @ B + b, expected, atol=1e-8)
    smallest = errors.min(axis=0).sum() / (errors.shape[1] if penalty == "shared" else 1)
    variance = sum(((y - y.mean(axis=0)) ** 2).sum() for y in (pairs.y[pairs.folds == f] for f in range(5)))
    assert fitted.tuning["error"] == pytest.approx(smallest / variance)


def test_the_prior_draws_all_penalties_to_the_shared_one(toy_pairs, monkeypatch):
    chosen = {}
    for n_prior in (0, 1e9):
        monkeypatch.setattr(penalties_module, "PRIOR_PAIRS", n_prior)
        chosen[n_prior] = RidgeRegression().fit(toy_pairs(40, 3, 5)).tuning["chosen"]["penalty"]
    shared = RidgeRegression(penalty="shared").fit(toy_pairs(40, 3, 5)).tuning["chosen"]["penalty"]
    assert chosen[1e9] == shared
    assert chosen[0]["min"] < shared["median"] < chosen[0]["max"]


def test_it_is_fitted_on_all_of_many_pairs(toy_pairs, monkeypatch):
    monkeypatch.setattr("jamie.regression.pairs.MOST_PAIRS", 30)
    pairs = toy_pairs(90, 4, 2)
    fitted = RidgeRegression(penalty="shared").fit(pairs)
    penalty = fitted.tuning["chosen"]["penalty"]["median"] * 30 * pairs.inputs.var(axis=0).mean()
    expected = linear_model.Ridge(penalty).fit(pairs.x, pairs.y).predict(pairs.x)
    np.testing.assert_allclose(fitted.predict(pairs.x), expected, atol=1e-8)
    assert len(fitted.out_of_fold) == len(pairs.left_out) == 30
