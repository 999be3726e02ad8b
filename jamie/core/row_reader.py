"""Rows of values that are made when they are read, so that they are never all in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jamie.core.large_arrays import empty_array

Floats: TypeAlias = NDArray[np.float32]
Indices: TypeAlias = NDArray[np.int64]


class RowReader:
    """Rows (n, d), read as those of an array are, by indices or a slice.

    Parameters
    ----------
    n_rows
        How many rows there are.
    read
        Given (k,) indices of rows, returns them, (k, d).

    Examples
    --------
    >>> squares = RowReader(5, lambda rows: np.stack([rows, rows**2], axis=1).astype(np.float32))
    >>> len(squares), squares[3:].tolist()
    (5, [[3.0, 9.0], [4.0, 16.0]])
    """

    def __init__(self, n_rows: int, read: Callable[[Indices], Floats]) -> None:
        self._n_rows, self._read = n_rows, read

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, rows: Indices | slice) -> Floats:
        return self._read(np.arange(*rows.indices(self._n_rows)) if isinstance(rows, slice) else rows)


Rows: TypeAlias = NDArray[np.floating] | RowReader


def selected_rows(values: Rows, rows: Indices) -> RowReader:
    """Return the given rows of values (n, d), each of which is read when it is needed."""
    return RowReader(len(rows), lambda at: np.asarray(values[rows[at]], np.float32))


class KeptRows:
    """Rows (n, d) that are made when they are first read, and then kept.

    Parameters
    ----------
    shape
        Rows and columns.
    read
        Given (k,) indices of rows, returns them, (k, d).
    """

    def __init__(self, shape: tuple[int, int], read: Callable[[Indices], Floats]) -> None:
        self.shape, self._read = shape, read
        self._values = empty_array(shape)
        self._made = np.zeros(shape[0], bool)

    def __getitem__(self, rows: Indices | slice) -> Floats:
        index = np.arange(self.shape[0])[rows]
        new = np.unique(index[~self._made[index]])
        if len(new):
            self._values[new] = self._read(new)
            self._made[new] = True
        return self._values[index]
