"""Hidden layers that encoders and decoders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

WIDTH = 128  # units of a hidden layer, unless a spec says otherwise
MANY_CELLS = 2000  # from which on a second hidden layer is worth its weights


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


def regularized_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by LayerNorm, GELU and dropout.

    LayerNorm takes each cell by itself: with some hundred cells, statistics of minibatches are noise.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.GELU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def chosen_for(params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
    """Return parameters of `linear_skip`, those that are null chosen for so many training cells."""
    many = n_cells >= MANY_CELLS
    choice = {
        "widths": [256, 256] if many else [WIDTH],
        "dropout": 0.3 if many else 0.5,
        "input_dropout": min(0.2, 200 / n_cells),
    }
    return {name: choice.get(name) if value is None else value for name, value in params.items()}


def zeroed(layer: nn.Linear, bias: float = 0.0) -> nn.Linear:
    """Let a layer start at nothing but its bias."""
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, bias)
    return layer


def with_covariates(x: Tensor, covariates: Tensor | None) -> Tensor:
    """Append covariates (B, c) to x (B, d) where there are any."""
    return x if covariates is None else torch.cat([x, covariates], dim=1)
