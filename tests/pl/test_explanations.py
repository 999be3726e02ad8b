"""Figures of explanations show the numbers that they are given."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import jamie
from jamie import pl
from jamie.core.errors import DataError, MissingResultError
from jamie.pl.explanations import NEGATIVE, POSITIVE
from jamie.pl.style import COLOURS, ignore_missing_glyphs, offscreen, shorten

N_CELLS, N_FEATURES = 20, 13
TARGETS = ("AP width", "rate")


def shap(n_features=N_FEATURES, targets=TARGETS):
    """Shapley values of linear targets: the weight times the distance from the mean."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N_CELLS, n_features))
    weights = generator.normal(size=(n_features, len(targets))) * np.linspace(2, 0.1, n_features)[:, None]
    values = AnnData(X, var=pd.DataFrame(index=[f"gene{i}" for i in range(n_features)]))
    values.obs_names = [f"cell{i}" for i in range(N_CELLS)]
    for t in range(len(targets)):
        values.layers[str(t)] = (X - X.mean(axis=0)) * weights[:, t]
    base = X.mean(axis=0) @ weights
    values.obsm["prediction"] = X @ weights
    values.obsm["base"] = np.tile(base, (N_CELLS, 1))
    values.uns |= {"targets": list(targets), "base": base, "source": "rna", "target": "ephys"}
    top = pd.DataFrame({"target": TARGETS[0], "rank": [1], "feature": ["gene0"], "mean_abs": [1.0], "direction": [1.0]})
    return jamie.Explanation("shap", "ephys from rna", {"source": "rna"}, {"top": top}, values)


def knockout(n=30, **settings):
    change = -np.linspace(0.05, 0, n)
    table = pd.DataFrame({"feature": [f"gene{i}" for i in range(n)], "rank": range(1, n + 1), "change": change})
    table["value"], table["estimate"] = 0.8 + change, change
    table["exact"], table["random"] = True, table["rank"] % 4 == 0
    known = {"metric": "label_transfer_accuracy", "direction": "rna to ephys", "baseline": 0.8, "modality": "rna"}
    return jamie.Explanation("knockout", "without", {**known, **settings}, {"features": table})


def windows(targets=("Sox2", "Pax6")):
    generator = np.random.default_rng(1)
    names = ["10 kb", "100 kb", "same chromosome"]
    table = pd.DataFrame(
        [
            (t, w, f"peak{i}", 1 - abs(generator.normal()) / 10**k)
            for t in targets
            for k, w in enumerate(names)
            for i in range(5)
        ],
        columns=["target", "window", "feature", "value"],
    ).assign(change=0.0)
    tests = pd.DataFrame(
        [(t, a, b, 3.0, p) for t in targets for a, b, p in ((*names[:2], 0.01), (*names[1:], np.nan))],
        columns=["target", "window_a", "window_b", "t", "p_value"],
    )
    return jamie.Explanation("knockout", "windows", {}, {"windows": table, "tests": tests})


def attribution(labels=("T 10", "T 2", "B")):
    rows = [(label, i + 1, f"gene{i}", 1 / (i + 1)) for label in labels for i in range(12)]
    table = pd.DataFrame(rows, columns=["label", "rank", "feature", "score"])
    markers = pd.DataFrame({"label": ["B"], "n_markers": [2], "found": [2], "auroc": [0.987], "p_value": [0.002]})
    return jamie.Explanation("attribution", "types", {"label": "cell_type"}, {"features": table, "markers": markers})


@pytest.fixture(autouse=True)
def unseen():
    with offscreen():
        yield


def bars(ax):
    return [patch for patch in ax.patches if patch.get_width() or patch.get_height()]


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def extent(artist):
    artist.figure.draw_without_rendering()
    return artist.get_window_extent()


