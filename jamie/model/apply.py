"""Trained networks on arrays of any length, a few thousand cells at a time.

Covariates (n, C) tell the batches of the cells; where there are none given, these count as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from jamie.core.panels import SubstituteBatches, project_measured
from jamie.model.joint_vae import JointVAE

Floats: TypeAlias = NDArray[np.float32]

DRAWS = 8  # from the posteriors of an ensemble
ROWS = 4096  # cells that go through the network at once


@torch.no_grad()
def encode(network: JointVAE, modality: str, scores: Floats, covariates: Floats | None = None) -> Floats:
    """Latent means (n, L) of preprocessed cells (n, d) of one modality."""
    parts = [
        network.encode(modality, tensor(network, scores[rows]), some(network, covariates, rows)).mean
        for rows in blocks(len(scores))
    ]
    return torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.n_latent), np.float32)


@torch.no_grad()
def decode(
    network: JointVAE,
    modality: str,
    latents: Floats,
    covariates: Floats | None = None,
    borrowing: SubstituteBatches | None = None,
) -> Floats:
    """Preprocessed values (n, t) of one modality, from latents (n, L) of any; counts at the training cells' median.

    Features that are not measured in a cell's batch are decoded as in the batches that have them (`borrowing`).
    """
    parts = [
        network.decode(modality, tensor(network, latents[rows]), some(network, covariates, rows)).mean
        for rows in blocks(len(latents))
    ]
    values = torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.n_targets[modality]), np.float32)
    if borrowing is None or covariates is None:
        return values
    for batch, part in borrowing.parts.items():
        rows = np.flatnonzero(covariates[:, batch] > 0)
        if len(rows):
            told = np.tile(borrowing.mixtures[batch], (len(rows), 1))
            elsewhere = decode(network, modality, latents[rows], told)
            values[rows] = elsewhere + project_measured(values[rows] - elsewhere, part)
    return values


def impute(
    networks: Sequence[JointVAE],
    source: str,
    target: str,
    scores: Floats,
    covariates: Floats | None = None,
    borrowing: SubstituteBatches | None = None,
) -> Floats:
    """Preprocessed values (n, t) of one modality, from cells (n, d) of another: the mean over an ensemble."""
    mean = decode(networks[0], target, encode(networks[0], source, scores, covariates), covariates, borrowing)
    for network in networks[1:]:
        mean += decode(network, target, encode(network, source, scores, covariates), covariates, borrowing)
    return mean / np.float32(len(networks))


@torch.no_grad()
def draws(
    networks: Sequence[JointVAE],
    source: str,
    target: str,
    scores: Floats,
    covariates: Floats | None,
    generator: np.random.Generator,
    borrowing: SubstituteBatches | None = None,
) -> Iterator[Floats]:
    """Yield values (n, t) decoded from latents that are drawn from each member's posterior, `DRAWS` or more in all.

    A member whose encoder is deterministic has one.
    """
    for network in networks:
        posteriors = [
            network.encode(source, tensor(network, scores[rows]), some(network, covariates, rows))
            for rows in blocks(len(scores))
        ]
        mean = torch.cat([one.mean for one in posteriors])
        logvars = [one.logvar for one in posteriors if one.logvar is not None]
        for _ in range(-(-DRAWS // len(networks)) if logvars else 1):
            z = mean
            if logvars:
                noise = tensor(network, generator.standard_normal(mean.shape, dtype=np.float32))
                z = mean + torch.exp(0.5 * torch.cat(logvars)) * noise
            yield decode(network, target, z.cpu().numpy(), covariates, borrowing)


def tensor(network: JointVAE, values: Floats) -> torch.Tensor:
    """Put values where the network is."""
    return torch.as_tensor(values, device=next(network.parameters()).device)


def some(network: JointVAE, covariates: Floats | None, rows: slice) -> torch.Tensor | None:
    """Put the covariates of some cells where the network is, if there are any."""
    return None if covariates is None else tensor(network, covariates[rows])


def blocks(n_rows: int) -> Iterator[slice]:
    """Slices that together cover the rows."""
    return (slice(start, start + ROWS) for start in range(0, n_rows, ROWS))
