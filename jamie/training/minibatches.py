"""Minibatches of tensors."""

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
from jamie.core.data import Cells
from jamie.training.pair_sampler import PairSampler

MAX_DENSE_ENTRIES = 2**24  # of an n_a x n_b correspondence that is kept as a dense tensor
MIN_DENSE_FRACTION = 0.02  # of its entries that are not 0

Indices = Mapping[str, NDArray[np.int64]]


class Minibatches:
    """Holds training cells on the device, and draws minibatches of them.

    Parameters
    ----------
    cells
        Training cells.
    inferred
        Their inferred correspondence; None if nothing is inferred.
    batch_size
        Largest number of cells of each modality in a minibatch.
    generator
        Draws the cells.
    rho
        Weight of the known pairs in the aggregation; that of the inferred ones is 1 - rho.
    mix_all
        Whether inferred pairs are mixed in for all cells, or for those without a known partner alone.
    independent
        Whether the cells of each modality are drawn by themselves, or those of a pair together.
    device
        Of the minibatches.
    """

    def __init__(
        self,
        cells: Cells,
        inferred: Correspondences | None,
        batch_size: int,
        generator: np.random.Generator,
        *,
        rho: float = 1.0,
        mix_all: bool = False,
        independent: bool = False,
        device: str = "cpu",
    ) -> None:
        def on_device(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
            return {m: torch.as_tensor(values, device=device) for m, values in arrays.items()}

        drawn_together = (Correspondences(cells.known.sizes), None) if independent else (cells.known, inferred)
        self.sampler = PairSampler(*drawn_together, batch_size, generator)
        self.device = device
        x = cells.scores
        self._x = on_device(x)
        self._target = self._x | on_device({m: values for m, values in cells.targets.items() if values is not x[m]})
        self._covariates, self._size_factor = on_device(cells.covariates), on_device(cells.size_factor)
        self._measured = {
            m: MeasuredCells(
                torch.as_tensor(part.panel, device=device),
                tuple(torch.as_tensor(projection, device=device) for projection in part.parts),
            )
            for m, part in cells.measured.items()
        }
        self._blocks = _BlockMaker(mix(cells.known, inferred, rho, all_cells=mix_all), device)
        self._inferred = None if inferred is None else _BlockMaker(inferred, device)

    def draw(self) -> Batch:
        """Return the next minibatch."""
        return self.make(self.sampler.draw())

    def make(self, cells: Indices) -> Batch:
        """Return the minibatch of the given cells of each modality."""
        index = {m: torch.as_tensor(i, device=self.device) for m, i in cells.items()}
        x = {m: self._x[m].index_select(0, i) for m, i in index.items()}
        target = {
            m: x[m] if self._target[m] is self._x[m] else self._target[m].index_select(0, i) for m, i in index.items()
        }
        return Batch(
            x,
            target,
            self._blocks.make(cells),
            None if self._inferred is None else self._inferred.make(cells),
            {m: v.index_select(0, index[m]) for m, v in self._covariates.items()},
            {m: v.index_select(0, index[m]) for m, v in self._size_factor.items()},
            {m: replace(v, panel=v.panel.index_select(0, index[m])) for m, v in self._measured.items()},
        )


def mix(
    known: Correspondences, inferred: Correspondences | None, rho: float, *, all_cells: bool = False
) -> Correspondences:
    """Return F, and (1 - rho) F-tilde for the cells that have no known partner; or rho F + (1 - rho) F-tilde.

    The latter, `all_cells`, is Algorithm 1, line 3; it pairs a cell of known partner with other cells as well.
    """
    if inferred is None or rho == 1:
        return known
    mixed = {}
    for (a, b), f in known.items():
        f_tilde = Correspondence((1 - rho) * inferred.between(a, b).matrix)
        mixed[a, b] = Correspondence(rho * f.matrix + f_tilde.matrix) if all_cells else f_tilde.updated_with(f)
    return Correspondences(known.sizes, mixed)


class _BlockMaker:
    """Extracts the blocks of minibatches from correspondences; small ones that are well filled are dense tensors."""

    def __init__(self, correspondences: Correspondences, device: str) -> None:
        self._device = device
        self._matrices: dict[tuple[str, str], sparse.csr_array | Tensor] = {}
        for pair, correspondence in correspondences.items():
            matrix = correspondence.matrix
            n_entries = matrix.shape[0] * matrix.shape[1]
            if matrix.nnz > MIN_DENSE_FRACTION * n_entries and n_entries <= MAX_DENSE_ENTRIES:
                self._matrices[pair] = torch.as_tensor(matrix.toarray(), device=device)
            elif correspondence.n_pairs:
                self._matrices[pair] = matrix
        self._position = {m: np.full(n, -1, dtype=np.int64) for m, n in correspondences.sizes.items()}

    def make(self, cells: Indices) -> PairBlocks:
        """Return the blocks (B_a, B_b) of the given cells."""
        blocks = {}
        for (a, b), matrix in self._matrices.items():
            if isinstance(matrix, Tensor):
                rows, columns = (torch.as_tensor(cells[m], device=self._device) for m in (a, b))
                blocks[a, b] = matrix.index_select(0, rows).index_select(1, columns)
            else:
                block = self._extract(matrix[cells[a]], cells[b], self._position[b])
                blocks[a, b] = torch.as_tensor(block, device=self._device)
        return PairBlocks(blocks)

    @staticmethod
    def _extract(
        rows: sparse.csr_array, columns: NDArray[np.int64], position: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return columns of sparse rows as a dense array; slicing by scipy takes time for every column of the matrix.

        `position` holds -1 for every column of the matrix, before and after.
        """
        position[columns] = np.arange(len(columns))
        column = position[rows.indices]
        position[columns] = -1
        block = np.zeros((rows.shape[0], len(columns)), dtype=np.float32)
        inside = column >= 0
        block[np.repeat(np.arange(len(block)), np.diff(rows.indptr))[inside], column[inside]] = rows.data[inside]
        return block