class TestWaterfall:
    def test_bars_lead_from_the_base_to_the_prediction(self):
        found = shap()
        ax = pl.waterfall(found, "rate", "cell7", n_features=4)
        values = found.values.layers["1"][7]
        order = np.argsort(-abs(values))
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(
            [values[order[4:]].sum(), *values[order[:4]][::-1]]
        )
        starts = [bar.get_x() for bar in ax.patches]
        ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
        assert starts == pytest.approx([found.values.uns["base"][1], *ends[:-1]])
        assert ends[-1] == pytest.approx(found.values.obsm["prediction"][7, 1])
        assert labels(ax) == ["9 others", *(f"gene{j} = {found.values.X[7, j]:.3g}" for j in order[:4][::-1])]
        assert ax.get_title(loc="left") == "cell cell7"

    def test_colours_tell_what_raises_from_what_lowers(self):
        ax = pl.waterfall(shap(), n_features=20)
        assert [to_hex(bar.get_facecolor()).upper() for bar in ax.patches] == [
            POSITIVE if bar.get_width() > 0 else NEGATIVE for bar in ax.patches
        ]
        assert len(ax.patches) == N_FEATURES

    def test_the_first_target_and_its_highest_cell_are_drawn_by_default(self):
        found = shap()
        highest = found.values.obsm["prediction"][:, 0].argmax()
        ax = pl.waterfall(found)
        assert ax.get_title(loc="left") == f"cell cell{highest}"
        assert ax.get_xlabel().startswith("AP width: mean ")

    def test_others_that_would_dwarf_the_rest_are_cut(self):
        found = shap()
        found.values.layers["0"][:] = 0.01
        found.values.layers["0"][:, 0] = 0.02
        many = pl.waterfall(found, n_features=2)
        low, high = many.get_xlim()
        assert many.patches[0].get_x() < low < many.patches[1].get_x() < high
        assert "//" in [text.get_text() for text in many.texts]

    def test_an_unknown_target_or_cell_is_refused(self):
        with pytest.raises(
            MissingResultError, match="expected a target of the explanation, found 'rates'\n  did you mean 'rate'"
        ):
            pl.waterfall(shap(), "rates")
        with pytest.raises(DataError, match=r"expected an explained cell, found 'cell99'\n  .*available: cell0, "):
            pl.waterfall(shap(), "rate", "cell99")
        with pytest.raises(
            MissingResultError,
            match="waterfall: expected Shapley values of single cells, found an explanation by knockout",
        ):
            pl.waterfall(knockout())


class TestBeeswarm:
    def test_a_point_for_each_cell_and_each_of_the_largest_features(self):
        found = shap()
        ax = pl.beeswarm(found, "rate", n_features=5)
        values = found.values.layers["1"]
        order = np.argsort(-abs(values).mean(axis=0))[:5]
        assert labels(ax) == [f"gene{j}" for j in order]
        for row, (points, j) in enumerate(zip(ax.collections, order, strict=True)):
            np.testing.assert_allclose(points.get_offsets()[:, 0], values[:, j])
            assert (abs(points.get_offsets()[:, 1] - row) <= 0.4).all()
            assert points.get_rasterized()
        assert ax.get_xlabel() == "added to rate"

    def test_colour_is_the_rank_of_the_value(self):
        found = shap()
        points = pl.beeswarm(found, "rate", n_features=1).collections[0]
        j = np.argsort(-abs(found.values.layers["1"]).mean(axis=0))[0]
        level = points.get_array()
        assert (level.min(), level.max()) == (0, 1)
        np.testing.assert_array_equal(np.argsort(level), np.argsort(found.values.X[:, j]))

    def test_a_feature_that_is_the_same_in_all_cells_is_grey(self):
        found = shap(n_features=1)
        found.values.X[:] = 3
        found.values.layers["0"][:] = 0
        (points,) = pl.beeswarm(found).collections
        assert points.get_array() is None
        assert (points.get_offsets()[:, 0] == 0).all()

    def test_latents_are_called_so(self):
        found = shap(targets=("3",))
        found.values.uns["target"] = "latent"
        assert pl.beeswarm(found).get_xlabel() == "added to latent 3"


class TestShapHeatmap:
    def test_values_are_in_standard_deviations_with_the_sign_of_the_effect(self):
        found = shap()
        ax = pl.shap_heatmap(found, n_features=6)
        image = np.asarray(ax.images[0].get_array())
        names = [text.get_text() for text in ax.get_xticklabels()]
        assert labels(ax) == list(TARGETS)
        for row, column in np.ndindex(image.shape):
            j = found.values.var_names.get_loc(names[column])
            x, phi = found.values.X[:, j], found.values.layers[str(row)][:, j]
            expected = np.sign(np.corrcoef(x, phi)[0, 1]) * abs(phi).mean()
            assert image[row, column] == pytest.approx(expected / found.values.obsm["prediction"][:, row].std())

    def test_each_target_has_its_best_features(self):
        found = shap()
        names = [text.get_text() for text in pl.shap_heatmap(found, n_features=4).get_xticklabels()]
        best = [np.argsort(-abs(found.values.layers[str(t)]).mean(axis=0))[0] for t in range(2)]
        assert {f"gene{j}" for j in best} <= set(names)
        assert len(names) == 4


