import numpy as np
import pytest
from scipy import sparse
from scipy.stats import entropy

from jamie.correspondence.coupling import inferred_from, row_entropy, sparsify


def test_entropy_equals_scipy_and_is_one_where_nothing_is_known():
    rows = np.array([[0.5, 0.25, 0.25, 0], [0, 2, 0, 0], [0.1, 0.1, 0.1, 0.1], [0, 0, 0, 0]])
    expected = [entropy(rows[0]) / np.log(4), 0, 1, 1]
    np.testing.assert_allclose(row_entropy(sparse.csr_array(rows)), expected, atol=1e-6)


def test_sparsify_drops_what_carries_no_mass_and_keeps_row_sums():
    coupling = np.array([[0.9, 0.1 - 1e-5, 1e-5], [0.0, 0.5, 0.5]], np.float32)
    kept = sparsify(coupling).toarray()
    assert (kept > 0).tolist() == [[True, True, False], [False, True, True]]
    np.testing.assert_allclose(kept.sum(axis=1), 1, atol=1e-6)


def test_columns_never_exceed_one():
    kept = sparsify(np.array([[1.0, 0.0], [0.004, 0.996]], np.float32))
    assert kept.sum(axis=0).max() <= 1 + 1e-6
    assert kept.toarray()[1, 1] == pytest.approx(0.996)


def test_transposed_coupling_comes_back_in_the_order_of_the_modalities():
    coupling = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], np.float32)
    straight, turned = (inferred_from(coupling, flag, {"converged": True}) for flag in (False, True))
    np.testing.assert_array_equal(turned.correspondence.matrix.toarray(), coupling.T)
    np.testing.assert_allclose(straight.confidence_a, [1 - np.log(2) / np.log(3), 1], atol=1e-6)
    np.testing.assert_allclose(straight.confidence_b, [0.5, 0.5, 1], atol=1e-6)
    np.testing.assert_array_equal(turned.confidence_a, straight.confidence_b)
    assert straight.diagnostics["row_residual"] == pytest.approx(0, abs=1e-6)
