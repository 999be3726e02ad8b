import logging

import numpy as np
import pytest
import torch
from scipy import sparse

from jamie.core.errors import DataError
from jamie.preprocess.log_normalize import LogNormalize


def expected_of(counts, target_sum=1e4):
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / np.where(totals > 0, totals, 1) * target_sum)


@pytest.mark.parametrize("target_sum", [1e4, 50.0])
def test_log_normalize_equals_its_equation(counts, csr, cells, target_sum):
    for X in (counts, csr):
        found = LogNormalize(target_sum=target_sum).fit(X, cells(40)).transform(X, cells(40))
        assert sparse.issparse(found) == sparse.issparse(X)
        assert found.dtype == np.float32
        plain = found.toarray() if sparse.issparse(found) else found
        np.testing.assert_allclose(plain, expected_of(counts, target_sum), rtol=1e-6)
        assert not plain[7].any()


def test_log_normalize_inverse_is_in_counts_of_a_typical_cell(counts, csr, cells):
    totals = counts.sum(axis=1)
    median = np.median(totals[totals > 0])
    expected = counts / np.where(totals > 0, totals, 1)[:, None] * median
    for X in (counts, csr):
        step = LogNormalize().fit(X, cells(40))
        back = step.inverse_transform(step.transform(X, cells(40)))
        np.testing.assert_allclose(back.toarray() if sparse.issparse(back) else back, expected, rtol=1e-5, atol=1e-5)


def test_log_normalize_inverse_is_exact_for_cells_of_the_median_total(cells):
    counts = np.random.default_rng(0).multinomial(100, [0.2, 0.3, 0.5], size=9).astype(np.float32)
    step = LogNormalize().fit(counts, cells(9))
    np.testing.assert_allclose(step.inverse_transform(step.transform(counts, cells(9))), counts, rtol=1e-5)


def test_log_normalize_inverse_is_never_negative(counts, cells):
    step = LogNormalize().fit(counts, cells(40))
    assert step.inverse_transform(np.full((2, 12), -0.5, np.float32)).min() == 0


def test_log_normalize_module_equals_transform(counts, cells):
    step = LogNormalize().fit(counts, cells(40))
    x = torch.as_tensor(counts).requires_grad_()
    out = step.as_module()(x)
    np.testing.assert_allclose(out.detach(), step.transform(counts, cells(40)), rtol=1e-5)
    out.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert step.affine() is None


@pytest.mark.parametrize("as_sparse", [False, True])
def test_log_normalize_refuses_negative_values(counts, cells, as_sparse):
    values = counts - 0
    values[3, 4], values[9, 1] = -2, -1
    X = sparse.csr_array(values) if as_sparse else values
    message = (
        r"preprocessor 'log_normalize': expected counts, found 2 negative values \(0.42 %\); the first is -2 in cell "
        "'c3'\n  choose the layer that holds counts"
    )
    with pytest.raises(DataError, match=message):
        LogNormalize().fit(X, cells(40))
    with pytest.raises(DataError, match="expected counts"):
        LogNormalize().fit(counts, cells(40)).transform(X, cells(40))


def test_log_normalize_notices_values_that_are_not_whole(counts, cells, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        LogNormalize().fit(counts, cells(40))
        assert caplog.text == ""
        LogNormalize().fit(np.log1p(counts), cells(40))
    assert "of the values are not whole numbers; if they are normalised already" in caplog.text


def test_log_normalize_state(counts, cells):
    step = LogNormalize().fit(counts, cells(40))
    Z = step.transform(counts, cells(40))
    again = LogNormalize().set_state(*step.state())
    np.testing.assert_array_equal(again.inverse_transform(Z), step.inverse_transform(Z))
