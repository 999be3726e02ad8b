import logging

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import sparse_dataset
from scipy import sparse

from jamie.core import matrix
from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.errors import DataError, MemoryLimitError
from jamie.data import choose_block
from jamie.data.align import find_features
from jamie.data.blocks import as_float32, choose_matrix
from jamie.data.checks.values import require_finite


def align_features(block, features, fill, where, context, max_missing=0.2):
    return find_features(block.features, features, fill, where, max_missing).apply(block, context)


@pytest.fixture
def adata(make):
    adata = make.adata("abc", 4)
    adata.layers["counts"] = sparse.csc_matrix(np.arange(12).reshape(3, 4))
    adata.obsm["X_pca"] = np.arange(6, dtype=float).reshape(3, 2)
    adata.obsm["tracks"] = pd.DataFrame({"speed": [1, 2, 3]}, index=adata.obs_names)
    return adata


def test_float32_is_shared_and_all_else_converted(adata):
    assert np.shares_memory(choose_block(adata).X, adata.X)
    counts = choose_block(adata, layer="counts")
    assert isinstance(counts.X, sparse.csr_array)
    assert counts.X.dtype == np.float32
    assert counts.origin == "layer 'counts'"
    np.testing.assert_array_equal(counts.X.toarray(), np.arange(12).reshape(3, 4))
    assert adata.layers["counts"].dtype == np.int64


def test_obsm_features_are_named_after_it(adata):
    assert list(choose_block(adata, obsm="X_pca").features) == ["X_pca_1", "X_pca_2"]
    assert list(choose_block(adata, obsm="tracks").features) == ["tracks_speed"]


def test_absent_layer_and_obsm_name_what_there_is(adata):
    with pytest.raises(DataError, match=r"(?s)here: expected layer 'count', found no.*did you mean 'counts'"):
        choose_block(adata, layer="count", where="here")
    with pytest.raises(DataError, match=r"(?s)expected obsm 'umap', found no such obsm.*available: X_pca, tracks"):
        choose_block(adata, obsm="umap")
    with pytest.raises(DataError, match="expected a layer or an obsm key, found both"):
        choose_block(adata, layer="counts", obsm="X_pca")


def test_absent_x_names_the_layers(adata):
    adata.X = None
    with pytest.raises(DataError, match=r"expected a matrix in X, found none\n  choose a layer: counts"):
        choose_block(adata)


def test_no_features_and_no_numbers_are_refused(adata):
    with pytest.raises(DataError, match="expected features in X, found none"):
        choose_block(adata[:, :0])
    adata.layers["words"] = np.full((3, 4), "x", dtype=object)
    with pytest.raises(DataError, match="expected numbers in layer 'words', found object"):
        choose_block(adata, layer="words")


def test_place_of_nan_in_sparse_values():
    X = sparse.csr_array(np.array([[0, 1, 0], [0, 0, 0], [2, 0, np.nan], [np.inf, 0, 0]], dtype=np.float32))
    block = Block(X, pd.Index(["g1", "g2", "g3"]))
    with pytest.raises(DataError, match=r"found 2 \(17 %\) that are NaN or infinite in X; .* 'c3', feature 'g3'"):
        require_finite(block, pd.Index(["c1", "c2", "c3", "c4"]), "modality 'rna'")


@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_array])
def test_features_are_aligned_by_name(as_matrix, caplog):
    X = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    block = Block(as_matrix(X), pd.Index(["d", "b", "x", "a"]))
    with caplog.at_level(logging.INFO, "jamie"):
        aligned = align_features(
            block, pd.Index(list("abcd")), np.array([9, 9, 7, 9]), "rna", Context(), max_missing=0.25
        )
    assert sparse.issparse(aligned.X) == sparse.issparse(block.X)
    found = aligned.X.toarray() if sparse.issparse(aligned.X) else aligned.X
    np.testing.assert_array_equal(found, [[4, 2, 7, 1], [8, 6, 7, 5]])
    assert found.dtype == np.float32
    assert list(aligned.features) == list("abcd")
    assert "rna: 1 features that the model does not know are ignored" in caplog.text
    assert "rna: 1 of 4 features (25 %) are missing: 'c'; filled" in caplog.text
    np.testing.assert_array_equal(block.X.toarray() if sparse.issparse(block.X) else block.X, X)


@pytest.fixture
def sparse_block():
    X = sparse.random_array((50, 8), density=0.3, format="csr", dtype=np.float32, random_state=0)
    return Block(X, pd.Index([f"g{j}" for j in range(8)]))


