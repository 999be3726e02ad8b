"""MuData that is written a block of rows at a time, so that its matrices need not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from jamie.core.package_versions import consolidate_zarr
from jamie.data.assemble import assemble

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class RowSource:
    """One modality whose values are computed while they are read.

    Parameters
    ----------
    annotations
        Cells and features, without X.
    blocks
        Returns the rows of X in their order, a block at a time: all dense, or all CSR.
    """

    annotations: AnnData
    blocks: Callable[[], Iterator[Any]]

    def collect(self) -> AnnData:
        """Return the modality in memory."""
        adata, blocks = self.annotations.copy(), list(self.blocks())
        adata.X = sparse.vstack(blocks, format="csr") if sparse.issparse(blocks[0]) else np.concatenate(blocks)
        return adata


def write_row_blocks(modalities: Mapping[str, RowSource], path: Path) -> None:
    """Write modalities of sparse values as MuData, a .zarr folder or another name of a .h5mu file.

    Parameters
    ----------
    modalities
        By name; of CSR blocks.
    path
        Where to write; what is there is replaced.
    """
    import h5py
    import zarr

    mdata = assemble({name: source.annotations.copy() for name, source in modalities.items()})
    if path.suffix == ".zarr":
        mdata.write_zarr(path)
        store = zarr.open_group(path, mode="r+", use_consolidated=False)
        _write_matrices(modalities, store)
        consolidate_zarr(store)
    else:
        mdata.write_h5mu(path)
        with h5py.File(path, "r+") as file:
            _write_matrices(modalities, file)


def _write_matrices(modalities: Mapping[str, RowSource], store: Any) -> None:
    """Write X of every modality into an open file or folder that holds the annotations."""
    from anndata.io import sparse_dataset, write_elem

    for name, source in modalities.items():
        group = store["mod"][name]
        blocks = source.blocks()
        first = next(blocks)
        first.indptr = first.indptr.astype(np.int64)  # the file's type from then on: stored values may be very many
        write_elem(group, "X", first)
        matrix = sparse_dataset(group["X"])
        for block in blocks:
            matrix.append(block)
