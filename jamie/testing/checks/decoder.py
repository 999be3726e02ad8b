"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jamie.core.interfaces import Decoder
from jamie.testing import toy
from jamie.testing.assertions import require, require_equal, require_finite, require_is, unmodified
from jamie.testing.checks.network import N_CELLS, build_network, inputs, require_trainable

OUT = (N_CELLS, toy.N_FEATURES["rna"])
SUPPORTS = {"real": constraints.real, "counts": constraints.nonnegative_integer, "binary": constraints.boolean}
N_SAMPLES = 2000


def check_gives_a_distribution_of_each_feature(component: type[Decoder]) -> None:
    """A torch Distribution whose mean is finite and (B, p), in training and for a single cell afterwards."""
    decoder = build_network(component)
    mean = _decode(component, decoder, inputs(component)).mean
    require_is(component, "the mean's shape", tuple(mean.shape), OUT)
    require_finite(component, "the mean", mean)
    single = _decode(component, decoder.eval(), inputs(component)[:1]).mean
    require_is(component, "the mean's shape for one cell", tuple(single.shape), (1, OUT[1]))


def check_support_is_that_of_the_distribution(component: type[Decoder]) -> None:
    """`support` says what the distribution is over, so that the data can be checked before training."""
    names = ", ".join(SUPPORTS)
    require(component.support in SUPPORTS, component, "`support`", expected=f"one of {names}", found=component.support)
    found = _decode(component, build_network(component), inputs(component)).support
    expected = SUPPORTS[component.support]
    require(found is expected, component, "the distribution's support", expected=expected, found=found)


def check_likelihood_is_finite(component: type[Decoder]) -> None:
    """Samples have a finite log-likelihood, feature by feature, also for latents far from all cells."""
    for case, scale in (("", 1), (", far from all cells", 1000)):
        decoder, z = build_network(component).eval(), scale * inputs(component)
        distribution = _decode(component, decoder, z)
        sample = _samples(_decode(component, decoder, inputs(component)))[0]
        likelihood = distribution.log_prob(sample)
        require_is(component, "log_prob of each feature", tuple(likelihood.shape), OUT)
        require_finite(component, f"the log-likelihood{case}", likelihood)
        likelihood.mean().backward()
        gradients = tuple(p.grad for p in decoder.parameters() if p.grad is not None)
        require(gradients, component, "the likelihood can be trained", expected="a gradient", found="none")
        require_finite(component, f"the gradient of the log-likelihood{case}", gradients)


def check_mean_and_variance_match_samples(component: type[Decoder]) -> None:
    """The imputed value is the mean: it agrees with many samples; the variance is not negative."""
    distribution = _decode(component, build_network(component).eval(), inputs(component))
    variance, samples = distribution.variance.detach(), _samples(distribution, N_SAMPLES)
    require_is(component, "the variance's shape", tuple(variance.shape), OUT)
    require(bool((variance >= 0).all()), component, "the variance", expected="none below 0", found=variance.min())
    off = (samples.mean(0) - distribution.mean.detach()).abs()
    near = bool((off <= 6 * (variance / N_SAMPLES).sqrt() + 1e-3).all())
    require(near, component, "the mean is that of many samples", expected="no more than chance apart", found=off.max())


def check_uses_size_factors_as_declared(component: type[Decoder]) -> None:
    """With `uses_size_factor` the mean grows with a cell's size factor, and without it does not depend on it."""
    decoder = build_network(component).eval()
    single, double = (decoder(inputs(component), None, torch.full((N_CELLS, 1), v)).mean for v in (1.0, 2.0))
    require_equal(component, "no size factor is a size factor of 1", decoder(inputs(component)).mean, single)
    factor = 2 if component.uses_size_factor else 1
    require_equal(component, f"a size factor of 2 multiplies the mean by {factor}", double, factor * single)


def check_gradient_reaches_latents_and_parameters(component: type[Decoder]) -> None:
    """The mean depends on the latents and on something that can be trained."""
    decoder, z = build_network(component), inputs(component).requires_grad_()
    require_trainable(component, _decode(component, decoder, z).mean.square().sum(), decoder)
    reached = z.grad is not None and bool((z.grad.abs().sum() > 0).all())
    require(reached, component, "the gradient reaches the latents", expected="one that is not zero", found="none")


def check_leaves_inputs_alone(component: type[Decoder]) -> None:
    """The latents are not modified."""
    z = inputs(component)
    with unmodified(component, z=z):
        build_network(component)(z, None, torch.ones(N_CELLS, 1))


def _samples(distribution: Distribution, n: int = 1) -> Tensor:
    """(n, B, p) from a fixed seed, without a change of torch's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return distribution.sample(torch.Size([n]))


def _decode(component: type[Decoder], decoder: Decoder, z: Tensor) -> Distribution:
    distribution = decoder(z, None, torch.ones(len(z), 1))
    is_distribution = isinstance(distribution, Distribution)
    require(is_distribution, component, "forward", expected="a Distribution", found=type(distribution).__name__)
    return distribution
