import logging

import numpy as np
import pytest
import torch
from scipy import sparse

from jamie.core.errors import DataError
from jamie.preprocess.chain import Chain
from jamie.preprocess.fill_missing import FillMissing
from jamie.preprocess.standardize import Standardize


@pytest.fixture
def with_nan(counts):
    values = counts.copy()
    values[np.random.default_rng(3).random(values.shape) < 0.2] = np.nan
    return values


@pytest.mark.parametrize(
    ("strategy", "average"), [("median", np.nanmedian), ("mean", np.nanmean), ("zero", lambda X, axis: np.zeros(12))]
)
@pytest.mark.parametrize("as_sparse", [False, True])
def test_fill_missing_fills_with_the_training_cells_value(with_nan, cells, strategy, average, as_sparse):
    X = sparse.csr_array(with_nan) if as_sparse else with_nan
    step = FillMissing(strategy=strategy).fit(X[:30], cells(30))
    found = step.transform(X, cells(40))
    assert sparse.issparse(found) == as_sparse
    expected = np.where(np.isnan(with_nan), average(with_nan[:30], axis=0), with_nan)
    np.testing.assert_allclose(found.toarray() if as_sparse else found, expected, rtol=1e-6)


def test_fill_missing_fills_an_empty_feature_with_zero_and_a_notice(with_nan, cells, caplog):
    with_nan[:30, 4] = np.nan
    with caplog.at_level(logging.WARNING, "jamie"):
        step = FillMissing().fit(with_nan[:30], cells(30))
    assert "fill_missing: 1 of 12 features are NaN in all training cells and become 0" in caplog.text
    assert step.transform(with_nan, cells(40))[0, 4] == 0


def test_fill_missing_leaves_its_input_and_inverts_to_the_filled_values(with_nan, cells):
    for X in (with_nan, sparse.csr_array(with_nan)):
        before = X.copy()
        step = FillMissing().fit(X, cells(40))
        filled = step.transform(X, cells(40))
        np.testing.assert_array_equal(*(m.toarray() if sparse.issparse(m) else m for m in (X, before)))
        assert step.inverse_transform(filled) is filled


def test_fill_missing_refuses_infinite_values(with_nan, cells):
    values = with_nan.copy()
    values[0, :2] = np.inf
    message = "preprocessor 'fill_missing': found 2 infinite values, which are not missing ones\n  mend the data"
    with pytest.raises(DataError, match=message):
        FillMissing().fit(values, cells(40))
    with pytest.raises(DataError, match=message):
        FillMissing().fit(with_nan, cells(40)).transform(values, cells(40))


def test_fill_missing_module_equals_transform(with_nan, cells):
    step = FillMissing().fit(with_nan, cells(40))
    found = step.as_module()(torch.as_tensor(with_nan))
    np.testing.assert_array_equal(found, step.transform(with_nan, cells(40)))


def test_fill_missing_state(with_nan, cells):
    step = FillMissing().fit(with_nan, cells(40))
    again = FillMissing().set_state(*step.state())
    np.testing.assert_array_equal(again.transform(with_nan, cells(40)), step.transform(with_nan, cells(40)))


def test_fill_missing_first_in_a_chain_lets_nan_in(with_nan, cells, caplog):
    with_nan[:, 4] = np.nan
    chain = Chain([FillMissing(), Standardize()], "ephys").fit(with_nan, cells(40), np.arange(12).astype(str))
    Z = chain.transform(with_nan, cells(40))
    assert Z.shape == (40, 11)
    assert np.isfinite(Z).all()
    assert "ephys: dropped 1 of 12 features, constant over the training cells or NaN in all of them: 4" in caplog.text
    assert np.isnan(chain.inverse_transform(Z)[:, 4]).all()
