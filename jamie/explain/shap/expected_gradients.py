"""Expected gradients by quadrature along the paths from every background cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jamie.core.context import Context
from jamie.core.explanation import EXPLAIN_STAGE, Floats
from jamie.explain.linearized_model import feature_gradients
from jamie.explain.modules import tensor_on_device_of
from jamie.explain.shap.task import ShapleyValues, ShapTask, additivity_error

TOLERANCE = 0.01  # of the prediction's standard deviation, by which the sums of values may be off
PILOT_TOLERANCE, PILOT_CELLS = 0.4 * TOLERANCE, 16  # stricter, as it is measured on few cells
NODES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
MAX_POINTS, MAX_FLOATS = 4096, 2**26  # that go through the networks at once; 256 MiB
GRAPH = 12  # approximate number of arrays of its input's size that the graph of the preprocessing holds


def expected_gradients(task: ShapTask, samples: int, context: Context) -> ShapleyValues:
    r"""Compute the expected gradients of every explained cell.

    .. math:: \phi_j(x) = \sum_b w_b\, (x_j - x_{bj}) \int_0^1 \partial_j f(x_b + t (x - x_b))\, dt

    over all background cells b, with the integral by Gauss-Legendre quadrature. If preprocessing is x A + c, the
    gradients are computed with respect to the few scores and multiplied by A.

    Parameters
    ----------
    task
        Outputs, explained cells and background cells.
    samples
        Largest number of gradients of each output for a cell.
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
    for cells, background in paths.batches(k, nodes):
        paths.add(values, cells, background, nodes)
        context.progress(EXPLAIN_STAGE, int(cells[-1]) + int(background[-1] == n_background - 1), k, {})
    return ShapleyValues(values, {"nodes": nodes, "samples": nodes * n_background})


class _Paths:
    """Straight paths from background cells to explained cells, in the space of the module's inputs."""

    def __init__(self, task: ShapTask) -> None:
        self.task = task
        affine = task.subject.affine(task.outputs.source)
        self.loadings: Any = None
        self.starts, self.ends = task.background.X, task.X
        if affine is not None:
            A, offset = affine
            self.starts = np.asarray(task.background.X @ A + offset, np.float32)
            self.ends = task.subject.scores(task.outputs.source)[task.cells]
            self.loadings = A.astype(np.float32, order="F") if isinstance(A, np.ndarray) else A.astype(np.float32)
        self.module = task.module(preprocessed=affine is not None)

    def batches(self, n_cells: int, nodes: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Cell and background cell of each path, as many paths as go through the networks at once."""
        n_background, width = self.starts.shape
        floats = width * (len(self.task.outputs.names) + GRAPH * nodes)
        at_once = max(1, min(MAX_POINTS // nodes, MAX_FLOATS // floats))
        for start in range(0, n_cells * n_background, at_once):
            paths = np.arange(start, min(start + at_once, n_cells * n_background))
            yield paths // n_background, paths % n_background

    def slopes(self, cells: NDArray[np.int64], background: NDArray[np.int64], nodes: int) -> Tensor:
        """(T, r, d) mean gradient of every output along r paths, times the weight of the background cell."""
        at, share = np.polynomial.legendre.leggauss(nodes)
        start = tensor_on_device_of(self.module, self.starts[background])
        end = tensor_on_device_of(self.module, self.ends[cells])
        t = torch.as_tensor((at + 1) / 2, dtype=torch.float32, device=start.device)
        points = (start + t[:, None, None] * (end - start)).flatten(0, 1).requires_grad_()
        batches = self.task.covariates
        covariates = None if batches is None else tensor_on_device_of(self.module, np.tile(batches[cells], (nodes, 1)))
        out = self.task.select(self.module(points, covariates))
        weights = np.outer(share / 2, self.task.background.weights[background])
        weighted = torch.as_tensor(weights, dtype=torch.float32, device=start.device).flatten()
        slopes = start.new_empty((out.shape[1], *start.shape))
        for i in range(len(slopes)):
            last = i == len(slopes) - 1
            (gradient,) = torch.autograd.grad((out[:, i] * weighted).sum(), points, retain_graph=not last)
            slopes[i] = gradient.view(nodes, *start.shape).sum(0)
        return slopes

    def add(self, values: Floats, cells: NDArray[np.int64], background: NDArray[np.int64], nodes: int) -> None:
        """Add the contributions of paths, ordered by cell, to values (T, k, p)."""
        slopes = self.slopes(cells, background, nodes).cpu().numpy()
        X, background_X = self.task.X, self.task.background.X
        firsts = np.flatnonzero(np.diff(cells, prepend=-1))
        for first, end in zip(firsts, [*firsts[1:], len(cells)], strict=True):
            cell = cells[first]
            difference = X[cell] - background_X[background[first:end]]
            for output, of_cell in zip(values, slopes[:, first:end], strict=True):
                slope = of_cell if self.loadings is None else feature_gradients(self.loadings, of_cell)
                output[cell] += np.einsum("bp,bp->p", difference, slope)

    def sums(self, cells: NDArray[np.int64], nodes: int) -> NDArray[np.float64]:
        """(k, T) sums over the features of the values of cells, without computing the values."""
        totals = np.zeros((len(cells), len(self.task.outputs.names)))
        for which, background in self.batches(len(cells), nodes):
            slopes = self.slopes(cells[which], background, nodes).cpu().numpy()
            difference = self.ends[cells[which]] - self.starts[background]
            np.add.at(totals, which, np.einsum("trd,rd->rt", slopes, difference))
        return totals


def _enough_nodes(paths: _Paths, samples: int) -> int:
    """Return the smallest number of nodes at which the values of a few cells add up, as far as `samples` allow."""
    task = paths.task
    cells = np.unique(np.linspace(0, len(task.cells) - 1, PILOT_CELLS).astype(np.int64))
    expected, sd = (task.prediction - task.base)[cells], task.prediction.std(axis=0, dtype=np.float64)
    allowed = [nodes for nodes in NODES if nodes * len(paths.starts) <= samples] or [1]
    for nodes in allowed:
        if additivity_error(paths.sums(cells, nodes), expected, sd).max() <= PILOT_TOLERANCE:
            return nodes
    return allowed[-1]
