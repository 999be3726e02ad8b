"""The way back to some features is the way back to all of them, cut."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.preprocess.chain import Chain
from jamie.preprocess.clr import CLR
from jamie.preprocess.fill_missing import FillMissing
from jamie.preprocess.log_normalize import LogNormalize
from jamie.preprocess.pca import PCA
from jamie.preprocess.select_features import SelectFeatures
from jamie.preprocess.standardize import Standardize
from jamie.preprocess.tfidf import TFIDF

NAMES = pd.Index([f"g{i}" for i in range(12)])
CHAINS = {
    "none": [],
    "by feature": [FillMissing(), LogNormalize(), Standardize()],
    "components": [LogNormalize(), SelectFeatures(n_features=7), Standardize(), PCA(n_components=3), Standardize()],
    "whole cells": [CLR(), Standardize()],
    "components of regions": [TFIDF(), PCA(n_components=4)],
}


def fitted(steps, X, cells):
    return Chain(steps, "rna").fit(X, cells(len(X)), NAMES)


@pytest.mark.parametrize("wanted", [[3], [11, 0, 5, 2], [2, 2], [5], []], ids=str)
@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_some_features_are_those_of_the_whole(steps, wanted, counts, cells):
    counts[:, [2, 5]] = 3, 0  # constant, and come back as such
    chain = fitted(steps, counts, cells)
    Z = np.random.default_rng(0).normal(size=(6, len(chain.feature_names_out(NAMES)))).astype(np.float32)
    wanted = np.array(wanted, np.int64)
    found = chain.inverse(wanted)(Z)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, chain.inverse_transform(Z)[:, wanted], rtol=1e-5, atol=1e-5)


def test_components_are_multiplied_for_the_wanted_features_alone(counts, cells):
    chain = fitted([LogNormalize(), Standardize(), PCA(n_components=3)], counts, cells)
    inverse = chain.inverse(np.array([4, 9]))
    assert not inverse.whole
    assert [step.name for step in inverse.narrow] == ["log_normalize", "standardize", "pca"]
    assert inverse.narrow[2].components.shape == (3, 2)
    assert chain.steps[2].components.shape == (3, 12)


def test_a_step_that_needs_whole_cells_is_inverted_as_a_whole(counts, cells):
    inverse = fitted([CLR(), Standardize()], counts, cells).inverse(np.array([4, 9]))
    assert [step.name for step in inverse.whole] == ["clr", "standardize"]
    np.testing.assert_array_equal(inverse.reads, [4, 9])


def test_sparse_values_are_cut_as_dense_ones(counts, cells):
    counts[:, 2] = 3
    csr = sparse.csr_array(counts)
    chain = Chain([Standardize()]).fit(csr, cells(40), NAMES)
    found = chain.inverse(np.array([9, 2]))(chain.transform(csr, cells(40)))
    np.testing.assert_allclose(found, counts[:, [9, 2]], rtol=1e-5)
