from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.metrics.modality_mixing import ModalityMixing, weights_of_perplexity


def pair(a, b):
    return EmbeddedPair("rna", "atac", a, b, sparse.csr_array((len(a), len(b))))


def by_hand(a, b, perplexity):
    """The definition, cell by cell, with the width of the Gaussian from a root finder."""
    z = np.vstack([a, b])
    values = []
    for i, row in enumerate(cdist(z, z)):
        nearest = np.argsort(np.where(np.arange(len(z)) == i, np.inf, row))[: 3 * perplexity]
        squares = row[nearest] ** 2 - row[nearest].min() ** 2

        def entropy(log_width, squares=squares):
            p = np.exp(-np.exp(log_width) * squares)
            p /= p.sum()
            return -(p * np.log(np.maximum(p, 1e-300))).sum() - np.log(perplexity)

        p = np.exp(-np.exp(brentq(entropy, -15, 15, xtol=1e-13)) * squares)
        share = p[nearest >= len(a)].sum() / p.sum()
        values.append(1 / (share**2 + (1 - share) ** 2))
    q = len(a) / len(z)
    return (np.mean(values) - 1) / (1 / (q**2 + (1 - q) ** 2) - 1)


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_mixing_equals_the_definition(shift):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(80, 3)), shift + rng.normal(size=(50, 3))
    assert ModalityMixing(perplexity=10).score(pair(a, b)).value == pytest.approx(by_hand(a, b, 10), abs=1e-8)


def test_weights_have_the_perplexity_that_is_asked_for():
    distances = np.sort(np.random.default_rng(0).random((20, 30)), axis=1) * np.logspace(-9, 9, 20)[:, None]
    weights = weights_of_perplexity(distances, 10)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(-(weights * np.log(weights)).sum(axis=1)), 10, rtol=1e-9)
    np.testing.assert_allclose(weights_of_perplexity(distances, 30), 1 / 30, rtol=1e-3)


def test_modalities_apart_score_0_even_where_one_is_small():
    rng = np.random.default_rng(1)
    for n in (200, 9):
        assert ModalityMixing().score(pair(rng.normal(size=(200, 3)), 50 + rng.normal(size=(n, 3)))).value < 1e-12


def test_modalities_that_alternate_score_1():
    angle = 2 * np.pi * np.arange(400) / 400
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    assert ModalityMixing().score(pair(circle[::2], circle[1::2])).value == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("n", [600, 150])
def test_modalities_mixed_at_random_score_near_1_whatever_their_sizes(n):
    a, b = (np.random.default_rng(seed).normal(size=(size, 2)) for seed, size in ((2, 600), (3, n)))
    assert 0.85 < ModalityMixing().score(pair(a, b)).value < 0.995


@pytest.mark.parametrize("place", [0.0, 0.1, 1e6])
def test_a_collapsed_embedding_scores_0(place):
    assert ModalityMixing().score(pair(np.full((60, 40), place), np.full((50, 40), place))).value == 0


def test_too_few_cells_are_refused():
    z = np.random.default_rng(4).normal(size=(9, 2))
    with pytest.raises(DataError, match="expected at least 3 cells of each modality, found 9 and 2"):
        ModalityMixing().score(pair(z, z[:2]))
    assert 0 <= ModalityMixing().score(replace(pair(z, z[:3] + 0.1))).value <= 1
