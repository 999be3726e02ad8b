import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from jamie.methods.tsne_loss import affinities, divergence


@pytest.fixture
def cloud():
    return np.random.default_rng(0).normal(size=(40, 3))


def test_affinities_equal_scikit_learns(cloud):
    from sklearn.manifold._t_sne import _joint_probabilities

    expected = squareform(_joint_probabilities(squareform(pdist(cloud, "sqeuclidean")).astype(np.float32), 8.0, 0))
    np.testing.assert_allclose(affinities(cloud, 8.0).numpy(), expected, atol=2e-6)


def test_affinities_do_not_depend_on_the_scale_and_survive_duplicates(cloud):
    np.testing.assert_allclose(affinities(1e3 * cloud, 8.0), affinities(cloud, 8.0), atol=1e-8)
    twice = affinities(np.vstack([cloud, cloud]), 8.0)
    assert torch.isfinite(twice).all()
    assert float(twice.sum()) == pytest.approx(1, abs=1e-5)


def test_divergence_and_its_gradient_equal_scikit_learns(cloud):
    from sklearn.manifold._t_sne import _kl_divergence

    P = affinities(cloud, 8.0)
    Y = torch.tensor(np.random.default_rng(1).normal(size=(40, 2)), requires_grad=True)
    value = divergence(P.double(), Y)
    value.backward()
    condensed = squareform(P.double().numpy(), checks=False)
    expected, gradient = _kl_divergence(Y.detach().numpy().ravel(), condensed, 1, 40, 2)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(Y.grad.numpy().ravel(), gradient, atol=1e-6)
