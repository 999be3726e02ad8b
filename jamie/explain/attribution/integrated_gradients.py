"""Integrated gradients of the vote for each cell's label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from jamie.core.context import Context
from jamie.core.explanation import EXPLAIN_STAGE, Floats
from jamie.explain.attribution.soft_votes import SoftVotes
from jamie.explain.linearized_model import LinearizedModel
from jamie.explain.modules import tensor_on_device_of
from jamie.explain.removal import Indices, Removal

_ROWS = 256  # cells at once, at every node of their paths


@dataclass(frozen=True)
class AttributionTask:
    """Cells whose labels are voted on, and the cells that vote.

    Parameters
    ----------
    removal
        Cells (n,) that are explained, and the background that they are compared with.
    module
        From preprocessed values of the cells to latents, or from their values if preprocessing is not affine.
    votes
        Of the voting cells.
    excluded : (n, n_v)
        Voters without a vote on a cell: the cell itself or its partner.
    codes : (n,)
        Position of each cell's label in ``votes.classes``.
    """

    removal: Removal
    module: nn.Module
    votes: SoftVotes
    excluded: sparse.csr_array
    codes: NDArray[np.int64]


@dataclass(frozen=True)
class Contributions:
    """Contributions of features by label.

    Parameters
    ----------
    scores : (C, p)
        Mean over the cells of each label; NaN for a label without cells.
    accuracy
        Fraction of the cells whose own label wins the vote.
    error
        Root mean square over cells of the difference between the sum of the contributions and the difference in log
        odds that they explain, divided by the standard deviation of the cells' log odds.
    """

    scores: NDArray[np.float64]
    accuracy: float
    error: float


def integrated_gradients(task: AttributionTask, steps: int, context: Context) -> Contributions:
    r"""Integrate gradients of the log odds of each cell's label along a straight path from the background to the cell.

    .. math:: \phi_j(x) = (x_j - m_j) \int_0^1 \partial_j f(m + t (x - m))\, dt, \qquad
              \sum_j \phi_j(x) = f(x) - f(m)

    by Gauss-Legendre quadrature with `steps` nodes. f are the log odds of the soft votes, and m is the background.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.
    """
    n, p, n_classes = task.removal.n_cells, len(task.removal.background), len(task.votes.classes)
    paths = _Paths(task, steps)
    gradients = np.empty((n, paths.model.input_width), np.float32)
    odds, gain, correct = np.empty(n), np.empty(n), np.empty(n, bool)
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        gradients[rows], odds[rows], gain[rows], correct[rows] = paths.integrate(rows)
        context.progress(EXPLAIN_STAGE, int(rows[-1]) + 1, n, {})
    member = sparse.csr_array((np.ones(n), (task.codes, np.arange(n))), shape=(n_classes, n))
    sums, totals = np.zeros((n_classes, p)), np.zeros(n)
    for at, effects in paths.model.effects(tuple(np.arange(p)[:, None]), np.arange(n), gradients):
        sums[:, at] = -(member @ effects)
        totals -= effects.sum(axis=1)
    counts = np.bincount(task.codes, minlength=n_classes)[:, None]
    scores = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    error = np.sqrt(np.mean((totals - gain) ** 2)) / max(float(odds.std()), 1e-12)
    return Contributions(scores, float(correct.mean()), float(error))


class _Paths:
    """Straight paths from the background to cells, in the space of the module's inputs."""

    def __init__(self, task: AttributionTask, steps: int) -> None:
        removal, subject = task.removal, task.removal.subject
        self.task, self.model = task, LinearizedModel(removal, task.module)
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        self.nodes, self.weights = (nodes + 1) / 2, weights / 2
        latents = subject.embed(removal.modality, removal.scores, removal.cells)
        self.bandwidth = task.votes.bandwidth(latents, task.excluded)
        self.start = removal.background
        affine = subject.affine(removal.modality)
        if affine is not None:
            A, b = affine
            self.start = np.asarray(A.T @ removal.background + b, np.float32)

    def integrate(self, rows: Indices) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Integrate the gradients along the paths of cells.

        Returns
        -------
        tuple
            Mean gradients (k, d); log odds (k,) of the cells; their difference (k,) to those of the background; and
            whether the cell's own label wins the vote (k,).
        """
        task, batches = self.task, self.model.covariates(rows)
        covariates = None if batches is None else tensor_on_device_of(task.module, batches)
        end = tensor_on_device_of(task.module, self.model.inputs(rows))
        start = tensor_on_device_of(task.module, self.start)
        codes = torch.as_tensor(task.codes[rows], device=end.device)

        def log_odds(x: Tensor) -> Tensor:
            return task.votes.log_odds(task.module(x, covariates), self.bandwidth, task.excluded[rows], codes)

        total = torch.zeros_like(end)
        for node, weight in zip(self.nodes, self.weights, strict=True):
            point = (start + float(node) * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(log_odds(point).sum(), point)
            total += float(weight) * gradient
        with torch.no_grad():
            odds = log_odds(end)
            gain = odds - log_odds(start.expand_as(end))
            winners = task.votes.winners(task.module(end, covariates), self.bandwidth, task.excluded[rows])
        correct = winners.cpu().numpy() == task.codes[rows]
        return total.cpu().numpy(), odds.double().cpu().numpy(), gain.double().cpu().numpy(), correct
