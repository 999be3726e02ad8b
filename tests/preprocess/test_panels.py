"""Preprocessing of cells that were measured for several panels of features."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.panels import project_measured
from jamie.preprocess.chain import Chain
from jamie.preprocess.clr import CLR
from jamie.preprocess.fill_missing import FillMissing
from jamie.preprocess.log_normalize import LogNormalize
from jamie.preprocess.pca import PCA
from jamie.preprocess.select_features import SelectFeatures
from jamie.preprocess.standardize import Standardize
from jamie.preprocess.tfidf import TFIDF

N, P = 200, 10
PANELS = np.array([[True] * P, [True] * 7 + [False] * 3])
B = np.arange(N) < N // 2  # cells that lack the last three features
FEATURES = pd.Index([f"f{j}" for j in range(P)])
CELLS = pd.DataFrame(index=[f"c{i}" for i in range(N)])


def truth(counts=False):
    g = np.random.default_rng(0)
    X = g.normal(size=(N, 3)) @ g.normal(size=(3, P)) + 0.1 * g.normal(size=(N, P)) + 2
    return (g.poisson(np.exp(0.3 * X)) + 1 if counts else X).astype(np.float32)


def lacking(X):
    X = X.copy()
    X[np.ix_(B, ~PANELS[1])] = np.nan
    return X


def fitted(steps, X):
    return Chain(steps).fit(X, CELLS, FEATURES, PANELS)


def test_scaling_is_that_of_the_cells_that_were_measured():
    X = lacking(truth())
    step = fitted([Standardize()], X).steps[0]
    np.testing.assert_allclose(step.mean, np.nanmean(X, axis=0), rtol=1e-5)
    np.testing.assert_allclose(step.sd, np.nanstd(X, axis=0), rtol=1e-5)


def test_filled_values_do_not_count_in_scaling():
    X = lacking(truth())
    X[150, 0] = np.nan
    chain = fitted([FillMissing(), Standardize()], X)
    np.testing.assert_allclose(chain.steps[1].sd[7:], np.nanstd(X[:, 7:], axis=0), rtol=1e-5)
    assert np.isfinite(chain.transform(X, CELLS)).all()


def test_components_estimate_what_was_not_measured():
    X = truth()
    chain = fitted([Standardize(), PCA(n_components=3)], lacking(X))
    back = chain.inverse_transform(chain.transform(lacking(X), CELLS))
    for j in range(7, P):
        assert np.corrcoef(back[B, j], X[B, j])[0, 1] > 0.98
    assert abs((back - X)[B, 7:].mean()) < 0.1


def test_sparse_and_dense_agree():
    X = lacking(truth(counts=True))
    scores = [
        fitted([LogNormalize(), PCA(n_components=3)], form(X)).transform(form(X), CELLS)
        for form in (np.asarray, sparse.csr_array)
    ]
    np.testing.assert_allclose(np.abs(scores[0]), np.abs(scores[1]), atol=1e-3)


@pytest.mark.parametrize("step", [LogNormalize, TFIDF, CLR])
def test_depth_is_that_of_features_measured_in_all_cells(step):
    X = lacking(truth(counts=True))
    found = fitted([step()], X).steps[0].transform(X, CELLS)
    whole = step().fit(truth(counts=True)[:, :7], CELLS)
    assert np.isnan(found[B, 7:]).all()
    if step is not TFIDF:  # whose weights are those of the features alone
        np.testing.assert_allclose(found[:, :7], whole.transform(truth(counts=True)[:, :7], CELLS), rtol=1e-5)
    doubled = np.where(np.isnan(X), X, 2 * X)
    if step is not CLR:
        again = fitted([step()], X).steps[0].transform(doubled, CELLS)
        np.testing.assert_allclose(again, found, rtol=1e-5)


def test_depths_that_no_feature_compares_are_refused():
    X = lacking(truth(counts=True))
    X[np.ix_(~B, np.arange(P) < 7)] = np.nan
    with pytest.raises(Exception, match="expected features that were measured in all cells, by which depths"):
        Chain([LogNormalize()]).fit(X, CELLS, FEATURES, np.vstack([PANELS[:1], PANELS[1:], ~PANELS[1:]]))


def test_the_module_is_the_transform_of_whole_cells():
    import torch

    X = lacking(truth(counts=True))
    for step in (LogNormalize, TFIDF, CLR):
        chain = fitted([step()], X)
        out = chain.as_module()(torch.as_tensor(X[~B], dtype=torch.float64)).numpy()
        np.testing.assert_allclose(out, chain.transform(X[~B], CELLS[~B]), rtol=1e-4, atol=1e-5)


def test_a_step_that_knows_no_nan_is_given_means():
    class Blind(Standardize):
        tolerates_nan = False

    X = lacking(truth())
    chain = fitted([Blind()], X)
    scores = chain.transform(X, CELLS)
    np.testing.assert_allclose(scores[B][:, 7:], 0, atol=1e-5)


class TestMeasuredPart:
    def test_of_features_it_is_a_mask(self):
        chain = fitted([SelectFeatures(n_features=5)], lacking(truth()))
        part = chain.measured_part(PANELS[1])
        assert part.tolist() == PANELS[1][chain.steps[0].index].astype(float).tolist()

    @pytest.mark.parametrize(
        "steps",
        [[Standardize(), PCA(n_components=P, whitening=0.5)], [LogNormalize(), Standardize(), PCA(n_components=P)]],
    )
    def test_of_components_it_keeps_what_concerns_measured_features(self, steps):
        X = truth(counts=True)
        chain = fitted(steps, lacking(X))
        np.testing.assert_allclose(chain.measured_part(PANELS[0]), np.eye(P), atol=1e-5)
        residual = np.random.default_rng(1).normal(size=(4, P)).astype(np.float32)
        part = chain.measured_part(PANELS[1])
        affine = chain.steps[-2:]
        kept = project_measured(residual, part)
        change = [affine[0].sd * ((r * affine[1].factor) @ affine[1].components) for r in (residual, kept)]
        np.testing.assert_allclose(change[1][:, 7:], 0, atol=1e-4)
        np.testing.assert_allclose(change[1][:, :7], change[0][:, :7], atol=1e-4)


def test_what_was_fitted_is_restored():
    X = lacking(truth())
    chain = fitted([Standardize(), PCA(n_components=3)], X)
    again = Chain([Standardize(), PCA(n_components=3)]).set_state(*chain.state())
    np.testing.assert_array_equal(again.transform(X, CELLS), chain.transform(X, CELLS))


def test_completed_values_are_those_that_the_scores_stand_for():
    X = lacking(truth())
    chain = fitted([Standardize(), PCA(n_components=3)], X)
    complete = chain.complete(X)
    np.testing.assert_array_equal(complete[~np.isnan(X)], X[~np.isnan(X)])
    assert np.corrcoef(complete[B, 9], truth()[B, 9])[0, 1] > 0.98
