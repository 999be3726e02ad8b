"""Expected gradients with every background cell taken equally often, and quadrature along the paths from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.context import Context
from jamie.core.explanation import EXPLAIN_STAGE, Floats
from jamie.explain.modules import on
from jamie.explain.shap.task import Attributed, ShapTask, additivity_error

TOLERANCE = 0.01  # of the prediction's standard deviation, that values may lack of adding up
PILOT_TOLERANCE, PILOT_CELLS = 0.4 * TOLERANCE, 16  # stricter, as it is seen in few cells
NODES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
MOST_POINTS, MOST_FLOATS = 4096, 2**26  # that go through the networks at once; 256 MiB
GRAPH = 12  # arrays of the size of its input that differentiating the preprocessing keeps, about


def path_gradients(task: ShapTask, samples: int, context: Context) -> Attributed:
    r"""Take expected gradients of every explained cell.

    .. math:: \phi_j(x) = \sum_b w_b\, (x_j - x_{bj}) \int_0^1 \partial_j f(x_b + t (x - x_b))\, dt

    over all background cells b, the integral by Gauss-Legendre nodes. Where preprocessing is x A + c, the gradients are
    taken with respect to the scores, of which there are few, and brought back by A.

    Parameters
    ----------
    task
        What is explained.
    samples
        Gradients of each output that may be taken for a cell.
    context
        For progress.

    References
    ----------
    Erion et al. 2021, 10.1038/s42256-021-00343-w.
    """
    paths = _Paths(task)
    nodes = _enough_nodes(paths, samples)
    (k, p), n_outputs, n_background = task.X.shape, len(task.outputs.names), len(task.background.X)
    values = np.zeros((n_outputs, k, p), np.float32)
    at_once = _pairs_at_once(paths.width, n_outputs, nodes)
    for start in range(0, k * n_background, at_once):
        pairs = np.arange(start, min(start + at_once, k * n_background))
        paths.add(values, pairs // n_background, pairs % n_background, nodes)
        context.progress(EXPLAIN_STAGE, int((pairs[-1] + 1) // n_background), k, {})
    return Attributed(values, {"nodes": nodes, "samples": nodes * n_background})


class _Paths:
    """Straight paths from background cells to explained ones, in the space in which gradients are taken."""

    def __init__(self, task: ShapTask) -> None:
        self.task = task
        affine = task.subject.affine(task.outputs.source)
        self.back: Any = None
        self.starts, self.ends = task.background.X, task.X
        if affine is not None:
            A, offset = affine
            self.starts = np.asarray(task.background.X @ A + offset, np.float32)
            self.ends = task.subject.scores(task.outputs.source)[task.cells]
            self.back = sparse.csr_array(A, dtype=np.float32) if sparse.issparse(A) else np.float32(A).T.copy()
        self.module = task.module(preprocessed=affine is not None)

    @property
    def width(self) -> int:
        """Dimensions of the space."""
        return int(self.starts.shape[1])

    def slopes(self, cells: NDArray[np.int64], background: NDArray[np.int64], nodes: int) -> Tensor:
        """(T, r, d) mean gradient of every output along paths, times the weight of the background cell."""
        at, share = np.polynomial.legendre.leggauss(nodes)
        start, end = on(self.module, self.starts[background]), on(self.module, self.ends[cells])
        t = torch.as_tensor((at + 1) / 2, dtype=torch.float32, device=start.device)
        points = (start + t[:, None, None] * (end - start)).flatten(0, 1).requires_grad_()
        told = self.task.covariates
        covariates = None if told is None else on(self.module, np.tile(told[cells], (nodes, 1)))
        out = self.task.chosen(self.module(points, covariates))
        weights = np.outer(share / 2, self.task.background.weights[background])
        weighted = torch.as_tensor(weights, dtype=torch.float32, device=start.device).flatten()
        found = start.new_empty((out.shape[1], *start.shape))
        for i in range(len(found)):
            last = i == len(found) - 1
            (gradient,) = torch.autograd.grad((out[:, i] * weighted).sum(), points, retain_graph=not last)
            found[i] = gradient.view(nodes, *start.shape).sum(0)
        return found

    def add(self, values: Floats, cells: NDArray[np.int64], background: NDArray[np.int64], nodes: int) -> None:
        """Add to values (T, k, p) what these paths, those of a cell in a row, contribute."""
        slopes = self.slopes(cells, background, nodes).cpu().numpy()
        X, away = self.task.X, self.task.background.X
        firsts = np.flatnonzero(np.diff(cells, prepend=-1))
        for first, end in zip(firsts, [*firsts[1:], len(cells)], strict=True):
            cell = cells[first]
            difference = X[cell] - away[background[first:end]]
            for output, of_cell in zip(values, slopes[:, first:end], strict=True):
                output[cell] += np.einsum("bp,bp->p", difference, self.in_units(of_cell))

    def in_units(self, slopes: Floats) -> Floats:
        """Gradients (r, p) with respect to the features, from those (r, d) in the space of the paths."""
        if self.back is None:
            return slopes
        return np.asarray((self.back @ slopes.T).T if sparse.issparse(self.back) else slopes @ self.back)

    def sums(self, cells: NDArray[np.int64], nodes: int) -> NDArray[np.float64]:
        """(k, T) sums over the features of the values of some cells, without these."""
        n_background, n_outputs = len(self.starts), len(self.task.outputs.names)
        totals = np.zeros((len(cells), n_outputs))
        at_once = _pairs_at_once(self.width, n_outputs, nodes)
        for start in range(0, len(cells) * n_background, at_once):
            pairs = np.arange(start, min(start + at_once, len(cells) * n_background))
            which, background = pairs // n_background, pairs % n_background
            slopes = self.slopes(cells[which], background, nodes).cpu().numpy()
            difference = self.ends[cells[which]] - self.starts[background]
            np.add.at(totals, which, np.einsum("trd,rd->rt", slopes, difference))
        return totals


def _enough_nodes(paths: _Paths, samples: int) -> int:
    """Return the fewest nodes by which the values of a few cells add up, as far as `samples` allow."""
    task = paths.task
    cells = np.unique(np.linspace(0, len(task.cells) - 1, PILOT_CELLS).astype(np.int64))
    expected, sd = (task.prediction - task.base)[cells], task.prediction.std(axis=0, dtype=np.float64)
    allowed = [nodes for nodes in NODES if nodes * len(paths.starts) <= samples] or [1]
    for nodes in allowed:
        if additivity_error(paths.sums(cells, nodes), expected, sd).max() <= PILOT_TOLERANCE:
            return nodes
    return allowed[-1]


def _pairs_at_once(width: int, n_outputs: int, nodes: int) -> int:
    """How many paths go through the networks at once."""
    return max(1, min(MOST_POINTS // nodes, MOST_FLOATS // (width * (n_outputs + GRAPH * nodes))))
