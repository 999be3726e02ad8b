import numpy as np
import pytest
from scipy import sparse

from jamie.core import matrix
from jamie.core.matrix import (
    NonFiniteValues,
    column_means,
    column_variances,
    find_non_finite,
    format_percent,
    nonzero_counts,
    row_chunks,
    stored_chunks,
    stored_position,
)


@pytest.fixture(params=[2**21, 3])
def block_values(request, monkeypatch):
    monkeypatch.setattr(matrix, "_BLOCK_VALUES", request.param)


def with_gaps():
    X = np.zeros((7, 4), np.float32)
    X[2, 3], X[4, 1], X[6, 0], X[0, 0] = np.nan, -np.inf, np.inf, 5
    return X


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("as_matrix", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_values_that_are_not_finite_are_counted_and_the_first_is_placed(as_matrix):
    X = as_matrix(with_gaps())
    assert find_non_finite(X) == NonFiniteValues(3, 2, 3)
    assert find_non_finite(X, nan_allowed=True) == NonFiniteValues(2, 4, 1)
    assert find_non_finite(as_matrix(np.nan_to_num(with_gaps(), posinf=1, neginf=1))) is None


@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_array])
def test_a_matrix_without_values_has_none_that_are_not_finite(as_matrix):
    assert find_non_finite(as_matrix(np.zeros((3, 0), np.float32))) is None
    assert find_non_finite(as_matrix(np.zeros((0, 3), np.float32))) is None


def test_position_of_a_stored_entry_skips_empty_rows():
    X = sparse.csr_array(np.array([[0, 1, 2], [0, 0, 0], [3, 0, 4]], np.float32))
    assert [stored_position(X, k) for k in range(4)] == [(0, 1), (0, 2), (2, 0), (2, 2)]
    assert stored_position(X.toarray(), 7) == (2, 1)


@pytest.mark.usefixtures("block_values")
@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_row_blocks_cover_every_row_once(width):
    assert np.concatenate([np.arange(10)[rows] for rows in row_chunks(10, width)]).tolist() == list(range(10))


@pytest.mark.usefixtures("block_values")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_array])
def test_column_means_leave_out_what_is_missing_and_are_0_where_all_is(as_matrix):
    X = np.array([[1, np.nan, np.nan, 0], [3, 4, np.nan, 0], [0, 0, np.nan, 6]], np.float32)
    np.testing.assert_allclose(column_means(as_matrix(X)), [4 / 3, 2, 0, 2])


@pytest.mark.parametrize(
    ("part", "text"), [(360, "100 %"), (359, "100 %"), (90, "25 %"), (30, "8.3 %"), (1, "0.28 %"), (0, "0 %")]
)
def test_percentages_are_never_exponential(part, text):
    assert format_percent(part, 360) == text


def test_a_percentage_too_small_to_write_is_not_0():
    assert format_percent(1, 1e6) == "less than 0.01 %"


@pytest.mark.usefixtures("block_values")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_array])
def test_column_variances_are_those_of_numpy_and_missing_where_all_is(as_matrix):
    X = np.random.default_rng(0).poisson(0.5, size=(40, 5)).astype(np.float32) + np.float32([1000, 0, 0, 0, 0])
    X[::3, 1], X[:, 3], X[:, 4] = np.nan, np.nan, 0
    found = column_variances(as_matrix(X))
    assert np.isnan(found[3])
    kept = [0, 1, 2, 4]
    assert found[kept] == pytest.approx(np.nanvar(X[:, kept].astype(np.float64), axis=0), rel=1e-10)


@pytest.mark.usefixtures("block_values")
def test_rows_of_few_stored_values_are_covered_once():
    X = sparse.random_array((30, 9), density=0.3, rng=np.random.default_rng(0), format="csr")
    empty = sparse.csr_array((4, 9))
    X = sparse.csr_array(sparse.vstack([empty, X, empty]))
    chunks = list(stored_chunks(X))
    assert np.concatenate([np.arange(38)[rows] for rows in chunks]).tolist() == list(range(38))
    most = max(matrix._BLOCK_VALUES, np.diff(X.indptr).max())
    assert all(X.indptr[rows.stop] - X.indptr[rows.start] <= most for rows in chunks)


@pytest.mark.usefixtures("block_values")
def test_values_that_are_not_0_are_counted_in_each_row():
    X = np.array([[0, 1, np.nan], [0, 0, 0], [2, -3, 4]], np.float32)
    stored = sparse.csr_array(X)
    stored.data[2] = 0  # stored, and 0
    assert nonzero_counts(X).tolist() == [2, 0, 3]
    assert nonzero_counts(stored).tolist() == [2, 0, 2]
