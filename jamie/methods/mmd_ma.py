"""MMD-MA: linear maps under which two modalities have the same distribution."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method
from jamie.methods.linear_projection import limit_components, require_more

if TYPE_CHECKING:
    from torch import Generator, Tensor

log = logging.getLogger(__name__)

CHUNK = 1024  # cells at a time where the discrepancy of all is computed
PROGRESS_EVERY = 50  # steps


@dataclass(kw_only=True, eq=False)
class MMDMA(Method):
    """Maps both modalities so that their distributions agree, from the least maximum mean discrepancy (MMD-MA).

    With kernels K of unit mean diagonal between the cells of a modality and embeddings ``Z = K alpha``, minimises
    ``MMD^2(Z_x, Z_y) + sum_m distortion |K - Z Z^T|^2 / |K|^2 + penalty |alpha^T K alpha - I|^2 / p``. A kernel is
    written as ``K = S S^T``, so that ``Z = S W`` and the penalty is ``|W^T W - I|^2 / p``: no term but the first needs
    an n x n matrix, and that is computed on minibatches where there are more cells than `batch_size`. Distortion and
    penalty are relative here, so that their weights need not be chosen anew for each data set; the paper's are not.

    Any rotation of the leading components has the same distortion: the discrepancy alone decides which, and has many
    local optima. Adam starts from `restarts` random rotations, and the one with the least objective is kept. On scgem
    10 starts missed the optimum that 30 found in one of three seeds; it has a label transfer accuracy of 0.65 and a
    FOSCTTM of 0.22. On patchseq_motor the method is at chance, as published.

    Parameters
    ----------
    n_components : int
        Dimensions p of the embedding; 5 as in the paper.
    kernel : {"linear", "gaussian"}
        Kernel between cells; the bandwidth of the Gaussian one is the median distance.
    bandwidth : float
        Of the discrepancy's Gaussian kernel, in median distances between the embedded cells of a modality.
    distortion, penalty : float
        Weights.
    restarts : int
        Number of starts.
    max_iterations : int
        Number of steps of each.
    learning_rate : float
        Of Adam.
    batch_size : int
        Largest number of cells of a modality in a step.
    """

    name: ClassVar[str] = "mmd_ma"
    references: ClassVar[tuple[str, ...]] = ("10.4230/LIPIcs.WABI.2019.10", "10.1145/3388440.3412410")
    inductive: ClassVar[bool] = False
    max_modalities: ClassVar[int | None] = 2

    n_components: PositiveInt = 5
    kernel: Literal["linear", "gaussian"] = "linear"
    bandwidth: Annotated[float, Field(gt=0)] = 1.0
    distortion: Annotated[float, Field(ge=0)] = 0.1
    penalty: Annotated[float, Field(ge=0)] = 0.1
    restarts: PositiveInt = 20
    max_iterations: PositiveInt = 500
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    batch_size: PositiveInt = 256

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        return {"n_components": 2, "restarts": 2, "max_iterations": 50}

    def _fit(self, cells: Cells, context: Context) -> None:
        import torch

        kernels = [self._kernel(scores, m, context) for m, scores in cells.scores.items()]
        n_components = limit_components(self.n_components, min(k.factor.shape[1] for k in kernels), self.name)
        generator = torch.Generator().manual_seed(int(context.generator().integers(2**63)))
        maps = [kernel.starts(n_components, self.restarts, generator) for kernel in kernels]
        bandwidth = self.bandwidth * _median_distance(kernels, maps)
        self._minimize(kernels, maps, bandwidth, generator, context)
        self.objectives = self._objectives(kernels, maps, bandwidth)
        best = int(np.argmin(self.objectives))
        self._latents = {
            m: (kernel.factor @ W[best]).cpu().numpy()
            for m, kernel, W in zip(cells.modalities, kernels, maps, strict=True)
        }

    def _kernel(self, scores: NDArray[np.float32], modality: str, context: Context) -> _Kernel:
        import torch

        n, d = scores.shape
        require_more(n, self.n_components, f"cells of {modality}", self.name)
        size = n if self.kernel == "gaussian" else min(n, d)
        context.require_memory(24 * n * size, f"mmd_ma's kernel of {n} cells", "set kernel: linear")
        factor = _linear_factor(scores) if self.kernel == "linear" else _gaussian_factor(scores)
        return _Kernel(torch.as_tensor(factor, dtype=torch.float32, device=context.device))

    def _minimize(
        self, kernels: list[_Kernel], maps: list[Tensor], bandwidth: float, generator: Generator, context: Context
    ) -> None:
        """Follow the gradient from every start at once; the maps (restarts, r, p) are overwritten."""
        import torch

        variables = [W.requires_grad_() for W in maps]
        optimizer = torch.optim.Adam(variables, lr=self.learning_rate)
        for step in range(self.max_iterations):
            optimizer.zero_grad()
            Z_x, Z_y = (s.batch(self.batch_size, generator) @ W for s, W in zip(kernels, variables, strict=True))
            values = discrepancy(Z_x, Z_y, bandwidth) + self._regularization(kernels, variables)
            # the starts share no variable: each has the gradient of its own objective
            values.sum().backward()
            optimizer.step()
            if step % PROGRESS_EVERY == 0:
                context.progress("alignment", step, self.max_iterations, {"objective": float(values.detach().min())})
        for W in variables:
            W.requires_grad_(False)

    def _objectives(self, kernels: list[_Kernel], maps: list[Tensor], bandwidth: float) -> list[float]:
        """Objective over all cells, of each start."""
        x, y = kernels
        return [
            float(discrepancy(x.factor @ W_x, y.factor @ W_y, bandwidth) + self._regularization(kernels, [W_x, W_y]))
            for W_x, W_y in zip(*maps, strict=True)
        ]

    def _regularization(self, kernels: list[_Kernel], maps: list[Tensor]) -> Tensor:
        """Distortion and penalty of both modalities, weighted, of maps (..., r, p)."""
        terms = [
            self.distortion * s.distortion(W) + self.penalty * orthogonality_penalty(W)
            for s, W in zip(kernels, maps, strict=True)
        ]
        return terms[0] + terms[1]

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        return self._latents


class _Kernel:
    """Kernel of one modality: its factor S (n, r), with K = S S^T, and S^T S, which every step uses."""

    def __init__(self, factor: Tensor) -> None:
        self.factor = factor
        self.gram = factor.T @ factor

    def starts(self, n_components: int, number: int, generator: Generator) -> Tensor:
        """Return (number, r, p): the leading components, each time in another random rotation.

        A component's sign, which is arbitrary, is that of its cells' skewness: no order of cells changes the starts.
        """
        import torch

        leading = torch.linalg.eigh(self.gram).eigenvectors[:, -n_components:]
        leading = torch.where((self.factor @ leading).pow(3).sum(0) < 0, -leading, leading)
        rotations = torch.linalg.qr(torch.randn(number, n_components, n_components, generator=generator))[0]
        return leading @ rotations.to(leading.device)

    def batch(self, size: int, generator: Generator) -> Tensor:
        """Rows of the factor: all, or a sample."""
        import torch

        if len(self.factor) <= size:
            return self.factor
        return self.factor[torch.randperm(len(self.factor), generator=generator)[:size].to(self.factor.device)]

    def distortion(self, W: Tensor) -> Tensor:
        """``|S S^T - S W W^T S^T|^2 / |S S^T|^2`` of maps (..., r, p), by matrices of r x r."""
        product, norm = self.gram @ W, self.gram.square().sum()
        return (norm - 2 * product.square().sum((-2, -1)) + (W.mT @ product).square().sum((-2, -1))) / norm


def orthogonality_penalty(W: Tensor) -> Tensor:
    """``|W^T W - I|^2 / p`` of maps (..., r, p)."""
    import torch

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
    import torch

    sums = [
        torch.exp(-_squared_distances(part, b) / (2 * bandwidth**2)).sum((-2, -1)) for part in a.split(CHUNK, dim=-2)
    ]
    return torch.stack(sums).sum(0) / (a.shape[-2] * b.shape[-2])


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return (squares - 2 * a @ b.mT).clamp_min(0)


def _median_distance(kernels: list[_Kernel], maps: list[Tensor]) -> float:
    """Median distance within a modality at the start, the mean of both; no rotation changes it."""
    import torch

    # a sample of evenly spaced cells: their order is random
    embedded = [side.factor[:: -(-len(side.factor) // CHUNK)] @ W[0] for side, W in zip(kernels, maps, strict=True)]
    return float(sum(torch.pdist(Z).median() for Z in embedded)) / len(embedded)


def _linear_factor(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """S with ``S S^T`` the inner products of centred scores, with mean diagonal 1."""
    centred = scores.astype(np.float64) - scores.mean(axis=0, dtype=np.float64)
    if len(centred) < centred.shape[1]:
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        centred = u * s
    return centred / max(np.sqrt((centred**2).sum() / len(centred)), np.finfo(np.float64).tiny)


def _gaussian_factor(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """S with ``S S^T = exp(-|x - x'|^2 / (2 b^2))``, b the median distance, but for eigenvalues below 1e-6."""
    from scipy.linalg import eigh
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(scores.astype(np.float64))
    kernel = np.exp(-(squareform(distances) ** 2) / (2 * max(np.median(distances), np.finfo(np.float64).tiny) ** 2))
    values, vectors = eigh(kernel)
    kept = values > 1e-6 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])
