"""Hidden layers that encoders and decoders share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def hidden_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by BatchNorm, LeakyReLU and dropout."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


class ResidualLayers(nn.Module):
    """A linear layer, then blocks that add to their input (identity mappings, LayerNorm first).

    Parameters
    ----------
    n_in
        Inputs.
    width
        Units of every block.
    depth
        Number of blocks.
    dropout
        Probability of dropping a hidden unit in training.
    """

    def __init__(self, n_in: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(n_in, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.LeakyReLU(),
                nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return h


def skip_widths(n_features: int) -> list[int]:
    """Widths of hidden layers for so many features: one layer, of the power of two next to it, 32 to 256."""
    return [2 ** min(max(round(math.log2(n_features)), 5), 8)]


def zeroed(layer: nn.Linear) -> nn.Linear:
    """Let a layer start at nothing."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def with_covariates(x: Tensor, covariates: Tensor | None) -> Tensor:
    """Append covariates (B, c) to x (B, d) where there are any."""
    return x if covariates is None else torch.cat([x, covariates], dim=1)
