"""Hidden layers that encoders and decoders share."""

from __future__ import annotations

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


def with_covariates(x: Tensor, covariates: Tensor | None) -> Tensor:
    """Append covariates (B, c) to x (B, d) where there are any."""
    return x if covariates is None else torch.cat([x, covariates], dim=1)