class TestKnockout:
    def test_bars_go_from_the_unperturbed_line_to_the_value_without(self):
        ax = pl.knockout(knockout())
        ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
        top, background = np.linspace(0.05, 0, 30)[:14], np.linspace(0.05, 0, 30)[15::4]
        assert ends == pytest.approx([*(0.8 - top), *(0.8 - background)])
        assert {bar.get_x() for bar in ax.patches} == {0.8}
        assert [list(line.get_xdata()) for line in ax.lines] == [[0.8, 0.8]]
        assert labels(ax) == [f"gene{i}" for i in (*range(14), 15, 19, 23, 27)]
        assert ax.get_xlabel() == "label-transfer accuracy, rna to ephys"

    def test_random_ones_have_a_colour_of_their_own_and_stand_apart(self):
        ax = pl.knockout(knockout(), n_features=3, n_random=2)
        colours = [to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
        assert colours == [COLOURS[0]] * 3 + ["#9A9A9A"] * 2
        places = [bar.get_y() + bar.get_height() / 2 for bar in ax.patches]
        assert np.diff(places) == pytest.approx([1, 1, 1.7, 1])

    def test_estimates_are_hollow(self):
        found = knockout()
        table = found.tables["features"]
        table.loc[2:, "exact"], table.loc[2:, ["value", "change"]] = False, np.nan
        ax = pl.knockout(found, n_features=3, n_random=0)
        assert [bar.get_facecolor()[3] for bar in ax.patches] == [1, 1, 0]
        assert ax.patches[2].get_width() == pytest.approx(table["estimate"][2])

    def test_legend_and_label_lie_within_the_figure(self):
        found = knockout(metric="imputation", direction="chromatin to expression")
        table = found.tables["features"]
        table["feature"] = "chr1-1234567-1234999-" + table["feature"]
        table.loc[2:, "exact"] = False
        ax = pl.knockout(found)
        assert ax.get_xlabel() == "mean correlation of imputed and\nmeasured values\nchromatin to expression"
        for one in (ax.get_legend(), ax.xaxis.label):
            assert 0 <= extent(one).x0 < extent(one).x1 <= ax.figure.bbox.x1

    def test_what_is_no_knock_out_is_refused(self):
        with pytest.raises(
            MissingResultError,
            match=r"a column 'change', found one by attribution with the tables features, markers\n  use knockout",
        ):
            pl.knockout(attribution())
        with pytest.raises(
            MissingResultError, match=r"found one by knockout with the tables windows, tests\n  .*jamie.pl.windows"
        ):
            pl.knockout(windows())


class TestWindows:
    def test_a_panel_for_each_gene_and_a_group_for_each_window(self):
        found = windows()
        axes = pl.windows(found)
        assert [ax.get_title() for ax in axes] == ["Sox2", "Pax6"]
        ticks = [text.get_text() for text in axes[0].get_xticklabels()]
        assert ticks == ["10 kb\n(5)", "100 kb\n(5)", "same\nchrom.\n(5)"]
        drawn = np.concatenate([points.get_offsets()[:, 1] for points in axes[1].collections])
        table = found.tables["windows"]
        np.testing.assert_allclose(np.sort(drawn), np.sort(1 - table["value"][table["target"] == "Pax6"]))

    def test_only_tests_that_could_be_made_are_named(self):
        (ax,) = pl.windows(windows(), ["Sox2"])
        (text,) = ax.texts
        assert (text.get_text(), text.get_fontweight()) == ("p = 0.01", "bold")

    def test_whole_windows_have_no_tests(self):
        found = windows()
        alone = jamie.Explanation("knockout", "", {}, {"windows": found.tables["windows"]})
        assert not pl.windows(alone)[0].texts

    def test_other_genes_and_explanations_are_refused(self):
        with pytest.raises(
            MissingResultError, match="windows: expected a target of the explanation, found 'Sox3'\n  did you mean"
        ):
            pl.windows(windows(), ["Sox3"])
        with pytest.raises(
            MissingResultError,
            match=r"found one by knockout with the tables features\n  use knockout with windows: \[GENE\]",
        ):
            pl.windows(knockout())


class TestAttribution:
    def test_a_panel_for_each_label_in_order(self):
        axes = pl.attribution(attribution(), n_features=3)
        assert [ax.get_title().split("\n")[0] for ax in axes] == ["B", "T 2", "T 10"]
        assert labels(axes[1]) == ["gene0", "gene1", "gene2"]
        assert [bar.get_width() for bar in axes[1].patches] == pytest.approx([1, 1 / 2, 1 / 3])

    def test_markers_stand_out_and_their_enrichment_is_said(self):
        axes = pl.attribution(attribution(), ["B", "T 2"], n_features=3, markers={"B": ["gene1"]})
        colours = [to_hex(bar.get_facecolor()).upper() for bar in axes[0].patches]
        assert colours == [COLOURS[0], COLOURS[1], COLOURS[0]]
        assert [text.get_fontweight() for text in axes[0].get_yticklabels()] == ["normal", "bold", "normal"]
        assert axes[0].get_title() == "B\nmarkers: AUROC 0.99\n(p = 0.002)"
        assert {to_hex(bar.get_facecolor()).upper() for bar in axes[1].patches} == {COLOURS[0]}

    def test_markers_are_those_that_the_explainer_was_told(self):
        found = attribution()
        found.settings["markers"] = {"T 2": ["gene0"]}
        axes = pl.attribution(found, n_features=2)
        assert [text.get_fontweight() for text in axes[1].get_yticklabels()] == ["bold", "normal"]

    def test_titles_lie_within_the_figure(self):
        found = attribution(["a type of a rather long name", "another of a long name", "T 2"])
        found.tables["features"] = found.tables["features"].replace({"gene0": "chr1-1234567-1234999"})
        found.tables["markers"]["label"] = "T 2"
        axes = pl.attribution(found, n_features=3)
        titles = [extent(ax.title) for ax in axes]
        assert titles[-1].x1 <= axes[0].figure.bbox.x1
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(titles))

    def test_what_has_no_labels_is_refused(self):
        with pytest.raises(
            MissingResultError,
            match="with a column 'label', found one by knockout with the tables features\n  use attribution",
        ):
            pl.attribution(knockout())
        with pytest.raises(MissingResultError, match="expected a label of the explanation, found 'C'\n  available: "):
            pl.attribution(attribution(), ["C"])


