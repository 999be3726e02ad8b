"""Intervals hold what they say, on noise whose quantiles are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from jamie.core.lazy_rows import LazyRows
from jamie.trust import fit_calibration as module
from jamie.trust.calibration import Calibration
from jamie.trust.fit_calibration import calibrate, support_of

EVERYWHERE = (-np.inf, np.inf)


def gaussian(n, sd, seed=0):
    """Predictions (n, p), and values that deviate from them by noise of standard deviations `sd` (p,)."""
    rng = np.random.default_rng(seed)
    predicted = rng.normal(size=(n, len(sd)))
    return predicted, predicted + sd * rng.normal(size=predicted.shape)


def covered(calibration, predicted, measured):
    lower, upper = calibration.intervals(predicted)
    return ((measured >= lower) & (measured <= upper)).mean(axis=0)


def test_gaussian_noise_gives_the_normal_quantiles():
    sd = np.array([0.1, 1.0, 50.0])
    found = calibrate(*gaussian(20_000, sd))
    query, truth = gaussian(50_000, sd, seed=1)
    lower, upper = found.intervals(query)
    np.testing.assert_allclose((upper - lower).mean(axis=0), 2 * stats.norm.ppf(0.95) * sd, rtol=0.02)
    np.testing.assert_allclose(found.sd(query).mean(axis=0), sd, rtol=0.02)
    # of the calibration and of the query together
    error = np.sqrt(0.9 * 0.1 * (1 / 20_000 + 1 / 50_000))
    np.testing.assert_allclose(covered(found, query, truth), 0.9, atol=4 * error)


@pytest.mark.parametrize(("n", "expected"), [(9, 9 / 10), (14, 14 / 15), (18, 18 / 19)])
def test_few_cells_cover_as_often_as_their_number_says(n, expected):
    """Absolute residuals, one of them outside: n / (n + 1), less what it costs to estimate their expected size."""
    sd = np.ones(4000)
    found = calibrate(*gaussian(n, sd))
    mean = covered(found, *gaussian(50, sd, seed=1)).mean()
    assert expected - 0.02 < mean < expected


@pytest.mark.parametrize("n", [40, 99, 400])
def test_mean_coverage_is_near_the_level(n):
    sd = np.ones(1500)
    mean = covered(calibrate(*gaussian(n, sd)), *gaussian(200, sd, seed=1)).mean()
    assert 0.88 < mean < 0.91


def test_skewed_noise_gives_the_shortest_interval():
    """Of exponential noise that is from 0 to the quantile: log(10), where equal tails would take log(19)."""
    rng = np.random.default_rng(0)
    predicted = rng.normal(size=(20_000, 2))
    found = calibrate(predicted, predicted + rng.exponential(size=predicted.shape))
    lower, upper = found.intervals(predicted)
    np.testing.assert_allclose((upper - lower).mean(axis=0), np.log(10), rtol=0.03)


def test_intervals_are_wide_where_residuals_are_large():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 5, size=(6000, 2))
    measured = predicted + predicted * rng.normal(size=predicted.shape)
    found = calibrate(predicted[:3000], measured[:3000])
    x, y = predicted[3000:], measured[3000:]
    lower, upper = found.intervals(x)
    inside = (y >= lower) & (y <= upper)
    for part in (x < 2, x > 4):
        assert inside[part].mean() == pytest.approx(0.9, abs=0.03)
    np.testing.assert_allclose(found.sd(x), x, rtol=0.1)


def test_counts_never_get_a_negative_bound():
    rng = np.random.default_rng(0)
    rate = np.exp(rng.normal(size=(800, 1)) + np.log([0.01, 1.0, 20.0]))
    counts = rng.poisson(rate).astype(np.float32)
    support = support_of(sparse.csr_array(counts))
    assert support == (0, np.inf)
    predicted = rate + 0.1 * rng.normal(size=rate.shape)
    found = calibrate(predicted[:400], sparse.csr_array(counts[:400]), support=support)
    lower, upper = found.intervals(predicted[400:])
    assert lower.min() == 0
    assert (upper >= lower).all()
    assert covered(found, predicted[400:], counts[400:]).min() > 0.85


def test_where_nearly_all_values_are_one_more_are_covered():
    """An interval holds it or does not."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.02, size=(2000, 1)).astype(np.float32)
    predicted = np.full(counts.shape, 0.02)
    found = calibrate(predicted, counts, support=(0, np.inf))
    assert covered(found, predicted, counts)[0] == (counts == 0).mean()
    assert found.intervals(predicted)[1].max() == 0


