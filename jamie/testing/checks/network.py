"""Clauses that encoders and decoders share: both are networks that may read covariates."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from jamie.core.batch import Posterior
from jamie.core.interfaces import Decoder, Encoder
from jamie.model.members import join_members
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


def check_member_axis(component: Network) -> None:
    """With `member_axis`, a leading axis of inputs and parameters gives what members do alone, and their gradients."""
    if not component.member_axis:
        return
    members = [build_network(component, n_covariates=toy.N_COVARIATES).eval() for _ in range(3)]
    with torch.no_grad():
        for member in members:
            for parameter in member.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    joined, x = join_members(members), torch.stack([inputs(component), -inputs(component), 2 * inputs(component)])
    covariates = torch.rand(*x.shape[:-1], toy.N_COVARIATES)
    given = (covariates, *([torch.rand(*x.shape[:-1], 1)] if component.kind == "decoder" else []))
    found = _parts(joined(x, *given))
    alone = [_parts(m(x[k], *(v[k] for v in given))) for k, m in enumerate(members)]
    for part, parts in zip(found, zip(*alone, strict=True), strict=True):
        require_equal(component, "each member as alone", part, torch.stack(parts))
        if part.requires_grad:
            part.square().mean((-2, -1)).sum().backward(retain_graph=True)
            torch.stack([own.square().mean() for own in parts]).sum().backward(retain_graph=True)
    for name, parameter in joined.named_parameters():
        gradients = [member.get_parameter(name).grad for member in members]
        if parameter.grad is not None:
            require_equal(component, f"gradient of {name}", parameter.grad, torch.stack(gradients), tolerance=1e-5)


def _parts(output: Posterior | Distribution) -> list[Tensor]:
    """Mean, and log-variance or variance where there is one."""
    spread = output.logvar if isinstance(output, Posterior) else output.variance
    return [output.mean, *([] if spread is None else [spread])]


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
