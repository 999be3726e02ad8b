"""Layers that encoders and decoders share.

`LinearLayer`, `LayerNorm` and `Dropout` take a leading axis of members: see `jamie.model.members`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from jamie.model.members import Generators, dropout_mask
from jamie.model.shares import Share

Widths: TypeAlias = list[PositiveInt]
DropoutRate: TypeAlias = Annotated[float, Field(ge=0, lt=1)]

WIDTH = 128  # units of a hidden layer, unless a spec says otherwise
WIDEST = 512  # that `linear_skip` chooses by itself


class LinearLayer(nn.Linear):
    """A linear layer; of K members, it maps (K, B, n_in) by weights (K, n_out, n_in)."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.ndim == 2:
            return super().forward(x)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class LayerNorm(nn.LayerNorm):
    """Normalizes each cell; of K members, with scales and offsets (K, n)."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.ndim == 1:
            return super().forward(x)
        normalized = nn.functional.layer_norm(x, self.normalized_shape, eps=self.eps)
        return torch.addcmul(self.bias.unsqueeze(1), normalized, self.weight.unsqueeze(1))


class Dropout(nn.Dropout):
    """Drops units in training; each member's are drawn by its own generator, if `generators` are set.

    They are drawn for the whole minibatch where the process computes a `share` of it.
    """

    generators: Generators = ()
    share: Share | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p):
            return x
        if self.share is None:
            return x * dropout_mask(x, self.p, self.generators)
        return x * self.share.take(dropout_mask(self.share.whole_like(x), self.p, self.generators))


def batch_norm_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by BatchNorm, LeakyReLU and dropout."""
    return _layers(widths, nn.BatchNorm1d, nn.LeakyReLU, dropout)


def layer_norm_layers(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers from each width to the next, each followed by LayerNorm, GELU and dropout.

    LayerNorm normalizes each cell by itself: with a few hundred cells, statistics of minibatches are noise.
    """
    return _layers(widths, LayerNorm, nn.GELU, dropout)


def _layers(widths: Sequence[int], norm: type[nn.Module], activation: type[nn.Module], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [LinearLayer(n_in, n_out), norm(n_out), activation(), Dropout(dropout)]
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
        self.first = LinearLayer(n_in, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                LayerNorm(width),
                LinearLayer(width, width),
                nn.LeakyReLU(),
                Dropout(dropout),
                LinearLayer(width, width),
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
        self.linear = LinearLayer(n_in, n_out)
        self.hidden = layer_norm_layers(widths, dropout)
        self.network = start_constant(LinearLayer(widths[-1], n_out))

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


def start_constant(layer: LinearLayer, bias: float = 0.0) -> LinearLayer:
    """Initialize a layer so that its output is constant before training."""
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, bias)
    return layer


def with_covariates(x: Tensor, covariates: Tensor | None) -> Tensor:
    """Append covariates (B, C), if there are any, to x (B, d)."""
    return x if covariates is None else torch.cat([x, covariates], dim=-1)
