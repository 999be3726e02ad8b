"""Quality of inferers beside chance and the truth: of made-up runs by hand, and of inferers on simulated cells."""

import numpy as np
import pandas as pd
import pytest

import jamie
from jamie.commands.multirun.plan import RunStatus
from jamie.commands.multirun.quality import VALUES, quality_summary, quality_table
from jamie.console.output import run_tables
from jamie.console.sweep_output import quality_tables

INFER, FRACTION, ORDER = "correspondence.infer", "evaluate.known_pairs.fraction", "evaluate.known_pairs.column"
KEYS, GRID = [FRACTION, INFER, ORDER, "repeat"], [FRACTION, INFER]
LABELS, FOSCTTM = "barycentric_label_transfer_accuracy", "barycentric_foscttm"


def records(value, scope="held_out_pairs"):
    """Those of two modalities x and y, at chance 0.5."""
    ends = {"source": "x", "target": "y", "scope": scope, "n_cells": 90}
    back = ends | {"source": "y", "target": "x"}
    return [
        {"metric": "matching", "part": "", "value": value, **ends},
        {"metric": "matching", "part": "mass_chance", "value": 0.5, **ends},
        {"metric": "matching", "part": "top_1", "value": value / 2, **ends},
        {"metric": "matching", "part": "top_1_truth", "value": 1, **ends},
        {"metric": FOSCTTM, "part": "", "value": 1 - value, **ends},
        {"metric": FOSCTTM, "part": "chance", "value": 0.4, **ends},
        {"metric": LABELS, "part": "", "value": value / 4, **back},
        {"metric": LABELS, "part": "", "value": value / 8, **ends},
        {"metric": LABELS, "part": "truth", "value": 0.75, **back},
        {"metric": LABELS, "part": "", "value": 99, **back},  # with other parameters
        {"metric": "foscttm", "part": "", "value": 99, **ends},
    ]


@pytest.fixture
def runs(write_run):
    """Two inferers at two fractions, two orders of two repeats; quality differs by order, time by repeat."""
    made = []
    for fraction in (0.1, 0.5):
        for infer, value in (("seeded", 0.6), ({"unioncom": {"use_known": False}}, 0.2)):
            for order in (0, 1):
                for repeat in (0, 1):
                    stage = {"seconds": 1.0 + repeat, "peak_memory_mib": 100.0, "processor_seconds": 0.5}
                    values = {FRACTION: fraction, INFER: infer, ORDER: f"order_{order}", "repeat": repeat}
                    files = {
                        "manifest": {"stages": {"correspondence": stage}},
                        "correspondence": [{"source": "x", "target": "y", "diagnostics": {"objective": 3}}],
                        "metrics": records(value + order / 10),
                    }
                    made.append(write_run(str(len(made)), values, **files))
    return made


def test_each_run_has_rows_for_what_was_inferred_chance_and_the_truth(runs):
    found = quality_table(runs, KEYS)
    assert len(found) == 3 * len(runs)
    inferred, chance, truth = (row for _, row in found.iloc[:3].iterrows())
    assert [row["partners"] for row in (inferred, chance, truth)] == ["inferred", "chance", "truth"]
    for row in (inferred, chance, truth):
        assert (row["scope"], row["n_cells"], row["source"], row["target"]) == ("held_out_pairs", 90, "x", "y")
    names = ["foscttm", "mass", "top_1", "label_transfer_accuracy", "label_transfer_accuracy_back"]
    assert inferred[names].tolist() == pytest.approx([0.4, 0.6, 0.3, 0.15, 0.075])
    assert inferred[["seconds", "processor_seconds", "peak_memory_mib", "objective"]].tolist() == [1, 0.5, 100, 3]
    assert chance[["foscttm", "mass"]].tolist() == [0.4, 0.5]
    assert truth[["top_1", "label_transfer_accuracy"]].tolist() == [1, 0.75]
    assert chance[["seconds", "top_1"]].isna().all()


def test_the_summary_has_one_row_of_chance_and_truth_for_all_inferers(runs):
    found = quality_summary(quality_table(runs, KEYS), KEYS, GRID)
    assert found[FRACTION].tolist() == [0.1] * 4 + [0.5] * 4
    assert found["partners"].tolist() == ["seeded", "unioncom use_known false", "chance", "truth"] * 2
    seeded, _, chance, _ = (row for _, row in found.iloc[:4].iterrows())
    assert seeded["n"] == chance["n"] == 2  # orders; repeats of a run are no further evidence
    assert seeded["mass"] == pytest.approx(0.65)
    assert seeded["mass_se"] == pytest.approx(np.std([0.6, 0.7], ddof=1) / np.sqrt(2))
    assert seeded["seconds"] == 1.5
    assert (chance["foscttm"], chance["foscttm_se"]) == (0.4, 0)


