"""Encoders: features -> posterior of the latents."""

from __future__ import annotations

import torch
from torch import Tensor

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.testing import toy
from jamie.testing.assertions import require, require_finite, require_is, unmodified
from jamie.testing.checks.network import N_CELLS, build_network, inputs, require_trainable


def check_gives_a_posterior_of_each_cell(component: type[Encoder]) -> None:
    """Mean, and log-variance if any, are finite and (B, L), in training and for a single cell afterwards."""
    encoder, x = build_network(component), inputs(component)
    for part in _parts(component, encoder(x)):
        require_is(component, "shape", part.shape, (N_CELLS, toy.N_LATENT))
        require_finite(component, "the posterior", part)
    for part in _parts(component, encoder.eval()(x[:1])):
        require_is(component, "shape for one cell", part.shape, (1, toy.N_LATENT))


def check_gradient_reaches_all_parameters(component: type[Encoder]) -> None:
    """Every parameter takes part in the posterior."""
    encoder = build_network(component)
    loss = torch.stack([part.square().sum() for part in _parts(component, encoder(inputs(component)))]).sum()
    require_trainable(component, loss, encoder)
    idle = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    require(not idle, component, "the gradient reaches all parameters", expected="none idle", found=idle)


def check_leaves_inputs_alone(component: type[Encoder]) -> None:
    """The features are not modified."""
    x = inputs(component)
    with unmodified(component, x=x):
        build_network(component)(x)


def _parts(component: type[Encoder], posterior: Posterior) -> list[Tensor]:
    is_posterior = isinstance(posterior, Posterior)
    require(is_posterior, component, "forward", expected="a Posterior", found=type(posterior).__name__)
    return [part for part in (posterior.mean, posterior.logvar) if part is not None]
