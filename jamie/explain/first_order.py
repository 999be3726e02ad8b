"""First-order effects of removing features, from gradients that are brought back through the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.explanation import Floats
from jamie.core.matrix import to_dense
from jamie.explain.removal import Indices, Removal

if TYPE_CHECKING:
    from torch import nn

_ROWS = 4096
_VALUES = 2**23  # of a block of effects


class Slopes:
    """How what a model makes of cells changes, to first order, as features are removed from them.

    A gradient g with respect to a cell's latents or imputed values is brought back to its scores as ``J' g``, in one
    backward pass. Where preprocessing is ``x A + b``, removing feature j then changes the output by
    ``-(x_j - m_j) A_j . J' g``; otherwise preprocessing is a part of the backward pass.

    Parameters
    ----------
    removal
        Cells and what takes the place of their features.
    module
        From preprocessed values of the cells, or from their values where preprocessing is not affine.
    """

    def __init__(self, removal: Removal, module: nn.Module) -> None:
        self.removal, self.module = removal, module

    @property
    def width(self) -> int:
        """Numbers that a gradient takes when it is brought back."""
        return int(self.removal.scores.shape[1] if self.removal.A is not None else self.removal.X.shape[1])

    def pulled(self, rows: Indices, gradient: NDArray[np.floating]) -> Floats:
        """(k, width) what the gradients (k, o) of some cells' outputs are with respect to what the module reads."""
        import torch

        from jamie.explain.modules import on

        found = np.empty((len(rows), self.width), np.float32)
        for start in range(0, len(rows), _ROWS):
            at = slice(start, start + _ROWS)
            cells = rows[at]
            told = self.told(cells)
            x = on(self.module, self.read(cells)).requires_grad_()
            covariates = None if told is None else on(self.module, told)
            output = self.module(x, covariates)
            (slope,) = torch.autograd.grad(output, x, on(self.module, gradient[at]).to(output.dtype))
            found[at] = slope.cpu().numpy()
        return found

    def effects(
        self, units: Sequence[Indices], rows: Indices, pulled: Floats
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """First-order effects (k, u) of removing some units at a time on the outputs whose gradients were pulled back.

        Parameters
        ----------
        units
            Features of each.
        rows : (k,)
            Cell of each gradient.
        pulled : (k, width)
            From `pulled`.
        """
        sizes = np.array([len(columns) for columns in units])
        step = max(1, int(_VALUES // (max(len(rows), 1) * max(sizes.mean(), 1))))
        for start in range(0, len(units), step):
            at = slice(start, min(start + step, len(units)))
            columns = np.concatenate(units[at])
            slope = pulled[:, columns] if self.removal.A is None else self._through_scores(pulled, columns)
            single = -self.removal.deviations(columns)[rows] * slope
            first = np.concatenate([[0], np.cumsum(sizes[at])[:-1]])
            yield at, single if len(columns) == at.stop - at.start else np.add.reduceat(single, first, axis=1)

    def totals(self, units: Sequence[Indices], gradient: NDArray[np.floating]) -> NDArray[np.float64]:
        """(u,) first-order effect of removing each unit from all cells, given the gradient (n, o) of their outputs."""
        rows = np.arange(self.removal.n_cells)
        pulled = self.pulled(rows, gradient)
        total = np.empty(len(units))
        for at, effects in self.effects(units, rows, pulled):
            total[at] = effects.sum(axis=0)
        return total

    def _through_scores(self, pulled: Floats, columns: Indices) -> NDArray[np.float32]:
        A: Any = self.removal.A
        some = A[columns].astype(np.float32)
        return np.asarray((some @ pulled.T).T if sparse.issparse(some) else pulled @ some.T)

    def told(self, rows: Indices) -> Floats | None:
        """(k, C) batches of some cells, as the module reads them."""
        covariates = self.removal.subject.covariates(self.removal.modality)
        return None if covariates is None else covariates[self.removal.cells[rows]]

    def read(self, rows: Indices) -> Floats:
        """(k, width) what the module reads of some cells."""
        if self.removal.A is not None:
            return self.removal.scores[rows]
        return to_dense(self.removal.X[rows])
