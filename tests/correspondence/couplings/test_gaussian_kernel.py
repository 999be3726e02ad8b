"""Confidences from coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jamie.correspondence.couplings import gaussian_kernel
from jamie.correspondence.couplings.gaussian_kernel import soft_matches


def points(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


@pytest.fixture(params=["all", "nearest"])
def entries(request, monkeypatch):
    """Entries for all pairs of cells, or for the nearest only."""
    if request.param == "nearest":
        monkeypatch.setattr(gaussian_kernel, "ALL_PAIRS", 0)
    return request.param


@pytest.mark.parametrize(("n_a", "n_b"), [(40, 70), (70, 40)])
def test_sums_are_at_most_one(entries, n_a, n_b):
    found = soft_matches(points(n_a), points(n_b, 1))
    assert found.shape == (n_a, n_b)
    assert found.sum(axis=1).max() <= 1 + 1e-6
    assert found.sum(axis=0).max() <= 1 + 1e-6
    assert found.data.min() > 0


def test_nearer_cells_have_more_of_a_cell(entries):
    x, y = points(40), points(40, 1)
    found = soft_matches(x, y).toarray()
    squared = cdist(x, y) ** 2
    typical = min(np.median(np.sqrt(squared).min(axis=axis)) for axis in (0, 1))

    def kernel(d2):
        scaled = d2 / (2 * (0.75 * typical) ** 2)
        return np.exp(-scaled) + 1e-6 / (1 + scaled)

    no_partner = kernel((2 * typical) ** 2)
    rows, columns = (kernel(squared).sum(axis=axis, keepdims=True) + no_partner for axis in (1, 0))
    expected = kernel(squared) / np.maximum(rows, columns)
    kept = found > 0
    assert kept.all() if entries == "all" else kept.sum(axis=1).min() >= 40
    np.testing.assert_allclose(found[kept], expected[kept], rtol=0.02, atol=1e-5)


def test_copies_get_nearly_all_of_their_cells(entries):
    x = points(50)
    order = np.random.default_rng(2).permutation(50)
    found = soft_matches(x, x[order] + 0.01 * points(50, 3))
    np.testing.assert_array_equal(found.argmax(axis=1), np.argsort(order))
    assert found.max(axis=1).toarray().mean() > 0.4


def test_cells_far_from_all_others_get_little(entries):
    x = np.concatenate([points(50), points(5) + 20])
    mass = soft_matches(x, points(60, 1)).sum(axis=1)
    assert mass[50:].max() < 0.01
    assert mass[:50].mean() > 0.5


def test_equal_cells_have_equal_shares(entries):
    found = soft_matches(np.zeros((4, 2)), np.zeros((3, 2)))
    np.testing.assert_allclose(found.toarray(), found.toarray()[0, 0])
