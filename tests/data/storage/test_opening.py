"""HDF5 files that need a filter which is not there."""

import builtins

import h5py
import numpy as np
import pytest

from jamie.core.errors import DataError
from jamie.data.backed import backed_cells
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.storage import opening


@pytest.fixture
def compressed(make, tmp_path):
    make.adata("abc", 4).write_h5ad(tmp_path / "d.h5ad", compression="gzip")
    return tmp_path / "d.h5ad"


def without_deflate(monkeypatch):
    monkeypatch.setattr(opening, "_filter_available", lambda code: code != h5py.h5z.FILTER_DEFLATE)


def test_a_filter_that_is_not_installed_is_named(compressed, monkeypatch):
    without_deflate(monkeypatch)
    real = builtins.__import__

    def without_plugin(name, *rest, **more):
        if name == "hdf5plugin":
            raise ImportError
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_plugin)
    words = r"d.h5ad: is compressed by the HDF5 filter 1 \(deflate\), which is not installed\n  pip install .jamie-tool"
    with pytest.raises(DataError, match=words + r"kit\[hdf5plugin\]"):
        AnnDataReader(paths={"rna": compressed}).read()
    with pytest.raises(DataError, match=words), backed_cells(compressed, "rna"):
        pass


def test_a_filter_that_hdf5plugin_lacks_is_named(compressed, monkeypatch):
    without_deflate(monkeypatch)
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", object())
    words = r"the HDF5 filter 1 \(deflate\), which hdf5plugin does not have\n  write it again with gzip"
    with pytest.raises(DataError, match=words):
        AnnDataReader(paths={"rna": compressed}).read()


def test_plain_compression_needs_nothing(compressed, make):
    found = AnnDataReader(paths={"rna": compressed}).read()
    np.testing.assert_array_equal(found["rna"].X, make.adata("abc", 4).X)
