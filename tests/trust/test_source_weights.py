"""Weights of values imputed from several modalities: closed forms, and what they may not do."""

import numpy as np
import pytest

from jamie.trust.fit_calibration import calibrate
from jamie.trust.source_weights import SourceWeights, fit_weights

N = 20_000
GENERATOR = np.random.default_rng(0)


def normal(sd=1.0, n=N, t=2):
    return GENERATOR.normal(size=(n, t)) * sd


def test_noisy_copies_are_weighed_by_their_precision():
    truth = normal()
    sources = [truth + normal(0.5), truth + normal(1.0)]
    # the posterior mean of a standard normal value: precisions 4 and 1 over the sum of all, the prior's 1 among them
    np.testing.assert_allclose(fit_weights(sources, truth).weights, [4 / 6, 1 / 6], atol=0.01)


def test_sources_that_know_different_parts_add_up():
    a, b = normal(), normal()
    found = fit_weights([a + 3, b + 3], a + b + 3)
    np.testing.assert_allclose(found.weights, [1, 1], atol=0.01)
    np.testing.assert_allclose(found.combine([a[:5] + 3, b[:5] + 3]), (a + b + 3)[:5], atol=0.15)


def test_a_source_that_adds_nothing_gets_nothing():
    truth = normal()
    good = truth + normal(0.5)
    weights = fit_weights([good, good + normal(2.0)], truth).weights
    np.testing.assert_allclose(weights, [0.8, 0], atol=0.02)
    assert weights[1] >= 0


def test_equal_weights_count_as_three_cells():
    truth = normal(n=5, t=3)
    sources = [truth + normal(0.5, 5, 3), truth + normal(0.5, 5, 3)]
    deviations = [source - truth.mean(axis=0) for source in sources]
    products = np.array([[(a * b).sum() for b in deviations] for a in deviations])
    prior = 3 / 5 * np.trace(products) / 2
    moments = [(a * (truth - truth.mean(axis=0))).sum() + prior / 2 for a in deviations]
    expected = np.linalg.solve(products + prior * np.eye(2), moments)
    assert (expected > 0).all()
    np.testing.assert_allclose(fit_weights(sources, truth).weights, expected, rtol=1e-5)


def test_weights_may_be_kept_from_leaving_the_range_of_the_sources():
    a, b = normal(), normal()
    found = fit_weights([a, b], a + b, at_most=1)
    np.testing.assert_allclose(found.weights, [0.5, 0.5], atol=0.01)
    values = found.combine([np.full((3, 2), 4.0), np.full((3, 2), 4.0)])
    np.testing.assert_allclose(values, 4, rtol=1e-5)


def test_equal_weights_are_the_mean():
    values = SourceWeights.equal(2, 3).combine([np.ones((4, 3)), np.full((4, 3), 3.0)])
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, 2)


@pytest.mark.parametrize("calibrated", [True, False])
def test_state_restores_it(calibrated):
    truth = normal(n=40)
    calibration = calibrate(truth, truth.astype(np.float32)) if calibrated else None
    found = fit_weights([truth, truth], truth)
    found = SourceWeights(found.weights, found.center, found.n_cells, calibration)
    again = SourceWeights.from_state(found.state())
    assert again.n_cells == 40
    assert (again.calibration is not None) == calibrated
    for name, values in found.state().items():
        np.testing.assert_array_equal(again.state()[name], values, err_msg=name)
