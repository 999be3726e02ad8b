"""First-order effects of removing features, from gradients that are propagated back through the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from jamie.core.explanation import Floats
from jamie.core.matrix import to_dense
from jamie.explain.modules import tensor_on_device_of
from jamie.explain.removal import Indices, Removal

_ROWS = 4096
_VALUES = 2**23  # of a block of effects


class LinearizedModel:
    """A model linearized about cells: how its outputs change, to first order, when features are removed.

    A gradient g with respect to a cell's latents or imputed values is propagated back to its scores as ``J' g``, in one
    backward pass. If preprocessing is ``x A + b``, removing feature j then changes the output by
    ``-(x_j - m_j) A_j . J' g``; otherwise the backward pass includes preprocessing.

    Parameters
    ----------
    removal
        Cells and the background values of their features.
    module
        From preprocessed values of the cells, or from their values if preprocessing is not affine.
    """

    def __init__(self, removal: Removal, module: nn.Module) -> None:
        self.removal, self.module = removal, module

    @property
    def input_width(self) -> int:
        """Number of inputs of the module."""
        return int(self.removal.scores.shape[1] if self.removal.A is not None else self.removal.X.shape[1])

    def inputs(self, rows: Indices) -> Floats:
        """(k, d) inputs of the module for cells of the removal."""
        return self.removal.scores[rows] if self.removal.A is not None else to_dense(self.removal.X[rows])

    def covariates(self, rows: Indices) -> Floats | None:
        """(k, C) batches of cells of the removal."""
        covariates = self.removal.subject.covariates(self.removal.modality)
        return None if covariates is None else covariates[self.removal.cells[rows]]

    def backpropagate(self, rows: Indices, gradient: NDArray[np.floating]) -> Floats:
        """(k, d) gradients with respect to the module's inputs, from those (k, o) with respect to its outputs."""
        gradients = np.empty((len(rows), self.input_width), np.float32)
        for start in range(0, len(rows), _ROWS):
            at = slice(start, start + _ROWS)
            covariates = self.covariates(rows[at])
            x = tensor_on_device_of(self.module, self.inputs(rows[at])).requires_grad_()
            output = self.module(x, None if covariates is None else tensor_on_device_of(self.module, covariates))
            (slope,) = torch.autograd.grad(output, x, tensor_on_device_of(self.module, gradient[at]).to(output.dtype))
            gradients[at] = slope.cpu().numpy()
        return gradients

    def effects(
        self, groups: Sequence[Indices], rows: Indices, gradients: Floats
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """First-order effects (k, u) of removing feature groups, a block of groups at a time.

        Parameters
        ----------
        groups
            Columns of each feature group.
        rows : (k,)
            Cell of each gradient.
        gradients : (k, d)
            With respect to the inputs of the module.
        """
        A: Any = self.removal.A
        sizes = np.array([len(columns) for columns in groups])
        step = max(1, int(_VALUES // (max(len(rows), 1) * max(sizes.mean(), 1))))
        for start in range(0, len(groups), step):
            at = slice(start, min(start + step, len(groups)))
            columns = np.concatenate(groups[at])
            slope = gradients[:, columns] if A is None else feature_gradients(A[columns].astype(np.float32), gradients)
            single = -self.removal.deviations(columns)[rows] * slope
            first = np.concatenate([[0], np.cumsum(sizes[at])[:-1]])
            yield at, single if len(columns) == at.stop - at.start else np.add.reduceat(single, first, axis=1)

    def total_effects(self, groups: Sequence[Indices], gradient: NDArray[np.floating]) -> NDArray[np.float64]:
        """(u,) effect of removing each feature group from all cells, given the gradient (n, o) of their outputs."""
        rows = np.arange(self.removal.n_cells)
        gradients = self.backpropagate(rows, gradient)
        return np.concatenate([effects.sum(axis=0) for _, effects in self.effects(groups, rows, gradients)])


def feature_gradients(loadings: Any, gradients: Floats) -> Floats:
    """Gradients (k, c) with respect to features, from those (k, d) with respect to scores with loadings (c, d)."""
    return np.asarray((loadings @ gradients.T).T if sparse.issparse(loadings) else gradients @ loadings.T)
