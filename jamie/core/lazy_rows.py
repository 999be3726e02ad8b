"""Sparse cells whose values are changed while they are read, so that no second copy of the matrix is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.large_arrays import empty_array

BLOCK_STORED = 2**21  # stored values of a block of rows, with their columns 16 MiB
_CACHED_PART = 0.4  # of the matrix: so many changed values are kept for the next pass
_WIDTH = 16  # columns multiplied at a time: their rows then stay in the processor's cache

Change: TypeAlias = Callable[[sparse.csr_array, pd.DataFrame], Any]


class LazyRows:
    """Cells (n, p), read a block of rows at a time, each block as it is after all changes so far.

    A change replaces stored values alone, cell by cell, as the logarithm of counts does. Some of the changed values are
    kept; the others are computed again at each pass, which is cheaper than to hold them.

    Parameters
    ----------
    X : (N, P)
        CSR, float32; never modified.
    obs : (N, ...)
        Annotations of the cells.
    rows : (n,)
        Which of the cells; all by default.
    columns : (p,)
        Which of the features, in increasing order; all by default.
    changes
        Functions from a block (k, p) and its annotations to a block with the same places of stored values.
    """

    def __init__(
        self,
        X: sparse.csr_array,
        obs: pd.DataFrame,
        rows: NDArray[np.int64] | None = None,
        columns: NDArray[np.int64] | None = None,
        changes: tuple[Change, ...] = (),
    ) -> None:
        self._X, self._obs, self._rows, self._columns, self._changes = X, obs, rows, columns, changes
        self.shape = (X.shape[0] if rows is None else len(rows), X.shape[1] if columns is None else len(columns))
        self._position: NDArray[np.int32] | None = None
        if columns is not None:
            self._position = np.full(X.shape[1], -1, np.int32)
            self._position[columns] = np.arange(len(columns), dtype=np.int32)
        self._bounds = self._block_bounds()
        self._known: dict[str, Any] = {}
        self._kept: dict[int, NDArray[np.float32]] = {}
        room = int(_CACHED_PART * (X.data.nbytes + X.indices.nbytes)) if changes else 0
        self._room = np.empty(room // 4, np.float32)  # one array: freed as a whole, it goes back to the system

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> sparse.csr_array:
        """Return some of the rows (k, p), in memory."""
        index = np.arange(self.shape[0])[rows]
        at = index if self._rows is None else self._rows[index]
        block = self._selected(self._X[at])
        for change in self._changes:
            block = change(block, self._obs.iloc[at])
        return block

    @property
    def nnz(self) -> int:
        """Number of stored values."""
        stored: NDArray[np.int64] = np.diff(self._X.indptr)
        return int(stored.sum() if self._rows is None else stored[self._rows].sum())

    def remember(self, key: str, compute: Callable[[LazyRows], Any]) -> Any:
        """Return what a function computes of the cells, computed once."""
        if key not in self._known:
            self._known[key] = compute(self)
        return self._known[key]

    def select(self, columns: NDArray[np.int64]) -> LazyRows:
        """Return the same cells with some of the features, before any change."""
        return LazyRows(self._X, self._obs, self._rows, columns)

    def map(self, change: Change) -> LazyRows:
        """Return the same cells after one more change."""
        return LazyRows(self._X, self._obs, self._rows, self._columns, (*self._changes, change))

    def blocks(self) -> Iterator[tuple[slice, sparse.csr_array]]:
        """Blocks of rows that together cover the cells, and where they are; do not modify them."""
        for number, start, stop in self._numbered():
            block = self._selected(self._read(start, stop))
            yield slice(start, stop), with_values(block, self._values(number, block, start, stop))

    def collect(self, columns: NDArray[np.int64] | None = None) -> sparse.csr_array:
        """Return all rows (n, p) in memory, or some of their columns."""
        parts = [block if columns is None else block[:, columns] for _, block in self.blocks()]
        return sparse.csr_array(sparse.vstack(parts, format="csr"))

    def times(self, W: NDArray[np.floating]) -> NDArray[np.float32]:
        """Product (n, b) with a dense matrix (p, b), in single precision."""
        product = empty_array((self.shape[0], W.shape[1]))
        groups = _columns(self._widened(W))
        for rows, block in self._wide_blocks():
            for at, group in groups:
                product[rows, at] = block @ group
        return product

    def transposed_times(self, Y: NDArray[np.floating]) -> NDArray[np.float32]:
        """Product (p, b) of the transpose with a dense matrix (n, b), in single precision."""
        product = np.zeros((self._width, Y.shape[1]), np.float32)
        groups = _columns(Y)
        for rows, block in self._wide_blocks():
            for at, group in groups:
                product[:, at] += block.T @ group[rows]
        return self._narrowed(product)

    def normal_times(self, Q: NDArray[np.floating], mean: NDArray[np.float64]) -> NDArray[np.float32]:
        """Product (p, b) of the centred cells' X^T X with a dense matrix (p, b), in one pass."""
        product = np.zeros((self._width, Q.shape[1]), np.float32)
        groups, offset = _columns(self._widened(Q)), (mean @ Q).astype(np.float32)
        for _, block in self._wide_blocks():
            for at, group in groups:
                product[:, at] += block.T @ (block @ group - offset[at])
        return self._narrowed(product)

    @property
    def _drops(self) -> bool:
        """Whether a feature that is left out has stored values, which a block then does not hold."""
        return bool(self.remember("drops", lambda _: any(self._has_others(*at[1:]) for at in self._numbered())))

    def _has_others(self, start: int, stop: int) -> bool:
        place = self._position
        return place is not None and place.take(self._read(start, stop).indices, mode="clip").min(initial=0) < 0

    @property
    def _width(self) -> int:
        """Number of columns of the blocks that are multiplied."""
        return self.shape[1] if self._drops else self._X.shape[1]

    def _wide_blocks(self) -> Iterator[tuple[slice, sparse.csr_array]]:
        """Blocks with the columns of X, which need not be renumbered; as `blocks` if values are left out."""
        if self._drops:
            yield from self.blocks()
            return
        for number, start, stop in self._numbered():
            block = self._read(start, stop)
            yield slice(start, stop), with_values(block, self._values(number, block, start, stop, selected=False))

    def _widened(self, W: NDArray[np.floating]) -> NDArray[np.floating]:
        if self._columns is None or self._drops:
            return W
        wide = np.zeros((self._width, W.shape[1]), np.float32)
        wide[self._columns] = W
        return wide

    def _narrowed(self, product: NDArray[np.float32]) -> NDArray[np.float32]:
        return product if self._columns is None or self._drops else product[self._columns]

    def _numbered(self) -> Iterator[tuple[int, int, int]]:
        """Yield the number, first row and end of each block."""
        return ((i, int(start), int(stop)) for i, (start, stop) in enumerate(pairwise(self._bounds)))

    def _values(
        self, number: int, block: sparse.csr_array, start: int, stop: int, *, selected: bool = True
    ) -> NDArray[np.float32]:
        """Return the changed values of a block, kept or made, and keep them if there is room."""
        if not self._changes:
            return np.asarray(block.data)
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        values = self._changed(block if selected else self._selected(block), start, stop).data
        if len(values) <= len(self._room):
            self._kept[number], self._room = self._room[: len(values)], self._room[len(values) :]
            self._kept[number][:] = values
        return np.asarray(values)

    def _changed(self, block: sparse.csr_array, start: int, stop: int) -> sparse.csr_array:
        obs = self._obs.iloc[start:stop] if self._rows is None else self._obs.iloc[self._rows[start:stop]]
        for change in self._changes:
            block = change(block, obs)
        return block

    def _read(self, start: int, stop: int) -> sparse.csr_array:
        if self._rows is None:
            first, last = self._X.indptr[start], self._X.indptr[stop]
            indptr = self._X.indptr[start : stop + 1] - first
            return _csr(self._X.data[first:last], self._X.indices[first:last], indptr, self._X.shape[1])
        return self._X[self._rows[start:stop]]

    def _selected(self, block: sparse.csr_array) -> sparse.csr_array:
        """Return a block with the chosen features alone."""
        if self._columns is None or self._position is None:
            return block
        position = self._position.take(block.indices, mode="clip")  # faster than with a check of the range
        if position.min(initial=0) < 0:
            return block[:, self._columns]
        return _csr(block.data, position, block.indptr, len(self._columns))

    def _block_bounds(self) -> NDArray[np.int64]:
        """(k + 1,) first rows of the blocks, and the end."""
        stored = np.diff(self._X.indptr)
        total = np.cumsum(stored if self._rows is None else stored[self._rows], dtype=np.int64)
        n_blocks = max(1, -(-int(total[-1]) // BLOCK_STORED)) if len(total) else 1
        inner = np.searchsorted(total, np.arange(1, n_blocks) * (total[-1] / n_blocks)) + 1 if n_blocks > 1 else []
        return np.unique(np.concatenate([[0], inner, [len(total)]]).astype(np.int64))


def row_blocks(X: Any) -> Iterator[tuple[slice, Any]]:
    """Blocks of rows of cells that are read lazily; a matrix in memory is one block."""
    return X.blocks() if isinstance(X, LazyRows) else iter([(slice(0, X.shape[0]), X)])


def with_values(X: sparse.csr_array, values: NDArray[np.floating]) -> sparse.csr_array:
    """Return a CSR array with other values in the same places, which it shares with X."""
    return _csr(values.astype(np.float32, copy=False), X.indices, X.indptr, X.shape[1])


def _csr(data: NDArray[np.float32], indices: Any, indptr: Any, width: int) -> sparse.csr_array:
    """Return a CSR array of these very arrays, which its constructor would copy if they are parts of larger ones."""
    made: Any = sparse.csr_array((len(indptr) - 1, width), dtype=np.float32)
    made.data, made.indices, made.indptr = data, indices, indptr.astype(indices.dtype, copy=False)
    return made


def _columns(W: NDArray[np.floating]) -> list[tuple[slice, NDArray[np.float32]]]:
    """Divide columns into groups in single precision, each contiguous."""
    starts = range(0, W.shape[1], _WIDTH)
    return [(slice(s, s + _WIDTH), np.ascontiguousarray(W[:, s : s + _WIDTH], np.float32)) for s in starts]
