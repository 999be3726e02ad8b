"""Growth with a swept number, ratios at one size, and what was not done: against values by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jamie.commands.multirun.costs import cost_table, growth_table, median_table, slope
from jamie.commands.multirun.figures import growth_figure
from jamie.commands.multirun.plan import RunStatus
from jamie.console.sweep_output import cost_tables, failure_tables, growth_tables

INFER, SIZE = "correspondence.infer", "data.n_cells"
KEYS = [INFER, SIZE]
SECONDS = {"plain": lambda n: n**3 / 1e6, "quick": lambda n: n / 100}
SIZES = {"plain": (100, 200), "quick": (100, 200, 400)}


@pytest.fixture
def runs(write_run):
    """A solver whose time grows with the cube of the number of cells, and one whose time is linear."""
    made = []
    for infer, sizes in SIZES.items():
        for n in sizes:
            stages = {
                "data": {"seconds": 2.0, "peak_memory_mib": 50.0},
                "correspondence": {"seconds": SECONDS[infer](n), "peak_memory_mib": float(n)},
            }
            files = {
                "manifest": {"stages": stages, "peak_memory_mib": float(n)},
                "methods": [],
            }
            made.append(write_run(f"{infer}-{n}", {INFER: infer, SIZE: n}, **files))
    return made


@pytest.fixture
def medians(runs):
    return median_table(cost_table(runs, KEYS), KEYS)


def test_ratios_are_to_the_first_method_at_the_same_size(medians):
    own = medians[medians["stage"] == "correspondence"].set_index(KEYS)["seconds_to_first_setting"]
    assert own["plain", 100] == own["plain", 200] == 1
    assert own["quick", 200] == pytest.approx(2 / 8)
    assert own["quick", 400] == 1  # there is no other of this size
    memory = medians[medians["stage"] == "correspondence"].set_index(KEYS)["memory_to_first_setting"]
    assert (memory == 1).all()


def test_slopes_are_those_of_the_powers(medians):
    growth = growth_table(medians, KEYS, "correspondence").set_index(INFER)
    assert list(growth.loc["plain", ["smallest", "largest"]]) == [100, 200]
    assert growth.loc["plain", ["slope", "last_slope", "memory_slope"]].tolist() == pytest.approx([3, 3, 1])
    assert growth.loc["quick", ["slope", "last_slope", "memory_slope"]].tolist() == pytest.approx([1, 1, 1])
    total = growth_table(medians, KEYS, "total").set_index(INFER)
    assert total.loc["quick", "last_slope"] == pytest.approx(np.log(6 / 4) / np.log(2))  # 2 + 2 and 2 + 4 seconds


def test_slope_needs_two_places():
    assert slope([1, 10, 100], [2, 20, 200]) == pytest.approx(1)
    assert np.isnan(slope([5, 5], [1, 2]))
    assert np.isnan(slope([1, 2], [0, 2]))


def test_without_a_number_there_is_no_growth(medians):
    assert growth_table(medians[medians[SIZE] == 100], [INFER], "correspondence").empty


def test_the_readable_tables(medians):
    stages, *_ = cost_tables(medians, KEYS, stage="correspondence")
    assert stages.title == "stages, medians of 1 run; ratios to the first at the same n_cells"
    assert list(stages.rows[3].values())[:6] == ["quick", "200", "2.0", "200", "0.25x", "1.00x"]
    (slopes,) = growth_tables(growth_table(medians, KEYS, "correspondence"), KEYS)
    assert list(slopes.rows[0].values()) == ["plain", "100", "200", "3.000", "3.000", "1.000"]


def test_what_was_refused_is_shown_with_its_reason():
    refused = [
        RunStatus(
            str(n), Path(), {INFER: "plain", SIZE: n}, error=f"correspondence x--y: plain would need {gib} GiB\n  x"
        )
        for n, gib in ((10**5, 74.5), (10**6, 7450.6))
    ]
    (block,) = failure_tables(refused, KEYS)
    assert block.rows[0]["n\ncells"] == "100000"
    assert block.rows[1]["why"].replace("\n", " ") == "correspondence x--y: plain would need 7450.6 GiB"
    assert failure_tables([], KEYS) == []


def test_the_figure_has_a_line_for_each_method_with_its_slope_and_labelled_ticks(medians):
    own = medians[medians["stage"] == "correspondence"]
    figure = growth_figure(own, KEYS, SIZE, "seconds", "seconds")
    (axes,) = figure.axes
    assert axes.get_title() == "correspondence"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain (3.00)", "quick (1.00)"]
    figure.canvas.draw()
    for axis in (axes.xaxis, axes.yaxis):
        labels = [label.get_text() for label in (*axis.get_ticklabels(), *axis.get_ticklabels(minor=True))]
        assert sum(map(bool, labels)) >= 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200", "400"]


def test_labels_that_would_overlap_are_left_out():
    table = pd.DataFrame({SIZE: [500, 510, 10_000, 10**6], "seconds": 1.0, "method": "", "stage": "total", INFER: "x"})
    table = table.assign(seconds_min=1.0, seconds_max=1.0)
    (axes,) = growth_figure(table, [SIZE], SIZE, "seconds", "seconds").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["500", "", "10000", "1e6"]
