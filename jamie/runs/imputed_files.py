"""Imputed values as AnnData, in memory or written a block of rows at a time into .h5ad or .zarr."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.imputation import LazyImputation
from jamie.core.names import UNS_KEY
from jamie.core.package_versions import consolidate_zarr, zarr_format
from jamie.data.writing.writable import Adjustments, writable_frame

if TYPE_CHECKING:
    from anndata import AnnData

SUFFIXES = (".h5ad", ".zarr")
ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}  # anndata's on-disk format of a dense matrix
STAGE = "impute"

log = logging.getLogger(__name__)


def imputed_anndata(imputed: LazyImputation, context: Context) -> AnnData:
    """Compute imputed values as an AnnData.

    Raises
    ------
    MemoryLimitError
        If they would not fit in memory.
    """
    n, p = imputed.shape
    context.for_stage(STAGE).require_memory(
        imputed.n_bytes,
        f"{n} cells x {p} features" + (f" with {', '.join(imputed.layers)}" if imputed.layers else ""),
        "choose features, or write chunk by chunk: impute(..., out='FILE.h5ad'), or jamie impute --out",
    )
    matrices = {name: np.empty((n, p), np.float32) for name in ("X", *imputed.layers)}
    obs = _fill(imputed, matrices, context)
    adata = _without_values(imputed, obs)
    adata.X = matrices.pop("X")
    adata.layers.update(matrices)
    return adata


def save_imputed(imputed: LazyImputation, path: Path, context: Context, compression: str | None = None) -> None:
    """Compute imputed values and write them into a new .h5ad file or .zarr folder, a chunk of rows at a time.

    Parameters
    ----------
    imputed
        Values to compute.
    path
        The file; its suffix gives the format.
    context
        Receives progress.
    compression
        Of an .h5ad file, such as ``gzip``; .zarr is always compressed.

    Raises
    ------
    OutputError
        If the file cannot be written, or the disk has too little room.
    """
    _require_room(imputed, path)
    n_blocks = len(imputed.blocks())
    if n_blocks > 1:
        log.info(
            "%d cells x %d features, %.1f GiB, in %d blocks of %d cells",
            *(*imputed.shape, imputed.n_bytes / 2**30, n_blocks, imputed.block_rows),
        )
    from anndata.io import write_elem

    with _new_store(path) as store:
        described = _without_values(imputed, imputed.obs)
        described.strings_to_categoricals()
        write_elem(store, "/", described)
        store.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        keys = {name: "X" if name == "X" else f"layers/{name}" for name in ("X", *imputed.layers)}
        matrices = {name: _new_matrix(store, key, imputed, compression) for name, key in keys.items()}
        obs = _fill(imputed, matrices, context)
        if len(obs.columns) > len(described.obs.columns):
            computed = obs.columns.difference(described.obs.columns)
            write_elem(store, "obs", described.obs.assign(**{name: obs[name] for name in computed}))


def _fill(imputed: LazyImputation, matrices: dict[str, Any], context: Context) -> pd.DataFrame:
    """Compute chunk by chunk into arrays or datasets, and return obs with the computed columns."""
    n, columns = len(imputed.obs), dict[str, list[Any]]()
    for rows in imputed.blocks():
        block = imputed.rows(rows)
        for name, matrix in matrices.items():
            matrix[rows] = block.X if name == "X" else block.layers[name]
        for name, values in block.obs.items():
            columns.setdefault(name, []).append(values)
        context.progress(STAGE, rows.stop, n, {})
    return imputed.obs.assign(**{name: np.concatenate(parts) for name, parts in columns.items()})


def _without_values(imputed: LazyImputation, obs: pd.DataFrame) -> AnnData:
    """Return annotations and provenance, in a form that can be written."""
    from anndata import AnnData

    adjustments = Adjustments()
    obs, var = writable_frame(obs, "obs", adjustments), writable_frame(imputed.var, "var", adjustments)
    adjustments.log()
    return AnnData(obs=obs, var=var, uns={UNS_KEY: dict(imputed.provenance)})


def _new_matrix(store: Any, key: str, imputed: LazyImputation, compression: str | None) -> Any:
    import h5py

    shape, chunks = imputed.shape, imputed.chunks
    if isinstance(store, h5py.File):
        matrix = store.create_dataset(key, shape, np.float32, chunks=chunks, compression=compression)
    else:
        matrix = store.create_array(key, shape=shape, dtype=np.float32, chunks=chunks)
    matrix.attrs.update(ARRAY)
    return matrix


@contextmanager
def _new_store(path: Path) -> Iterator[Any]:
    """Open a new file or folder for writing; an error of the system names it."""
    import h5py
    import zarr

    try:
        if path.suffix == ".h5ad":
            with h5py.File(path, "w") as file:
                yield file
        else:
            group = zarr.open_group(path, mode="w", zarr_format=zarr_format())
            yield group
            consolidate_zarr(group)
    except OSError as error:
        fix = "free the place or disk, or choose another"
        raise OutputError(f"cannot be written ({error})", where=str(path), fix=fix) from error


def _require_room(imputed: LazyImputation, path: Path) -> None:
    free = shutil.disk_usage(path.parent).free
    if path.suffix == ".h5ad" and imputed.n_bytes > free:
        raise OutputError(
            f"the file would take {imputed.n_bytes / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free",
            where=str(path.parent),
            fix="choose features, another place, or .zarr, which is compressed",
        )
