import numpy as np
import pytest
from scipy import sparse

from jamie.core import lazy_matrix
from jamie.core.lazy_matrix import LazyMatrix, dense_slices, is_large


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("panel", [1, 20, 2**24])
def test_slices_are_those_of_the_matrix(form, panel, monkeypatch):
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", panel)
    X = np.random.default_rng(0).poisson(0.5, (5, 12)).astype(np.float32)
    lazy = LazyMatrix((5, 12), dense_slices(form(X)))
    for columns in (slice(0, 3), slice(3, 6), slice(5, 7), slice(0, 12), slice(11, 40), slice(4, 4)):
        np.testing.assert_array_equal(lazy[:, columns], X[:, columns])
        np.testing.assert_array_equal(lazy[1:3, columns], X[1:3, columns])
    np.testing.assert_array_equal(lazy[2:4], X[2:4])
    assert (len(lazy), lazy.dtype) == (5, np.float32)


def test_columns_in_order_are_made_once(monkeypatch):
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 15)
    made = []

    def read(rows, columns):
        made.append((columns.start, columns.stop))
        return np.zeros((5, columns.stop - columns.start), np.float32)

    lazy = LazyMatrix((5, 8), read)
    for column in range(8):
        assert lazy[:, column : column + 1].shape == (5, 1)
    assert made == [(0, 3), (3, 6), (6, 8)]


def test_rows_of_values_that_are_not_finite_are_noted():
    X = np.zeros((4, 3), np.float32)
    X[1, 2], X[3, 0] = np.nan, np.inf
    lazy = LazyMatrix((4, 3), dense_slices(X))
    assert not lazy.not_finite.any()
    _ = lazy[:, 0:3]
    assert lazy.not_finite.tolist() == [False, True, False, True]


def test_values_are_large_from_a_size_on():
    assert is_large((2**12, 2**12 + 1))
    assert not is_large((2**12, 2**12))
