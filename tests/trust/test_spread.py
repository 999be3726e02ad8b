import numpy as np

from jamie.trust.spread import variance_of


def test_variance_equals_numpy_even_where_the_mean_is_large():
    draws = (1000 + np.random.default_rng(0).normal(size=(8, 5, 3))).astype(np.float32)
    before = draws.copy()
    np.testing.assert_allclose(variance_of(iter(draws)), draws.astype(np.float64).var(axis=0), rtol=1e-3)
    np.testing.assert_array_equal(draws, before)


def test_one_prediction_has_no_variance():
    assert variance_of([np.zeros((2, 2), np.float32)]) is None
