"""Encoders: features -> posterior of the latents."""

from __future__ import annotations

import torch
from torch import Tensor

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified

SHAPE = (toy.N_SCORES["rna"], toy.N_LATENT)
N_CELLS = toy.BATCH_SIZE["rna"]


def check_gives_a_posterior_of_each_cell(component: type[Encoder]) -> None:
    """Mean, and log-variance if any, are finite and (B, L), in training and for a single cell afterwards."""
    encoder = build(component, *SHAPE)
    for part in _parts(component, encoder(_x())):
        require(part.shape == (N_CELLS, SHAPE[1]), component, "shape", expected=(N_CELLS, SHAPE[1]), found=part.shape)
        require_finite(component, "the posterior", part)
    for part in _parts(component, encoder.eval()(_x()[:1])):
        require(part.shape == (1, SHAPE[1]), component, "shape for one cell", expected=(1, SHAPE[1]), found=part.shape)


def check_gradient_reaches_all_parameters(component: type[Encoder]) -> None:
    """Every parameter takes part in the posterior."""
    encoder = build(component, *SHAPE)
    torch.stack([part.square().sum() for part in _parts(component, encoder(_x()))]).sum().backward()
    idle = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    require(not idle, component, "the gradient reaches all parameters", expected="none idle", found=idle)
    moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    require(moved, component, "it can be trained", expected="a gradient that is not zero", found="none")


def check_is_deterministic_in_evaluation(component: type[Encoder]) -> None:
    """In evaluation mode a cell's posterior depends on that cell alone."""
    encoder = build(component, *SHAPE).eval()
    first, second, some = encoder(_x()), encoder(_x()), encoder(_x()[2:5])
    require_equal(component, "evaluation is deterministic", second.mean, first.mean, tolerance=0)
    require_equal(component, "in evaluation other cells of the batch mean nothing", some.mean, first.mean[2:5])


def check_uses_covariates(component: type[Encoder]) -> None:
    """Built with covariates, the posterior depends on them."""
    encoder = build(component, *SHAPE, n_covariates=toy.N_COVARIATES).eval()
    off, on = (encoder(_x(), torch.full((N_CELLS, toy.N_COVARIATES), v)).mean for v in (0.0, 1.0))
    differs = off.shape == on.shape == (N_CELLS, SHAPE[1]) and bool((off - on).abs().sum() > 0)
    require(differs, component, "covariates change the posterior", expected="a difference", found="none")


def check_state_can_be_restored(component: type[Encoder]) -> None:
    """`state_dict` holds all that was learned."""
    trained, fresh = build(component, *SHAPE), build(component, *SHAPE)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)
    trained(_x())
    fresh.load_state_dict(trained.state_dict())
    found, expected = fresh.eval()(_x()).mean, trained.eval()(_x()).mean
    require_equal(component, "state_dict() restores it", found, expected)


def check_leaves_inputs_alone(component: type[Encoder]) -> None:
    """The features are not modified."""
    x = _x()
    with unmodified(component, x=x):
        build(component, *SHAPE)(x)


def _x() -> Tensor:
    return toy.batch().x["rna"].clone()


def _parts(component: type[Encoder], posterior: Posterior) -> list[Tensor]:
    is_posterior = isinstance(posterior, Posterior)
    require(is_posterior, component, "forward", expected="a Posterior", found=type(posterior).__name__)
    return [part for part in (posterior.mean, posterior.logvar) if part is not None]
