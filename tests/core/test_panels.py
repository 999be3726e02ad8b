import numpy as np
import pytest
from scipy import sparse

from jamie.core.panels import assign_panels, fill_nan, has_nan, mask_unmeasured, project_measured, set_nan, set_rows

NAN = np.nan
PANELS = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
X = np.array([[1, 2, 3, 4], [1, 2, NAN, NAN], [1, NAN, NAN, NAN], [1, 2, NAN, 4]], np.float32)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_cell_has_the_smallest_panel_that_it_can_have(form):
    assert assign_panels(form(X), PANELS).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_what_is_missing_is_filled_by_feature(form):
    full = fill_nan(form(X), np.array([10, 20, 30, 40.0]))
    full = full.toarray() if sparse.issparse(full) else full
    assert full[2].tolist() == [1, 20, 30, 40]
    assert full[0].tolist() == [1, 2, 3, 4]
    assert not has_nan(full)
    assert has_nan(form(X))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_some_values_are_taken_out(form):
    given = form(np.array([[0, 1], [2, 0]], np.float32))
    marked = set_nan(given, np.array([0]), np.array([0]))
    marked = marked.toarray() if sparse.issparse(marked) else marked
    np.testing.assert_array_equal(marked, [[NAN, 1], [2, 0]])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_zeros_throughout_what_a_panel_lacks_are_missing(form):
    given = form(np.array([[1, 2, 0, 0], [1, 2, 3, 0], [1, 0, 0, 0]], np.float32))
    marked = mask_unmeasured(given, PANELS)
    marked = marked.toarray() if sparse.issparse(marked) else marked
    np.testing.assert_array_equal(marked, [[1, 2, NAN, NAN], [1, 2, 3, 0], [1, NAN, NAN, NAN]])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_rows_are_replaced(form):
    given = form(np.array([[1, 0], [NAN, NAN]], np.float32))
    full = set_rows(given, np.array([False, True]), np.array([5, 6.0]))
    full = full.toarray() if sparse.issparse(full) else full
    assert full.tolist() == [[1, 0], [5, 6]]


def test_a_part_of_residuals_is_a_mask_or_a_map():
    residuals = np.array([[1.0, 2.0]], np.float32)
    assert project_measured(residuals, np.array([1, 0], np.float32)).tolist() == [[1, 0]]
    assert project_measured(residuals, np.array([[0, 1], [1, 0]], np.float32)).tolist() == [[2, 1]]
