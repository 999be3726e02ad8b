"""Figures of scores: the numbers of the tables, where they belong."""

import numpy as np
import pytest

import jamie
from jamie.core.errors import MissingResultError
from jamie.pl.alignment import alignment_scores
from jamie.pl.similarity import similarities


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_alignment_has_a_point_for_each_method(mdata):
    ax = jamie.pl.alignment(mdata)
    points = sorted(tuple(one.get_offsets()[0]) for one in ax.collections)
    np.testing.assert_allclose(points, [(0.1, 0.9), (0.3, 0.6)])
    assert {"jamie", "knn"} <= {text.get_text() for text in ax.texts}


def test_alignment_of_a_chosen_scope_and_order(mdata):
    scores = alignment_scores(mdata, "protein", "rna", "all")
    np.testing.assert_allclose(scores.loc["jamie"], [0.05, 0.45])


def test_alignment_without_either_score_says_what_is_missing(mdata):
    metrics = mdata.uns["jamie"]["metrics"]
    mdata.uns["jamie"]["metrics"] = metrics[~metrics["metric"].isin(["label_transfer_accuracy", "foscttm"])]
    with pytest.raises(MissingResultError, match="found neither"):
        jamie.pl.alignment(mdata)


def test_alignment_without_labels_says_what_is_missing(mdata):
    metrics = mdata.uns["jamie"]["metrics"]
    mdata.uns["jamie"]["metrics"] = metrics[metrics["metric"] != "label_transfer_accuracy"]
    with pytest.raises(
        MissingResultError, match="expected the metrics foscttm and label_transfer_accuracy, found foscttm"
    ):
        jamie.pl.alignment(mdata)


def test_similarity_is_one_less_the_distance_of_types_with_enough_cells(mdata):
    values = similarities(mdata, "rna", "protein", "jamie")
    assert list(values.columns) == ["B", "T"]
    np.testing.assert_allclose(values["B"], [0.9, 0.8, 0.7])
    ax = jamie.pl.similarity(mdata, "rna", "protein")
    mean = ax.get_lines()[-1]
    np.testing.assert_allclose(mean.get_xdata(), [0, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(mean.get_ydata(), [0, 1 / 3, 2 / 3, 1])
    with pytest.raises(MissingResultError, match="expected labels with at least 11 cells, found none"):
        jamie.pl.similarity(mdata, "rna", "protein", min_cells=11)


def test_similarity_beside_another_method(mdata):
    ax = jamie.pl.similarity(mdata, "rna", "protein", against="knn")
    np.testing.assert_allclose(ax.get_lines()[-1].get_xdata(), [0, 0.3, 0.4, 0.5], atol=1e-12)


def test_similarity_needs_the_metric(mdata):
    features = mdata.uns["jamie"]["features"]
    mdata.uns["jamie"]["features"] = features.loc[:, [name for name in features if not name.startswith("js")]]
    with pytest.raises(MissingResultError, match=r"add js_distance to evaluate\.metrics"):
        jamie.pl.similarity(mdata, "rna", "protein")


def test_types_with_a_slash_are_found(mdata):
    for m in ("rna", "protein"):
        mdata[m].obs["cell_type"] = mdata[m].obs["cell_type"].replace("B", "L2/3 IT")
    features = mdata.uns["jamie"]["features"]
    mdata.uns["jamie"]["features"] = features.rename(columns={"js_distance:B": "js_distance:L2_3 IT"})
    assert list(similarities(mdata, "rna", "protein", "jamie").columns) == ["L2/3 IT", "T"]


def test_features_method_against_method(mdata):
    ax = jamie.pl.feature_scatter(mdata, "rna", "protein")
    points = np.concatenate([one.get_offsets() for one in ax.collections])
    np.testing.assert_allclose(sorted(map(tuple, points)), [(0.1, 0.9), (0.3, 0.2), (0.4, 0.5)])
    assert ax.get_title() == "n = 3, p = 1"  # two of three: two-tailed binomial
    assert [text.get_text() for text in ax.texts] == ["2", "1"]
    assert ax.get_xlabel() == "knn: pearson"


def test_features_need_two_methods_and_the_metric(mdata):
    with pytest.raises(MissingResultError, match="expected scores of features by 'auroc', found none"):
        jamie.pl.feature_scatter(mdata, "rna", "protein", "auroc")
    features = mdata.uns["jamie"]["features"]
    mdata.uns["jamie"]["features"] = features[features["method"] == "jamie"]
    with pytest.raises(MissingResultError, match="expected another method than jamie, found none"):
        jamie.pl.feature_scatter(mdata, "rna", "protein")


def test_losses_and_kappa(mdata):
    total, terms = jamie.pl.losses(mdata)
    np.testing.assert_array_equal(lines(total)["training"].get_ydata(), [4, 2])
    np.testing.assert_array_equal(lines(total)["validation"].get_ydata(), [3, 1])
    np.testing.assert_array_equal(lines(terms)["kl"].get_ydata(), [2, 3])  # mean of the members
    kappa = next(ax for ax in total.figure.axes if ax not in (total, terms))
    np.testing.assert_array_equal(kappa.get_lines()[0].get_ydata(), [0, 1])
    kept = total.collections[0].get_offsets()
    np.testing.assert_array_equal(kept, [[1, 1], [1, 2]])


def test_constant_kappa_is_not_drawn(mdata):
    mdata.uns["jamie"]["history"]["kappa"] = 1.0
    total, terms = jamie.pl.losses(mdata)
    assert set(total.figure.axes) == {total, terms}


def test_time_and_memory(mdata):
    axes = jamie.pl.usage(mdata)
    assert [bar.get_width() for bar in axes[0].patches] == [1, 8]
    assert [bar.get_width() for bar in axes[1].patches] == [0.5, 1]
    assert [bar.get_width() for bar in axes[3].patches] == [300 / 1024, 200 / 1024]
    mdata.uns["jamie"]["stages"] = mdata.uns["jamie"]["stages"].iloc[:0]
    with pytest.raises(MissingResultError, match="expected the table 'stages' of results, found none"):
        jamie.pl.usage(mdata)


def test_mudata_without_results_is_refused(mdata):
    del mdata.uns["jamie"]
    with pytest.raises(MissingResultError, match=r'expected results in uns\["jamie"\], found none'):
        jamie.pl.losses(mdata)
