from functools import partial

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from jamie.data.readers.mudata import MuDataReader
from jamie.data.storage.formats import MUDATA
from jamie.data.storage.opening import open_store
from jamie.data.writing.row_blocks import RowSource, write_row_blocks


def source(X, prefix):
    obs = pd.DataFrame({"kind": pd.Categorical(["a", "b"] * 5)}, index=[f"cell{i}" for i in range(10)])
    annotations = AnnData(obs=obs, var=pd.DataFrame(index=[f"{prefix}{j}" for j in range(X.shape[1])]))
    parts = [sparse.csr_array(X[rows]) for rows in (slice(4), slice(4, 5), slice(5, 10))]
    return RowSource(annotations, partial(iter, parts))


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    values = {name: rng.poisson(1, (10, p)).astype(np.float32) for name, p in (("rna", 6), ("protein", 3))}
    values["rna"][4] = 0  # a block without stored values
    return values


@pytest.fixture(params=[".zarr", ".h5mu"])
def path(request, values, tmp_path):
    path = tmp_path / f"cells{request.param}"
    write_row_blocks({name: source(X, name) for name, X in values.items()}, path)
    return path


def test_what_is_read_was_written_block_by_block(path, values):
    found = MuDataReader(path=path).read()
    assert list(found.mod) == ["rna", "protein"]
    for name, X in values.items():
        np.testing.assert_array_equal(found[name].X.toarray(), X)
        assert found[name].X.dtype == np.float32
        assert list(found[name].obs["kind"]) == ["a", "b"] * 5


def test_more_values_fit_than_32_bits_count(path):
    with open_store(path, MUDATA) as store:
        assert store["mod"]["rna"]["X"]["indptr"].dtype == np.int64


def test_collected_values_are_those_of_all_blocks(values):
    np.testing.assert_array_equal(source(values["rna"], "g").collect().X.toarray(), values["rna"])


def test_dense_blocks_are_collected_too(values):
    given = source(values["rna"], "g")
    dense = RowSource(given.annotations, lambda: iter([values["rna"][:3], values["rna"][3:]]))
    np.testing.assert_array_equal(dense.collect().X, values["rna"])
