"""Coverage and width of imputed intervals, beside counts by hand."""

import numpy as np
import pandas as pd
import pytest

from jamie.core.data import Split
from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.methods.result import MethodResult
from jamie.metrics import by_feature
from jamie.metrics.evaluate import evaluate
from jamie.metrics.interval_coverage import IntervalCoverage
from jamie.metrics.interval_width import IntervalWidth

from .test_imputation_scores import of

N = 20


@pytest.fixture(params=[by_feature.ENTRIES, 45])
def pair(request, monkeypatch):
    """Five features: half covered, with values missing, hardly ever anything but 0, constant, all covered."""
    monkeypatch.setattr(by_feature, "ENTRIES", request.param)
    measured = np.tile(np.arange(N, dtype=np.float32)[:, None], (1, 5))
    measured[:5, 1] = np.nan
    measured[1:, 2] = 0
    measured[:, 3] = 7
    measured[0, 2] = 5
    lower = np.zeros_like(measured)
    upper = np.tile(np.array([9, 9, 0, 100, 19], np.float32), (N, 1))
    sd = np.array([2.0, 4.0, 1.0, 0.0, 19.0])
    features = pd.Index(list("abcde"))
    return ImputedPair("rna", "atac", features, measured, np.zeros((N, 5)), np.zeros(5), sd, lower=lower, upper=upper)


def test_coverage_counts_what_lies_inside(pair):
    score = IntervalCoverage().score(pair)
    # 10 of 20; 5 of the 15 measured; all but one, which are tied; constant; all
    assert score.value == pytest.approx((10 + 5 + 19 + 20) / (20 + 15 + 20 + 20))
    assert score.parts["untied"] == pytest.approx((10 + 5 + 20) / (20 + 15 + 20))
    assert score.parts["sd"] == pytest.approx(np.std([10 / 20, 5 / 15, 19 / 20, 1]))
    assert IntervalCoverage(most_frequent=1).score(pair).parts["untied"] == pytest.approx(score.value)


def test_width_is_in_standard_deviations_of_the_training_cells(pair):
    score = IntervalWidth().score(pair)
    np.testing.assert_allclose(score.per_feature[""], [4.5, 2.25, 0, np.nan, 1])
    assert score.value == pytest.approx((4.5 + 2.25 + 0 + 1) / 4)


def test_an_order_of_the_values_is_no_tie(pair):
    """Ties are counted among sorted values."""
    shuffled = np.random.default_rng(0).permutation(N)
    again = ImputedPair(
        *("rna", "atac", pair.features, pair.measured[shuffled], pair.imputed, pair.mean, pair.sd),
        lower=pair.lower,
        upper=pair.upper,
    )
    assert IntervalCoverage().score(again).parts == IntervalCoverage().score(pair).parts


@pytest.mark.parametrize("metric", [IntervalCoverage, IntervalWidth])
def test_without_intervals_there_is_no_score(metric, pair):
    bare = ImputedPair("rna", "atac", pair.features, pair.measured, pair.imputed, pair.mean, pair.sd)
    with pytest.raises(DataError, match="rna to atac: expected intervals of the imputed values, found none"):
        metric().score(bare)


def test_methods_without_intervals_are_left_out_quietly(caplog):
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    dataset, _ = of(X)
    split = Split({m: np.arange(30) >= 10 for m in "ab"})
    imputed = dict.fromkeys([("a", "b"), ("b", "a")], lambda rows: X[rows])
    intervals = {("a", "b"): lambda rows: (X[rows] - 1, X[rows] + 1), ("b", "a"): lambda rows: None}
    results = [MethodResult("sure", imputed=imputed, intervals=intervals), MethodResult("bare", imputed=imputed)]
    records = evaluate(results, dataset, split, [IntervalCoverage(), IntervalWidth()]).records
    assert {(one.method, one.source) for one in records} == {("sure", "a")}
    value = {one.metric: one.value for one in records if not one.part}
    assert value["interval_coverage"] == 1
    assert value["interval_width"] == pytest.approx((2 / X[10:].std(axis=0)).mean(), rel=1e-5)
    assert not caplog.records
