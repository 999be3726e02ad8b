"""From indices of cells to minibatches of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.batch import Batch, MeasuredCells, PairBlocks
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.panels import MeasuredTarget

DENSE_ENTRIES = 2**24  # an n_a x n_b correspondence up to this size is kept as a dense tensor where it is well filled


class BatchMaker:
    """Holds the training cells on the device and cuts minibatches out of them.

    Parameters
    ----------
    x, target
        (n_m, d_m) and (n_m, t_m) of each modality; the very same array where the target is the input.
    known
        Known pairs of these cells.
    inferred
        Inferred correspondence; None where nothing is inferred.
    rho
        Weight of the known pairs in the aggregation, that of the inferred ones being 1 - rho.
    device
        Where the minibatches are to lie.
    covariates, size_factor
        (n_m, C) and (n_m, 1) of each modality that has them.
    measured
        Which part of each cell's target was measured, of modalities of several panels.
    """

    def __init__(
        self,
        x: Mapping[str, NDArray[np.float32]],
        target: Mapping[str, NDArray[np.float32]],
        known: Correspondences,
        inferred: Correspondences | None = None,
        *,
        rho: float = 1.0,
        device: str = "cpu",
        covariates: Mapping[str, NDArray[np.float32]] | None = None,
        size_factor: Mapping[str, NDArray[np.float32]] | None = None,
        measured: Mapping[str, MeasuredTarget] | None = None,
    ) -> None:
        self.device = device
        self._x = {m: torch.as_tensor(v, device=device) for m, v in x.items()}
        self._target = {m: self._x[m] if v is x[m] else torch.as_tensor(v, device=device) for m, v in target.items()}
        self._covariates = {m: torch.as_tensor(v, device=device) for m, v in (covariates or {}).items()}
        self._size_factor = {m: torch.as_tensor(v, device=device) for m, v in (size_factor or {}).items()}
        self._measured = {m: _on_device(one, device) for m, one in (measured or {}).items()}
        self._blocks = _tables(mix(known, inferred, rho), device)
        self._inferred = None if inferred is None else _tables(inferred, device)

    def make(self, cells: Mapping[str, NDArray[np.int64]]) -> Batch:
        """Return the minibatch of the given cells of each modality."""
        index = {m: torch.as_tensor(i, device=self.device) for m, i in cells.items()}
        x = {m: self._x[m].index_select(0, i) for m, i in index.items()}
        target = {
            m: x[m] if self._target[m] is self._x[m] else self._target[m].index_select(0, i) for m, i in index.items()
        }
        return Batch(
            x,
            target,
            _blocks(self._blocks, cells),
            None if self._inferred is None else _blocks(self._inferred, cells),
            {m: v.index_select(0, index[m]) for m, v in self._covariates.items()},
            {m: v.index_select(0, index[m]) for m, v in self._size_factor.items()},
            {m: replace(v, panel=v.panel.index_select(0, index[m])) for m, v in self._measured.items()},
        )


def _on_device(measured: MeasuredTarget, device: str) -> MeasuredCells:
    parts = tuple(torch.as_tensor(part, device=device) for part in measured.parts)
    return MeasuredCells(torch.as_tensor(measured.panel, device=device), parts)


def mix(known: Correspondences, inferred: Correspondences | None, rho: float) -> Correspondences:
    """Return F, and (1 - rho) F-tilde for the cells that have no known partner.

    Algorithm 1, line 3, mixes rho F + (1 - rho) F-tilde for all cells, which would tie a cell whose partner is known
    to others as well.
    """
    if inferred is None or rho == 1:
        return known
    mixed = {
        (a, b): Correspondence((1 - rho) * inferred.between(a, b).matrix).updated_with(f) for (a, b), f in known.items()
    }
    return Correspondences(known.sizes, mixed)


class _SparseTable:
    """A correspondence of which a block is cut out entry by entry."""

    def __init__(self, matrix: sparse.csr_array, device: str) -> None:
        self._matrix = matrix
        self._device = device
        self._position = np.full(matrix.shape[1], -1, dtype=np.int64)

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        indptr = self._matrix.indptr
        counts = indptr[rows + 1] - indptr[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        entry = np.repeat(indptr[rows], counts) + within
        self._position[columns] = np.arange(len(columns))
        column = self._position[self._matrix.indices[entry]]
        self._position[columns] = -1
        block = np.zeros((len(rows), len(columns)), dtype=np.float32)
        here = column >= 0
        block[np.repeat(np.arange(len(rows)), counts)[here], column[here]] = self._matrix.data[entry[here]]
        return torch.as_tensor(block, device=self._device)


class _DenseTable:
    """A small, well filled correspondence, held as a tensor."""

    def __init__(self, matrix: sparse.csr_array, device: str) -> None:
        self._matrix = torch.as_tensor(matrix.toarray(), device=device)

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        device = self._matrix.device
        chosen = self._matrix.index_select(0, torch.as_tensor(rows, device=device))
        return chosen.index_select(1, torch.as_tensor(columns, device=device))


def _blocks(
    tables: Mapping[tuple[str, str], _SparseTable | _DenseTable], cells: Mapping[str, NDArray[np.int64]]
) -> PairBlocks:
    return PairBlocks({(a, b): table.block(cells[a], cells[b]) for (a, b), table in tables.items()})


def _tables(correspondences: Correspondences, device: str) -> dict[tuple[str, str], _SparseTable | _DenseTable]:
    return {pair: _table(c.matrix, device) for pair, c in correspondences.items() if c.n_pairs}


def _table(matrix: sparse.csr_array, device: str) -> _SparseTable | _DenseTable:
    entries = matrix.shape[0] * matrix.shape[1]
    well_filled = matrix.nnz > 0.02 * entries and entries <= DENSE_ENTRIES
    return _DenseTable(matrix, device) if well_filled else _SparseTable(matrix, device)
