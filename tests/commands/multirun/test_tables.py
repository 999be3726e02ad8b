"""What a sweep and a benchmark say in tables: values, names, means with their spread, ratios."""

import numpy as np
import pandas as pd
import pytest

from jamie.commands.multirun.costs import cost_table, median_table
from jamie.commands.multirun.settings import readable, row_names, short_names, short_value
from jamie.commands.multirun.tables import summary_table
from jamie.console.sweep_output import cost_tables, mean_and_sd, summary_tables


def record(value, **changed):
    fixed = {
        "metric": "foscttm",
        "part": "",
        "value": value,
        "scope": "all",
        "method": "jamie",
        "source": "rna",
        "target": "adt",
        "label": "",
        "n_cells": 9,
        "higher_is_better": False,
        "headline": True,
        "parameters": {},
    }
    return fixed | changed


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (3, 3),
        (0.5, 0.5),
        ("mlp", "mlp"),
        (None, "null"),
        (True, "true"),
        (["a", 1], "[a, 1]"),
        ({"mudata": {"path": "a.h5mu"}}, "{mudata: {path: a.h5mu}}"),
    ],
)
def test_values_are_written_short(value, short):
    assert short_value(value) == short
    assert type(short_value(value)) is type(short)


def test_names_are_as_short_as_tells_them_apart():
    keys = ["evaluate.holdout.fraction", "evaluate.known_pairs.fraction", "model.latent_dim", "data", "seed"]
    assert list(short_names(keys).values()) == [
        "holdout.fraction",
        "known_pairs.fraction",
        "latent_dim",
        "data",
        "seed",
    ]
    assert short_names(["a.data", "data"]) == {"a.data": "a.data", "data": "data"}


def test_the_summary_is_over_repetitions_and_keeps_all_else_apart(records_of):
    runs = [
        (f"{g}{s}", {"g": g, "seed": s}, [record(g + s), record(10 * g, parameters={"k": 5}), record(7, method="knn")])
        for g in (1, 5)
        for s in (0, 2, 4)
    ]
    summary = summary_table(records_of(runs, ["g", "seed"]), ["g"])
    assert len(summary) == 6
    row = summary.iloc[0]
    assert (row["mean"], row["sd"], row["n"]) == (3, 2, 3)
    t = 4.302652729911275  # 97.5 % quantile of Student's t with 2 degrees of freedom, from tables
    assert (row["lower"], row["upper"]) == pytest.approx((3 - t * 2 / np.sqrt(3), 3 + t * 2 / np.sqrt(3)))


def test_a_value_that_is_null_makes_a_row(records_of):
    runs = [("a", {"infer": None}, [record(1)]), ("b", {"infer": {"scot": {}}}, [record(2)])]
    summary = summary_table(records_of(runs, ["infer"]), ["infer"])
    assert list(summary["infer"]) == ["null", "{scot: {}}"]


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (0.8871, 0.0094, "0.887 ± 0.009"),
        (0.5, np.nan, "0.500"),
        (0.00002, 0.1, "0.000 ± 0.100"),
        (0.00002, 0.00001, "2e-05 ± 1e-05"),
        (1234.5, 2.0, "1234 ± 2.000"),
    ],
)
def test_a_mean_and_its_mean_and_sd(mean, sd, text):
    assert mean_and_sd(mean, sd) == text


def test_settings_that_follow_from_others_do_not_row_names():
    table = pd.DataFrame({"data.path": ["a", "a", "b"], "layer": ["x", "x", ""], "k": [1, 2, 1], "seed": [0, 0, 0]})
    names = row_names(table, list(table))
    assert list(names.values()) == [{"path": "a", "k": "1"}, {"path": "a", "k": "2"}, {"path": "b", "k": "1"}]


def test_where_one_thing_at_a_time_is_swept_it_stands_in_one_column():
    table = pd.DataFrame(
        [("", "", ""), ("null", "", ""), ("", 8, ""), ("", "", "{encoder: {mlp: {dropout: 0}}, decoder: linear}")],
        columns=["losses.kl", "model.latent_dim", "modalities.*"],
    )
    assert [row["setting"].replace("\n", "") for row in row_names(table, list(table)).values()] == [
        "as it stands",
        "kl: null",
        "latent_dim: 8",
        "modalities.*: encoder mlp dropout 0, decoder linear",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"scot": {}}, "scot"),
        (["standardize", {"pca": {"n_components": 4}}], "standardize, pca n_components 4"),
        ({"infer": None, "rho": 0.5}, "infer null, rho 0.5"),
        ([], "[]"),
        ("mlp", "mlp"),
        (3, 3),
    ],
)
def test_nested_values_are_readable(value, text):
    assert readable(short_value(value)) == text


