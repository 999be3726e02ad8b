"""Novelty scores of new cells are uniform, and near 1 for out-of-distribution cells."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from jamie.core.context import Context
from jamie.preprocess.chain import Chain
from jamie.preprocess.pca import PCA
from jamie.preprocess.standardize import Standardize
from jamie.trust import novelty as novelty_scores
from jamie.trust.novelty import MIN_CELLS, NoveltyScore, fit_novelty_score

P = 300  # features: more than training cells, so that components are fitted to noise
MIXING = np.random.default_rng(9).normal(size=(4, P))


def cells(n, seed):
    rng = np.random.default_rng(seed)
    position = rng.normal(size=(n, 4)) + 3 * np.eye(4)[rng.integers(3, size=n)]
    return (position @ MIXING + 3 * rng.normal(size=(n, P))).astype(np.float32)


def fitted(X, form=np.asarray, n_components=100):
    obs, features = pd.DataFrame(index=range(len(X))), pd.Index(range(X.shape[1]))
    chain = Chain([Standardize(), PCA(n_components=n_components)]).fit(form(X), obs, features)
    scores = chain.scores(form(X), obs, Context())
    found = fit_novelty_score(chain, form(X), obs, features, scores, Context().for_stage("distance"))
    return found, lambda new: chain.scores(form(new), pd.DataFrame(index=range(len(new))), Context())


@pytest.fixture(scope="module")
def trained():
    return fitted(cells(250, 0))


def test_scores_of_new_cells_of_the_same_kind_are_uniform(trained):
    novelty, scores = trained
    found = novelty(scores(cells(400, 1)))
    # of 250 held-out cells and 400 new ones; at 0.01
    assert stats.kstest(found, "uniform").statistic < 1.63 * np.sqrt(1 / 250 + 1 / 400)
    assert (found >= 0.99).mean() < 0.05


def test_distances_among_training_cells_are_too_large_a_reference(trained):
    """Why cells are held out: ranked among training cells, all new cells would seem near."""
    novelty, _ = trained
    assert novelty.among_reference.mean() > 1.02 * novelty.held_out.mean()


@pytest.mark.parametrize("n_components", [2, 5])
def test_as_many_components_as_the_model_has(n_components):
    novelty, scores = fitted(cells(100, 0), n_components=n_components)
    found = novelty(scores(cells(400, 1)))
    assert 0.35 < found.mean() < 0.65
    assert (found >= 0.99).mean() < 0.05
    assert (novelty(scores(5 * cells(100, 2))) >= 0.99).mean() > 0.7


@pytest.mark.parametrize("n", [40, 250])
def test_training_cells_are_not_novel(n):
    """They are ranked among themselves, since preprocessing is fitted to their noise."""
    X = cells(n, 0)
    novelty, scores = fitted(X)
    training = scores(X) * np.float32(1 + 1e-6)  # as far as rounding goes
    found = novelty(training)
    np.testing.assert_allclose(np.sort(found), np.arange(n) / n, atol=1.5 / n)
    moved = novelty(scores(X + 12 * MIXING[3]))
    assert (moved >= 0.99).mean() > 0.9


def test_out_of_distribution_cells_have_high_scores(trained):
    novelty, scores = trained
    new = cells(200, 2)
    unseen_type = new + 12 * MIXING[3]  # of the four directions three hold a type each
    for other in (unseen_type, 5 * new):
        assert (novelty(scores(other)) >= 0.99).mean() > 0.9


@pytest.mark.parametrize("scaling", [{"scale": "none"}, {"whitening": 0.5}, {"whitening": 1.0}])
def test_scores_do_not_depend_on_the_scale_of_components_or_units(scaling, trained):
    X, new = cells(250, 0), cells(50, 1)
    obs, features = pd.DataFrame(index=range(250)), pd.Index(range(P))
    chain = Chain([Standardize(), PCA(n_components=100, **scaling)]).fit(1000 * X, obs, features)
    found = fit_novelty_score(
        chain, 1000 * X, obs, features, chain.transform(1000 * X, obs), Context().for_stage("distance")
    )
    expected = trained[0](trained[1](new))
    np.testing.assert_allclose(found(chain.transform(1000 * new, obs[:50])), expected, atol=0.01)


def test_sparse_cells_and_state(trained):
    X = np.random.default_rng(0).poisson(0.5, size=(60, 30)).astype(np.float32)
    novelty, scores = fitted(X, sparse.csr_array)
    dense, _ = fitted(X)
    np.testing.assert_allclose(novelty.held_out, dense.held_out, rtol=1e-3)
    restored = NoveltyScore(**novelty.state())
    np.testing.assert_array_equal(restored(scores(X)), novelty(scores(X)))
    assert len(novelty.held_out) == 60  # few cells are all held out once


def test_no_score_from_too_few_cells():
    assert fitted(cells(MIN_CELLS - 1, 0))[0] is None


def test_notices_of_preprocessing_are_not_repeated(caplog):
    X = cells(40, 0)
    X[1:, 3] = X[0, 3]  # constant where the first cell is left out
    with caplog.at_level(logging.INFO, logger="jamie.preprocess"):
        fitted(X)
    messages = [record.getMessage() for record in caplog.records]
    assert sorted(messages) == sorted(set(messages))
    assert any("standardize" in message for message in messages)


def test_sparse_cells_too_many_for_an_array_are_scored_alike(monkeypatch):
    X = np.maximum(cells(120, 0), 0)
    dense, scores = fitted(X, sparse.csr_array)
    monkeypatch.setattr(novelty_scores, "_MAX_DENSE", 0)
    found, _ = fitted(X, sparse.csr_array)
    new = scores(np.maximum(cells(100, 1), 0))
    assert np.corrcoef(found(new), dense(new))[0, 1] > 0.9
    assert abs(found(new).mean() - dense(new).mean()) < 0.05
    assert (found(scores(5 * cells(50, 2))) >= 0.99).mean() > 0.9