DRAWN = {
    "waterfall": lambda ax: pl.waterfall(shap(), ax=ax),
    "beeswarm": lambda ax: pl.beeswarm(shap(), ax=ax),
    "shap_heatmap": lambda ax: pl.shap_heatmap(shap(), ax=ax),
    "knockout": lambda ax: pl.knockout(knockout(), ax=ax),
    "windows": lambda ax: pl.windows(windows(), ["Sox2"], ax=ax)[0],
    "attribution": lambda ax: pl.attribution(attribution(), ["B"], ax=ax)[0],
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_axes_that_are_given_are_drawn_in_and_settings_stay(draw, tmp_path):
    before = dict(mpl.rcParams)
    ax = Figure(layout="constrained").add_subplot()
    assert draw(ax) is ax
    assert dict(mpl.rcParams) == before
    ax.figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_long_names_keep_both_ends():
    assert shorten("chr12:123456789-123459999_enhancer", 20) == "chr12:1234…_enhancer"
    assert shorten("short") == "short"


def test_names_stay_on_one_line_and_are_no_mathematics(recwarn):
    figure = Figure(layout="constrained")
    text = figure.text(0.5, 0.5, shorten("a$^ b_$\n基因\tc"))
    with ignore_missing_glyphs():
        figure.draw_without_rendering()  # which fails where this is read as mathematics
    assert text.get_text() == r"a\$^ b_\$ 基因 c"
    assert not recwarn.list


@pytest.mark.parametrize(
    ("draw", "given", "message"),
    [
        (pl.umap, AnnData(np.zeros((3, 2))), "umap: expected MuData, found AnnData\n  give the result.h5mu of a run"),
        (pl.losses, "runs/mine/result.h5mu", "losses: expected MuData, found str"),
        (pl.waterfall, AnnData(np.zeros((3, 2))), "waterfall: expected Explanation, found AnnData"),
    ],
)
def test_what_a_figure_is_drawn_from_is_checked(draw, given, message):
    with pytest.raises(DataError, match=message):
        draw(given)
