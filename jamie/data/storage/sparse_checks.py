"""Compressed sparse matrices, checked in full before use: scipy reads outside its memory where positions are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jamie.core.context import Context
from jamie.core.errors import DataError

_BLOCK = 2**22  # positions at a time
_DEPTH = 20  # of groups in one another
_FIX = "the matrix is damaged: write or copy it again"


def sparse_arrays(group: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Find the compressed sparse matrices in an open HDF5 file or zarr folder, with their places in it."""
    if _format(group):
        yield name or "/", group
    elif hasattr(group, "keys") and depth < _DEPTH:
        for key in group:
            yield from sparse_arrays(group[key], f"{name}/{key}", depth + 1)


def require_sound_store(group: Any, path: Path, context: Context | None = None, *, positions: bool = True) -> None:
    """Refuse an open file or folder with a sparse matrix whose positions are wrong.

    Parameters
    ----------
    group
        What is read of it.
    path
        Its place, for messages.
    context
        Limit of the memory that all its arrays together may take; None where they stay in the file.
    positions
        Whether the positions themselves are read as well, and not only where each row begins.

    Raises
    ------
    DataError
        Naming the matrix and what is wrong with it.
    MemoryLimitError
        Where its arrays would not fit in memory.
    """
    if context is not None:
        fix = "leave out cells, features or layers that are not needed, or store sparse values"
        context.require_memory(stored_bytes(group), f"reading {path}", fix)
    for name, matrix in sparse_arrays(group):
        indptr, indices, data = (matrix[key] for key in ("indptr", "indices", "data"))
        n_pointers, n_stored, n_values = (int(one.shape[0]) for one in (indptr, indices, data))
        shape = [int(n) for n in matrix.attrs["shape" if "shape" in matrix.attrs else "h5sparse_shape"]]
        n_major, n_minor = shape if _format(matrix) == "csr" else shape[::-1]
        fault = ""
        if n_pointers != n_major + 1:
            fault = f"expected indptr of {n_major + 1} values, found {n_pointers}"
        elif n_stored != n_values:
            fault = f"expected a position for each of {n_values} values, found {n_stored}"
        fault = fault or pointer_fault(indptr[:], n_stored)
        for start in range(0, n_stored if positions and not fault else 0, _BLOCK):
            fault = fault or position_fault(indices[start : start + _BLOCK], n_minor)
        if fault:
            raise DataError(fault, where=f"{path}, {name}", fix=_FIX)


def require_sound(X: Any, where: str, origin: str) -> None:
    """Refuse a sparse matrix in memory whose positions are wrong; it is not modified.

    Raises
    ------
    DataError
        Saying what is wrong with them.
    """
    if getattr(X, "format", "") in ("csr", "csc"):
        n_major, n_minor = X.shape if X.format == "csr" else X.shape[::-1]
        fault = ""
        if len(X.indptr) != n_major + 1:
            fault = f"expected indptr of {n_major + 1} values, found {len(X.indptr)}"
        fault = fault or pointer_fault(X.indptr, min(len(X.indices), len(X.data)))
        fault = fault or position_fault(X.indices[: X.indptr[-1]], n_minor)
        if fault:
            raise DataError(f"{fault}, in {origin}", where=where, fix=_FIX)


def pointer_fault(indptr: Any, n_stored: int) -> str:
    """Say what is wrong with the places where rows begin; empty where nothing is."""
    expected = f"expected indptr that rises from 0 to {n_stored}, found"
    if indptr.dtype.kind not in "iu":
        return f"{expected} values of type {indptr.dtype}"
    last = int(indptr[-1])
    if int(indptr[0]) != 0 or not 0 <= last <= n_stored or last == 0 < n_stored:
        return f"{expected} {int(indptr[0])} to {int(indptr[-1])}"
    falls = np.flatnonzero(indptr[1:] < indptr[:-1])
    return f"{expected} {int(indptr[falls[0]])} before {int(indptr[falls[0] + 1])}" if len(falls) else ""


def position_fault(indices: Any, n: int) -> str:
    """Say what is wrong with positions in rows of `n` values; empty where nothing is."""
    if indices.dtype.kind not in "iu":
        return f"expected positions that are whole numbers, found values of type {indices.dtype}"
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= n):
        wrong = int(indices.min()) if int(indices.min()) < 0 else int(indices.max())
        return f"expected positions from 0 to {n - 1}, found {wrong}"
    return ""


def stored_bytes(group: Any, depth: int = 0) -> int:
    """Bytes that the arrays in an open file or folder take in memory."""
    if not hasattr(group, "keys"):
        return int(getattr(group, "size", 0) or 0) * int(group.dtype.itemsize)
    return sum(stored_bytes(group[key], depth + 1) for key in group) if depth < _DEPTH else 0


def _format(group: Any) -> str:
    """``csr`` or ``csc`` of a group that holds such a matrix; empty for anything else."""
    if not hasattr(group, "keys"):
        return ""
    found = str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", ""))).removesuffix("_matrix")
    return found if found in ("csr", "csc") else ""
