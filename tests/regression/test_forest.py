import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from jamie.regression import forest
from jamie.regression.forest import ForestRegression


def test_a_step_is_found_and_settings_are_the_best_of_the_candidates(toy_pairs):
    pairs = toy_pairs(200, 4, 2, targets=lambda y: np.where(y > np.median(y, axis=0), 1.0, 0.0))
    fitted = ForestRegression(n_trees=30).fit(pairs)
    assert fitted.tuning["chosen"]["min_leaf"] in fitted.tuning["candidates"]["min_leaf"]
    residual = pairs.y - fitted.out_of_fold
    assert fitted.tuning["error"] == pytest.approx(pairs.error_in_units(fitted.out_of_fold))
    assert (residual**2).mean() < 0.75 * pairs.y.var()


def test_out_of_fold_is_that_of_trees_without_the_fold(toy_pairs):
    pairs = toy_pairs(60, 4, 1)
    fitted = ForestRegression(n_trees=7).fit(pairs)
    chosen, seed = fitted.tuning["chosen"], int(pairs.generator("forest").integers(2**31))
    for inner, outer in pairs.splits:
        x, query = pairs.inputs @ fitted.input_axes, pairs.left_out_inputs[outer] @ fitted.input_axes
        trees = ExtraTreesRegressor(
            4, min_samples_leaf=chosen["min_leaf"], max_features=chosen["max_features"], random_state=seed
        )
        expected = trees.fit(x[inner], pairs.targets[inner, 0]).predict(query)
        np.testing.assert_allclose(pairs.along_axes(fitted.out_of_fold[outer])[:, 0], expected)


def test_targets_beyond_the_leading_axes_are_imputed_by_their_mean(toy_pairs, monkeypatch):
    monkeypatch.setattr(forest, "MOST_TARGETS", 1)
    pairs = toy_pairs(40, 3, 4)
    imputed = ForestRegression(n_trees=5).fit(pairs).predict(pairs.x) - pairs.y.mean(axis=0)
    assert np.linalg.matrix_rank(imputed, tol=1e-8) == 1
    np.testing.assert_allclose(imputed @ pairs.axes[:, 1:], 0, atol=1e-8)


def test_the_same_pairs_give_the_same_trees(toy_pairs):
    first, second = (ForestRegression(n_trees=5).fit(toy_pairs(40, 3, 4)) for _ in range(2))
    np.testing.assert_array_equal(first.predict(first.clip.low[None]), second.predict(first.clip.low[None]))
