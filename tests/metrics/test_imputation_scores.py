"""What imputed values are scored beside, and how."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core import lazy_matrix
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.core.interfaces import Metric
from jamie.methods.result import MethodResult
from jamie.metrics import by_feature
from jamie.metrics.auroc import AUROC
from jamie.metrics.cell_pearson import CellPearson
from jamie.metrics.evaluate import evaluate
from jamie.metrics.imputation_scores import measured_pairs
from jamie.metrics.interval_coverage import IntervalCoverage
from jamie.metrics.interval_width import IntervalWidth
from jamie.metrics.js_distance import JSDistance
from jamie.metrics.mse import MSE
from jamie.metrics.pearson import Pearson
from jamie.metrics.r2 import R2
from jamie.metrics.scopes import find_scopes
from jamie.metrics.spearman import Spearman

DIRECTIONS = [("a", "b"), ("b", "a")]
N = 997  # summing as many equal numbers leaves a rounding error


@pytest.fixture
def values():
    """Features of mean 0 and of a large mean, two that are constant, one that is often 0."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(N, 2)), np.full((N, 2), 0.1), rng.poisson(0.3, N)]).astype(np.float32)
    X[:, 1] += 1e4
    X[:, 3] = 10000.3
    return X


def of(X):
    """A dataset of two modalities of the same cells and values."""
    names = pd.Index([f"f{i}" for i in range(X.shape[1])])
    obs = pd.DataFrame(index=[f"c{i}" for i in range(X.shape[0])])
    modalities = {m: ModalityData(m, obs, Block(X, names), Block(X, names)) for m in ("a", "b")}
    same = Correspondence.from_pairs(range(len(obs)), range(len(obs)), (len(obs), len(obs)))
    pairs = Correspondences({"a": len(obs), "b": len(obs)}, {("a", "b"): same})
    return Dataset(modalities, pairs, pairs), Split({m: np.ones(len(obs), bool) for m in modalities})


def training_statistics(X):
    dataset, split = of(X)
    measured, _ = measured_pairs(dataset, split, find_scopes(dataset, split, "a", "b"))
    return measured.pair.mean, measured.pair.sd


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_constant_features_have_no_spread_and_large_means_cost_no_precision(values, form):
    mean, sd = training_statistics(form(values))
    assert sd[2] == sd[3] == 0
    np.testing.assert_allclose(mean, values.mean(axis=0, dtype=np.float64), rtol=1e-10)
    np.testing.assert_allclose(sd[[0, 1, 4]], values[:, [0, 1, 4]].astype(np.float64).std(axis=0), rtol=1e-8)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_missing_values_do_not_count(values, form):
    values[::3] = np.nan
    mean, sd = training_statistics(form(values))
    np.testing.assert_allclose(mean, np.nanmean(values.astype(np.float64), axis=0), rtol=1e-10)
    np.testing.assert_allclose(sd[[0, 1, 4]], np.nanstd(values[:, [0, 1, 4]].astype(np.float64), axis=0), rtol=1e-8)


@pytest.mark.parametrize(("held_out", "expected"), [("", {"all"}), ("ab", {"held_out_cells"}), ("a", set())])
def test_training_cells_are_scored_only_where_nothing_is_held_out(held_out, expected):
    """Of cells held out in one modality alone nothing is known in the other."""
    X = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    dataset, _ = of(X)
    split = Split({m: np.arange(20) >= (5 if m in held_out else 0) for m in "ab"})
    result = MethodResult("copy", imputed=dict.fromkeys(DIRECTIONS, lambda rows: X[rows]))
    found = evaluate([result], dataset, split, [Pearson()])
    assert {record.scope for record in found.records} == expected


def test_wins_are_of_metrics_that_have_values_of_features():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 6)).astype(np.float32)
    noise = {name: rng.normal(size=X.shape).astype(np.float32) for name in ("near", "far")}
    scale = {"near": 0.1, "far": 10.0}
    dataset, split = of(X)

    def imputed_by(method):
        values = X + scale[method] * noise[method]
        return MethodResult(method, imputed=dict.fromkeys(DIRECTIONS, lambda rows: values[rows]))

    found = evaluate([imputed_by(m) for m in scale], dataset, split, [CellPearson(), Pearson()])
    assert {record.metric for record in found.records} == {"cell_pearson", "pearson"}
    assert {(one.metric, one.wins_a, one.wins_b) for one in found.sign_tests} == {("pearson", 6, 0)}


class LargestError(Metric):
    """Largest error of each feature; reads whole arrays."""

    name = "largest_error"
    reads = ImputedPair
    higher_is_better = False
    bounds = (0, float("inf"))

    def _score(self, subject):
        return np.abs(subject.measured - subject.imputed).max(axis=0)


def scores_of_noise(X, form, labels=("s", "t")):
    dataset, _ = of(form(X))
    obs = pd.DataFrame({"type": np.resize(labels, len(X))}, index=dataset.modalities["a"].cells)
    modalities = {m: replace(data, obs=obs) for m, data in dataset.modalities.items()}
    dataset = replace(dataset, modalities=modalities, labels=("type",))
    split = Split({m: np.arange(len(X)) % 3 > 0 for m in "ab"})
    noise = (X + np.random.default_rng(3).normal(size=X.shape)).astype(np.float32)

    def part(rows, columns=None):
        return noise[rows] if columns is None else noise[rows][:, columns]

    def bounds(rows, columns=None):
        return part(rows, columns) - 1, part(rows, columns) + 1

    result = MethodResult("noise", imputed=dict.fromkeys(DIRECTIONS, part), intervals={("a", "b"): bounds})
    of_imputed = [Pearson, Spearman, AUROC, MSE, R2, JSDistance, CellPearson, IntervalCoverage, IntervalWidth]
    found = evaluate([result], dataset, split, [metric() for metric in (*of_imputed, LargestError)])
    return {(r.metric, r.part, r.source): r.value for r in found.records}, found.features


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_values_that_are_made_while_they_are_read_score_the_same(form, monkeypatch):
    rng = np.random.default_rng(2)
    X = (rng.poisson(1.0, size=(90, 40)) * (rng.random((90, 40)) < 0.7)).astype(np.float32)
    X[:, 7] = 0
    expected, features = scores_of_noise(X, form)
    assert len({metric for metric, *_ in expected}) == 10
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 200)  # of 30 held-out cells: seven features at a time
    monkeypatch.setattr(by_feature, "ENTRIES", 90)
    found, found_features = scores_of_noise(X, form)
    assert found == pytest.approx(expected, rel=1e-6)
    pd.testing.assert_frame_equal(found_features, features, rtol=1e-6)


def test_values_that_are_made_while_they_are_read_must_be_finite(monkeypatch):
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 20)
    X = np.random.default_rng(2).normal(size=(20, 6)).astype(np.float32)
    X[3, 4] = np.nan
    dataset, split = of(np.nan_to_num(X))

    def part(rows, columns=None):
        return X[rows] if columns is None else X[rows][:, columns]

    result = MethodResult("grown", imputed=dict.fromkeys(DIRECTIONS, part))
    with pytest.raises(DataError, match="expected finite imputed values, found 1 of 20 cells without"):
        evaluate([result], dataset, split, [Pearson()])
