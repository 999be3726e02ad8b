"""A trained model as one differentiable module, from the values of cells to their latents or imputed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jamie.model.joint_vae import JointVAE
from jamie.model.stacked_regressions import StackedRegressions


class LatentModule(nn.Module):
    """x (n, p) -> latent means (n, L) of one network.

    Parameters
    ----------
    preprocessing
        (n, p) -> (n, d + r), of which the network reads the first d.
    network
        In evaluation mode.
    source
        Modality of the cells.
    n_scores
        d.
    """

    def __init__(self, preprocessing: nn.Module, network: JointVAE, source: str, n_scores: int) -> None:
        super().__init__()
        self.preprocessing, self.network, self.source, self.n_scores = preprocessing, network, source, n_scores

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Embed cells. Their batches are unknown if no covariates (n, C) are given."""
        return self.network.encode(self.source, self.preprocessing(x)[:, : self.n_scores], covariates).mean


class ImputationModule(nn.Module):
    """x (n, p) -> imputed values (n, t) in the target's units: the mean over an ensemble, transformed back.

    Parameters
    ----------
    preprocessing
        (n, p) -> (n, d + r), the scores of the networks and those of the regressions.
    networks
        Members of the ensemble, in evaluation mode.
    source, target
        Modality of the cells, and the modality that is imputed.
    inverse
        The target's inverse preprocessing.
    n_scores
        d.
    stack
        Regressions that are averaged with the networks; None for none.
    first_predictor
        Position of the first score that the regressions read: 0, or d where theirs follow those of the networks.
    """

    def __init__(
        self,
        preprocessing: nn.Module,
        networks: Sequence[JointVAE],
        source: str,
        target: str,
        inverse: nn.Module,
        n_scores: int,
        stack: StackedRegressions | None = None,
        first_predictor: int = 0,
    ) -> None:
        super().__init__()
        self.preprocessing, self.networks, self.inverse = preprocessing, nn.ModuleList(networks), inverse
        self.source, self.target, self.n_scores, self.stack = source, target, n_scores, stack
        self.first_predictor = first_predictor

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Impute cells. Their batches are unknown if no covariates (n, C) are given."""
        inputs, networks = self.preprocessing(x), cast("list[JointVAE]", self.networks)
        scores = inputs[:, : self.n_scores]
        latents = [network.encode(self.source, scores, covariates).mean for network in networks]
        decoded = zip(networks, latents, strict=True)
        means = [network.decode(self.target, z, covariates).mean for network, z in decoded]
        imputed = torch.stack(means).mean(0)
        if self.stack is not None:
            predictors = inputs[:, self.first_predictor :]
            batch = networks[0].known_covariates(self.source, covariates, len(x))
            predictors = predictors if batch is None else torch.cat([predictors, batch], dim=1)
            imputed = self.stack.average(predictors, imputed)
        values: Tensor = self.inverse(imputed)
        return values


class Concatenation(nn.Module):
    """x (n, p) -> the outputs of several modules beside each other."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d + r) of cells (n, p)."""
        return torch.cat([part(x) for part in self.parts], dim=1)


def tensor_on_device_of(module: nn.Module, values: NDArray[np.floating]) -> Tensor:
    """Return values as a tensor on the device of a module."""
    parameter = next(module.parameters(), None)
    return torch.as_tensor(values, device=None if parameter is None else parameter.device)
