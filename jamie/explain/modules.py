"""What a trained model makes of cells, as one differentiable function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from jamie.model.joint_vae import JointVAE


class LatentModule(nn.Module):
    """x (n, p) -> latent means (n, L) of one network.

    Parameters
    ----------
    before
        Preprocessing, (n, p) -> (n, d).
    network
        In evaluation mode.
    source
        Modality of the cells.
    """

    def __init__(self, before: nn.Module, network: JointVAE, source: str) -> None:
        super().__init__()
        self.before, self.network, self.source = before, network, source

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Embed cells, whose batches are unknown where no covariates (n, C) are given."""
        return self.network.encode(self.source, self.before(x), covariates).mean


class ImputingModule(nn.Module):
    """x (n, p) -> imputed values (n, t) in units: the mean over an ensemble, brought back as its values are.

    Parameters
    ----------
    before
        Preprocessing, (n, p) -> (n, d).
    networks
        Members, in evaluation mode.
    source, target
        Modality of the cells, and that which is imputed.
    after
        The target's inverse preprocessing.
    """

    def __init__(
        self, before: nn.Module, networks: Sequence[JointVAE], source: str, target: str, after: nn.Module
    ) -> None:
        super().__init__()
        self.before, self.networks, self.after = before, nn.ModuleList(networks), after
        self.source, self.target = source, target

    def forward(self, x: Tensor, covariates: Tensor | None = None) -> Tensor:
        """Impute cells, whose batches are unknown where no covariates (n, C) are given."""
        scores = self.before(x)
        decoded = [self._decoded(network, scores, covariates) for network in self.networks]
        values: Tensor = self.after(torch.stack(decoded).mean(0))
        return values

    def _decoded(self, network: Any, scores: Tensor, covariates: Tensor | None) -> Tensor:
        z = network.encode(self.source, scores, covariates).mean
        decoded: Tensor = network.decode(self.target, z, covariates).mean
        return decoded


def on(module: nn.Module, values: NDArray[np.floating]) -> Tensor:
    """Put values on the device of a module."""
    parameter = next(module.parameters(), None)
    return torch.as_tensor(values, device=None if parameter is None else parameter.device)
