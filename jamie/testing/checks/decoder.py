"""Decoders: latents -> distribution of the features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from jamie.core.interfaces import Decoder
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified

SHAPE = (toy.N_LATENT, toy.N_FEATURES["rna"])
N_CELLS = toy.BATCH_SIZE["rna"]
OUT = (N_CELLS, toy.N_FEATURES["rna"])


def check_gives_a_distribution_of_each_feature(component: type[Decoder]) -> None:
    """A torch Distribution whose mean is finite and (B, p), in training and for a single cell afterwards."""
    decoder = build(component, *SHAPE)
    mean = _decode(component, decoder, _z()).mean
    require(mean.shape == OUT, component, "the mean's shape", expected=OUT, found=tuple(mean.shape))
    require_finite(component, "the mean", mean)
    one = _decode(component, decoder.eval(), _z()[:1]).mean
    require(one.shape == (1, OUT[1]), component, "the mean's shape for one cell", expected=(1, OUT[1]), found=one.shape)


def check_likelihood_is_finite(component: type[Decoder]) -> None:
    """What the distribution draws has a finite log-likelihood, feature by feature."""
    distribution = _decode(component, build(component, *SHAPE), _z())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = distribution.sample()
    likelihood = distribution.log_prob(drawn)
    require(likelihood.shape == OUT, component, "log_prob of each feature", expected=OUT, found=likelihood.shape)
    require_finite(component, "the log-likelihood", likelihood)


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


def _z() -> Tensor:
    return torch.randn(N_CELLS, toy.N_LATENT, generator=torch.Generator().manual_seed(6))


def _decode(component: type[Decoder], decoder: Decoder, z: Tensor) -> Distribution:
    distribution = decoder(z, None, torch.ones(len(z), 1))
    right = isinstance(distribution, Distribution)
    require(right, component, "forward", expected="a torch Distribution", found=type(distribution).__name__)
    return distribution
