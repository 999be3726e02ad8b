"""Values of linked features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import zscore

from jamie.core.data import Block, View
from jamie.correspondence.shared_space import linked_features
from jamie.correspondence.shared_space.linked_features import linked_values


def views(X, Y, weights):
    """Two modalities, whose scores do not matter."""
    W = sparse.csr_array(np.asarray(weights, np.float32))
    return tuple(
        View(
            name,
            Block(values, pd.Index([f"{name}{j}" for j in range(values.shape[1])])),
            np.zeros((values.shape[0], 1)),
            to,
        )
        for name, values, to in (("a", X, {"b": W}), ("b", Y, {"a": W.T.tocsr()}))
    )


@pytest.fixture
def levels():
    rng = np.random.default_rng(0)
    return (10 * rng.normal(size=(n, p)).astype(np.float32) + 5 for n, p in ((20, 3), (30, 4)))


def test_values_are_standardised_and_weighed_so_that_their_product_is_that_of_the_links(levels):
    X, Y = levels
    weights = np.array([[0, 4, 0, 0], [1, 0, 0, -9], [0, 0, 0, 0]])
    first, second = linked_values(*views(X, Y, weights))
    assert (first.shape, second.shape) == ((20, 3), (30, 3))
    expected = zscore(X.astype(float)) @ weights @ zscore(Y.astype(float)).T
    np.testing.assert_allclose(first @ second.T, expected, rtol=1e-4, atol=1e-4)


def test_seen_from_the_other_side_it_is_the_same(levels):
    a, b = views(*levels, [[0, 4, 0, 0], [1, 0, 0, -9], [0, 0, 0, 0]])
    forth, back = linked_values(a, b), linked_values(b, a)
    np.testing.assert_allclose(forth[0] @ forth[1].T, (back[0] @ back[1].T).T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stored", ["dense", "sparse"])
def test_counts_are_normalised_and_brought_to_a_logarithmic_scale(stored, levels):
    counts = np.random.default_rng(1).poisson(30, size=(20, 3)).astype(np.float32)
    _, Y = levels
    first, _ = linked_values(*views(sparse.csr_array(counts) if stored == "sparse" else counts, Y, np.eye(3, 4)))
    totals = counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(first, zscore(np.log1p(counts / totals * np.median(totals))), rtol=1e-3, atol=1e-4)


def test_constant_features_are_left_out_and_missing_values_are_means(levels):
    X, Y = levels
    X[:, 0], X[4, 1] = 0.1, np.nan
    first, second = linked_values(*views(X, Y, np.eye(3, 4)))
    assert first.shape[1] == second.shape[1] == 2
    assert first[4, 0] == 0
    assert np.isfinite(first).all()


def test_of_very_many_the_most_variable_are_used(levels, monkeypatch):
    X, Y = levels
    X[:, 1] *= 10
    monkeypatch.setattr(linked_features, "MOST_LINKS", 1)
    first, second = linked_values(*views(X, Y, np.eye(3, 4)))
    np.testing.assert_allclose(first, zscore(X[:, [1]].astype(float)), atol=1e-4)
    np.testing.assert_allclose(second, zscore(Y[:, [1]].astype(float)), atol=1e-4)