def test_sparse_cells_are_filled_a_block_at_a_time(sparse_block, monkeypatch):
    monkeypatch.setattr(matrix, "_BLOCK_VALUES", 70)  # 7 cells of 10 features
    features = pd.Index([f"g{j}" for j in (9, 3, 1, 0, 2, 8, 4, 5, 6, 7)])
    fill = np.array([0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0])  # g8 is filled with zeros, which are not stored
    aligned = align_features(sparse_block, features, fill, "rna", Context())
    X = sparse_block.X.toarray()
    expected = np.column_stack([np.full(50, 0.5), X[:, [3, 1, 0, 2]], np.zeros(50), X[:, 4:]])
    np.testing.assert_array_equal(aligned.X.toarray(), expected)
    assert aligned.X.nnz == sparse_block.X.nnz + 50


def test_fill_values_that_would_not_fit_in_memory_are_refused(sparse_block):
    features = pd.Index([f"g{j}" for j in range(10)])
    n_bytes = 50 * 2 * 16
    align_features(sparse_block, features, np.ones(10), "rna", Context(memory_limit=n_bytes))
    message = (
        r"rna: filling 2 missing features of 50 sparse cells would need .* GiB\n  add the missing features, or emb"
    )
    with pytest.raises(MemoryLimitError, match=message):
        align_features(sparse_block, features, np.ones(10), "rna", Context(memory_limit=n_bytes - 1))


def test_features_in_order_are_left_alone():
    block = Block(np.zeros((2, 2), np.float32), pd.Index(["a", "b"]))
    assert align_features(block, pd.Index(["a", "b"]), np.zeros(2), "rna", Context()) is block


def test_too_many_missing_features_are_refused():
    block = Block(np.zeros((2, 2), np.float32), pd.Index(["ENSG1", "b"]))
    message = r"(?s)rna: expected .*at most 20 % .* 4 of 5 features \(80 %\) are missing: 'a', 'c', 'd', .*'ENSG1'"
    with pytest.raises(DataError, match=message):
        align_features(block, pd.Index(list("abcde")), np.zeros(5), "rna", Context())


def test_a_layer_asked_of_data_without_layers(make):
    message = r"^rna: expected layer 'counts', found no such layer\n  there are none; leave `layer` out to read X$"
    with pytest.raises(DataError, match=message):
        choose_block(make.adata("abc", 4), layer="counts", where="rna")


@pytest.mark.parametrize("key", ["dense", "csr", "csc", "integers"])
def test_rows_are_read_from_a_file_as_they_are_asked_for(adata, key, tmp_path):
    values = np.arange(12).reshape(3, 4)
    adata.layers["dense"], adata.layers["integers"] = values.astype(np.float32), values
    adata.layers["csr"], adata.layers["csc"] = sparse.csr_matrix(values), sparse.csc_matrix(values)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad") as file:
        stored = file[f"layers/{key}"]
        adata.layers["stored"] = stored if isinstance(stored, h5py.Dataset) else sparse_dataset(stored)
        found = choose_matrix(adata, layer="stored").by_rows()
        for rows in (slice(1, 3), None):
            block = found.read(rows)
            X = block.X.toarray() if sparse.issparse(block.X) else block.X
            assert X.dtype == np.float32
            np.testing.assert_array_equal(X, values if rows is None else values[rows])
        assert list(block.features) == list(adata.var_names)


def test_rows_of_a_table_in_obsm_are_read(adata):
    np.testing.assert_array_equal(choose_matrix(adata, obsm="tracks").read(slice(1, 3)).X, [[2], [3]])


def test_annotations_of_features_follow_their_matrix_and_their_order(adata):
    adata.var["chrom"] = [f"chr{i}" for i in range(adata.n_vars)]
    adata.obsm["X_two"] = np.zeros((adata.n_obs, 2), np.float32)
    block = choose_block(adata)
    assert list(block.var["chrom"]) == list(adata.var["chrom"])
    assert choose_block(adata, obsm="X_two").var is None
    asked = pd.Index([adata.var_names[1], "absent", adata.var_names[0]])
    aligned = align_features(block, asked, np.zeros(3), "rna", Context(), max_missing=0.5)
    assert aligned.var["chrom"].iloc[[0, 2]].tolist() == ["chr1", "chr0"]
    assert aligned.var["chrom"].isna().tolist() == [False, True, False]
    assert aligned.var.index.equals(asked)


def test_indices_of_two_types_are_made_one_without_changing_what_was_given():
    given = sparse.csr_array(np.eye(30, 20, dtype=np.float32))
    expected = given.toarray()
    given.indptr = given.indptr.astype(np.int64)
    given.indices = given.indices.astype(np.int32)
    found = as_float32(given)
    assert found.indptr.dtype == found.indices.dtype == np.int32
    assert given.indptr.dtype == np.int64
    np.testing.assert_array_equal(found.toarray(), expected)
