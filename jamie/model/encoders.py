"""Encoders: networks with heads for the mean and the log-variance of a Gaussian posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn

from jamie.core.batch import Posterior
from jamie.core.interfaces import Encoder
from jamie.model.layers import (
    WIDTH,
    Dropout,
    DropoutRate,
    LinearLayer,
    ResidualLayers,
    Widths,
    batch_norm_layers,
    layer_norm_layers,
    skip_defaults,
    start_constant,
    with_covariates,
)

FIRST_LOGVAR = -2.0  # of latents before training: little noise, compared with the spread of the linear path


class _TwoHeads(Encoder):
    """Linear heads for mean and log-variance, on hidden layers whose last has `width` units."""

    def __init__(self, hidden: nn.Module, width: int, n_latent: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.mean = LinearLayer(width, n_latent)
        self.logvar = LinearLayer(width, n_latent)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        h = self.hidden(with_covariates(x, covariates))
        return Posterior(self.mean(h), self.logvar(h))


class LinearEncoder(_TwoHeads):
    """Mean and log-variance as affine functions of the features.

    With a linear decoder this is probabilistic PCA fitted by variational inference.
    """

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.1111/1467-9868.00196",)
    member_axis: ClassVar[bool] = True

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__(nn.Identity(), n_features + n_covariates, n_latent)


class MLPEncoder(_TwoHeads):
    """Multilayer perceptron with the paper's widths: d -> 2d -> d -> L, then heads for mean and log-variance.

    BatchNorm, LeakyReLU and dropout follow every hidden layer, none the heads (Section 4.1).

    Parameters
    ----------
    widths
        Widths of the hidden layers; null gives the paper's, 2d and d and L for d features and L latents.
    bottleneck
        Whether the paper's widths end in the layer of L units; ignored if `widths` are given.
    dropout
        Probability of dropping a hidden unit in training: the paper has 0 for integration, 0.6 for imputation.
    """

    name: ClassVar[str] = "mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        bottleneck: bool = True,
        dropout: DropoutRate = 0.0,
    ) -> None:
        paper = [2 * n_features, n_features] + [n_latent] * bottleneck
        hidden = [n_features + n_covariates, *(paper if widths is None else widths)]
        super().__init__(batch_norm_layers(hidden, dropout), hidden[-1], n_latent)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"dropout": 0.1}


class ResidualMLPEncoder(_TwoHeads):
    """Residual blocks of one width, each of LayerNorm, a hidden layer and dropout.

    Parameters
    ----------
    width
        Units of every block.
    depth
        Number of blocks.
    dropout
        Probability of dropping a hidden unit in training.
    """

    name: ClassVar[str] = "residual_mlp"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        width: PositiveInt = WIDTH,
        depth: PositiveInt = 2,
        dropout: DropoutRate = 0.3,
    ) -> None:
        super().__init__(ResidualLayers(n_features + n_covariates, width, depth, dropout), width, n_latent)

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"width": 16}


class LinearSkipEncoder(Encoder):
    """Latent means that are a linear map of the features plus a network whose output starts at 0.

    Training starts from a linear model, and the network learns the rest. LayerNorm, GELU and dropout follow every
    hidden layer.

    Parameters
    ----------
    widths
        Widths of the hidden layers; null for one whose width grows with the number n of training cells: 4 sqrt(n), at
        least 128 and at most 512.
    dropout
        Probability of dropping a hidden unit in training; null for 0.3 + 200 / n, at most 0.5.
    input_dropout
        Probability of dropping an input in training, for both paths; null for 0.2, from 1,000 training cells on for
        200 divided by their number.
    """

    name: ClassVar[str] = "linear_skip"
    references: ClassVar[tuple[str, ...]] = ("10.1007/978-3-319-46493-0_38",)
    member_axis: ClassVar[bool] = True

    def __init__(
        self,
        n_features: int,
        n_latent: int,
        *,
        n_covariates: int = 0,
        widths: Widths | None = None,
        dropout: DropoutRate | None = None,
        input_dropout: DropoutRate | None = None,
    ) -> None:
        super().__init__()
        hidden = [n_features + n_covariates, *([WIDTH] if widths is None else widths)]
        self.drop = Dropout(input_dropout or 0.0)
        self.linear = LinearLayer(hidden[0], n_latent)
        self.hidden = layer_norm_layers(hidden, dropout or 0.0)
        self.mean = start_constant(LinearLayer(hidden[-1], n_latent))
        self.logvar = start_constant(LinearLayer(hidden[-1], n_latent), bias=FIRST_LOGVAR)

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Posterior:
        x = with_covariates(self.drop(x), covariates)
        h = self.hidden(x)
        return Posterior(self.linear(x) + self.mean(h), self.logvar(h))

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"widths": [16, 8]}

    @classmethod
    def complete_params(cls, params: Mapping[str, Any], n_cells: int) -> dict[str, Any]:
        return skip_defaults(params, n_cells)
