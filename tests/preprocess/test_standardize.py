import logging

import numpy as np
import torch
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from jamie.preprocess.standardize import Standardize


def test_standardize_equals_scikit_learn(dense, cells):
    found = Standardize().fit(dense[:30], cells(30)).transform(dense, cells(40))
    expected = StandardScaler().fit(dense[:30].astype(np.float64)).transform(dense)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_standardize_is_inverted(dense, cells):
    step = Standardize().fit(dense[:30], cells(30))
    np.testing.assert_allclose(step.inverse_transform(step.transform(dense, cells(40))), dense, atol=1e-4)


def test_standardize_scales_sparse_cells_without_centring(csr, cells, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        step = Standardize().fit(csr, cells(40))
    assert "scaled but not centred" in caplog.text
    found = step.transform(csr, cells(40))
    assert sparse.issparse(found)
    assert found.nnz == csr.nnz
    np.testing.assert_allclose(found.toarray(), csr.toarray() / csr.toarray().std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(step.inverse_transform(found).toarray(), csr.toarray(), rtol=1e-6)


def test_standardize_treats_dense_queries_as_it_treated_sparse_training_cells(csr, cells):
    step = Standardize().fit(csr, cells(40))
    dense = step.transform(csr.toarray(), cells(40))
    np.testing.assert_allclose(dense, step.transform(csr, cells(40)).toarray(), rtol=1e-6)


def test_standardize_centres_sparse_queries_after_dense_training_cells(csr, cells):
    step = Standardize().fit(csr.toarray(), cells(40))
    np.testing.assert_array_equal(step.transform(csr, cells(40)), step.transform(csr.toarray(), cells(40)))


def test_standardize_leaves_a_feature_without_spread_unscaled(dense, cells):
    values = dense.copy()
    values[:, 3] = 0.1
    found = Standardize().fit(values, cells(40)).transform(values, cells(40))
    np.testing.assert_allclose(found[:, 3], 0, atol=1e-6)


def test_standardize_affine_and_module_equal_transform(dense, csr, cells):
    for X in (dense, csr):
        step = Standardize().fit(X, cells(40))
        A, b = step.affine()
        plain = X.toarray() if sparse.issparse(X) else X
        expected = step.transform(plain, cells(40))
        np.testing.assert_allclose(plain @ A + b, expected, atol=1e-4)
        np.testing.assert_allclose(step.as_module()(torch.as_tensor(plain)), expected, atol=1e-4)
