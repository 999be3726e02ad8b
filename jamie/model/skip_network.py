"""What decoders share: a linear path and a network beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jamie.model.layers import WIDTH, regularized_layers, with_covariates, zeroed


class SkipNetwork(nn.Module):
    """A linear map of the latents plus a network, which starts at nothing.

    Parameters
    ----------
    n_in, n_out
        Latents and covariates together; outputs.
    widths
        Of hidden layers; None for one of 128 units.
    dropout
        Probability of dropping a hidden unit in training.
    """

    def __init__(self, n_in: int, n_out: int, widths: Sequence[int] | None, dropout: float) -> None:
        super().__init__()
        hidden = [n_in, *([WIDTH] if widths is None else widths)]
        self.linear = nn.Linear(n_in, n_out)
        self.hidden = regularized_layers(hidden, dropout)
        self.network = zeroed(nn.Linear(hidden[-1], n_out))

    def forward(self, z: Tensor, covariates: Tensor | None) -> Tensor:
        """(B, n_out) in single precision, from latents (B, L) and covariates (B, C)."""
        z = with_covariates(z, covariates)
        # half precision would be too coarse for what is exponentiated afterwards
        return (self.linear(z) + self.network(self.hidden(z))).float()

    @torch.no_grad()
    def initialize_output(self, bias: Tensor) -> None:
        """Let the outputs vary about these values (n_out,) before training."""
        self.linear.bias.copy_(bias)
