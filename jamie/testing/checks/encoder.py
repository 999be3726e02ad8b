"""Encoders: features -> posterior of the latents."""

from __future__ import annotations

import torch
from torch import Tensor

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_finite, require_is, unmodified
from jamie.testing.networks import NetworkCase

SHAPE = (toy.N_SCORES["rna"], toy.N_LATENT)
N_CELLS = toy.BATCH_SIZE["rna"]


def check_gives_a_posterior_of_each_cell(component: type[Encoder]) -> None:
    """Mean, and log-variance if any, are finite and (B, L), in training and for a single cell afterwards."""
    encoder = build(component, *SHAPE)
    for part in _parts(component, encoder(_x())):
        require_is(component, "shape", part.shape, (N_CELLS, SHAPE[1]))
        require_finite(component, "the posterior", part)
    for part in _parts(component, encoder.eval()(_x()[:1])):
        require_is(component, "shape for one cell", part.shape, (1, SHAPE[1]))


def check_gradient_reaches_all_parameters(component: type[Encoder]) -> None:
    """Every parameter takes part in the posterior."""
    encoder = build(component, *SHAPE)
    loss = torch.stack([part.square().sum() for part in _parts(component, encoder(_x()))]).sum()
    _case(component).require_trainable(loss, encoder)
    idle = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    require(not idle, component, "the gradient reaches all parameters", expected="none idle", found=idle)


def check_is_deterministic_in_evaluation(component: type[Encoder]) -> None:
    """In evaluation mode a cell's posterior depends on that cell alone."""
    _case(component).require_deterministic()


def check_uses_covariates(component: type[Encoder]) -> None:
    """Built with covariates, the posterior depends on them."""
    _case(component).require_covariates_used("posterior")


def check_state_can_be_restored(component: type[Encoder]) -> None:
    """`state_dict` holds all that was learned."""
    _case(component).require_restorable()


def check_leaves_inputs_alone(component: type[Encoder]) -> None:
    """The features are not modified."""
    x = _x()
    with unmodified(component, x=x):
        build(component, *SHAPE)(x)


def _case(component: type[Encoder]) -> NetworkCase:
    return NetworkCase(component, SHAPE, _x(), lambda encoder, x, covariates: encoder(x, covariates).mean)


def _x() -> Tensor:
    return toy.batch().x["rna"].clone()


def _parts(component: type[Encoder], posterior: Posterior) -> list[Tensor]:
    is_posterior = isinstance(posterior, Posterior)
    require(is_posterior, component, "forward", expected="a Posterior", found=type(posterior).__name__)
    return [part for part in (posterior.mean, posterior.logvar) if part is not None]
