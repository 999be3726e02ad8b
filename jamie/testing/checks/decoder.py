"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jamie.core.interfaces import Decoder
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal, require_finite, require_is, unmodified
from jamie.testing.networks import NetworkCase

SHAPE = (toy.N_LATENT, toy.N_FEATURES["rna"])
N_CELLS = toy.BATCH_SIZE["rna"]
OUT = (N_CELLS, toy.N_FEATURES["rna"])
SUPPORTS = {"real": constraints.real, "counts": constraints.nonnegative_integer, "binary": constraints.boolean}
N_SAMPLES = 2000


def check_gives_a_distribution_of_each_feature(component: type[Decoder]) -> None:
    """A torch Distribution whose mean is finite and (B, p), in training and for a single cell afterwards."""
    decoder = build(component, *SHAPE)
    mean = _decode(component, decoder, _z()).mean
    require_is(component, "the mean's shape", tuple(mean.shape), OUT)
    require_finite(component, "the mean", mean)
    single = _decode(component, decoder.eval(), _z()[:1]).mean
    require_is(component, "the mean's shape for one cell", tuple(single.shape), (1, OUT[1]))


def check_support_is_that_of_the_distribution(component: type[Decoder]) -> None:
    """`support` says what the distribution is over, so that the data can be checked before training."""
    names = ", ".join(SUPPORTS)
    require(component.support in SUPPORTS, component, "`support`", expected=f"one of {names}", found=component.support)
    found = _decode(component, build(component, *SHAPE), _z()).support
    expected = SUPPORTS[component.support]
    require(found is expected, component, "the distribution's support", expected=expected, found=found)


def check_likelihood_is_finite(component: type[Decoder]) -> None:
    """Samples have a finite log-likelihood, feature by feature, also for latents far from all cells."""
    for case, scale in (("", 1), (", far from all cells", 1000)):
        decoder, z = build(component, *SHAPE).eval(), scale * _z()
        distribution = _decode(component, decoder, z)
        sample = _samples(_decode(component, decoder, _z()))[0]
        likelihood = distribution.log_prob(sample)
        require_is(component, "log_prob of each feature", tuple(likelihood.shape), OUT)
        require_finite(component, f"the log-likelihood{case}", likelihood)
        likelihood.mean().backward()
        gradients = tuple(p.grad for p in decoder.parameters() if p.grad is not None)
        require(gradients, component, "the likelihood can be trained", expected="a gradient", found="none")
        require_finite(component, f"the gradient of the log-likelihood{case}", gradients)


def check_mean_and_variance_match_samples(component: type[Decoder]) -> None:
    """The imputed value is the mean: it agrees with many samples; the variance is not negative."""
    distribution = _decode(component, build(component, *SHAPE).eval(), _z())
    variance, samples = distribution.variance.detach(), _samples(distribution, N_SAMPLES)
    require_is(component, "the variance's shape", tuple(variance.shape), OUT)
    require(bool((variance >= 0).all()), component, "the variance", expected="none below 0", found=variance.min())
    off = (samples.mean(0) - distribution.mean.detach()).abs()
    near = bool((off <= 6 * (variance / N_SAMPLES).sqrt() + 1e-3).all())
    require(near, component, "the mean is that of many samples", expected="no more than chance apart", found=off.max())


def check_uses_size_factors_as_declared(component: type[Decoder]) -> None:
    """With `uses_size_factor` the mean grows with a cell's size factor, and without it does not depend on it."""
    decoder = build(component, *SHAPE).eval()
    single, double = (decoder(_z(), None, torch.full((N_CELLS, 1), v)).mean for v in (1.0, 2.0))
    require_equal(component, "no size factor is a size factor of 1", decoder(_z()).mean, single)
    factor = 2 if component.uses_size_factor else 1
    require_equal(component, f"a size factor of 2 multiplies the mean by {factor}", double, factor * single)


def check_gradient_reaches_latents_and_parameters(component: type[Decoder]) -> None:
    """The mean depends on the latents and on something that can be trained."""
    decoder, z = build(component, *SHAPE), _z().requires_grad_()
    _case(component).require_trainable(_decode(component, decoder, z).mean.square().sum(), decoder)
    reached = z.grad is not None and bool((z.grad.abs().sum() > 0).all())
    require(reached, component, "the gradient reaches the latents", expected="one that is not zero", found="none")


def check_is_deterministic_in_evaluation(component: type[Decoder]) -> None:
    """In evaluation mode a cell's distribution depends on that cell alone."""
    _case(component).require_deterministic()


def check_uses_covariates(component: type[Decoder]) -> None:
    """Built with covariates, the mean depends on them."""
    _case(component).require_covariates_used("mean")


def check_state_can_be_restored(component: type[Decoder]) -> None:
    """`state_dict` holds all that was learned."""
    _case(component).require_restorable()


def check_leaves_inputs_alone(component: type[Decoder]) -> None:
    """The latents are not modified."""
    z = _z()
    with unmodified(component, z=z):
        build(component, *SHAPE)(z, None, torch.ones(N_CELLS, 1))


def _case(component: type[Decoder]) -> NetworkCase:
    return NetworkCase(component, SHAPE, _z(), lambda decoder, z, covariates: decoder(z, covariates).mean)


def _samples(distribution: Distribution, n: int = 1) -> Tensor:
    """(n, B, p) from a fixed seed, without a change of torch's random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return distribution.sample(torch.Size([n]))


def _z() -> Tensor:
    return torch.randn(N_CELLS, toy.N_LATENT, generator=torch.Generator().manual_seed(6))


def _decode(component: type[Decoder], decoder: Decoder, z: Tensor) -> Distribution:
    distribution = decoder(z, None, torch.ones(len(z), 1))
    is_distribution = isinstance(distribution, Distribution)
    require(is_distribution, component, "forward", expected="a Distribution", found=type(distribution).__name__)
    return distribution
