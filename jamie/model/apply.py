"""A trained network on arrays of any length, a few thousand cells at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from jamie.model.joint_vae import JointVAE

ROWS = 4096  # cells that go through the network at once


@torch.no_grad()
def encode(network: JointVAE, modality: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Latent means (n, L) of preprocessed cells (n, d) of one modality."""
    parts = [network.encode(modality, tensor(network, scores[rows])).mean for rows in blocks(len(scores))]
    return torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.n_latent), np.float32)


@torch.no_grad()
def decode(network: JointVAE, modality: str, latents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Preprocessed values (n, t) of one modality, from latents (n, L) of any."""
    parts = [network.decode(modality, tensor(network, latents[rows])).mean for rows in blocks(len(latents))]
    return torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.n_targets[modality]), np.float32)


def tensor(network: JointVAE, values: NDArray[np.float32]) -> torch.Tensor:
    """Put values where the network is."""
    return torch.as_tensor(values, device=next(network.parameters()).device)


def blocks(n_rows: int) -> Iterator[slice]:
    """Slices that together cover the rows."""
    return (slice(start, start + ROWS) for start in range(0, n_rows, ROWS))
