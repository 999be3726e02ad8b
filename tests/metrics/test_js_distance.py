from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.metrics import by_feature
from jamie.metrics.js_distance import JSDistance


@pytest.fixture
def pair():
    """Counts, their halves and other values of three types and cells without one; the last feature is constant."""
    rng = np.random.default_rng(0)
    measured = np.hstack([rng.poisson(2, (60, 3)), rng.poisson(3, (60, 2)) / 2, rng.normal(size=(60, 3))])
    imputed = measured + 0.5 * rng.normal(size=measured.shape)
    imputed[:, 0] = rng.poisson(2, 60)
    measured[:, 7] = 4
    labels = rng.choice(np.array(["a", "b", "c", None], dtype=object), 60)
    measured[labels == "b", 1] = 1  # constant in one type only
    features = pd.Index([f"f{j}" for j in range(8)])
    return ImputedPair("rna", "protein", features, measured, imputed, measured.mean(0), measured.std(0), labels)


def by_hand(x, y, bins):
    joint = (min(x.min(), y.min()), max(x.max(), y.max()))
    return jensenshannon(*(np.histogram(v, bins, joint)[0] for v in (x, y)), base=2)


@pytest.mark.parametrize("bins", [100, 7])
@pytest.mark.parametrize("entries", [by_feature.ENTRIES, 130])
def test_js_distance_equals_scipy_of_numpy_histograms(pair, bins, entries, monkeypatch):
    monkeypatch.setattr(by_feature, "ENTRIES", entries)
    score = JSDistance(bins=bins).score(pair)
    table = []
    for label in "abc":
        rows = pair.labels == label
        table.append([by_hand(pair.measured[rows, j], pair.imputed[rows, j], bins) for j in range(7)])
        np.testing.assert_allclose(score.per_feature[label][:7], table[-1], atol=1e-8)
    np.testing.assert_allclose(score.per_feature[""][:7], np.mean(table, axis=0), atol=1e-8)
    assert all(np.isnan(values[7]) for values in score.per_feature.values())
    means = np.mean(table, axis=1)
    assert score.value == pytest.approx(means.mean(), abs=1e-8)
    assert score.parts["sd"] == pytest.approx(means.std(ddof=1), abs=1e-8)
    assert score.parts["similarity"] == 1 - score.value


def test_js_distance_of_the_same_is_zero_and_of_what_never_overlaps_is_one(pair):
    assert JSDistance().score(replace(pair, imputed=pair.measured.copy())).value == 0
    assert JSDistance().score(replace(pair, imputed=pair.measured + 100)).value == 1


def test_js_distance_leaves_out_what_was_not_measured(pair):
    measured = pair.measured.copy()
    measured[:10, 6] = np.nan
    measured[pair.labels == "c", 5] = np.nan
    found = JSDistance().score(replace(pair, measured=measured)).per_feature
    rows = (pair.labels == "a") & (np.arange(60) >= 10)
    assert found["a"][6] == pytest.approx(by_hand(measured[rows, 6], pair.imputed[rows, 6], 100), abs=1e-8)
    assert np.isnan(found["c"][5])
    assert found[""][5] == pytest.approx((found["a"][5] + found["b"][5]) / 2, abs=1e-12)


def test_js_distance_of_one_type_has_no_standard_deviation(pair):
    score = JSDistance().score(replace(pair, labels=np.full(60, "only", dtype=object)))
    assert set(score.parts) == {"similarity"}


def test_js_distance_needs_labels(pair):
    with pytest.raises(DataError, match="metric 'js_distance': expected labels, found none for the cells of protein"):
        JSDistance().score(replace(pair, labels=None))
