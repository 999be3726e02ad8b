"""MMD-MA: linear maps under which two modalities have the same distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    from torch import Tensor

    from jamie.methods.mmd import KernelFactor

PROGRESS_EVERY = 50  # steps


@dataclass(kw_only=True, eq=False)
class MMDMA(Method):
    """Maps both modalities so that their distributions agree, from the least maximum mean discrepancy (MMD-MA).

    With kernels K of unit mean diagonal between the cells of a modality and embeddings ``Z = K alpha``, minimizes
    ``MMD^2(Z_x, Z_y) + sum_m distortion |K - Z Z^T|^2 / |K|^2 + penalty |alpha^T K alpha - I|^2 / p``. A kernel is
    written as ``K = S S^T``, so that ``Z = S W`` and the penalty is ``|W^T W - I|^2 / p``: no term but the first needs
    an n x n matrix, and that is computed on minibatches if there are more cells than `batch_size`. Distortion and
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

        from jamie.methods.mmd import KernelFactor, median_distance

        factors = [self._factor(scores, m, context) for m, scores in cells.scores.items()]
        kernels = [KernelFactor(torch.as_tensor(S, dtype=torch.float32, device=context.device)) for S in factors]
        n_components = limit_components(self.n_components, min(S.shape[1] for S in factors), self.name)
        generator = torch.Generator().manual_seed(int(context.generator().integers(2**63)))
        maps = [kernel.starts(n_components, self.restarts, generator).requires_grad_() for kernel in kernels]
        bandwidth = self.bandwidth * median_distance(kernels, [W.detach() for W in maps])
        optimizer = torch.optim.Adam(maps, lr=self.learning_rate)
        for step in range(self.max_iterations):
            optimizer.zero_grad()
            samples = [kernel.sample(self.batch_size, generator) for kernel in kernels]
            values = self._objective(kernels, samples, maps, bandwidth)
            # the starts share no variable: each has the gradient of its own objective
            values.sum().backward()
            optimizer.step()
            if step % PROGRESS_EVERY == 0:
                context.progress("alignment", step, self.max_iterations, {"objective": float(values.detach().min())})
        with torch.no_grad():
            all_cells = [kernel.factor for kernel in kernels]
            self.objectives = [
                float(self._objective(kernels, all_cells, pair, bandwidth)) for pair in zip(*maps, strict=True)
            ]
            best = int(np.argmin(self.objectives))
            self._latents = {
                m: (S @ W[best]).cpu().numpy() for m, S, W in zip(cells.modalities, all_cells, maps, strict=True)
            }

    def _factor(self, scores: NDArray[np.float32], modality: str, context: Context) -> NDArray[np.float64]:
        """Factor S (n, r) of the kernel of a modality."""
        n, d = scores.shape
        require_more(n, self.n_components, f"cells of {modality}", self.name)
        size = n if self.kernel == "gaussian" else min(n, d)
        context.require_memory(24 * n * size, f"mmd_ma's kernel of {n} cells", "set kernel: linear")
        return _linear_factor(scores) if self.kernel == "linear" else _gaussian_factor(scores)

    def _objective(
        self, kernels: Sequence[KernelFactor], rows: Sequence[Tensor], maps: Sequence[Tensor], bandwidth: float
    ) -> Tensor:
        """Objective of maps (..., r, p), whose discrepancy is that of the given rows of the factors."""
        from jamie.methods.mmd import discrepancy, orthogonality_penalty

        Z_x, Z_y = (S @ W for S, W in zip(rows, maps, strict=True))
        x, y = (
            self.distortion * kernel.distortion(W) + self.penalty * orthogonality_penalty(W)
            for kernel, W in zip(kernels, maps, strict=True)
        )
        return discrepancy(Z_x, Z_y, bandwidth) + (x + y)

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        return self._latents

    def _state(self) -> Mapping[Any, Any]:
        return {"latents": self._latents}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        self._latents = state["latents"]


def _linear_factor(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """S with ``S S^T`` the inner products of centered scores, with mean diagonal 1."""
    centered = scores.astype(np.float64) - scores.mean(axis=0, dtype=np.float64)
    if len(centered) < centered.shape[1]:
        u, s, _ = np.linalg.svd(centered, full_matrices=False)
        centered = u * s
    return centered / max(np.sqrt((centered**2).sum() / len(centered)), np.finfo(np.float64).tiny)


def _gaussian_factor(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """S with ``S S^T = exp(-|x - x'|^2 / (2 b^2))``, b the median distance, but for eigenvalues below 1e-6."""
    from scipy.linalg import eigh
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(scores.astype(np.float64))
    kernel = np.exp(-(squareform(distances) ** 2) / (2 * max(np.median(distances), np.finfo(np.float64).tiny) ** 2))
    values, vectors = eigh(kernel)
    kept = values > 1e-6 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])