def test_a_feature_that_is_always_predicted_right_needs_no_interval():
    predicted = np.full((30, 2), 7.0)
    found = calibrate(predicted, predicted.copy())
    lower, upper = found.intervals(predicted)
    np.testing.assert_allclose([lower, upper], 7, rtol=1e-6)
    np.testing.assert_allclose(found.sd(predicted), 0, atol=1e-6)
    assert np.isnan(found.imputability).all()


def test_too_few_cells_bound_nothing_but_the_support_does():
    predicted, measured = gaussian(5, np.ones(3))
    lower, upper = calibrate(predicted, measured).intervals(predicted)
    assert (lower == -np.inf).all()
    assert (upper == np.inf).all()
    lower, upper = calibrate(predicted, measured, support=(0, 1)).intervals(predicted)
    assert (lower == 0).all()
    assert (upper == 1).all()


def test_values_that_were_not_measured_do_not_count():
    predicted, measured = gaussian(200, np.array([1.0, 2.0, 3.0]))
    measured[50:, 1] = np.nan
    measured[:, 2] = np.nan
    found = calibrate(predicted, measured)
    alone = calibrate(predicted[:50, [1]], measured[:50, [1]])
    assert found.n.tolist() == [200, 50, 0]
    for name in ("center", "scale", "slope", "lower", "upper", "noise", "imputability"):
        np.testing.assert_allclose(getattr(found, name)[[1]], getattr(alone, name), rtol=1e-6, err_msg=name)
    assert np.isinf(found.intervals(predicted)[1][:, 2]).all()


def test_variances_of_predictions_and_noise_add_up():
    """The deviations of the members are part of the residuals; the rest of these is noise."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20_000, 3))
    spread = np.array([0.0, 0.5, 2.0])
    predicted = truth + np.sqrt(spread) * rng.normal(size=truth.shape)
    measured = truth + rng.normal(size=truth.shape)
    # the last is said to vary more than all that there is
    variance = np.broadcast_to([0.0, 0.5, 30.0], truth.shape)
    found = calibrate(predicted, measured, variance=variance)
    np.testing.assert_allclose(found.share, [1, 1, 3 / 30], rtol=0.05)
    total = (found.sd(predicted, variance) ** 2).mean(axis=0)
    np.testing.assert_allclose(total, 1 + spread, rtol=0.05)
    np.testing.assert_allclose((found.sd(predicted) ** 2).mean(axis=0), [1, 1, 0], atol=0.05)


def test_imputability_is_the_correlation():
    predicted, measured = gaussian(60, np.array([0.1, 1.0, 10.0]))
    predicted[:, 2] = 4
    expected = [stats.pearsonr(predicted[:, j], measured[:, j]).statistic for j in (0, 1)]
    np.testing.assert_allclose(calibrate(predicted, measured).imputability, [*expected, 0], rtol=1e-5)


def test_blocks_of_features_change_nothing(monkeypatch):
    predicted, measured = gaussian(50, np.arange(1.0, 8))
    whole = calibrate(predicted, measured, support=EVERYWHERE)
    monkeypatch.setattr(module, "_ENTRIES", 100)
    parts = calibrate(predicted, sparse.csr_array(measured))
    for name, values in whole.state().items():
        np.testing.assert_array_equal(parts.state()[name], values, err_msg=name)


def test_state_and_subset():
    predicted, measured = gaussian(50, np.arange(1.0, 8))
    found = calibrate(predicted, measured, level=0.8, support=(0, np.inf))
    restored = Calibration.from_state(found.state())
    assert (restored.level, restored.support) == (0.8, (0, np.inf))
    np.testing.assert_array_equal(restored.intervals(predicted), found.intervals(predicted))
    some = np.array([5, 0])
    for a, b in zip(found.subset(some).intervals(predicted[:, some]), found.intervals(predicted), strict=True):
        np.testing.assert_array_equal(a, b[:, some])


def lazily(X):
    """Cells of which the last is left out."""
    return LazyRows(sparse.csr_array(np.vstack([X, -X[:1]])), pd.DataFrame(index=range(3)), np.arange(2))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, lazily])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 1], [1, 0]], (0, 1)),
        ([[0, 1], [0.5, 0]], (0, np.inf)),
        ([[0, 3], [1, np.nan]], (0, np.inf)),
        ([[0, 3], [-1, 0]], EVERYWHERE),
    ],
)
def test_support_is_that_of_the_whole_block(form, values, expected):
    assert support_of(form(np.array(values, np.float32))) == expected
