"""Values of cells and features that are made when they are read, so that they are never all in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.matrix import to_dense

PANEL_VALUES = 2**24  # of the columns that are made at a time: 64 MiB

_ALL = slice(None)


class LazyMatrix:
    """Values (n, p) in single precision, read by ``[:, columns]`` or ``[rows]``, which are slices.

    Columns are made in panels of many, of which the last is kept: reading them in order makes each once.
    `not_finite` says which of the rows (n,) have had a value that is not finite.

    Parameters
    ----------
    shape
        Rows and columns.
    read
        Returns (k, c) values of some rows and columns.

    Examples
    --------
    >>> table = np.arange(6, dtype=np.float32).reshape(2, 3)
    >>> lazy = LazyMatrix((2, 3), lambda rows, columns: table[rows, columns])
    >>> lazy[:, 1:2].tolist(), lazy[:1].tolist()
    ([[1.0], [4.0]], [[0.0, 1.0, 2.0]])
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape: tuple[int, int], read: Callable[[slice, slice], NDArray[np.floating]]) -> None:
        self.shape, self._read = shape, read
        self._start, self._panel = 0, np.empty((shape[0], 0), np.float32)
        self.not_finite = np.zeros(shape[0], bool)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | tuple[slice, slice]) -> NDArray[np.float32]:
        if not isinstance(key, tuple):
            return self._made(key, _ALL)
        rows, columns = key
        start, stop, _ = columns.indices(self.shape[1])
        if not self._start <= start <= stop <= self._start + self._panel.shape[1]:
            width = max(stop - start, PANEL_VALUES // max(1, self.shape[0]))
            end = min(start + width, self.shape[1])
            self._start, self._panel = start, np.empty((self.shape[0], 0), np.float32)  # the last one is freed first
            self._panel = self._made(_ALL, slice(start, end))
        return self._panel[rows, start - self._start : stop - self._start]

    def _made(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._read(rows, columns).astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            self.not_finite[rows] |= ~np.isfinite(values).all(axis=1)
        return values


def dense_slices(X: Any) -> Callable[[slice, slice], NDArray[np.float32]]:
    """Return how to read some rows and columns of a matrix in memory, dense or CSR."""

    def read(rows: slice, columns: slice) -> NDArray[np.float32]:
        part = X[rows] if rows != _ALL else X
        return to_dense(part[:, columns] if columns != _ALL else part)

    return read


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether values are so many that they are made when they are read."""
    return shape[0] * shape[1] > PANEL_VALUES
