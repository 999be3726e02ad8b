"""Figures of sweeps and benchmarks: what is drawn where."""

import numpy as np
import pandas as pd
import pytest

from jamie.builtins import load_registry
from jamie.commands.multirun.figures import axis_label, growth_figure, metric_figure, write_growth_figures
from jamie.commands.multirun.plots import series_styles
from jamie.commands.multirun.settings import numeric_key
from jamie.runs.directory import OutputDirectory

FOSCTTM = load_registry().get("metric", "foscttm")


def rows(settings, methods=("jamie", "knn"), scopes=("all",)):
    """A row for each setting, method and scope; means count up."""
    found = [
        {**setting, "method": method, "scope": scope, "source": "rna", "target": "adt"}
        for setting in settings
        for method in methods
        for scope in scopes
    ]
    table = pd.DataFrame(found)
    mean = np.linspace(0.1, 0.9, len(table))
    return table.assign(mean=mean, sd=0.01, lower=mean - 0.3, upper=mean + 0.3, n=3)


def drawn(axes):
    return {tuple(line.get_xdata()): list(line.get_ydata()) for line in axes.get_lines() if len(line.get_xdata())}


def test_the_number_with_most_values_is_the_axis():
    table = pd.DataFrame({"a": [1, 1, 2], "b": [0.1, 0.2, 0.3], "c": ["x", "y", "z"], "d": [1, "2", 3]})
    assert numeric_key(table, ["a", "b", "c", "d"]) == "b"
    assert numeric_key(table, ["c", "d"]) is None


def test_lines_with_bands_over_a_number():
    table = rows([{"m.size": size, "other": o} for size in (10, 1000, 100) for o in "xy"])
    figure = metric_figure(table, ["m.size", "other"], FOSCTTM)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 3]
    assert len(lines) == 4
    for line in lines:
        assert list(line.get_xdata()) == [10, 100, 1000]
    first = table[(table["method"] == "jamie") & (table["other"] == "x")].sort_values("m.size")
    assert list(lines[0].get_ydata()) == list(first["mean"])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(max(0, first["lower"].min()))
    assert band[:, 1].max() == pytest.approx(min(1, first["upper"].max()))
    assert figure.get_supxlabel() == "size"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["jamie, other=x", "knn, other=x", "jamie, other=y", "knn, other=y"]


def test_points_over_categories():
    table = rows([{"infer": name} for name in ("null", "unioncom")])
    (axes,) = metric_figure(table, ["infer"], FOSCTTM).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["null", "unioncom"]
    assert [round(x, 6) for line in axes.get_lines() if line.get_marker() in "os" for x in line.get_xdata()] == [
        -0.1,
        0.9,
        0.1,
        1.1,
    ]


def test_repetitions_alone_make_a_figure():
    (axes,) = metric_figure(rows([{}]), [], FOSCTTM).axes
    assert sum(line.get_marker() in "os" for line in axes.get_lines()) == 2


def test_a_panel_for_each_scope():
    table = rows([{"k": 1}, {"k": 2}], scopes=("all", "training_cells", "held_out_pairs", "held_out_cells"))
    titles = [axes.get_title() for axes in metric_figure(table, ["k"], FOSCTTM).axes]
    assert titles == ["all cells", "training cells", "held-out pairs", "held-out cells"]


def test_the_axis_says_what_is_better():
    assert axis_label(FOSCTTM) == "foscttm\n(lower is better, 0 is perfect)"
    assert axis_label(load_registry().get("metric", "pearson")) == "pearson\n(higher is better, 1 is perfect)"
    coverage = load_registry().get("metric", "interval_coverage")
    assert axis_label(coverage) == "interval coverage\n(should be the intervals' level)"


def test_series_are_told_apart():
    looks = series_styles((method, setting) for method in "abcdefghi" for setting in "xy")
    assert len({tuple(style.items()) for style in looks.values()}) == 18
    assert looks["a", "x"]["color"] == looks["a", "y"]["color"]
    assert looks["a", "x"]["linestyle"] == looks["b", "x"]["linestyle"]
    alone = series_styles(("a", str(i)) for i in range(20))
    assert len({tuple(style.items()) for style in alone.values()}) == 20


@pytest.fixture
def medians():
    table = pd.DataFrame(
        [
            {"n": n, "method": method, "stage": stage, "seconds": 1e-3 * n, "peak_memory_mib": 100.0 + n}
            for n in (10, 100, 1000)
            for method, stage in (("", "training"), ("", "total"), ("jamie", "training"), ("knn", "preparation"))
        ]
    )
    for measure in ("seconds", "peak_memory_mib"):
        table[f"{measure}_min"], table[f"{measure}_max"] = table[measure] / 2, table[measure] * 2
    return table


def test_growth_is_drawn_on_logarithmic_axes(medians):
    figure = growth_figure(medians, ["n"], "n", "seconds", "seconds")
    stages, methods = figure.axes
    assert (stages.get_title(), methods.get_title()) == ("stages", "methods")
    for axes in figure.axes:
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert [list(line.get_ydata()) for line in axes.get_lines()] == [[0.01, 0.1, 1.0]] * 2


def test_growth_needs_a_number(medians, tmp_path):
    write_growth_figures(OutputDirectory(tmp_path), medians.assign(n="x"), ["n"])
    assert list(tmp_path.iterdir()) == []
    write_growth_figures(OutputDirectory(tmp_path), medians, ["n"])
    found = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert found == ["bench_memory.png", "bench_memory.svg", "bench_seconds.png", "bench_seconds.svg"]
