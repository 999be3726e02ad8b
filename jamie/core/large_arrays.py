"""Large arrays in files that are mapped into memory: the system can give their memory to others when it is short."""

from __future__ import annotations

import os
import tempfile
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAPPED_FROM = 2**27  # bytes


def empty_array(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array to be filled; a large one is in a temporary file, which goes with it.

    Files are in the folder that the variable TMPDIR names. Where there is no room for one, the array is in memory.
    """
    n_bytes = np.dtype(dtype).itemsize * prod(shape)
    if n_bytes < MAPPED_FROM or not hasattr(os, "posix_fallocate"):
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk would end the process at some later write
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError:
        return np.empty(shape, dtype)


def take_rows(values: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a copy of some rows (k, d) of values (n, d), as of `empty_array`."""
    return np.take(values, rows, axis=0, out=empty_array((len(rows), *values.shape[1:])), mode="clip")
