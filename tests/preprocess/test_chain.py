import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import ContractError, DataError, MemoryLimitError
from jamie.preprocess.chain import Chain
from jamie.preprocess.log_normalize import LogNormalize
from jamie.preprocess.pca import PCA
from jamie.preprocess.select_features import SelectFeatures
from jamie.preprocess.standardize import Standardize

NAMES = pd.Index([f"g{i}" for i in range(12)])


@pytest.fixture
def with_constants(dense):
    values = dense.copy()
    values[:, [2, 5]] = 3, -1
    return values


def fitted(X, cells, *steps):
    return Chain(steps, "rna").fit(X, cells(X.shape[0]), NAMES)


def test_chain_drops_constant_features_with_a_notice_and_puts_them_back(with_constants, cells, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        chain = fitted(with_constants, cells, Standardize())
    assert "rna: dropped 2 of 12 features, constant over the training cells: g2, g5" in caplog.text
    Z = chain.transform(with_constants, cells(40))
    assert Z.shape == (40, 10)
    assert list(chain.feature_names_out(NAMES)) == [f"g{i}" for i in range(12) if i not in (2, 5)]
    np.testing.assert_allclose(chain.inverse_transform(Z), with_constants, atol=1e-4)


def test_chain_names_the_modality_in_the_notices_of_its_steps(dense, cells, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        fitted(dense[:8], cells, PCA())
        PCA().fit(dense[:8], cells(8))
    notice = "pca: 7 components instead of 512, as many as 8 training cells with 12 features span"
    assert caplog.messages == [f"rna: {notice}", "rna: pca, 12 -> 7 features", notice]


def test_chain_decides_on_constants_by_training_cells_alone(with_constants, cells):
    chain = fitted(with_constants[:30], cells, Standardize())
    queries = with_constants + np.float32(7)
    back = chain.inverse_transform(chain.transform(queries, cells(40)))
    np.testing.assert_array_equal(back[:, 2], 3)


def test_chain_refuses_features_that_are_all_constant(cells):
    message = "rna: expected features that vary, found all 12 constant over the 4 training cells\n  choose another"
    with pytest.raises(DataError, match=message):
        fitted(np.ones((4, 12), np.float32), cells)


def test_chain_keeps_sparse_sparse_until_a_step_is_dense(csr, cells):
    assert sparse.issparse(fitted(csr, cells, Standardize()).transform(csr, cells(40)))
    assert isinstance(fitted(csr, cells, Standardize(), PCA(n_components=3)).transform(csr, cells(40)), np.ndarray)


def test_chain_of_sparse_equals_its_steps_by_hand(csr, cells):
    values = csr.toarray() / csr.toarray().std(axis=0)
    expected = PCA(n_components=3).fit(values, cells(40)).transform(values, cells(40))
    chain = fitted(csr, cells, Standardize(), PCA(n_components=3))
    np.testing.assert_allclose(chain.transform(csr, cells(40)), expected, atol=1e-4)


def test_chain_without_steps_passes_cells_on(csr, dense, cells):
    for X in (csr, dense):
        chain = fitted(X, cells)
        assert chain.inverse_transform(chain.transform(X, cells(40))) is X


@pytest.mark.parametrize("steps", [(), (Standardize(),), (Standardize(), PCA(n_components=4))])
def test_chain_affine_and_module_equal_transform(with_constants, cells, steps):
    chain = fitted(with_constants, cells, *steps)
    A, b = chain.affine()
    expected = chain.transform(with_constants, cells(40))
    np.testing.assert_allclose(with_constants @ A + b, expected, atol=1e-3)
    np.testing.assert_allclose(chain.as_module()(torch.as_tensor(with_constants)), expected, atol=1e-3)


def test_chain_state_survives_json_and_restores_it(with_constants, cells):
    chain = fitted(with_constants, cells, Standardize(), PCA(n_components=4))
    arrays, plain = chain.state()
    assert all(array.flags.c_contiguous for array in arrays.values())
    again = Chain([Standardize(), PCA(n_components=4)], "rna").set_state(arrays, json.loads(json.dumps(plain)))
    Z = chain.transform(with_constants, cells(40))
    np.testing.assert_array_equal(again.transform(with_constants, cells(40)), Z)
    np.testing.assert_array_equal(again.inverse_transform(Z), chain.inverse_transform(Z))


def test_chain_fitted_again_forgets_the_first_fit(with_constants, dense, cells):
    steps = Standardize(), PCA(n_components=4)
    chain = fitted(with_constants, cells, *steps).fit(dense, cells(40), NAMES)
    fresh = fitted(dense, cells, Standardize(), PCA(n_components=4))
    np.testing.assert_array_equal(chain.transform(dense, cells(40)), fresh.transform(dense, cells(40)))


def test_chain_leaves_its_input_as_it_is(with_constants, csr, cells):
    for X in (with_constants, csr):
        before = X.copy()
        chain = fitted(X, cells, Standardize(), PCA(n_components=4))
        Z = chain.transform(X, cells(40))
        kept = Z.copy()
        chain.inverse_transform(Z)
        np.testing.assert_array_equal(Z, kept)
        np.testing.assert_array_equal(*(m.toarray() if sparse.issparse(m) else m for m in (X, before)))


@pytest.mark.parametrize("as_sparse", [False, True])
def test_chain_names_the_modality_whose_values_a_step_refuses(counts, cells, as_sparse):
    values = counts.copy()
    values[3, 4], values[9, 1] = np.nan, np.inf
    X = sparse.csr_array(values) if as_sparse else values
    message = (
        "rna, preprocessor 'standardize': found 2 values that are NaN or infinite\n  put fill_missing first in prep"
    )
    with pytest.raises(DataError, match=message):
        fitted(X, cells, Standardize())


def test_chain_that_would_not_fit_in_memory_names_the_remedy(csr, cells):
    chain = fitted(csr, cells, Standardize())
    message = "preprocess: rna: a dense matrix of 40 cells x 12 features would need .*\n  add pca to preprocess of rna"
    with pytest.raises(MemoryLimitError, match=message):
        chain.scores(csr, cells(40), Context(stage="preprocess", memory_limit=40 * 12 * 4 - 1))
    found = chain.scores(csr, cells(40), Context(memory_limit=40 * 12 * 4))
    np.testing.assert_array_equal(found, chain.transform(csr, cells(40)).toarray())


def test_chain_refuses_another_number_of_features(dense, cells):
    with pytest.raises(DataError, match="rna: expected 12 features, found 11"):
        fitted(dense, cells).transform(dense[:, :11], cells(40))


def test_chain_must_be_fitted_first(dense, cells):
    with pytest.raises(ContractError, match="preprocess of rna: used before it was fitted"):
        Chain([], "rna").transform(dense, cells(40))


def test_shares_are_those_of_the_variance_that_reaches_the_first_mixture(counts, cells):
    counts[:, 2] = 3
    chain = Chain([LogNormalize(), SelectFeatures(n_features=4), PCA(n_components=2), Standardize()])
    chain.fit(counts, cells(40), NAMES)
    assert chain.shares.sum() == pytest.approx(1)
    assert chain.shares.shape == (12,)
    kept = np.delete(np.arange(12), 2)
    logs = np.log1p(1e4 * counts[:, kept] / np.maximum(counts[:, kept].sum(1, keepdims=True), 1))
    variance = logs.var(0)
    chosen = np.argsort(-variance)[:4]
    np.testing.assert_allclose(chain.shares[kept[chosen]], variance[chosen] / variance[chosen].sum(), rtol=1e-5)
    again = Chain(chain.steps).set_state(*chain.state())
    np.testing.assert_array_equal(again.shares, chain.shares)


def test_without_a_mixture_shares_are_those_of_what_comes_out(dense, cells):
    np.testing.assert_allclose(fitted(dense, cells).shares, dense.var(0) / dense.var(0).sum(), rtol=1e-4)
    np.testing.assert_allclose(fitted(dense, cells, Standardize()).shares, np.full(12, 1 / 12), rtol=1e-4)
