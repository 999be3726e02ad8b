import numpy as np
import pytest

from jamie.core.errors import DataError
from jamie.regression.folds import center_within_folds, make_folds
from jamie.regression.pairs import Clip, TrainingPairs
from jamie.regression.stack import REGRESSIONS


@pytest.mark.parametrize(("n", "expected"), [(6, [2, 2, 2]), (8, [2, 2, 2, 2]), (23, [4, 4, 5, 5, 5])])
def test_folds_have_two_pairs_at_least_and_nearly_one_size(n, expected):
    folds = make_folds(n, np.random.default_rng(0))
    assert sorted(np.bincount(folds)) == expected
    assert not np.array_equal(folds, np.sort(folds))


def test_values_are_centered_within_folds():
    values = np.array([[1.0], [3.0], [10.0], [20.0]])
    np.testing.assert_array_equal(center_within_folds(values, np.array([1, 1, 0, 0])), [[-1], [1], [-5], [5]])


def test_inputs_are_clipped_to_the_range_of_the_other_folds(toy_pairs):
    pairs = toy_pairs(30, 3, 2)
    for fold in range(5):
        inner, outer = pairs.x[pairs.folds != fold], pairs.folds == fold
        expected = np.clip(pairs.x[outer], inner.min(axis=0), inner.max(axis=0))
        np.testing.assert_array_equal(pairs.left_out_inputs[outer], expected)
    assert (pairs.left_out_inputs != pairs.inputs).any()


@pytest.mark.parametrize("name", REGRESSIONS)
def test_outlying_cells_are_clipped(name, toy_pairs):
    pairs = toy_pairs(40, 3, 2)
    fitted = REGRESSIONS[name]().fit(pairs)
    outlying = pairs.x[:5] * 100
    np.testing.assert_allclose(fitted.predict(outlying), fitted.predict(Clip.of(pairs.x)(outlying)))
    assert np.abs(fitted.predict(outlying)).max() < 10 * np.abs(pairs.y).max()


@pytest.mark.parametrize("name", [name for name in REGRESSIONS if name != "forest"])  # whose splits are often ties
def test_out_of_fold_is_what_the_chosen_settings_predict_without_the_fold(name, toy_pairs):
    """A pair's own target does not change what is predicted of it, once the settings are the same."""
    pairs = toy_pairs(40, 3, 2)
    before = REGRESSIONS[name]().fit(pairs)
    outer = pairs.folds == 2

    def shift(y):
        shifted = y.copy()
        shifted[outer] += 1e-5
        return shifted

    after = REGRESSIONS[name]().fit(toy_pairs(40, 3, 2, targets=shift))
    assert after.tuning["chosen"] == before.tuning["chosen"]
    np.testing.assert_allclose(after.out_of_fold[outer], before.out_of_fold[outer], atol=1e-6)


@pytest.mark.parametrize("name", REGRESSIONS)
@pytest.mark.parametrize(("n", "d", "t"), [(6, 2, 1), (8, 30, 2), (9, 3, 40)])
def test_few_pairs(name, n, d, t, toy_pairs):
    pairs = toy_pairs(n, d, t)
    fitted = REGRESSIONS[name]().fit(pairs)
    assert fitted.predict(pairs.x).shape == fitted.out_of_fold.shape == (n, t)
    assert np.isfinite(fitted.predict(pairs.x)).all()
    assert np.isfinite(fitted.out_of_fold).all()


@pytest.mark.parametrize("name", REGRESSIONS)
def test_constant_columns(name, toy_pairs):
    """One input and one target are constant; then all inputs are; then all targets are."""
    pairs = toy_pairs(30, 4, 3)
    x, y = pairs.x.copy(), pairs.y.copy()
    x[:, 1], y[:, 2] = 7, -4
    for inputs, targets in ((x, y), (np.ones_like(x), y), (x, np.ones_like(y))):
        found = REGRESSIONS[name]().fit(TrainingPairs.of(inputs, targets, np.random.default_rng(0))).predict(inputs)
        assert np.isfinite(found).all()
        constant = targets.std(axis=0) == 0
        np.testing.assert_allclose(found[:, constant], targets[:, constant], atol=1e-6)
    np.testing.assert_allclose(found, 1)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_pairs_of_a_negative_fold_are_never_left_out(name, toy_pairs):
    folds = np.repeat([0, 1, -1], 10)
    pairs = toy_pairs(30, 3, 2, folds=folds)
    assert REGRESSIONS[name]().fit(pairs).out_of_fold.shape == (20, 2)
    np.testing.assert_array_equal(pairs.left_out, np.arange(20))
    assert all((folds[inner] == -1).sum() == 10 for inner, _ in pairs.splits)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_settings_are_chosen_on_some_of_many_pairs(name, toy_pairs, monkeypatch):
    monkeypatch.setattr("jamie.regression.pairs.MOST_PAIRS", 40)
    pairs = toy_pairs(90, 3, 2)
    fitted = REGRESSIONS[name]().fit(pairs)
    assert len(pairs.left_out) == len(fitted.out_of_fold) == 40
    assert pairs.error_in_units(fitted.out_of_fold) == pytest.approx(fitted.tuning["error"])
    assert fitted.predict(pairs.x).shape == (90, 2)


def test_too_few_pairs_or_folds(toy_pairs):
    with pytest.raises(DataError, match="expected at least 6 pairs to cross-validate a regression on, found 5"):
        toy_pairs(5, 2, 2)
    with pytest.raises(DataError, match="expected at least two folds of the 10 pairs, found fewer"):
        toy_pairs(10, 2, 2, folds=np.repeat([0, -1], 5))
