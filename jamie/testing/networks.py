"""Clauses that encoders and decoders share: both are networks that may read covariates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jamie.core.component import Component
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal


@dataclass(frozen=True)
class NetworkCase:
    """A kind of network with inputs, whose clauses are asserted.

    Parameters
    ----------
    component
        Its class.
    sizes
        (n_in, n_out) of its constructor.
    inputs : (B, n_in)
        Cells.
    mean
        ``mean(network, inputs, covariates)`` -> (B, n_out).
    """

    component: type[Component]
    sizes: tuple[int, int]
    inputs: Tensor
    mean: Callable[[Any, Tensor, Tensor | None], Tensor]

    def build(self, **reserved: Any) -> Any:
        """Build the network."""
        return build(self.component, *self.sizes, **reserved)

    def require_deterministic(self) -> None:
        """In evaluation mode the output for a cell depends on that cell alone."""
        network, x = self.build().eval(), self.inputs
        first, second, part = (self.mean(network, cells, None) for cells in (x, x, x[2:5]))
        require_equal(self.component, "evaluation is deterministic", second, first, tolerance=0)
        require_equal(self.component, "in evaluation a cell does not depend on the others", part, first[2:5])

    def require_covariates_used(self, output: str) -> None:
        """Built with covariates, the output depends on them."""
        network = self.build(n_covariates=toy.N_COVARIATES).eval()
        shape = (len(self.inputs), toy.N_COVARIATES)
        off, on = (self.mean(network, self.inputs, torch.full(shape, value)) for value in (0.0, 1.0))
        differs = off.shape == on.shape == (len(off), self.sizes[1]) and bool((off - on).abs().sum() > 0)
        require(differs, self.component, f"covariates change the {output}", expected="a difference", found="none")

    def require_restorable(self) -> None:
        """`state_dict` holds all that was learned."""
        trained, restored = self.build(), self.build()
        with torch.no_grad():
            for parameter in trained.parameters():
                parameter.add_(0.1)
        self.mean(trained, self.inputs, None)
        restored.load_state_dict(trained.state_dict())
        found, expected = (self.mean(network.eval(), self.inputs, None) for network in (restored, trained))
        require_equal(self.component, "state_dict() restores it", found, expected)

    def require_trainable(self, loss: Tensor, network: Any) -> None:
        """Require a gradient of the loss that moves some parameter."""
        loss.backward()
        moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        require(moved, self.component, "it can be trained", expected="a gradient that is not zero", found="none")
