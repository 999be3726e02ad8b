"""Figures of measured beside imputed values, and of partners."""

import json

import numpy as np
import pytest
from anndata import AnnData
from scipy.stats import norm

import jamie
from jamie.core.errors import DataError, MissingResultError
from jamie.pl.calibration import coverage_by_level, interval_scores
from jamie.pl.cell_scatter import correlations_by
from jamie.pl.evaluation_cells import evaluation_cells


def test_cells_are_those_held_out_in_the_order_of_the_data(mdata, imputed):
    cells = evaluation_cells(mdata, imputed)
    assert list(cells.cells) == [f"cell{i}" for i in range(30, 60)]
    np.testing.assert_array_equal(cells.measured(["protein2"])[:, 0], mdata["protein"].layers["scaled"][30:, 2])
    errors = cells.values(["protein1"]) - cells.measured(["protein1"])
    np.testing.assert_allclose(errors[:, 0], [-1.0, 1.0] * 15, atol=1e-5)


def test_all_cells_where_none_are_held_out(mdata, imputed):
    for m in ("rna", "protein"):
        mdata[m].obs["jamie_split"] = "train"
    cells = evaluation_cells(mdata, imputed)
    assert len(cells.cells) == 60


def test_boxes_hold_the_values_of_each_type(mdata, imputed):
    axes = jamie.pl.measured_and_imputed(mdata, imputed, "protein1")
    assert [ax.get_ylabel() for ax in axes] == ["measured", "imputed"]
    held_out = np.arange(60) >= 30
    types = mdata["rna"].obs["cell_type"].to_numpy()
    wanted = [np.median(mdata["protein"].layers["scaled"][held_out & (types == t), 1]) for t in ("B", "NK", "T")]
    found = [
        line.get_ydata()[0]
        for line in axes[0].get_lines()
        if line.get_color() == "black" and line.get_linewidth() == 1 and line.get_marker() != "o"
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_best_features_are_chosen(mdata, imputed):
    axes = jamie.pl.measured_and_imputed(mdata, imputed)
    assert [ax.get_title() for ax in axes[:2]] == ["protein0", "protein2"]


def test_unknown_feature_and_absent_labels_are_said(mdata, imputed):
    with pytest.raises(DataError, match="unknown feature 'protein9'"):
        jamie.pl.measured_and_imputed(mdata, imputed, ["protein9"])
    mdata.uns["jamie"]["spec"] = mdata.uns["jamie"]["spec"].replace("labels: [cell_type]", "")
    with pytest.raises(MissingResultError, match="expected a label of the cells, found none"):
        jamie.pl.measured_and_imputed(mdata, imputed)


def test_values_that_do_not_say_what_they_are_are_refused(mdata):
    with pytest.raises(DataError, match=r'expected imputed values, whose uns\["jamie"\] names'):
        jamie.pl.calibration(
            mdata, AnnData(np.zeros((2, 2)), layers={"lower": np.zeros((2, 2)), "upper": np.ones((2, 2))})
        )


def test_cells_without_partners_cannot_be_judged(mdata, imputed):
    mdata.uns["jamie"]["spec"] += "correspondence: {known: none}\n"
    with pytest.raises(MissingResultError, match="expected cells that were measured in rna and protein, found 0"):
        jamie.pl.calibration(mdata, imputed)


def test_correlation_of_each_cell(mdata, imputed):
    cells = evaluation_cells(mdata, imputed)
    found = correlations_by("knn", mdata, cells)
    train = mdata["protein"].layers["scaled"][:30].astype(float)
    mean, sd = train.mean(axis=0), train.std(axis=0)
    knn = imputed.layers["knn"][imputed.obs_names.get_indexer(cells.cells)]
    wanted = [
        np.corrcoef((a - mean) / sd, (b - mean) / sd)[0, 1]
        for a, b in zip(mdata["protein"].layers["scaled"][30:].astype(float), knn, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_cells_method_against_method_and_one_feature(mdata, imputed):
    ax = jamie.pl.cell_scatter(mdata, imputed)
    assert len(ax.collections[0].get_offsets()) == 30
    assert "jamie better in" in ax.get_title()
    ax = jamie.pl.cell_scatter(mdata, imputed, "protein1")
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(abs(points[:, 1] - points[:, 0]), 1, atol=1e-5)
    with pytest.raises(MissingResultError, match=r"expected values of 'kn' in layers, found none\s+did you mean 'knn'"):
        jamie.pl.cell_scatter(mdata, imputed, against="kn")
    del imputed.layers["knn"]
    with pytest.raises(MissingResultError, match="expected values of another method in layers, found none"):
        jamie.pl.cell_scatter(mdata, imputed)


def test_cells_without_labels_are_drawn_in_one_colour(mdata, imputed):
    mdata.uns["jamie"]["spec"] = mdata.uns["jamie"]["spec"].replace("labels: [cell_type]", "")
    ax = jamie.pl.cell_scatter(mdata, imputed)
    assert ax.get_legend() is None


def test_intervals_hold_what_they_hold(mdata, imputed):
    imputed.layers["lower"][:, 2] = imputed.X[:, 2] + 0.5  # only errors of -1 are inside
    cells = evaluation_cells(mdata, imputed)
    scores = interval_scores(cells)
    np.testing.assert_allclose(scores["coverage"], [1, 1, 0.5])
    np.testing.assert_allclose(scores["half_width"], [2, 2, 0.75], rtol=1e-5)
    np.testing.assert_allclose(scores["error"], 1, rtol=1e-5)
    level = 2 * norm.cdf(1) - 1  # all errors are 1, and so is the standard deviation
    np.testing.assert_array_equal(coverage_by_level(cells, np.array([level - 0.01, level + 0.01])), [0, 1])
    axes = jamie.pl.calibration(mdata, imputed)
    drawn = {line.get_label(): line.get_xydata() for line in axes[0].get_lines()}
    np.testing.assert_allclose(drawn["intervals"], [[0.9, 2.5 / 3]])


def test_intervals_of_normal_errors_lie_on_the_diagonal(mdata, imputed):
    generator = np.random.default_rng(0)
    wide = np.repeat(np.arange(3), 400)
    errors = generator.normal(size=(60, 1200))
    imputed = AnnData(mdata["protein"].layers["scaled"][:, wide] + errors, obs=mdata["rna"].obs)
    imputed.layers["sd"] = np.ones_like(errors)
    imputed.var_names = [f"p{i}" for i in range(1200)]
    imputed.uns["jamie"] = {"source": "rna", "target": "protein"}
    target = AnnData(mdata["protein"].layers["scaled"][:, wide], obs=mdata["protein"].obs)
    target.var_names, target.layers["scaled"] = imputed.var_names, target.X
    mdata.mod["protein"] = target
    levels = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(coverage_by_level(evaluation_cells(mdata, imputed), levels), levels, atol=0.01)


def test_intervals_that_are_absent_are_said(mdata, imputed):
    del imputed.layers["lower"]
    with pytest.raises(MissingResultError, match="expected layers lower and upper, found none"):
        jamie.pl.calibration(mdata, imputed)


def test_imputability_against_variance(mdata):
    ax = jamie.pl.imputability(mdata, "rna", "protein")
    points = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(points[:, 0], mdata["protein"].layers["scaled"].astype(float).var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(points[:, 1], [0.1, 0.5, 0.9])
    with pytest.raises(MissingResultError, match=r'expected var\["imputability_from_protein"\] of rna, found none'):
        jamie.pl.imputability(mdata, "protein", "rna")


def test_inferred_partners(mdata):
    quality = {"mean_quantile": 0.25, "quantile_error": 0.01, "quantile_curve": [0.0, 0.25, 0.5]}
    quality |= {"top1": 0.4, "top1_chance": 0.1, "type_accuracy": 0.8, "type_chance": 0.3}
    record = {"source": "rna", "target": "protein", "diagnostics": {}, "quality": quality}
    mdata.uns["jamie"]["correspondence"] = json.dumps([record])
    mdata["rna"].obs["jamie_match_score"] = np.linspace(0, 0.59, 60)
    confidence, curve, chance = jamie.pl.correspondence(mdata)
    x, y = confidence.get_lines()[0].get_data()
    assert (x[0], y[0]) == (0, 1)
    np.testing.assert_allclose(y[np.searchsorted(x, 0.295)], 0.5, atol=0.02)
    np.testing.assert_allclose(curve.get_lines()[1].get_xydata(), [[0, 0], [0.25, 0.5], [0.5, 1]])
    assert [bar.get_height() for bar in chance.patches] == [0.4, 0.8]


def test_nothing_inferred_is_said(mdata):
    mdata.uns["jamie"]["correspondence"] = json.dumps([{"diagnostics": {"picked": "nothing"}}])
    with pytest.raises(MissingResultError, match="expected inferred partners, found none"):
        jamie.pl.correspondence(mdata)
