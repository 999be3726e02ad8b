"""Values that lie elsewhere than in memory: dask arrays, files, GPUs."""

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from jamie.core.errors import DataError
from jamie.data.blocks import RowBlocks, choose_block

X = np.arange(12, dtype=np.float32).reshape(4, 3)


class Lazy:
    """An array of tasks, as far as it is looked at."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, rows):
        return Lazy(self.values[rows])

    def compute(self):
        return self.values


class OnGPU:
    """An array of another device."""

    __cuda_array_interface__ = None
    shape, dtype = X.shape, X.dtype


def cells(values=X):
    return AnnData(values, pd.DataFrame(index=list("abcd")), pd.DataFrame(index=list("xyz")))


@pytest.mark.parametrize("values", [X, sparse.csr_matrix(X)])
def test_lazy_values_are_computed_as_rows_are_asked_for(values):
    rows = RowBlocks(Lazy(values), pd.Index(list("xyz")), "X")
    for some in (None, slice(1, 3)):
        found = rows.read(some).X
        np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, X[some or slice(None)])


def test_values_on_a_gpu_are_refused_with_the_call_that_brings_them():
    with pytest.raises(
        DataError, match=r"expected X in main memory, found it on a GPU(.|\n)*adata\.X = adata\.X\.get\(\)"
    ):
        RowBlocks(OnGPU(), pd.Index(list("xyz")), "X").read()  # fmt: skip


def test_masked_values_are_missing():
    masked = np.ma.array(X, mask=X == 5)
    found = RowBlocks(masked, pd.Index(list("xyz")), "X").read().X
    np.testing.assert_array_equal(found, np.where(X == 5, np.nan, X))


@pytest.mark.parametrize("values", [X, sparse.csr_matrix(X)])
def test_cells_in_a_file_are_read_as_those_in_memory(values, tmp_path):
    cells(values).write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    for view, rows in ((backed, slice(None)), (backed[1:3], slice(1, 3)), (backed[[3, 0]], [3, 0])):
        found = choose_block(view).X
        np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, X[rows])
    with pytest.raises(DataError, match=r"view of a file in backward order(.|\n)*adata\.to_memory\(\)\[\.\.\.\]"):
        choose_block(backed[::-1])
    backed.file.close()


def test_raw_is_a_source_with_its_own_features_unless_a_layer_has_its_name():
    adata = cells()
    adata.raw = adata
    adata = adata[:, ["z"]].copy()
    found = choose_block(adata, "raw")
    assert (found.origin, found.features.tolist()) == ("raw", ["x", "y", "z"])
    np.testing.assert_array_equal(found.X, X)
    adata.layers["raw"] = np.full((4, 1), 7.0)
    assert choose_block(adata, "raw").origin == "layer 'raw'"
    with pytest.raises(DataError, match="expected layer 'raw', found no such layer"):
        choose_block(cells(), "raw")