def test_the_table_says_which_cells_it_is_of(runs):
    (table,) = quality_tables(quality_summary(quality_table(runs, KEYS), KEYS, GRID), GRID)[:1]
    first_line, second_line = table.title.split("\n")
    assert first_line == "inferred correspondences: held-out pairs, which no inferer was told"
    assert second_line == "mean ± standard error of 2 runs"
    assert [row["partners"] for row in table.rows][2:4] == ["chance", "truth"]
    assert table.rows[0]["FOSCTTM ↓"] == "0.350 ± 0.050"
    assert table.rows[2]["FOSCTTM ↓"] == "0.400 ± 0.000"
    assert table.rows[3]["FOSCTTM ↓"] == ""


def test_cells_of_two_scopes_are_in_two_tables(write_run):
    runs = [
        write_run(
            scope,
            {INFER: scope},
            manifest={"stages": {}},
            correspondence=[{"source": "x", "target": "y", "diagnostics": {}}],
            metrics=records(0.5, scope),
        )
        for scope in ("held_out_pairs", "training_cells")
    ]
    tables = quality_tables(quality_summary(quality_table(runs, [INFER]), [INFER], [INFER]), [INFER])
    titles = [table.title for table in tables if "continued" not in table.title]
    assert titles == [
        "inferred correspondences: held-out pairs, which no inferer was told",
        "inferred correspondences: training cells",
    ]
    assert [row["partners"] for row in tables[0].rows] == ["held_out_pairs", "chance", "truth"]


SPEC = {
    "jamie": 1,
    "name": "inferers",
    "until": "correspondence",
    "data": {"simulate_pairs": {"n_cells": 90, "n_features": [12, 10]}},
    "labels": ["cell_type"],
    "modalities": {"*": {"preprocess": ["standardize"]}},
    "evaluate": {
        "holdout": {"fraction": 0},
        "known_pairs": {"fraction": 0.3},
        "metrics": ["matching", FOSCTTM, LABELS],
    },
    "training": {"device": "cpu"},
    "report": None,
}
INFERERS = {  # whether known pairs are used
    "seeded": True,
    "anchor_distance": True,
    "quantized_gromov_wasserstein": False,
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inferers")
    runs = []
    for infer in INFERERS:
        jamie.run(SPEC, out=folder / infer, overrides={"correspondence": {"infer": infer, "check": 0}})
        runs.append(RunStatus(infer, folder / infer, {INFER: infer}))
    return runs


def test_all_inferers_are_scored_on_the_same_hidden_pairs(measured):
    found = quality_table(measured, [INFER]).set_index([INFER, "partners"])
    n_hidden = 90 - round(0.3 * 90)
    assert set(found["scope"]) == {"held_out_pairs"}
    assert set(found["n_cells"]) == {n_hidden}
    values = found[VALUES].astype(float)
    for partners in ("chance", "truth"):
        rows = values.xs(partners, level="partners")
        pd.testing.assert_frame_equal(rows, pd.DataFrame([rows.iloc[0]] * len(rows), index=rows.index))
    chance, truth, seeded = (values.loc["seeded", name] for name in ("chance", "truth", "inferred"))
    assert chance["foscttm"] == pytest.approx((1 - 1 / n_hidden) / 2)
    assert chance["mass"] == pytest.approx(1 / n_hidden)
    assert truth[["foscttm", "mass", "top_1", "quantile"]].tolist() == [0, 1, 1, 0]
    assert seeded["foscttm"] < chance["foscttm"] - 0.1
    assert seeded["label_transfer_accuracy"] > chance["label_transfer_accuracy"] + 0.1
    assert found.loc["seeded", "seconds"].notna().tolist() == [True, False, False]


def test_a_run_shows_found_values_beside_chance_and_truth(measured):
    (table,) = run_tables(jamie.Run(measured[0].folder).metric_records)
    assert "(held-out pairs)" in table.title
    rows = {row["partner"]: row for row in table.rows}
    assert rows["FOSCTTM ↓"]["truth"] == "0.000"
    assert rows["mass ↑"]["truth"] == "1.000"
    assert len([name for name in rows if name.startswith("label transfer to ")]) == 2
    assert all(row["chance"] for row in table.rows)
