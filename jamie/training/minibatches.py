"""Minibatches of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from jamie.core.batch import Batch, BatchElements, MeasuredCells, PairBlocks
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Cells
from jamie.core.elements import Elements
from jamie.core.errors import DataError
from jamie.core.matrix import to_dense
from jamie.core.requirements import DATA_WORDS, INDEX, LABELS, LAYER, LINKS, OBS, OBSM, describe, split_word

MAX_DENSE_ENTRIES = 2**24  # of an n_a x n_b correspondence that is kept as a dense tensor
MIN_DENSE_FRACTION = 0.02  # of its entries that are not 0

Indices = Mapping[str, NDArray[np.int64]]


class Minibatches:
    """Holds training cells on the device, and makes minibatches of them.

    Parameters
    ----------
    cells
        Training cells.
    inferred
        Their inferred correspondence; None if nothing is inferred.
    rho
        Weight of the known pairs in the aggregation; that of the inferred ones is 1 - rho.
    mix_all
        Whether inferred pairs are mixed in for all cells, or for those without a known partner alone.
    device
        Of the minibatches.
    words
        What losses declare to read beside these (`Loss.requires`).
    """

    def __init__(
        self,
        cells: Cells,
        inferred: Correspondences | None,
        *,
        rho: float = 1.0,
        mix_all: bool = False,
        device: str = "cpu",
        words: Iterable[str] = (),
    ) -> None:
        def on_device(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
            return {m: torch.as_tensor(values, device=device) for m, values in arrays.items()}

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
        self._elements = _Elements(cells, [word for word in words if split_word(word)[0] in DATA_WORDS], device)

    def make(self, drawn: Sequence[Indices], elsewhere: Sequence[Indices] = ()) -> Batch:
        """Return the minibatch of the given cells of each modality.

        Parameters
        ----------
        drawn
            The cells of each member of an ensemble. Of several members the tensors have a leading axis, and the
            smaller minibatches are filled up with rows that hold no cell.
        elsewhere
            The cells of members that another process trains: these minibatches are filled up as if they were here.
        """
        sizes = {m: max(len(cells[m]) for cells in (*drawn, *elsewhere)) for m in drawn[0]}
        rows = {m: _Rows.of([cells[m] for cells in drawn], sizes[m], self.device) for m in drawn[0]}
        x = {m: _take(self._x[m], r) for m, r in rows.items()}
        target = {m: x[m] if self._target[m] is self._x[m] else _take(self._target[m], r) for m, r in rows.items()}
        return Batch(
            x,
            target,
            self._blocks.make(rows),
            None if self._inferred is None else self._inferred.make(rows),
            {m: _take(v, rows[m]) for m, v in self._covariates.items()},
            {m: _take(v, rows[m]) for m, v in self._size_factor.items()},
            {m: replace(v, panel=_take(v.panel, rows[m])) for m, v in self._measured.items()},
            {m: r.present for m, r in rows.items() if r.present is not None},
            self._elements.take(rows),
        )


@dataclass(frozen=True)
class _Rows:
    """Cells of a modality in a minibatch.

    Parameters
    ----------
    cells
        (B_k,) of each member.
    index
        (B,), or (K, B) of several members; rows that hold no cell repeat the first one.
    present
        Of the same shape: 1 of rows that hold a cell, 0 of the others; None where all do.
    """

    cells: Sequence[NDArray[np.int64]]
    index: Tensor
    present: Tensor | None

    @classmethod
    def of(cls, cells: Sequence[NDArray[np.int64]], size: int, device: str) -> _Rows:
        sizes = np.array([len(own) for own in cells])
        filled = np.stack([np.concatenate([own, np.full(size - len(own), own[0])]) for own in cells])
        shape = filled.shape if len(cells) > 1 else (size,)
        index = torch.as_tensor(filled.reshape(shape), device=device)
        if sizes.min() == size:
            return cls(cells, index, None)
        present = (np.arange(size) < sizes[:, None]).astype(np.float32)
        return cls(cells, index, torch.as_tensor(present.reshape(shape), device=device))


class _Elements:
    """Holds what losses declared to read on the device; nothing where they declared nothing."""

    def __init__(self, cells: Cells, words: Sequence[str], device: str) -> None:
        self._cells: dict[str, dict[str, Tensor]] = {}
        self._whole = BatchElements()
        if not words:
            return
        elements = {m: view.elements for m, view in cells.views.items()}
        categories = {}
        columns = dict.fromkeys(column for own in elements.values() for column in own.label_columns)
        for column in columns if LABELS in words else ():
            labels = {m: own.labels(column) for m, own in elements.items()}
            categories[column] = tuple(sorted({label for own in labels.values() for label in own if label is not None}))
            code = {label: i for i, label in enumerate(categories[column])}
            self._cells[f"{LABELS}:{column}"] = {
                m: torch.tensor([code.get(label, -1) for label in own], device=device) for m, own in labels.items()
            }
        for word in words:
            found = {m: values for m, own in elements.items() if (values := _numbers(own, word)) is not None}
            if found:
                self._cells[word] = {m: torch.as_tensor(values, device=device) for m, values in found.items()}
        links = {(a, b): _sparse(w, device) for a, view in cells.views.items() for b, w in view.links.items()}
        self._whole = BatchElements({}, elements, links if LINKS in words else {}, categories)

    def take(self, rows: Mapping[str, _Rows]) -> BatchElements:
        """Return what the cells of a minibatch have."""
        if not self._cells:
            return self._whole
        cells = {word: {m: _taken(word, v, rows[m]) for m, v in of.items()} for word, of in self._cells.items()}
        return replace(self._whole, cells=cells)


def _taken(word: str, values: Tensor, rows: _Rows) -> Tensor:
    taken = _take(values, rows)
    if rows.present is None or split_word(word)[0] not in (LABELS, INDEX):
        return taken
    return torch.where(rows.present > 0, taken, -1)  # no loss may take the cell that fills a row up for another


def _numbers(elements: Elements, word: str) -> NDArray[Any] | None:
    """Return what each cell has under a word as numbers; None of what does not belong to cells."""
    first, key = split_word(word)
    if first == INDEX:
        return elements.index
    if first not in (OBS, OBSM, LAYER):
        return None
    values = to_dense(getattr(elements, first)(key))
    if values.dtype.kind not in "fiub":
        raise DataError(
            f"expected numbers in {describe(word)}, which a loss reads, found {values.dtype}",
            where=f"modality '{elements.modality}'",
            fix="give numbers, such as the position of each value in a list",
        )
    return values.astype(np.float32)


def _sparse(matrix: sparse.csr_array, device: str) -> Tensor:
    entries = matrix.tocoo()
    index = torch.as_tensor(np.stack([entries.row, entries.col]), dtype=torch.int64)
    return torch.sparse_coo_tensor(
        index, torch.as_tensor(entries.data), matrix.shape, device=device, check_invariants=False
    )


def _take(values: Tensor, rows: _Rows) -> Tensor:
    """Rows (B, ...) or (K, B, ...) of values (n, ...)."""
    return values.index_select(0, rows.index.reshape(-1)).view(*rows.index.shape, *values.shape[1:])


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

    def make(self, rows: Mapping[str, _Rows]) -> PairBlocks:
        """Return the blocks (B_a, B_b), or (K, B_a, B_b), of the given cells."""
        blocks = {}
        for (a, b), matrix in self._matrices.items():
            if isinstance(matrix, Tensor):
                blocks[a, b] = _dense_block(matrix, rows[a], rows[b])
            else:
                blocks[a, b] = torch.as_tensor(self._extract(matrix, rows[a], rows[b], b), device=self._device)
        return PairBlocks(blocks)

    def _extract(self, matrix: sparse.csr_array, rows: _Rows, columns: _Rows, modality: str) -> NDArray[np.float32]:
        """Return entries of a sparse matrix as a dense array; slicing by scipy takes time for every column of it."""
        position = self._position[modality]  # -1 for every column, before and after
        lead, n_rows, n_columns = rows.index.shape[:-1], rows.index.shape[-1], columns.index.shape[-1]
        block = np.zeros((len(rows.cells), n_rows, n_columns), dtype=np.float32)
        for own, cells, among in zip(block, rows.cells, columns.cells, strict=True):
            position[among] = np.arange(len(among))
            start, counts = matrix.indptr[cells], matrix.indptr[cells + 1] - matrix.indptr[cells]
            row = np.repeat(np.arange(len(cells)), counts)
            entry = np.arange(len(row)) + np.repeat(start - np.cumsum(counts) + counts, counts)
            column = position[matrix.indices[entry]]
            inside = column >= 0
            own[row[inside], column[inside]] = matrix.data[entry[inside]]
            position[among] = -1
        return block.reshape(*lead, n_rows, n_columns)


def _dense_block(matrix: Tensor, rows: _Rows, columns: _Rows) -> Tensor:
    block = matrix[rows.index.unsqueeze(-1), columns.index.unsqueeze(-2)]
    for present, axis in ((rows.present, -1), (columns.present, -2)):
        block = block if present is None else block * present.unsqueeze(axis)
    return block
