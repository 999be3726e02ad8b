import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core import lazy_rows
from jamie.core.lazy_rows import LazyRows, row_blocks, with_values
from jamie.core.matrix import column_means, column_range, column_variances, missing_counts, positive_counts
from jamie.preprocess.feature_statistics import moments

ROWS, COLUMNS = np.array([0, 3, 4, 11, 20, 21, 39]), np.array([1, 2, 5, 8, 9])


@pytest.fixture(params=[2**22, 20])
def few_stored(request, monkeypatch):
    monkeypatch.setattr(lazy_rows, "BLOCK_STORED", request.param)


@pytest.fixture
def X():
    return sparse.random_array((40, 12), density=0.3, rng=np.random.default_rng(0), dtype=np.float32, format="csr") * 9


def double(block, obs):
    assert len(obs) == block.shape[0]
    return with_values(block, block.data * 2)


def lazily(X, rows=None, columns=None):
    return LazyRows(X, pd.DataFrame(index=range(40)), rows, columns)


@pytest.mark.usefixtures("few_stored")
@pytest.mark.parametrize("rows", [None, ROWS])
@pytest.mark.parametrize("columns", [None, COLUMNS])
@pytest.mark.parametrize("part", [0, 0.25, 1])
def test_rows_are_those_of_the_matrix_after_all_changes_at_every_pass(X, rows, columns, part, monkeypatch):
    monkeypatch.setattr(lazy_rows, "_CACHED_PART", part)
    before = X.copy()
    expected = X.toarray()[slice(None) if rows is None else rows][:, slice(None) if columns is None else columns]
    lazy = lazily(X, rows, columns).map(double).map(double)
    assert lazy.shape == expected.shape
    for _ in range(2):
        np.testing.assert_array_equal(lazy.collect().toarray(), 4 * expected)
    np.testing.assert_array_equal(lazy.collect(np.array([2, 0])).toarray(), 4 * expected[:, [2, 0]])
    np.testing.assert_array_equal(X.toarray(), before.toarray())


@pytest.mark.parametrize("rows", [None, ROWS])
@pytest.mark.parametrize("columns", [None, COLUMNS])
@pytest.mark.parametrize("some", [np.array([5, 0, 0]), slice(1, 6, 2), np.arange(7) > 4])
def test_some_rows_are_read_as_of_a_matrix(X, rows, columns, some):
    lazy = lazily(X, rows, columns)
    if isinstance(some, np.ndarray) and some.dtype == bool:
        some = np.resize(some, lazy.shape[0])
    expected = X.toarray()[slice(None) if rows is None else rows][:, slice(None) if columns is None else columns]
    np.testing.assert_array_equal(lazy[some].toarray(), expected[some])
    np.testing.assert_array_equal(lazy.map(double)[some].toarray(), 2 * expected[some])


@pytest.mark.usefixtures("few_stored")
@pytest.mark.parametrize("width", [3, 40])
@pytest.mark.parametrize("others", [False, True])
def test_products_are_those_of_the_matrix(X, width, others):
    if not others:  # features that are left out have no values
        X = sparse.csr_array(X.toarray() * np.isin(np.arange(12), COLUMNS)).astype(np.float32)
    rng, lazy, full = np.random.default_rng(1), lazily(X, ROWS, COLUMNS).map(double), 2 * X.toarray()[ROWS][:, COLUMNS]
    W, Y = rng.normal(size=(5, width)), rng.normal(size=(7, width))
    np.testing.assert_allclose(lazy.times(W), full @ W, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(lazy.transposed_times(Y), full.T @ Y, rtol=1e-4, atol=1e-4)
    mean = full.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(lazy.normal_times(W, mean), full.T @ ((full - mean) @ W), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("few_stored")
def test_statistics_of_features_are_those_of_the_matrix(X):
    lazy, full = lazily(X, ROWS).map(double), 2 * X.toarray()[ROWS]
    mean, variance = moments(lazy)
    np.testing.assert_allclose(mean, full.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, full.var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(column_means(lazy), mean)
    np.testing.assert_allclose(column_variances(lazy), variance)
    np.testing.assert_array_equal(column_range(lazy), (full.min(axis=0), full.max(axis=0)))
    np.testing.assert_array_equal(positive_counts(lazy), (full > 0).sum(axis=0))
    np.testing.assert_array_equal(missing_counts(lazy), np.zeros(12))


def test_changed_values_are_kept_up_to_a_part_of_the_matrix(X, monkeypatch):
    monkeypatch.setattr(lazy_rows, "BLOCK_STORED", 20)
    calls = []

    def count(block, obs):
        calls.append(block.shape[0])
        return with_values(block, block.data + 1)

    lazy = lazily(X).map(count)
    n_blocks = sum(1 for _ in lazy.blocks())
    assert len(calls) == n_blocks > 4
    list(lazy.blocks())
    assert n_blocks < len(calls) < 1.5 * n_blocks  # four fifths of the values: 0.4 of values and columns


def test_a_matrix_in_memory_is_one_block(X):
    ((rows, block),) = row_blocks(X)
    assert (rows, block is X) == (slice(0, 40), True)


def test_blocks_share_the_places_of_stored_values(X):
    for _, block in lazily(X).map(double).blocks():
        assert np.shares_memory(block.indices, X.indices)
