"""What each feature adds to the votes for a cell's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.context import Context
from jamie.core.explanation import EXPLAIN_STAGE, Floats
from jamie.explain.attribution.soft_votes import SoftVotes
from jamie.explain.first_order import Slopes
from jamie.explain.removal import Indices, Removal

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
    accuracy
        Part of the cells whose label has most votes.
    error
        Root mean square over cells of what the contributions lack of the sum that they should have, over the standard
        deviation of the cells' log odds.
    """

    scores: NDArray[np.float64]
    accuracy: float
    error: float


def contributions(task: Task, steps: int, context: Context) -> Contributions:
    r"""Integrate gradients of the log odds of each cell's label along a straight path from the background to the cell.

    .. math:: \phi_j(x) = (x_j - m_j) \int_0^1 \partial_j f(m + t (x - m))\, dt, \qquad
              \sum_j \phi_j(x) = f(x) - f(m)

    by `steps` nodes of Gauss-Legendre quadrature. f are the log odds of the smooth votes, and m is the background.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.
    """
    removal, n = task.removal, task.removal.n_cells
    slopes = Slopes(removal, task.module)
    pulled = np.empty((n, slopes.width), np.float32)
    odds, gained, right = np.empty(n), np.empty(n), np.empty(n, bool)
    paths = _Paths(task, slopes, steps)
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        pulled[rows], odds[rows], gained[rows], right[rows] = paths.along(rows)
        context.progress(EXPLAIN_STAGE, int(rows[-1]) + 1, n, {})
    counts = np.bincount(task.codes, minlength=len(task.votes.classes))
    member = sparse.csr_array((np.ones(n), (task.codes, np.arange(n))), shape=(len(counts), n))
    p = len(removal.background)
    sums, totals = np.zeros((len(counts), p)), np.zeros(n)
    for at, effects in slopes.effects([np.array([j]) for j in range(p)], np.arange(n), pulled):
        sums[:, at] = -(member @ effects)
        totals -= effects.sum(axis=1)
    with np.errstate(invalid="ignore"):
        scores = np.where(counts[:, None] > 0, sums / counts[:, None], np.nan)
    lacking = np.sqrt(np.mean((totals - gained) ** 2)) / max(float(odds.std()), 1e-12)
    return Contributions(scores, float(right.mean()), float(lacking))


class _Paths:
    """Straight paths from the background to cells, in the space that the module reads."""

    def __init__(self, task: Task, slopes: Slopes, steps: int) -> None:
        removal = task.removal
        self.task, self.slopes = task, slopes
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        self.nodes, self.weights = (nodes + 1) / 2, weights / 2
        self.bandwidth = task.votes.bandwidth(self._latents(removal.scores), task.own)
        self.start = removal.background
        affine = removal.subject.affine(removal.modality)
        if affine is not None:
            A, b = affine
            self.start = np.asarray(A.T @ removal.background + b, np.float32)

    def along(self, rows: Indices) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Follow the paths of some cells.

        Returns
        -------
        tuple
            Mean gradients (k, width); log odds (k,) of the cells; what these are above those of the background (k,);
            and whether their labels have most votes.
        """
        import torch

        from jamie.explain.modules import on

        module, told = self.slopes.module, self.slopes.told(rows)
        end = on(module, self.slopes.read(rows))
        start = on(module, self.start)
        covariates = None if told is None else on(module, told)
        total = torch.zeros_like(end)
        for node, weight in zip(self.nodes, self.weights, strict=True):
            point = (start + float(node) * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(self._odds(point, covariates, rows).sum(), point)
            total += float(weight) * gradient
        with torch.no_grad():
            odds = self._odds(end, covariates, rows)
            gained = odds - self._odds(start.expand_as(end), covariates, rows)
            winners = self.task.votes.winners(module(end, covariates), self.bandwidth, self.task.own[rows])
        right = winners.cpu().numpy() == self.task.codes[rows]
        return total.cpu().numpy(), odds.double().cpu().numpy(), gained.double().cpu().numpy(), right

    def _odds(self, x: Tensor, covariates: Tensor | None, rows: Indices) -> Tensor:
        import torch

        task = self.task
        codes = torch.as_tensor(task.codes[rows], device=x.device)
        return task.votes.log_odds(self.slopes.module(x, covariates), self.bandwidth, task.own[rows], codes)

    def _latents(self, scores: Floats) -> Floats:
        removal = self.task.removal
        return removal.subject.embed(removal.modality, scores, removal.cells)
