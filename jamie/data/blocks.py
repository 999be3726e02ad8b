"""One matrix of an AnnData, as float32 with the names of its features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.data import Block, Matrix
from jamie.core.errors import DataError
from jamie.core.matrix import masked_to_nan
from jamie.core.package_versions import layer_names
from jamie.core.suggest import suggest_names
from jamie.data.assemble import unique_names
from jamie.data.storage.sparse_checks import require_sound
from jamie.data.writing.names import stored_name

if TYPE_CHECKING:
    from anndata import AnnData

RAW = "raw"  # as a layer: adata.raw


@dataclass(frozen=True)
class RowBlocks:
    """A matrix in memory or in a file, whose rows are read when they are needed.

    Parameters
    ----------
    values : (n, p)
        Dense, sparse, an HDF5 or zarr dataset, or anndata's view of a sparse matrix in a file.
    features : (p,)
        Unique names.
    origin
        As of `Block`.
    where
        Position in the spec or modality, for messages.
    var
        As of `Block`.
    """

    values: Any
    features: pd.Index
    origin: str
    where: str = ""
    var: pd.DataFrame | None = None

    def read(self, rows: slice | None = None) -> Block:
        """Return some rows, or all, as float32, dense or CSR; no copy where they already are.

        Raises
        ------
        DataError
            If they are not numbers, or the file is damaged.
        """
        try:
            values = self._read_rows(rows)
        except OSError as error:
            fix = "the file may be damaged: copy or write it again"
            raise DataError(f"{self.origin} cannot be read ({error})", where=self.where, fix=fix) from error
        return Block(_as_matrix(values, self.where, self.origin), self.features, self.origin, self.var)

    def _read_rows(self, rows: slice | None) -> Any:
        if rows is None:
            return self.values.to_memory() if hasattr(self.values, "to_memory") else self.values
        if isinstance(self.values, pd.DataFrame):
            return self.values.iloc[rows]
        # in a file, sparse rows counted from the end or backward are read wrong
        wanted = range(*rows.indices(self.values.shape[0]))
        if not wanted:
            return self.values[0:0]
        rows_between = self.values[min(wanted[0], wanted[-1]) : max(wanted[0], wanted[-1]) + 1]
        return rows_between if wanted.step == 1 else rows_between[:: wanted.step]

    def by_rows(self) -> RowBlocks:
        """Return the same matrix in a form whose rows are fast to read; a CSC matrix is read whole."""
        return replace(self, values=self.read().X) if getattr(self.values, "format", "csr") == "csc" else self


def choose_block(adata: AnnData, layer: str | None = None, obsm: str | None = None, where: str = "") -> Block:
    """Read X, a layer or an obsm array whole; as `choose_matrix` otherwise.

    Returns
    -------
    Block
        float32, dense or CSR; shares memory with `adata` if the matrix there is so already.
    """
    return choose_matrix(adata, layer, obsm, where).read()


def choose_matrix(adata: AnnData, layer: str | None = None, obsm: str | None = None, where: str = "") -> RowBlocks:
    """Choose X, a layer or an obsm array.

    Parameters
    ----------
    adata
        One modality; never modified.
    layer, obsm
        Which matrix; X if both are None. A layer ``raw`` is ``adata.raw`` with its own features.
    where
        Position in the spec or modality, for messages.

    Raises
    ------
    DataError
        If the matrix is absent or has no features.
    """
    if layer is not None and obsm is not None:
        raise DataError("expected a layer or an obsm key, found both", where=where, fix="keep one of the two")
    if obsm is not None:
        values = _look_up(adata.obsm, list(adata.obsm), obsm, "obsm", where)
        columns = values.columns if isinstance(values, pd.DataFrame) else range(1, values.shape[1] + 1)
        names, origin = pd.Index([f"{obsm}_{column}" for column in columns]), f"obsm '{obsm}'"
    elif reads_raw(adata, layer):
        values, names, origin = adata.raw.X, adata.raw.var_names, RAW
    else:
        names, origin = adata.var_names, "X" if layer is None else f"layer '{layer}'"
        if layer is None:
            values = readable_X(adata, where)
        else:
            values = _look_up(adata.layers, layer_names(adata), layer, "layer", where)
    if values is None:
        layers = ", ".join(layer_names(adata)) or "there are none"
        raise DataError("expected a matrix in X, found none", where=where, fix=f"choose a layer: {layers}")
    if values.shape[1] == 0:
        fix = "choose another layer or obsm, or leave this modality out: name only those you want under modalities"
        raise DataError(f"expected features in {origin}, found none", where=where, fix=fix)
    var = None if obsm is not None else adata.raw.var if origin == RAW else adata.var
    return RowBlocks(values, unique_names(names, where), origin, where, var)


def reads_raw(adata: AnnData, layer: str | None) -> bool:
    """Whether a layer is ``raw``, which stands for ``adata.raw`` unless there is a layer of that name."""
    return layer == RAW and RAW not in layer_names(adata) and adata.raw is not None


def _look_up(mapping: Any, names: list[str], key: str, kind: str, where: str) -> Any:
    if (stored := stored_name(key, names)) in names:
        return mapping[stored]
    fix = suggest_names(key, names) if names else f"there are none; leave `{kind}` out to read X"
    raise DataError(f"expected {kind} '{key}', found no such {kind}", where=where, fix=fix)


def _as_matrix(values: Any, where: str, origin: str) -> Matrix:
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    values = load_into_memory(values, where, origin)
    if sparse.issparse(values):
        require_sound(values, where, origin)
    else:
        values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        problem = f"expected numbers in {origin}, found {values.dtype}"
        raise DataError(problem, where=where, fix="move columns that are not numbers to obs")
    return as_float32(values)


def as_float32(values: Any) -> Matrix:
    """Bring an array or a sparse matrix to float32, dense or CSR; copies only what must change."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused later
        if sparse.issparse(values):
            rows: Any = sparse.csr_array(values).astype(np.float32, copy=False)
            # of two types, scipy would convert all indices whenever a few rows are read
            if rows.indptr.dtype != rows.indices.dtype and rows.nnz <= np.iinfo(rows.indices.dtype).max:
                rows.indptr = rows.indptr.astype(rows.indices.dtype)
            return rows
        return values.astype(np.float32, copy=False)


