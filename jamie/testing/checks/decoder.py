"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from jamie.core.interfaces import Decoder
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified

SHAPE = (toy.N_LATENT, toy.N_FEATURES["rna"])
N_CELLS = toy.BATCH_SIZE["rna"]
OUT = (N_CELLS, toy.N_FEATURES["rna"])
SUPPORTS = {"real": constraints.real, "counts": constraints.nonnegative_integer, "binary": constraints.boolean}
N_DRAWN = 2000


def check_gives_a_distribution_of_each_feature(component: type[Decoder]) -> None:
    """A torch Distribution whose mean is finite and (B, p), in training and for a single cell afterwards."""
    decoder = build(component, *SHAPE)
    mean = _decode(component, decoder, _z()).mean
    require(mean.shape == OUT, component, "the mean's shape", expected=OUT, found=tuple(mean.shape))
    require_finite(component, "the mean", mean)
    one = _decode(component, decoder.eval(), _z()[:1]).mean
    require(one.shape == (1, OUT[1]), component, "the mean's shape for one cell", expected=(1, OUT[1]), found=one.shape)


def check_support_is_that_of_the_distribution(component: type[Decoder]) -> None:
    """`support` says what the distribution is over, so that the data can be checked before training."""
    names = ", ".join(SUPPORTS)
    require(component.support in SUPPORTS, component, "`support`", expected=f"one of {names}", found=component.support)
    expected = SUPPORTS[component.support]
    found = _decode(component, build(component, *SHAPE), _z()).support
    require(found is expected, component, "the distribution's support", expected=expected, found=found)


def check_likelihood_is_finite(component: type[Decoder]) -> None:
    """What the distribution draws has a finite log-likelihood, feature by feature; far from all cells, too."""
    for case, scale in (("", 1), (", far from all cells", 1000)):
        decoder, z = build(component, *SHAPE).eval(), scale * _z()
        distribution = _decode(component, decoder, z)
        drawn = _drawn(_decode(component, decoder, _z()))[0]
        likelihood = distribution.log_prob(drawn)
        require(likelihood.shape == OUT, component, "log_prob of each feature", expected=OUT, found=likelihood.shape)
        require_finite(component, f"the log-likelihood{case}", likelihood)
        likelihood.mean().backward()
        gradients = [p.grad for p in decoder.parameters() if p.grad is not None]
        require(gradients, component, "the likelihood can be trained", expected="a gradient", found="none")
        for gradient in gradients:
            require_finite(component, f"the gradient of the log-likelihood{case}", gradient)


def check_mean_and_variance_are_those_of_what_it_draws(component: type[Decoder]) -> None:
    """The imputed value is the mean: it agrees with many draws; the variance is not negative."""
    distribution = _decode(component, build(component, *SHAPE).eval(), _z())
    variance, drawn = distribution.variance.detach(), _drawn(distribution, N_DRAWN)
    require(variance.shape == OUT, component, "the variance's shape", expected=OUT, found=tuple(variance.shape))
    require(bool((variance >= 0).all()), component, "the variance", expected="none below 0", found=variance.min())
    off = (drawn.mean(0) - distribution.mean.detach()).abs()
    near = bool((off <= 6 * (variance / N_DRAWN).sqrt() + 1e-3).all())
    require(near, component, "the mean is that of many draws", expected="no more than chance apart", found=off.max())


def check_uses_size_factors_as_it_says(component: type[Decoder]) -> None:
    """With `uses_size_factor` the mean grows with a cell's size factor, and without it does not depend on it."""
    decoder = build(component, *SHAPE).eval()
    one, two = (decoder(_z(), None, torch.full((N_CELLS, 1), v)).mean for v in (1.0, 2.0))
    require_equal(component, "no size factor is a size factor of 1", decoder(_z()).mean, one)
    factor = 2 if component.uses_size_factor else 1
    require_equal(component, f"a size factor of 2 multiplies the mean by {factor}", two, factor * one)


def check_gradient_reaches_latents_and_parameters(component: type[Decoder]) -> None:
    """The mean depends on the latents and on something that can be trained."""
    decoder, z = build(component, *SHAPE), _z().requires_grad_()
    _decode(component, decoder, z).mean.square().sum().backward()
    reached = z.grad is not None and bool((z.grad.abs().sum() > 0).all())
    require(reached, component, "the gradient reaches the latents", expected="one that is not zero", found="none")
    moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())
    require(moved, component, "it can be trained", expected="a gradient that is not zero", found="none")


def check_is_deterministic_in_evaluation(component: type[Decoder]) -> None:
    """In evaluation mode a cell's distribution depends on that cell alone."""
    decoder = build(component, *SHAPE).eval()
    first, second, some = (_decode(component, decoder, z).mean for z in (_z(), _z(), _z()[2:5]))
    require_equal(component, "evaluation is deterministic", second, first, tolerance=0)
    require_equal(component, "in evaluation other cells of the batch mean nothing", some, first[2:5])


def check_uses_covariates(component: type[Decoder]) -> None:
    """Built with covariates, the mean depends on them."""
    decoder = build(component, *SHAPE, n_covariates=toy.N_COVARIATES).eval()
    off, on = (decoder(_z(), torch.full((N_CELLS, toy.N_COVARIATES), v)).mean for v in (0.0, 1.0))
    differs = off.shape == on.shape == OUT and bool((off - on).abs().sum() > 0)
    require(differs, component, "covariates change the mean", expected="a difference", found="none")


def check_state_can_be_restored(component: type[Decoder]) -> None:
    """`state_dict` holds all that was learned."""
    trained, fresh = build(component, *SHAPE), build(component, *SHAPE)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)
    trained(_z())
    fresh.load_state_dict(trained.state_dict())
    found, expected = (_decode(component, d.eval(), _z()).mean for d in (fresh, trained))
    require_equal(component, "state_dict() restores it", found, expected)


def check_leaves_inputs_alone(component: type[Decoder]) -> None:
    """The latents are not modified."""
    z = _z()
    with unmodified(component, z=z):
        build(component, *SHAPE)(z, None, torch.ones(N_CELLS, 1))


def _drawn(distribution: Distribution, n: int = 1) -> Tensor:
    """(n, B, p) from a fixed seed, which leaves torch's own random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return distribution.sample(torch.Size([n]))


def _z() -> Tensor:
    return torch.randn(N_CELLS, toy.N_LATENT, generator=torch.Generator().manual_seed(6))


def _decode(component: type[Decoder], decoder: Decoder, z: Tensor) -> Distribution:
    distribution = decoder(z, None, torch.ones(len(z), 1))
    right = isinstance(distribution, Distribution)
    require(right, component, "forward", expected="a torch Distribution", found=type(distribution).__name__)
    return distribution
