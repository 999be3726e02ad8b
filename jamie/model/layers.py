"""Layers that encoders and decoders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

Widths: TypeAlias = list[PositiveInt]
DropoutRate: TypeAlias = Annotated[float, Field(ge=0, lt=1)]

WIDTH = 128  # units of a hidden layer, unless a spec says otherwise
WIDEST = 512  # that `linear_skip` chooses by itself


def batch_norm_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by BatchNorm, LeakyReLU and dropout."""
    return _layers(widths, nn.BatchNorm1d, nn.LeakyReLU, dropout)


def layer_norm_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by LayerNorm, GELU and dropout.

    LayerNorm normalizes each cell by itself: with a few hundred cells, statistics of minibatches are noise.
    """
    return _layers(widths, nn.LayerNorm, nn.GELU, dropout)


def _layers(widths: Sequence[int], norm: type[nn.Module], activation: type[nn.Module], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), norm(n_out), activation(), nn.Dropout(dropout)]
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


class SkipNetwork(nn.Module):
    """A linear map of latents and covariates plus a network whose output starts at 0.

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
        widths = [n_in, *([WIDTH] if widths is None else widths)]
        self.linear = nn.Linear(n_in, n_out)
        self.hidden = layer_norm_layers(widths, dropout)
        self.network = start_constant(nn.Linear(widths[-1], n_out))

    def forward(self, z: Tensor, covariates: Tensor | None) -> Tensor:
        """(B, n_out) in single precision, from latents (B, L) and covariates (B, C)."""
        z = with_covariates(z, covariates)
        # half precision would be too coarse for values that are exponentiated afterwards
        return (self.linear(z) + self.network(self.hidden(z))).float()

    @torch.no_grad()
    def initialize_output(self, bias: Tensor) -> None:
        """Let the outputs vary around these values (n_out,) before training."""
        self.linear.bias.copy_(bias)


def skip_defaults(params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
    """Return parameters of `linear_skip` in which null is replaced by the default for so many training cells."""
    defaults = {
        "widths": [min(max(WIDTH, round(4 * n_cells**0.5)), WIDEST)],
        "dropout": 0.3 + min(0.2, 200 / n_cells),
        "input_dropout": min(0.2, 200 / n_cells),
    }
    return {name: defaults.get(name) if value is None else value for name, value in params.items()}


def start_constant(layer: nn.Linear, bias: float = 0.0) -> nn.Linear:
    """Initialize a layer so that its output is constant before training."""
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, bias)
    return layer


def with_covariates(x: Tensor, covariates: Tensor | None) -> Tensor:
    """Append covariates (B, C), if there are any, to x (B, d)."""
    return x if covariates is None else torch.cat([x, covariates], dim=1)
