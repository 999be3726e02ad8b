import numpy as np
import pytest
from scipy.optimize import minimize

from jamie.regression import stack as module
from jamie.regression.stack import REGRESSIONS, RegressionStack, stack_weights


def predictions_of(y, generator):
    """A good one, a worse one, and one that says the opposite; their means in each fold say nothing."""
    noise = generator.normal(size=(3, *y.shape))
    return [y + 0.5 * noise[0], y + noise[1], -y + noise[2]]


def weights_by_search(predictions, y, folds, n_prior):
    from jamie.regression.folds import center_within_folds

    P, y = [center_within_folds(p, folds) for p in predictions], center_within_folds(y, folds)
    size = np.mean([(p**2).sum() for p in P])

    def loss(w):
        residual = y - sum(a * p for a, p in zip(w, P, strict=True))
        return (residual**2).sum() + n_prior / len(y) * size * ((w - 1 / len(w)) ** 2).sum()

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000}
    return minimize(loss, np.full(len(P), 0.3), bounds=[(0, None)] * len(P), method="L-BFGS-B", options=options).x


@pytest.mark.parametrize("n_prior", [0, 100, 1e6])
def test_weights_are_the_optimum(n_prior, monkeypatch):
    monkeypatch.setattr(module, "PRIOR_PAIRS", n_prior)
    generator = np.random.default_rng(0)
    y, folds = generator.normal(size=(50, 4)), np.arange(50) % 5
    predictions = predictions_of(y, generator)
    found = stack_weights(predictions, y, folds)
    np.testing.assert_allclose(found, weights_by_search(predictions, y, folds, n_prior), atol=1e-4)
    if n_prior == 0:
        assert found[0] > found[1] > 0
        assert found[2] == 0
    if n_prior == 1e6:
        np.testing.assert_allclose(found, 1 / 3, atol=1e-3)


def test_means_of_folds_do_not_count():
    generator = np.random.default_rng(0)
    y, folds = generator.normal(size=(50, 4)), np.arange(50) % 5
    predictions = predictions_of(y, generator)
    shifted = [p + 10 * generator.normal(size=(5, 4))[folds] for p in predictions]
    np.testing.assert_allclose(stack_weights(shifted, y + folds[:, None], folds), stack_weights(predictions, y, folds))


def test_predictions_that_say_nothing_get_equal_weights():
    assert stack_weights([np.zeros((6, 1))] * 4, np.ones((6, 1)), np.arange(6) % 3).tolist() == [0.25] * 4


def test_a_stack_is_the_weighted_sum_of_its_members(toy_pairs):
    pairs = toy_pairs(60, 3, 4)
    fitted = RegressionStack(members=["ridge", "knn", "pls"]).fit(pairs)
    mean = pairs.y.mean(axis=0)
    alone = [REGRESSIONS[name]().fit(pairs) for name in ("ridge", "knn", "pls")]
    expected = mean + sum(w * (m.predict(pairs.x) - mean) for w, m in zip(fitted.weights, alone, strict=True))
    np.testing.assert_allclose(fitted.predict(pairs.x), expected)
    assert list(fitted.tuning["weights"]) == ["ridge", "knn", "pls"]
    assert fitted.tuning["error"] <= min(m.tuning["error"] for m in alone) + 0.02
    assert fitted.tuning["members"]["pls"] == alone[2].tuning