def test_the_readable_table_has_headlines_only_and_fits(records_of):
    names = ["foscttm", "label_transfer_accuracy", "pearson", "spearman", "modality_mixing"]
    runs = [
        (
            f"{fraction}-{seed}",
            {"evaluate.known_pairs.fraction": fraction, "seed": seed},
            [
                record(seed / 10, metric=name, method=method, headline=headline)
                for name in names
                for method in ("jamie", "procrustes_pairs")
                for headline in (True, False)
            ]
            + [record(0.25, part="sd")],
        )
        for fraction in (0.5, 1)
        for seed in (1, 2)
    ]
    keys = ["evaluate.known_pairs.fraction"]
    blocks = summary_tables(summary_table(records_of(runs, [*keys, "seed"]), keys), keys)
    assert [block.title for block in blocks] == ["adt and rna, all cells", "adt and rna, all cells, continued"]
    first, second = blocks
    assert list(first.rows[0].values()) == ["0.5", "jamie", *["0.150 ± 0.071"] * 3]
    assert [len(block.rows) for block in blocks] == [4, 4]
    for block in (first, second):
        widths = [
            max(len(line) for text in (key, *(row[key] for row in block.rows)) for line in text.split("\n"))
            for key in block.rows[0]
        ]
        assert sum(widths) + 2 * (len(widths) - 1) <= 80


def test_of_an_inferred_correspondence_the_telling_parts_are_shown(records_of):
    parts = {"": 0.3, "quantile": 0.1, "quantile_chance": 0.5, "top_1": 0.2, "top_10": 0.6, "type_accuracy": 0.9}
    fixed = {"metric": "matching", "higher_is_better": True}
    records = [record(value, part=part, headline=not part, **fixed) for part, value in parts.items()]
    (block,) = summary_tables(summary_table(records_of([("0", {}, records)], []), []), [])
    (row,) = block.rows
    assert row == {
        "method": "jamie",
        "matching ↑": "0.300",
        "matching\nquantile ↓": "0.100",
        "matching\ntop\n1 ↑": "0.200",
        "matching\ntype\naccuracy ↑": "0.900",
    }


def test_both_directions_are_named(records_of):
    both = [record(1, metric="pearson"), record(2, metric="pearson", source="adt", target="rna")]
    summary = summary_table(records_of([("a", {}, both)], []), [])
    (block,) = summary_tables(summary, [])
    assert [header.split("\n")[-1] for header in block.rows[0]] == ["method", "to adt", "to rna"]


class TestBench:
    @pytest.fixture
    def costs(self, write_run):
        """Two sizes, three repetitions, in which training takes 1, 2 and 6 s, and ten times that for the larger."""
        runs = []
        for size in (10, 100):
            for repeat, seconds in enumerate((1, 2, 6)):
                training = {"seconds": seconds * size / 10, "peak_memory_mib": 100.0 + size}
                stages = {"data": {"seconds": 0.5, "peak_memory_mib": 90.0}, "training": training}
                manifest = {"stages": stages, "peak_memory_mib": 100.0 + size}
                half = {"seconds": training["seconds"] / 2, "peak_memory_mib": 50.0}
                methods = [
                    {"method": "jamie", "preparation": None, "training": training},
                    {"method": "knn", "preparation": half, "training": half},
                ]
                values = {"data.n_cells": size, "repeat": repeat}
                runs.append(write_run(f"{size}-{repeat}", values, manifest=manifest, methods=methods))
        return cost_table(runs, ["data.n_cells", "repeat"])

    def test_a_row_for_each_stage_and_method(self, costs):
        mine = costs[costs["run"] == "100-1"]
        assert [tuple(row) for row in mine[["method", "stage", "seconds"]].to_numpy()] == [
            ("", "data", 0.5),
            ("", "training", 20),
            ("", "total", 20.5),
            ("jamie", "training", 20),
            ("knn", "preparation", 10),
            ("knn", "training", 10),
        ]

    def test_medians_and_ratios(self, costs):
        medians = median_table(costs, ["data.n_cells"]).set_index(["data.n_cells", "method", "stage"])
        large = medians.loc[(100, "", "training")]
        assert (large["seconds"], large["seconds_min"], large["seconds_max"], large["n"]) == (20, 10, 60, 3)
        assert large["seconds_to_first_setting"] == 10
        assert large["memory_to_first_setting"] == pytest.approx(200 / 110)
        assert medians.loc[(100, "knn", "training")]["seconds_to_first_method"] == 0.5
        assert medians.loc[(100, "jamie", "training")]["seconds_to_first_method"] == 1
        assert medians["seconds_to_first_method"].isna().groupby("method").all().to_dict() == {
            "": True,
            "jamie": False,
            "knn": False,
        }

    def test_the_readable_table(self, costs):
        stages, methods = cost_tables(median_table(costs, ["data.n_cells"]), ["data.n_cells"], stage="total")
        assert stages.title == "stages, medians of 3 runs"
        assert list(stages.rows[1].values()) == ["100", "20.5", "200", "8.20x", "1.82x", "0.5", "20.0"]
        assert [row["method"] for row in methods.rows] == ["jamie", "knn"] * 2
        assert pd.Series(methods.rows[3])["training\nto first"] == "0.50x"
