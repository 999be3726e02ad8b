import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from jamie.core.errors import DataError
from jamie.core.evaluation import ImputedPair
from jamie.metrics import by_feature, cell_pearson
from jamie.metrics.auroc import AUROC
from jamie.metrics.cell_pearson import CellPearson
from jamie.metrics.mse import MSE
from jamie.metrics.pearson import Pearson
from jamie.metrics.r2 import R2
from jamie.metrics.spearman import Spearman

BY_FEATURE = {
    Pearson: lambda x, y: stats.pearsonr(x, y).statistic,
    Spearman: lambda x, y: stats.spearmanr(x, y).statistic,
    AUROC: lambda x, y: sk.roc_auc_score(x > np.median(x), y),
    MSE: sk.mean_squared_error,
    R2: sk.r2_score,
}
EXCLUDED, FLAT = 3, 5


def imputed_pair(measured, imputed, **given):
    features = pd.Index([f"f{i}" for i in range(measured.shape[1])])
    mean, sd = measured.mean(axis=0), measured.std(axis=0)
    return ImputedPair("rna", "protein", features, measured, imputed, **({"mean": mean, "sd": sd} | given))


@pytest.fixture
def pair():
    """Counts and other values on scales from 1e-6 to 1e6, one feature constant where measured, one where imputed."""
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(40, 9))
    measured[:, :3] = rng.poisson(1.5, (40, 3))
    imputed = 0.6 * measured + 0.8 * rng.normal(size=(40, 9))
    imputed[:, 1] = imputed[:, 1].round()
    measured[:, EXCLUDED], imputed[:, FLAT] = 2.5, 0.1
    scale = np.logspace(-6, 6, 9).astype(np.float32)
    return imputed_pair((measured * scale).astype(np.float32), (imputed * scale).astype(np.float32))


@pytest.fixture(params=[by_feature.ENTRIES, 85])
def _blocks(request, monkeypatch):
    for module in (by_feature, cell_pearson):
        monkeypatch.setattr(module, "ENTRIES", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("metric", BY_FEATURE)
def test_every_feature_equals_scipy_or_scikit_learn(metric, pair):
    score = metric().score(pair)
    found = score.per_feature[""]
    scored = [j for j in range(9) if j not in (EXCLUDED, FLAT)]
    x, y = pair.measured.astype(np.float64), pair.imputed.astype(np.float64)
    expected = [BY_FEATURE[metric](x[:, j], y[:, j]) for j in scored]
    np.testing.assert_allclose(found[scored], expected, rtol=1e-8, atol=1e-8 if metric is not MSE else 0)
    assert np.flatnonzero(np.isnan(found)).tolist() == [EXCLUDED]
    assert score.value == pytest.approx(np.mean([*expected, found[FLAT]]), rel=1e-12)


@pytest.mark.parametrize(("metric", "value"), [(Pearson, 0), (Spearman, 0), (AUROC, 0.5)])
def test_a_constant_imputation_is_no_excuse(metric, value, pair):
    assert metric().score(pair).per_feature[""][FLAT] == value


def test_a_feature_that_no_cell_exceeds_the_median_of_has_no_auroc():
    measured = np.array([[1.0, 0.0], [2.0, 2.0], [3.0, 2.0], [4.0, 2.0]])
    found = AUROC().score(imputed_pair(measured, measured.copy())).per_feature[""]
    np.testing.assert_array_equal(found, [1.0, np.nan])


def test_cells_without_a_measured_value_are_left_out_of_that_feature(pair):
    measured = pair.measured.copy()
    measured[:7, 4] = np.nan
    measured[1:, 6] = np.nan
    found = Pearson().score(imputed_pair(measured, pair.imputed)).per_feature[""]
    expected = stats.pearsonr(measured[7:, 4].astype(np.float64), pair.imputed[7:, 4].astype(np.float64)).statistic
    assert found[4] == pytest.approx(expected, abs=1e-8)
    assert np.isnan(found[6])


@pytest.mark.parametrize("metric", BY_FEATURE)
def test_without_a_feature_to_score_there_is_no_value(metric):
    constant = np.full((5, 2), 7.0)
    assert np.isnan(metric().score(imputed_pair(constant, constant + 1)).value)


def test_imputed_values_that_are_not_finite_are_refused(pair):
    imputed = pair.imputed.copy()
    imputed[4, 2] = np.inf
    with pytest.raises(DataError, match="rna to protein: expected finite imputed values, found 1 of 40 cells without"):
        Pearson().score(imputed_pair(pair.measured, imputed))


@pytest.mark.usefixtures("_blocks")
def test_cell_pearson_equals_scipy_on_standardized_features(pair):
    rng = np.random.default_rng(1)
    mean, sd = pair.measured.mean(axis=0) + rng.normal(size=9), 1 + rng.random(9)
    sd[[2, 7]] = 0, np.nan
    used = ~np.isin(np.arange(9), [2, 7])
    z = [((X - mean)[:, used] / sd[used]) for X in (pair.measured.astype(np.float64), pair.imputed.astype(np.float64))]
    expected = [stats.pearsonr(x, y).statistic for x, y in zip(*z, strict=True)]
    score = CellPearson().score(imputed_pair(pair.measured, pair.imputed, mean=mean, sd=sd))
    assert score.value == pytest.approx(np.mean(expected), abs=1e-8)
    assert score.parts["sd"] == pytest.approx(np.std(expected, ddof=1), abs=1e-8)


def test_cell_pearson_of_the_training_mean_is_zero(pair):
    mean = pair.measured.mean(axis=0)
    flat = np.tile(mean, (40, 1))
    assert CellPearson().score(imputed_pair(pair.measured, flat, mean=mean)).value == 0


def test_cell_pearson_of_a_single_feature_does_not_exist(pair):
    assert np.isnan(CellPearson().score(imputed_pair(pair.measured[:, :1], pair.imputed[:, :1])).value)