def load_into_memory(values: Any, where: str, origin: str) -> Any:
    """Return values for numpy and scipy: dask arrays computed, masked ones with NaN in place of masked values.

    Raises
    ------
    DataError
        If they are on a GPU.
    """
    if hasattr(values, "compute"):  # dask, which need not be installed
        values = values.compute()
    if hasattr(values, "__cuda_array_interface__") or type(values).__module__.startswith("cupyx"):
        source = f"adata.{origin}" if origin == "X" else "adata.layers[...]" if "layer" in origin else "adata.obsm[...]"
        problem = f"expected {origin} in main memory, found it on a GPU ({type(values).__name__})"
        raise DataError(problem, where=where, fix=f"call {source} = {source}.get() before")
    return masked_to_nan(values)


def readable_X(adata: AnnData, where: str) -> Any:
    """Return X of an AnnData; that of a view of a file only if anndata reads it correctly.

    Raises
    ------
    DataError
        If it is such a view in backward order, whose rows anndata mixes up, or that it cannot read.
    """
    if not (adata.isbacked and adata.is_view):
        return adata.X
    fix = "read the file into memory before it is sliced: adata.to_memory()[...]"
    unknown = slice(None, None, -1)
    indices = [getattr(adata, name, unknown) for name in ("_oidx", "_vidx")]  # anndata has no public name for them
    if any(isinstance(index, slice) and (index.step or 1) < 0 for index in indices):
        problem = "expected cells in memory, found a view of a file in backward order"
        raise DataError(problem, where=where, fix=fix)
    try:
        return adata.X
    except (ValueError, TypeError, IndexError) as error:
        problem = f"expected cells in memory, found a view of a file that anndata cannot read ({error})"
        raise DataError(problem, where=where, fix=fix) from error
