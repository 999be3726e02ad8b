import numpy as np
import pytest
from scipy import sparse
from scipy.stats import entropy

from jamie.correspondence.couplings import coupling
from jamie.correspondence.couplings.coupling import inferred_from, marginals, row_entropy, sparsify


def test_entropy_equals_scipy_and_is_one_where_nothing_is_known():
    rows = np.array([[0.5, 0.25, 0.25, 0], [0, 2, 0, 0], [0.1, 0.1, 0.1, 0.1], [0, 0, 0, 0]])
    expected = [entropy(rows[0]) / np.log(4), 0, 1, 1]
    np.testing.assert_allclose(row_entropy(sparse.csr_array(rows)), expected, atol=1e-6)


def test_marginals_equal_those_of_the_rows_and_of_the_columns(monkeypatch):
    monkeypatch.setattr(coupling, "BLOCK", 3)
    F = np.where((rng := np.random.default_rng(0)).random((7, 9)) < 0.5, rng.random((7, 9)), 0).astype(np.float32)
    F[2], F[:, 4] = 0, 0
    for found, matrix in zip(marginals(F), (F, F.T), strict=True):
        np.testing.assert_allclose(found.mass, matrix.sum(axis=1), rtol=1e-6)
        np.testing.assert_allclose(found.entropy, row_entropy(sparse.csr_array(matrix)), atol=1e-6)
        np.testing.assert_allclose(found.confidence, (1 - found.entropy) * np.minimum(found.mass, 1), rtol=1e-6)


def best(F, k):
    """Each row's k largest entries."""
    return np.where(np.argsort(np.argsort(-F, axis=1), axis=1) < k, F, 0)


def test_all_entries_are_kept_of_few_and_the_best_of_each_row_of_many(monkeypatch):
    F = np.random.default_rng(0).dirichlet(np.full(30, 0.1), size=20).astype(np.float32)
    np.testing.assert_array_equal(sparsify(F).toarray(), F)
    np.testing.assert_array_equal(sparsify(F.T).toarray(), F.T)
    monkeypatch.setattr(coupling, "STORED", 20 * 12)
    np.testing.assert_array_equal(sparsify(F).toarray(), best(F, 12))
    monkeypatch.setattr(coupling, "ALL_PAIRS", 599)
    monkeypatch.setattr(coupling, "BEST", 4)
    np.testing.assert_array_equal(sparsify(F).toarray(), best(F, 4))


def test_columns_never_exceed_one():
    found = inferred_from(np.array([[1.0, 0.0], [0.004, 0.996]], np.float32), False, {}).correspondence.matrix
    assert found.sum(axis=0).max() <= 1 + 1e-6
    assert found.toarray()[1, 1] == pytest.approx(0.996)


def test_transposed_coupling_comes_back_in_the_order_of_the_modalities():
    F = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], np.float32)
    straight, turned = (inferred_from(F, flag, {"converged": True}) for flag in (False, True))
    np.testing.assert_array_equal(turned.correspondence.matrix.toarray(), F.T)
    np.testing.assert_allclose(straight.confidence_a, [1 - np.log(2) / np.log(3), 1], atol=1e-6)
    np.testing.assert_allclose(straight.confidence_b, [0.5, 0.5, 1], atol=1e-6)
    np.testing.assert_array_equal(turned.confidence_a, straight.confidence_b)
    assert straight.diagnostics["row_residual"] == pytest.approx(0, abs=1e-6)
