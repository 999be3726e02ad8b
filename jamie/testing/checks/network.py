"""Clauses that encoders and decoders share: both are networks that may read covariates."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from jamie.core.interfaces import Decoder, Encoder
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal

Network: TypeAlias = type[Encoder] | type[Decoder]

SIZES = {"encoder": (toy.N_SCORES["rna"], toy.N_LATENT), "decoder": (toy.N_LATENT, toy.N_FEATURES["rna"])}
"""Numbers of inputs and outputs of each kind."""
N_CELLS = toy.BATCH_SIZE["rna"]


def build_network(component: Network, **reserved: Any) -> Any:
    """Build the network for the toy cells."""
    return build(component, *SIZES[component.kind], **reserved)


def inputs(component: Network) -> Tensor:
    """(B, n_in) cells, the same at each call."""
    return torch.randn(N_CELLS, SIZES[component.kind][0], generator=torch.Generator().manual_seed(6))


def require_trainable(component: Network, loss: Tensor, network: nn.Module) -> None:
    """Fail unless the gradient of a loss moves some parameter."""
    loss.backward()
    moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    require(moved, component, "it can be trained", expected="a gradient that is not zero", found="none")


def check_is_deterministic_in_evaluation(component: Network) -> None:
    """In evaluation mode the output for a cell depends on that cell alone."""
    network, x = build_network(component).eval(), inputs(component)
    first, second, part = (network(cells).mean for cells in (x, x, x[2:5]))
    require_equal(component, "evaluation is deterministic", second, first, tolerance=0)
    require_equal(component, "in evaluation a cell does not depend on the others", part, first[2:5])


def check_uses_covariates(component: Network) -> None:
    """Built with covariates, the mean depends on them."""
    network, x = build_network(component, n_covariates=toy.N_COVARIATES).eval(), inputs(component)
    off, on = (network(x, torch.full((N_CELLS, toy.N_COVARIATES), value)).mean for value in (0.0, 1.0))
    differs = off.shape == on.shape == (N_CELLS, SIZES[component.kind][1]) and bool((off - on).abs().sum() > 0)
    require(differs, component, "covariates change the mean", expected="a difference", found="none")


def check_state_can_be_restored(component: Network) -> None:
    """`state_dict` holds all that was learned."""
    trained, restored, x = build_network(component), build_network(component), inputs(component)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)
    trained(x)
    restored.load_state_dict(trained.state_dict())
    found, expected = (network.eval()(x).mean for network in (restored, trained))
    require_equal(component, "state_dict() restores it", found, expected)
