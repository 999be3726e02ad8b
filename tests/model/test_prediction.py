import numpy as np

from jamie.model.prediction import running_variance


def test_variance_equals_numpy_even_where_the_mean_is_large():
    draws = (1000 + np.random.default_rng(0).normal(size=(8, 5, 3))).astype(np.float32)
    before = draws.copy()
    np.testing.assert_allclose(running_variance(iter(draws)), draws.astype(np.float64).var(axis=0), rtol=1e-3)
    np.testing.assert_array_equal(draws, before)


def test_a_single_sample_has_no_variance():
    assert running_variance([np.zeros((2, 2), np.float32)]) is None
