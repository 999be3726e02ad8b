"""Kernels between cells, and the maximum mean discrepancy of embeddings."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

CHUNK = 1024  # cells at a time, for the discrepancy of all cells


class KernelFactor:
    """Kernel K = S S^T between the cells of one modality, by its factor S (n, r)."""

    def __init__(self, factor: Tensor) -> None:
        self.factor = factor
        self.gram = factor.T @ factor

    def starts(self, n_components: int, number: int, generator: Generator) -> Tensor:
        """Return (number, r, p): the leading components, each time in another random rotation.

        A component's sign, which is arbitrary, is that of its cells' skewness: no order of cells changes the starts.
        """
        leading = torch.linalg.eigh(self.gram).eigenvectors[:, -n_components:]
        leading = torch.where((self.factor @ leading).pow(3).sum(0) < 0, -leading, leading)
        rotations = torch.linalg.qr(torch.randn(number, n_components, n_components, generator=generator))[0]
        return leading @ rotations.to(leading.device)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Rows of the factor: a random sample if there are more than `size`."""
        if len(self.factor) <= size:
            return self.factor
        return self.factor[torch.randperm(len(self.factor), generator=generator)[:size].to(self.factor.device)]

    def distortion(self, W: Tensor) -> Tensor:
        """``|S S^T - S W W^T S^T|^2 / |S S^T|^2`` of maps (..., r, p), by matrices of r x r."""
        product, norm = self.gram @ W, self.gram.square().sum()
        return (norm - 2 * product.square().sum((-2, -1)) + (W.mT @ product).square().sum((-2, -1))) / norm


def orthogonality_penalty(W: Tensor) -> Tensor:
    """``|W^T W - I|^2 / p`` of maps (..., r, p)."""
    return (W.mT @ W - torch.eye(W.shape[-1], device=W.device)).square().sum((-2, -1)) / W.shape[-1]


def discrepancy(Z_x: Tensor, Z_y: Tensor, bandwidth: float) -> Tensor:
    """Squared maximum mean discrepancy of two samples, for the kernel ``exp(-|z - z'|^2 / (2 bandwidth^2))``.

    Parameters
    ----------
    Z_x : (..., n_x, p)
    Z_y : (..., n_y, p)
    """
    within = _mean_kernel(Z_x, Z_x, bandwidth) + _mean_kernel(Z_y, Z_y, bandwidth)
    return within - 2 * _mean_kernel(Z_x, Z_y, bandwidth)


def _mean_kernel(a: Tensor, b: Tensor, bandwidth: float) -> Tensor:
    sums = [
        torch.exp(-_squared_distances(part, b) / (2 * bandwidth**2)).sum((-2, -1)) for part in a.split(CHUNK, dim=-2)
    ]
    return torch.stack(sums).sum(0) / (a.shape[-2] * b.shape[-2])


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return (squares - 2 * a @ b.mT).clamp_min(0)


def median_distance(kernels: list[KernelFactor], maps: list[Tensor]) -> float:
    """Median distance within a modality at the start, the mean of both; no rotation changes it."""
    # a sample of evenly spaced cells: their order is random
    embedded = [
        kernel.factor[:: -(-len(kernel.factor) // CHUNK)] @ W[0] for kernel, W in zip(kernels, maps, strict=True)
    ]
    return float(sum(torch.pdist(Z).median() for Z in embedded)) / len(embedded)
