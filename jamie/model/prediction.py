"""Latents and imputed values of arrays of cells, computed by trained networks a few thousand cells at a time.

Covariates (n, C) are the one-hot batches of the cells; if none are given, the batches count as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.batch import Posterior
from jamie.core.panels import SubstituteBatches, project_measured
from jamie.model.joint_vae import JointVAE
from jamie.model.stacked_regressions import StackedRegressions

Floats: TypeAlias = NDArray[np.float32]

POSTERIOR_SAMPLES = 8  # of an ensemble, divided among its members
CHUNK_CELLS = 4096  # that pass through the network at a time


@torch.no_grad()
def posterior(network: JointVAE, modality: str, scores: Floats, covariates: Floats | None = None) -> Posterior:
    """Posterior over latents (n, L) of preprocessed cells (n, d) of one modality."""
    parts = [network.encode(modality, *chunk) for chunk in _chunks(network, scores, covariates)]
    logvars = [part.logvar for part in parts if part.logvar is not None]
    return Posterior(torch.cat([part.mean for part in parts]), torch.cat(logvars) if logvars else None)


def encode(network: JointVAE, modality: str, scores: Floats, covariates: Floats | None = None) -> Floats:
    """Latent means (n, L) of preprocessed cells (n, d) of one modality."""
    if not len(scores):
        return np.empty((0, network.n_latent), np.float32)
    return posterior(network, modality, scores, covariates).mean.cpu().numpy()


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
    parts = [network.decode(modality, *chunk).mean for chunk in _chunks(network, latents, covariates)]
    values = torch.cat(parts).cpu().numpy() if parts else np.empty((0, network.n_targets[modality]), np.float32)
    if borrowing is None or covariates is None:
        return values
    for batch, part in borrowing.parts.items():
        rows = np.flatnonzero(covariates[:, batch] > 0)
        if len(rows):
            mixture = np.tile(borrowing.mixtures[batch], (len(rows), 1))
            borrowed = decode(network, modality, latents[rows], mixture)
            values[rows] = borrowed + project_measured(values[rows] - borrowed, part)
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
    members = (
        decode(network, target, encode(network, source, scores, covariates), covariates, borrowing)
        for network in networks
    )
    return reduce(np.add, members) / np.float32(len(networks))


def with_batches(network: JointVAE, modality: str, scores: Floats, covariates: Floats | None = None) -> Floats:
    """(n, r + C) what regressions read: scores (n, r), and beside them the batches, if the model knows any."""
    known = None if covariates is None else to_device(network, covariates)
    batch = network.known_covariates(modality, known, len(scores))
    return scores if batch is None else np.concatenate([scores, batch.cpu().numpy()], axis=1)


@torch.no_grad()
def regress(stack: StackedRegressions, inputs: Floats) -> Floats:
    """Preprocessed values (n, t) that regressions predict of inputs (n, r)."""
    device = stack.weight.device
    parts = [stack(torch.as_tensor(inputs[rows], device=device)).cpu().numpy() for rows in chunks(len(inputs))]
    return np.concatenate(parts) if parts else np.empty((0, len(stack.offset)), np.float32)


def average(stack: StackedRegressions, predicted: Floats, imputed: Floats) -> Floats:
    """Weighted mean (n, t) of what regressions predict and what networks impute."""
    weight = np.float32(stack.weight)
    return weight * predicted + (1 - weight) * imputed


def sample_latents(
    networks: Sequence[JointVAE], modality: str, scores: Floats, covariates: Floats | None, rng: np.random.Generator
) -> Iterator[tuple[JointVAE, Floats]]:
    """Yield samples (n, L) of each member's posterior with the member, at least `POSTERIOR_SAMPLES` in all.

    A member whose encoder is deterministic gives one.
    """
    for network in networks:
        q = posterior(network, modality, scores, covariates)
        if q.logvar is None:
            yield network, q.mean.cpu().numpy()
            continue
        for _ in range(-(-POSTERIOR_SAMPLES // len(networks))):
            noise = to_device(network, rng.standard_normal(q.mean.shape, dtype=np.float32))
            yield network, (q.mean + torch.exp(0.5 * q.logvar) * noise).cpu().numpy()


def running_variance(samples: Iterable[Floats]) -> Floats | None:
    """Variance (n, p) of samples (n, p), of which three are held at a time; None if there is only one.

    References
    ----------
    Welford (1962), 10.1080/00401706.1962.10490022
    """
    iterator, count = iter(samples), 1
    mean = next(iterator).astype(np.float32)
    squares = np.zeros_like(mean)
    for count, sample in enumerate(iterator, start=2):
        change = sample - mean
        mean += change / np.float32(count)
        squares += change * (sample - mean)
    return squares / np.float32(count) if count > 1 else None


def to_device(network: JointVAE, values: Floats) -> Tensor:
    """Tensor of the values on the device of the network."""
    return torch.as_tensor(values, device=next(network.parameters()).device)


def chunks(n_rows: int) -> Iterator[slice]:
    """Slices that together cover the rows."""
    return (slice(start, start + CHUNK_CELLS) for start in range(0, n_rows, CHUNK_CELLS))


def _chunks(network: JointVAE, values: Floats, covariates: Floats | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    for rows in chunks(len(values)):
        batch = None if covariates is None else to_device(network, covariates[rows])
        yield to_device(network, values[rows]), batch
