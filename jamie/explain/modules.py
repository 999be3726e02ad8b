"""A trained model as one differentiable module, from the values of cells to their latents or imputed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jamie.model.joint_vae import JointVAE


class LatentModule(nn.Module):
    """x (n, p) -> latent means (n, L) of one network.

    Parameters
    ----------
    preprocessing
        (n, p) -> (n, d).
    network
        In evaluation mode.
    source
        Modality of the cells.
    """

    def __init__(self, preprocessing: nn.Module, network: JointVAE, source: str) -> None:
        super().__init__()
        self.preprocessing, self.network, self.source = preprocessing, network, source

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Embed cells. Their batches are unknown if no covariates (n, C) are given."""
        return self.network.encode(self.source, self.preprocessing(x), covariates).mean


class ImputationModule(nn.Module):
    """x (n, p) -> imputed values (n, t) in the target's units: the mean over an ensemble, transformed back.

    Parameters
    ----------
    preprocessing
        (n, p) -> (n, d).
    networks
        Members of the ensemble, in evaluation mode.
    source, target
        Modality of the cells, and the modality that is imputed.
    inverse
        The target's inverse preprocessing.
    """

    def __init__(
        self, preprocessing: nn.Module, networks: Sequence[JointVAE], source: str, target: str, inverse: nn.Module
    ) -> None:
        super().__init__()
        self.preprocessing, self.networks, self.inverse = preprocessing, nn.ModuleList(networks), inverse
        self.source, self.target = source, target

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Impute cells. Their batches are unknown if no covariates (n, C) are given."""
        scores, networks = self.preprocessing(x), cast("list[JointVAE]", self.networks)
        latents = [network.encode(self.source, scores, covariates).mean for network in networks]
        decoded = zip(networks, latents, strict=True)
        means = [network.decode(self.target, z, covariates).mean for network, z in decoded]
        values: Tensor = self.inverse(torch.stack(means).mean(0))
        return values


def tensor_on_device_of(module: nn.Module, values: NDArray[np.floating]) -> Tensor:
    """Return values as a tensor on the device of a module."""
    parameter = next(module.parameters(), None)
    return torch.as_tensor(values, device=None if parameter is None else parameter.device)
