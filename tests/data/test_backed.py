"""Cells that stay in their file are those that the readers give."""

import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata import AnnData, OldFormatWarning
from scipy import sparse

from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.data.backed import backed_cells, stored_modalities
from jamie.data.blocks import choose_matrix


@pytest.fixture
def modalities(make):
    rna, adt = make.adata("abcdef", 5, batch=list("xxyyzz")), make.adata("bcdefg", 3, seed=1)
    rna.layers["counts"] = sparse.csr_matrix(np.arange(30).reshape(6, 5))
    rna.layers["by column"] = sparse.csc_matrix(rna.X)
    rna.obsm["X_pca"] = np.arange(12.0).reshape(6, 2)
    rna.obsm["table"] = pd.DataFrame({"s": range(6)}, index=rna.obs_names)
    return {"rna": rna, "adt": adt}


@pytest.fixture
def path(modalities, tmp_path):
    with mudata_conventions():
        mdata = mudata.MuData(modalities)
        mdata.obs["donor"] = pd.Categorical(list("ppqqrrs"))
        mdata.write_h5mu(tmp_path / "cells.h5mu")
        mdata.write_zarr(tmp_path / "cells.zarr")
    modalities["rna"].write_h5ad(tmp_path / "rna.h5ad")
    modalities["rna"].write_zarr(tmp_path / "rna.zarr")
    return tmp_path / "cells.h5mu"


@pytest.mark.parametrize("name", ["cells.h5mu", "rna.h5ad", "cells.zarr", "rna.zarr"])
@pytest.mark.parametrize(
    "chosen", [{}, {"layer": "counts"}, {"layer": "by column"}, {"obsm": "X_pca"}, {"obsm": "table"}], ids=str
)
def test_every_matrix_is_read_by_rows(path, modalities, name, chosen):
    expected = choose_matrix(modalities["rna"], **chosen).read()
    with backed_cells(path.with_name(name), "rna") as adata:
        assert isinstance(adata.X, h5py.Dataset | zarr.Array)
        rows = choose_matrix(adata, **chosen).by_rows()
        found, last, backward = (rows.read(wanted) for wanted in (slice(2, 5), slice(-4, -1), slice(4, 1, -1)))
        assert list(adata.obs_names) == list("abcdef")
    X, Y, Z, all_rows = (
        block.X.toarray() if sparse.issparse(block.X) else block.X for block in (found, last, backward, expected)
    )
    np.testing.assert_array_equal(X, all_rows[2:5])
    np.testing.assert_array_equal(Y, all_rows[2:5])
    np.testing.assert_array_equal(Z, all_rows[2:5][::-1])
    assert list(found.features) == list(expected.features)


def test_annotations_of_all_modalities_are_those_of_each(path):
    with backed_cells(path, "adt") as adata:
        assert adata.obs["donor"].astype(str).tolist() == list("pqqrrs")
    with backed_cells(path, "rna") as adata:
        assert list(adata.obs.columns) == ["batch", "donor"]


def test_modalities_are_named_in_their_order(path):
    assert stored_modalities(path) == stored_modalities(path.with_suffix(".zarr")) == ("rna", "adt")
    assert stored_modalities(path.with_name("rna.zarr")) == ()
    assert stored_modalities(path.with_name("rna.h5ad")) == ()


def test_a_modality_that_is_absent(path):
    words = r"cells.h5mu: expected the modality 'rne', found rna, adt\n  did you mean 'rna'"
    with pytest.raises(DataError, match=words), backed_cells(path, "rne"):
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.h5ad", r"none.h5ad: expected an AnnData file \(.h5ad or .zarr\), found no such file"),
        ("none.h5mu", r"none.h5mu: expected a MuData file \(.h5mu or .zarr\), found no such file"),
        (
            "wrong.h5ad",
            r"wrong.h5ad: expected an AnnData file \(.h5ad or .zarr\), found HDF5 with .*\n  this looks like an .h5mu",
        ),
    ],
)
def test_a_file_that_is_none(path, name, words):
    path.rename(path.with_name("wrong.h5ad"))
    with pytest.raises(DataError, match=words):
        stored_modalities(path.with_name(name))


def test_names_of_cells_that_repeat(tmp_path):
    adata = AnnData(np.ones((2, 3), np.float32))
    adata.obs_names = ["a", "a"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    words = "cells.h5ad: expected each cell to have a name of its own, found 1 that repeat another's"
    with pytest.raises(DataError, match=words), backed_cells(tmp_path / "cells.h5ad", None):
        pass


def test_a_file_of_an_older_anndata_is_read_by_its_own_reader(tmp_path, modalities):
    path = tmp_path / "rna.h5ad"
    del modalities["rna"].obsm["table"]
    modalities["rna"].write_h5ad(path)
    with h5py.File(path, "r+") as file:
        group = file["obs"]
        for name in ("encoding-type", "encoding-version"):
            del group.attrs[name]
    with pytest.warns(OldFormatWarning, match="without encoding metadata"), backed_cells(path, "rna") as adata:
        np.testing.assert_array_equal(adata.X, modalities["rna"].X)
