"""Distributions against scipy's, what decoders multiply by what, and where they start."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from jamie.core.batch import Batch, PairBlocks
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.interfaces import Decoder
from jamie.losses.reconstruction import Likelihood, Reconstruction
from jamie.model.aggregators import NoAggregator
from jamie.model.build import start_decoders
from jamie.model.decoders.counts import (
    BernoulliDecoder,
    NegativeBinomialDecoder,
    PoissonDecoder,
    ZeroInflatedNegativeBinomialDecoder,
)
from jamie.model.decoders.distributions import ZeroInflatedNegativeBinomial, negative_binomial
from jamie.model.decoders.real import GaussianDecoder, LinearDecoder
from jamie.model.encoders import LinearEncoder
from jamie.model.joint_vae import JointVAE
from jamie.model.layers import SkipNetwork

COUNTS = np.arange(40)[:, None]
MEAN, THETA, GATE = np.array([0.05, 2.0, 30.0]), np.array([0.3, 5.0, 800.0]), np.array([-3.0, 0.0, 2.0])
COUNT_DECODERS = [NegativeBinomialDecoder, ZeroInflatedNegativeBinomialDecoder, PoissonDecoder]


def tensor(values):
    return torch.as_tensor(values, dtype=torch.float32)


def test_negative_binomial_is_scipys():
    found = negative_binomial(tensor(MEAN), tensor(THETA))
    expected = stats.nbinom(THETA, THETA / (THETA + MEAN))
    assert found.mean.numpy() == pytest.approx(expected.mean(), rel=1e-5)
    assert found.variance.numpy() == pytest.approx(expected.var(), rel=1e-4)
    assert found.log_prob(tensor(COUNTS)).numpy() == pytest.approx(expected.logpmf(COUNTS), rel=1e-3, abs=1e-3)


def test_zero_inflation_mixes_with_lost_counts():
    found = ZeroInflatedNegativeBinomial(tensor(MEAN), tensor(THETA), tensor(GATE))
    lost = 1 / (1 + np.exp(-GATE))
    counted = stats.nbinom(THETA, THETA / (THETA + MEAN))
    expected = np.log((1 - lost) * counted.pmf(COUNTS) + lost * (COUNTS == 0) + 1e-300)
    seen = expected > -60  # beyond, scipy's mass underflows
    assert found.log_prob(tensor(COUNTS)).numpy()[seen] == pytest.approx(expected[seen], rel=1e-3, abs=1e-3)
    mass = np.exp(found.log_prob(tensor(np.arange(3000)[:, None])).double().numpy())
    mean = (mass * np.arange(3000)[:, None]).sum(0)
    assert mass.sum(0) == pytest.approx(1, abs=1e-3)
    assert found.mean.numpy() == pytest.approx(mean, rel=1e-3)
    assert found.variance.numpy() == pytest.approx((mass * (np.arange(3000)[:, None] - mean) ** 2).sum(0), rel=3e-3)


def test_zero_inflated_counts_are_drawn_as_they_are_weighed():
    torch.manual_seed(0)
    found = ZeroInflatedNegativeBinomial(tensor(MEAN), tensor(THETA), tensor(GATE)).expand((2, 3))
    drawn = found.sample((20_000,))
    assert drawn.shape == (20_000, 2, 3)
    zero = found.log_prob(torch.zeros(2, 3)).exp()
    assert (drawn == 0).float().mean(0).numpy() == pytest.approx(zero.numpy(), abs=0.02)
    assert drawn.mean(0).numpy() == pytest.approx(found.mean.numpy(), rel=0.1)


def test_zero_inflation_checks_what_it_is_given_if_asked_to():
    good = ZeroInflatedNegativeBinomial(tensor(MEAN), tensor(THETA), tensor(GATE), validate_args=True)
    with pytest.raises(ValueError, match="within the support"):
        good.log_prob(tensor([0.5, 1, 1]))
    with pytest.raises(ValueError, match="parameter mu"):
        ZeroInflatedNegativeBinomial(tensor(-MEAN), tensor(THETA), tensor(GATE), validate_args=True)


@pytest.mark.parametrize("cls", COUNT_DECODERS)
def test_expected_counts_of_a_cell_add_up_to_its_share_of_the_median_total(cls):
    decoder = cls(3, 5).eval()
    decoder.initialize_output(tensor([1, 2, 3, 4, 90]), tensor([2, 3, 4, 9, 900]))
    size_factor = tensor([[0.5], [1.0], [4.0]])
    distribution = decoder(torch.randn(3, 3), None, size_factor)
    mean = getattr(distribution, "mu", distribution.mean).detach()
    assert mean.sum(1).numpy() == pytest.approx([50, 100, 400], rel=1e-4)
    empty = decoder(torch.randn(3, 3), None, torch.zeros(3, 1))
    assert torch.isfinite(empty.log_prob(torch.zeros(3, 5))).all()


@pytest.mark.parametrize("cls", [GaussianDecoder, BernoulliDecoder, *COUNT_DECODERS])
def test_decoders_start_at_mean_and_variance(cls):
    """With no weight on what the latents say, the distribution is the one fitted to the moments."""
    mean, variance = tensor([0.2, 0.5, 0.7]), tensor([0.3, 1.0, 1.2])
    decoder = cls(2, 3, widths=[4]).eval()
    decoder.initialize_output(mean, variance)
    network = next(part for part in decoder.modules() if isinstance(part, SkipNetwork))
    torch.nn.init.zeros_(network.linear.weight)
    found = decoder(torch.randn(1, 2))
    assert getattr(found, "mu", found.mean)[0].detach().numpy() == pytest.approx(mean.numpy(), rel=1e-4)
    if cls in (GaussianDecoder, NegativeBinomialDecoder):
        assert found.variance[0].detach().numpy() == pytest.approx(variance.numpy(), rel=1e-3)


def test_moments_are_those_of_counts_at_the_median_depth():
    torch.manual_seed(0)
    encoders = {m: LinearEncoder(4, 2) for m in "ab"}
    decoders: dict[str, Decoder] = {"a": PoissonDecoder(2, 3), "b": LinearDecoder(2, 4)}
    before = decoders["b"].mean.bias.detach().clone()
    network = JointVAE(encoders, decoders, NoAggregator("ab", 2), 2, {"a": 3, "b": 4})
    targets = {"a": np.array([[1, 2, 3], [6, 8, 10], [9, 0, 0]], np.float32), "b": np.ones((3, 4), np.float32)}
    views = {m: SimpleNamespace(n_cells=3) for m in "ab"}
    depth = {"a": np.array([[1], [2], [1]], np.float32)}
    cells = Cells(views, targets, Correspondences({"a": 3, "b": 3}), size_factor=depth)
    start_decoders(network, cells, {"a": np.array([0, 1]), "b": np.array([0, 1])})
    assert targets["a"][1, 2] == 10
    assert decoders["a"].log_total.exp().item() == pytest.approx(9, rel=1e-5)
    assert decoders["a"].network.linear.bias.softmax(0).detach().numpy() == pytest.approx(np.array([2, 3, 4]) / 9)
    assert torch.equal(decoders["b"].mean.bias, before)


def test_a_gaussian_of_fixed_variance_has_the_gradient_of_half_the_squared_error():
    torch.manual_seed(0)
    encoders = {m: LinearEncoder(4, 2) for m in "ab"}
    decoders = {m: GaussianDecoder(2, 4, learn_variance=False) for m in "ab"}
    network = JointVAE(encoders, decoders, NoAggregator("ab", 2), 2, {"a": 4, "b": 4}).eval()
    x = {m: torch.randn(6, 4) for m in "ab"}
    batch = Batch(x, x, PairBlocks())
    parameters = [p for p in network.parameters() if p.requires_grad]
    losses = (Likelihood()(batch, network(batch)), Reconstruction()(batch, network(batch)))
    assert losses[0].item() == pytest.approx(0.5 * losses[1].item() + np.log(2 * np.pi), rel=1e-5)
    gradients = [torch.autograd.grad(loss, parameters, allow_unused=True) for loss in losses]
    for of_likelihood, of_error in zip(*gradients, strict=True):
        assert (of_likelihood is None) == (of_error is None)
        if of_error is not None:
            torch.testing.assert_close(of_likelihood, 0.5 * of_error)


def test_a_gaussian_learns_the_variance_that_is_left():
    torch.manual_seed(0)
    decoder, x = GaussianDecoder(1, 2, widths=[1]), torch.randn(500, 2) * tensor([0.5, 3.0])
    optimizer = torch.optim.Adam([decoder.log_variance, decoder.mean.linear.bias], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (-decoder.eval()(torch.zeros(500, 1)).log_prob(x).mean()).backward()
        optimizer.step()
    assert decoder.log_variance.exp().detach().numpy() == pytest.approx(x.var(0).numpy(), rel=0.02)
