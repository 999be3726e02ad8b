"""Gradients of what is measured against differences, and estimates where first order is all there is."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special
from torch import nn

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.evaluation import EmbeddedPair
from jamie.explain.attribution.explainer import Attribution
from jamie.explain.explained_model import ExplainedModel
from jamie.explain.knockout.explainer import Knockout
from jamie.explain.knockout.gradients import SOFTNESS, correlation_gradient, soft_rank_gradient
from jamie.explain.knockout.perturbed_metrics import PerturbedLabelTransfer
from jamie.explain.linearized_model import LinearizedModel
from jamie.explain.removal import FeatureGroups, Removal
from jamie.metrics.by_feature import correlation
from jamie.testing.toy_subject import ToySubject


def differences(function, at, step=1e-5):
    """Gradient by central differences."""
    found = np.zeros(at.size)
    for i in range(at.size):
        move = np.zeros(at.size)
        move[i] = step
        move = move.reshape(at.shape)
        found[i] = (function(at + move) - function(at - move)) / (2 * step)
    return found.reshape(at.shape)


def test_gradient_of_correlation():
    generator = np.random.default_rng(0)
    measured, imputed = generator.normal(size=(2, 12, 3))
    measured[:, 2] = 4  # constant: it is not scored

    def mean(values):
        return correlation(measured[:, :2], values[:, :2]).mean()

    np.testing.assert_allclose(correlation_gradient(measured, imputed), differences(mean, imputed), atol=1e-8)
    measured[3, 0] = np.nan
    known = np.arange(12) != 3

    def without_missing(values):
        return (
            correlation(measured[known, :1], values[known, :1]) + correlation(measured[:, 1:2], values[:, 1:2])
        ).mean() / 2

    found = correlation_gradient(measured, imputed)
    np.testing.assert_allclose(found, differences(without_missing, imputed), atol=1e-8)
    assert found[3, 0] == 0


def test_a_constant_imputed_feature_has_no_gradient():
    measured = np.arange(5.0)[:, None]
    assert not correlation_gradient(measured, np.full((5, 1), 0.1)).any()


def test_gradient_of_soft_ranks():
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(7, 3)), generator.normal(size=(9, 3))
    rows, columns = np.arange(6), np.array([3, 1, 8, 0, 2, 5])
    truth = sparse.csr_array((np.ones(6), (rows, columns)), shape=(7, 9))
    lower = np.sort(np.linalg.norm(a[rows][:, None] - b, axis=2).ravel())[(6 * 9 - 1) // 2]
    softness = SOFTNESS * lower  # torch's median is the lower of two

    def soft(z):
        own = np.linalg.norm(z[rows] - b[columns], axis=1)[:, None]
        to_b = special.expit((own - np.linalg.norm(z[rows][:, None] - b, axis=2)) / softness)
        to_a = special.expit((own - np.linalg.norm(b[columns][:, None] - z, axis=2)) / softness)
        return (to_b.mean() + to_a.mean()) / 2

    np.testing.assert_allclose(soft_rank_gradient(a, b, truth), differences(soft, a), atol=1e-8)


@pytest.mark.parametrize("metric", ["imputation", "foscttm"])
def test_estimates_follow_the_changes(metric):
    """Of a linear model, whose few features each carry much of the latents: far from small changes."""
    found = Knockout(metric=metric, cells="all", exact=None).explain(ToySubject(), Context()).tables["features"]
    assert found["change"].nunique() > 3
    assert np.corrcoef(found["estimate"], found["change"])[0, 1] > 0.7


class Sums:
    """Cells whose two latents are sums of very many features."""

    def __init__(self):
        generator = np.random.default_rng(0)
        self.A = generator.normal(size=(400, 2)) / 20
        X = generator.normal(size=(120, 400)).astype(np.float32)
        block = Block(X, pd.Index([f"f{j}" for j in range(400)]))
        self.dataset = SimpleNamespace(modalities={"rna": SimpleNamespace(input=block)})

    def scores(self, modality):
        return (self.dataset.modalities[modality].input.X @ self.A).astype(np.float32)

    def complete(self, modality, X):
        return X

    def affine(self, modality):
        return self.A, np.zeros(2)

    def embed(self, modality, scores, cells=None):
        return scores

    def module(self, source, preprocessed):
        return Identity()

    def covariates(self, modality):
        return None


class Identity(nn.Module):
    def forward(self, x, covariates):
        return x


@pytest.mark.parametrize("moving", ["source", "target"])
def test_votes_are_counted_again_to_first_order(moving):
    subject = Sums()
    z = subject.scores("rna")
    labels = np.where(z[:, 0] + 0.5 * np.random.default_rng(1).normal(size=120) > 0, "a", "b").astype(object)
    other = np.random.default_rng(2).normal(size=(90, 2)).astype(np.float32)
    of_other = np.where(other[:, 0] > 0, "a", "b").astype(object)
    ends = [("rna", z, labels), ("adt", other, of_other)]
    (source, z_s, y_s), (target, z_t, y_t) = ends if moving == "source" else ends[::-1]
    truth = sparse.csr_array((len(z_s), len(z_t)), dtype=np.float32)
    measure = PerturbedLabelTransfer(subject, EmbeddedPair(source, target, z_s, z_t, truth, y_s, y_t), "rna", 5)
    removal = Removal(subject, "rna", np.arange(120), np.zeros(400, np.float32))
    units = FeatureGroups.singletons(subject.dataset.modalities["rna"].input.features)
    exact = [measure.value(removal.scores_without(columns)) - measure.baseline for columns in units.columns]
    estimates = measure.estimated_changes(LinearizedModel(removal, measure.module(preprocessed=True)), units.columns)
    assert len(set(np.round(exact, 6))) > 4
    assert np.corrcoef(exact, estimates)[0, 1] > 0.8


def test_effects_of_groups_are_sums():
    subject = Sums()
    removal = Removal(subject, "rna", np.arange(120), np.full(400, 0.3, np.float32))
    gradient = np.random.default_rng(3).normal(size=(120, 2))
    slopes = LinearizedModel(removal, Identity())
    single = slopes.total_effects([np.array([j]) for j in range(400)], gradient)
    together = slopes.total_effects([np.arange(5), np.array([399, 7]), np.array([3])], gradient)
    np.testing.assert_allclose(together, [single[:5].sum(), single[399] + single[7], single[3]], rtol=1e-6)
    # what is linear changes by exactly that
    change = (removal.scores_without(np.arange(5)) - removal.scores) * gradient
    assert together[0] == pytest.approx(change.sum(), rel=1e-4)


def test_missing_values_count_as_what_they_are_filled_with(cells, train):
    modalities = cells()
    modalities["rna"].X[:20, 2] = np.nan
    subject = train(modalities, **{"modalities.rna.preprocess": ["fill_missing", "standardize"]})
    rna = subject.dataset.modalities["rna"]
    assert np.isnan(rna.input.X).any()
    whole = Block(subject.complete("rna", rna.input.X), rna.input.features, rna.input.origin)
    filled = replace(subject.dataset, modalities={**subject.dataset.modalities, "rna": replace(rna, input=whole)})
    as_filled = ExplainedModel(subject.model, filled, subject.split, Context())
    for explainer in (
        Knockout(metric="foscttm", cells="all", background="zero", exact=None),
        Attribution(cells="all", background="zero"),
    ):
        found, expected = (explainer.explain(one, Context()) for one in (subject, as_filled))
        assert found.tables["features"].notna().all(axis=None)
        pd.testing.assert_frame_equal(found.tables["features"], expected.tables["features"])
        assert found.notes == expected.notes
