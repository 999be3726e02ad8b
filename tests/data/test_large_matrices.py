"""Large matrices of files are read as small ones are, into arrays that are mapped from temporary files."""

import anndata
import mudata
import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from jamie.core import large_arrays
from jamie.core.context import Context
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.mudata import MuDataReader
from jamie.data.storage import large_matrices


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.fixture
def mdata():
    rng = np.random.default_rng(0)
    parts = {}
    for name, dtype in (("rna", np.float32), ("adt", np.int64)):
        X = sparse.random_array((30, 8), density=0.4, rng=rng, dtype=np.float32, format="csr")
        parts[name] = AnnData(sparse.csr_matrix((9 * X).astype(dtype)), layers={"dense": X.toarray()})
        parts[name].obs_names = [f"cell{i}" for i in range(30)]
        parts[name].var_names = [f"{name}{j}" for j in range(8)]
        parts[name].obs["type"] = ["a", "b"] * 15
    return mudata.MuData(parts)


@pytest.mark.parametrize("suffix", [".h5mu", ".zarr"])
@pytest.mark.parametrize("alone", [False, True])
def test_large_sparse_matrices_are_mapped(mdata, suffix, alone, tmp_path, monkeypatch):
    path = tmp_path / f"cells{suffix.replace('mu', 'ad') if alone else suffix}"
    written = mdata.mod["rna"] if alone else mdata
    (written.write_zarr if suffix == ".zarr" else written.write)(path)
    reader = AnnDataReader(paths={"rna": path}) if alone else MuDataReader(path=path)
    expected = reader.read(Context())
    monkeypatch.setattr(large_arrays, "MAPPED_FROM", 1)
    monkeypatch.setattr(large_matrices, "_PART", 7)
    found = reader.read(Context())
    assert list(found.mod) == (["rna"] if alone else ["rna", "adt"])
    for m, adata in found.mod.items():
        assert is_mapped(adata.X.data)
        assert is_mapped(adata.X.indices)
        assert type(adata.X) is type(expected.mod[m].X)
        assert adata.X.dtype == expected.mod[m].X.dtype
        np.testing.assert_array_equal(adata.X.toarray(), mdata.mod[m].X.toarray())
        np.testing.assert_array_equal(adata.layers["dense"], mdata.mod[m].layers["dense"])
        assert adata.obs["type"].tolist() == mdata.mod[m].obs["type"].tolist()
    assert not is_mapped(expected.mod["rna"].X.data)
    with anndata.settings.override(use_sparse_array_on_read=True):
        assert isinstance(reader.read(Context()).mod["rna"].X, sparse.csr_array)
