"""What each feature adds to the margin of the vote on a cell's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.explaining import Floats
from jamie.explain.removal import Removal, dense_rows
from jamie.explain.slopes import Slopes
from jamie.explain.soft_votes import SoftVotes

if TYPE_CHECKING:
    from torch import Tensor, nn

_ROWS = 256  # cells at once, at every node of their paths


@dataclass(frozen=True)
class Task:
    """Whose label is voted on, and by whom.

    Parameters
    ----------
    removal
        Cells (n,) that are explained, and the background that they are compared with.
    module
        From preprocessed values of the cells to latents, or from their values where preprocessing is not affine.
    votes
        Those of the cells that vote.
    own : (n, n_v)
        Voters that are the cell itself.
    codes : (n,)
        Place of each cell's label in ``votes.classes``.
    """

    removal: Removal
    module: nn.Module
    votes: SoftVotes
    own: sparse.csr_array
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class Contributions:
    """Contributions by label.

    Parameters
    ----------
    scores : (C, p)
        Mean over the cells of each label; NaN for a label without cells.
    margin, base : (n,)
        Margin of each cell, and of the background in its place.
    error
        Root mean square over cells of what the contributions lack of ``margin - base``, over the standard deviation of
        the margins.
    """

    scores: NDArray[np.float64]
    margin: NDArray[np.float64]
    base: NDArray[np.float64]
    error: float


def contributions(task: Task, steps: int, context: Context) -> Contributions:
    r"""Integrate gradients of the margin along straight paths from the background to each cell.

    .. math:: \phi_j(x) = (x_j - m_j) \int_0^1 \partial_j f(m + t (x - m))\, dt, \qquad
              \sum_j \phi_j(x) = f(x) - f(m)

    by `steps` nodes of Gauss-Legendre quadrature. f is the margin of smooth votes, and m the background.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.
    """
    removal, n = task.removal, task.removal.n_cells
    slopes = Slopes(removal, task.module)
    pulled = np.empty((n, slopes.width), np.float32)
    margin, base = np.empty(n), np.empty(n)
    paths = _Paths(task, slopes, steps)
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        pulled[rows], margin[rows], base[rows] = paths.along(rows)
        context.progress("explain", int(rows[-1]) + 1, n, {})
    counts = np.bincount(task.codes, minlength=len(task.votes.classes))
    member = sparse.csr_array((np.ones(n), (task.codes, np.arange(n))), shape=(len(counts), n))
    p = len(removal.background)
    sums, totals = np.zeros((len(counts), p)), np.zeros(n)
    for at, effects in slopes.effects([np.array([j]) for j in range(p)], np.arange(n), pulled):
        sums[:, at] = -(member @ effects)
        totals -= effects.sum(axis=1)
    with np.errstate(invalid="ignore"):
        scores = np.where(counts[:, None] > 0, sums / counts[:, None], np.nan)
    lacking = np.sqrt(np.mean((totals - (margin - base)) ** 2)) / max(float(margin.std()), 1e-12)
    return Contributions(scores, margin, base, float(lacking))


class _Paths:
    """Straight paths from the background to cells, in the space that the module reads."""

    def __init__(self, task: Task, slopes: Slopes, steps: int) -> None:
        removal = task.removal
        self.task, self.slopes = task, slopes
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        self.nodes, self.weights = (nodes + 1) / 2, weights / 2
        self.bandwidths = task.votes.bandwidths(self._latents(removal.scores), task.own)
        self.start = removal.background
        affine = removal.subject.affine(removal.modality)
        if affine is not None:
            A, b = affine
            every = np.arange(len(removal.background))
            self.start = (removal.background @ dense_rows(A, every) + b).astype(np.float32)

    def along(self, rows: NDArray[np.intp]) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64]]:
        """Mean gradients (k, width) along the paths of some cells, and the margins at their ends and starts."""
        import torch

        device = self.task.votes.voters.device
        x, told = self.slopes.read(rows), self.slopes.told(rows)
        start, end = torch.as_tensor(self.start, device=device), torch.as_tensor(x, device=device)
        covariates = None if told is None else torch.as_tensor(told, device=device)
        total = torch.zeros_like(end)
        for node, weight in zip(self.nodes, self.weights, strict=True):
            point = (start + float(node) * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(self._margins(point, covariates, rows).sum(), point)
            total += float(weight) * gradient
        with torch.no_grad():
            margin = self._margins(end, covariates, rows).cpu().numpy()
            base = self._margins(start.expand_as(end), covariates, rows).cpu().numpy()
        return total.cpu().numpy(), margin.astype(np.float64), base.astype(np.float64)

    def _margins(self, x: Tensor, covariates: Tensor | None, rows: NDArray[np.intp]) -> Tensor:
        import torch

        task, device = self.task, x.device
        codes = torch.as_tensor(task.codes[rows], device=device)
        bandwidths = torch.as_tensor(self.bandwidths[rows], device=device)
        return task.votes.margins(self.slopes.module(x, covariates), bandwidths, task.own[rows], codes)

    def _latents(self, scores: Floats) -> Floats:
        removal = self.task.removal
        return removal.subject.embed(removal.modality, scores, removal.cells)
