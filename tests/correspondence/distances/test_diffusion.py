"""Diffusion distances against powers of the Markov matrix, whose definition they are."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from jamie.core.data import Block, View
from jamie.correspondence.distances import diffusion
from jamie.correspondence.distances.diffusion import Diffusion, markov_weights
from jamie.correspondence.graphs.neighbors import neighbor_graph


def view(X):
    X = np.asarray(X, np.float32)
    return View("rna", Block(X, pd.Index([str(i) for i in range(X.shape[1])])), X)


@pytest.fixture
def cloud():
    return np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def markov(X, k):
    """Dense Markov matrix and its stationary distribution."""
    weights = markov_weights(neighbor_graph(X, k)).toarray()
    np.testing.assert_allclose(weights, weights.T)
    degrees = weights.sum(axis=1)
    return weights / degrees[:, None], degrees / degrees.sum()


def test_weights_are_those_of_the_adaptive_kernel(cloud):
    lengths = cdist(cloud.astype(float), cloud.astype(float))
    order = np.argsort(lengths, axis=1)[:, 1:6]
    near = np.zeros_like(lengths, bool)
    np.put_along_axis(near, order, True, axis=1)
    width = np.take_along_axis(lengths, order[:, -1:], axis=1).ravel()
    kernel = np.where(near | near.T, np.maximum(np.exp(-(lengths**2) / np.outer(width, width)), np.exp(-4)), 0)
    np.fill_diagonal(kernel, 1)
    density = kernel.sum(axis=1)
    found = markov_weights(neighbor_graph(cloud, 5)).toarray()
    np.testing.assert_allclose(found, kernel / np.outer(density, density), rtol=1e-6)


@pytest.mark.parametrize("time", [1, 3])
def test_distance_is_that_of_walks_of_t_steps(cloud, time):
    P, stationary = markov(cloud, 6)
    reached = np.linalg.matrix_power(P, time) / np.sqrt(stationary)
    found = Diffusion(k=6, time=time, n_components=49).pairwise(view(cloud))
    np.testing.assert_allclose(found, cdist(reached, reached), atol=1e-9)


def test_by_default_walks_of_all_lengths_are_summed(cloud):
    P, stationary = markov(cloud, 6)
    walks = P - stationary  # without the part that all cells share
    total = walks @ np.linalg.inv(np.eye(50) - walks) / np.sqrt(stationary)
    found = Diffusion(k=6, n_components=49).pairwise(view(cloud))
    np.testing.assert_allclose(found, cdist(total, total), rtol=1e-6, atol=1e-6)


def test_leading_eigenvectors_are_nearly_all_of_long_walks(cloud):
    every = Diffusion(k=6, time=30, n_components=49).pairwise(view(cloud))
    np.testing.assert_allclose(Diffusion(k=6, time=30, n_components=20).pairwise(view(cloud)), every, rtol=1e-3)


def test_sparse_eigenvectors_are_those_of_the_dense_matrix(monkeypatch):
    cloud = np.random.default_rng(1).normal(size=(200, 2))
    dense = Diffusion(n_components=12).pairwise(view(cloud), [0, 50])
    monkeypatch.setattr(diffusion, "_DENSE", 100)
    np.testing.assert_allclose(Diffusion(n_components=12).pairwise(view(cloud), [0, 50]), dense, rtol=1e-6, atol=1e-6)


def test_cells_follow_a_curve_rather_than_jump_across():
    # a ring with a gap: its ends are near each other, but far along it
    angle = np.linspace(0.15, 2 * np.pi - 0.15, 120)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    distances = Diffusion(k=5).pairwise(view(ring), [0])[:, 0]
    assert (np.diff(distances) > 0).mean() > 0.9
    assert distances[-1] > 2 * distances[30]


def test_parts_are_joined_with_a_notice(caplog):
    rng = np.random.default_rng(0)
    apart = np.concatenate([rng.normal(size=(30, 2)), 100 + rng.normal(size=(30, 2))])
    with caplog.at_level(logging.WARNING, "jamie"):
        distances = Diffusion(k=5).pairwise(view(apart))
    assert "modality 'rna': the nearest-neighbor graph has 2 components" in caplog.text
    assert distances[:30, :30].max() < distances[:30, 30:].min()


def test_groups_of_equal_cells_are_at_finite_distances():
    for equal in (np.zeros((6, 2)), np.repeat(np.eye(2), 5, axis=0)):
        distances = Diffusion(k=2).pairwise(view(equal))
        assert np.isfinite(distances).all()
        np.testing.assert_allclose(distances, distances.T)
