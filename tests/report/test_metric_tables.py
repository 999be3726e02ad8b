import itertools
import re

import pytest

from jamie.console.tables import print_tables
from jamie.report.metric_tables import metric_tables
from jamie.report.tables import WIDTH

LATENT = {"label_transfer_accuracy": True, "foscttm": False, "silhouette": True, "modality_mixing": True}
IMPUTED = {"pearson": True, "spearman": True, "auroc": True, "mse": False, "r2": True, "js_distance": False}


def record(metric, value, method="jamie", **changed):
    return {
        "metric": metric,
        "part": "",
        "value": value,
        "scope": "all",
        "method": method,
        "source": "rna",
        "target": "ephys",
        "label": "",
        "n_cells": 20,
        "higher_is_better": True,
        "headline": True,
        "parameters": {},
    } | changed


def cost(method, **changed):
    usage = {"seconds": 1.25, "peak_memory_mib": 300.4}
    return {"method": method, "status": "done", "preparation": usage, "training": usage} | changed


def everything(methods, runs):
    """Records as of a comparison, in two scopes and both directions."""
    records = []
    for run, method, scope in itertools.product(runs, methods, ("all", "held_out_cells")):
        place = {"run": run, "method": method, "scope": scope}
        for position, (metric, better) in enumerate(LATENT.items()):
            records.append(record(metric, position / 7, higher_is_better=better, **place))
        for ends in (("rna", "ephys"), ("ephys", "rna")):
            ends = dict(zip(("source", "target"), ends, strict=True))
            records += [record(m, 0.5, higher_is_better=better, **place, **ends) for m, better in IMPUTED.items()]
    return records


def test_several_sources_impute_in_one_direction():
    (block,) = metric_tables([record("pearson", 0.5, source="rna+adt"), record("pearson", 0.4, "b", source="rna+adt")])
    assert block.title == "rna+adt → ephys, all cells (20)"


def test_the_best_value_has_a_mark_and_an_arrow_says_which_is_better():
    records = [
        record("foscttm", 0.1, "cca", higher_is_better=False),
        record("foscttm", 0.3, "lma", higher_is_better=False),
        record("silhouette", 0.1, "cca"),
        record("silhouette", 0.3, "lma"),
    ]
    (block,) = metric_tables(records)
    assert block.title == "ephys and rna, all cells (20)"
    assert block.rows == [
        {"method": "cca", "foscttm ↓": "0.100*", "silhouette ↑": "0.100"},
        {"method": "lma", "foscttm ↓": "0.300", "silhouette ↑": "0.300*"},
    ]


def test_a_metric_that_is_to_be_near_a_level_has_no_arrow_and_no_best():
    records = [record("interval_coverage", 0.9, "cca"), record("interval_coverage", 1.0, "lma")]
    (block,) = metric_tables(records)
    assert block.rows == [
        {"method": "cca", "interval\ncoverage": "0.900"},
        {"method": "lma", "interval\ncoverage": "1.000"},
    ]


def test_values_that_read_the_same_are_equally_good_and_those_without_a_value_do_not_compete():
    values = {"a": 0.5001, "b": 0.5, "c": None, "d": float("nan"), "e": 0.2}
    (block,) = metric_tables(record("r2", value, method) for method, value in values.items())
    assert [row["r2 ↑"] for row in block.rows] == ["0.500*", "0.500*", "none", "none", "0.200"]


def test_a_method_that_uses_the_labels_does_not_compete():
    records = [record("r2", value, method) for method, value in (("knn", 0.1), ("ridge", 0.2), ("control", 0.9))]
    block, _, notes = metric_tables(records, [cost("knn"), cost("ridge"), cost("control", uses_labels=True)])
    assert [row["r2 ↑"] for row in block.rows] == ["0.100", "0.200*", "0.900"]
    assert notes.rows == [{"method": "control", "note": "uses the labels"}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (0, "0.000"),
        (0.00024, "0.00024"),
        (-0.5, "-0.500"),
        (12345.6, "1.235e+04"),
        (123.44, "123.4"),
    ],
)
def test_numbers(value, text):
    (block,) = metric_tables([record("mse", value)])
    assert block.rows[0]["all\ncells\n(20)"] == text


def test_only_headline_values_are_shown():
    records = [record("mse", 0.1), record("mse", 0.2, part="sd"), record("mse", 0.3, headline=False)]
    (block,) = metric_tables(records)
    assert block.rows == [{"metric": "mse ↑", "all\ncells\n(20)": "0.100"}]


def test_a_metric_that_is_a_headline_in_one_of_two_directions_says_which():
    records = [record("label_transfer_accuracy", 0.1), record("foscttm", 0.2)]
    records.append(record("label_transfer_accuracy", 0.3, source="ephys", target="rna", headline=False))
    (block,) = metric_tables(records)
    assert [row["metric"] for row in block.rows] == ["label transfer accuracy ↑ to ephys", "foscttm ↑"]


def test_a_metric_that_is_a_headline_in_both_directions_has_two_blocks():
    records = [record("mse", 0.1), record("mse", 0.2, source="ephys", target="rna")]
    assert [block.title for block in metric_tables(records)] == ["rna → ephys", "ephys → rna"]


def test_other_parameters_of_a_metric_make_another_column():
    records = [record("r2", 0.1, run="a", parameters={"k": 5}), record("r2", 0.2, run="b", parameters={"k": 9})]
    (block,) = metric_tables(records)
    assert block.rows == [
        {"run": "a", "r2 ↑\nk=5": "0.100", "r2 ↑\nk=9": ""},
        {"run": "b", "r2 ↑\nk=5": "", "r2 ↑\nk=9": "0.200"},
    ]


def test_time_and_memory_and_what_was_refused():
    refused = cost("nlma", status="refused", reason="expected pairs,\n  found none", preparation=None, training=None)
    usage, notes = metric_tables([], [cost("jamie"), refused])
    assert usage.rows == [
        {
            "method": "jamie",
            "prepare\nseconds": "1.2",
            "prepare\nMiB": "300",
            "train\nseconds": "1.2",
            "train\nMiB": "300",
        }
    ]
    assert notes.rows == [{"method": "nlma", "note": "refused: expected pairs, found none"}]


@pytest.mark.parametrize(
    ("methods", "runs"),
    [
        (["jamie"], [""]),
        (["jamie", "mean_by_label", "procrustes_pairs"], [""]),
        (["jamie", "mean_by_label"], ["sweeps/known/fraction=0.5,seed=0", "sweeps/known/fraction=0.25,seed=0"]),
    ],
)
def test_tables_fit_80_columns_without_broken_words(methods, runs, capsys):
    reason = "expected known pairs of the modalities, found none between rna and ephys"
    costs = [cost(m, run=r, status="failed", reason=reason) for m, r in itertools.product(methods, runs)]
    print_tables(metric_tables(everything(methods, runs), costs))
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= WIDTH
    words = set(re.findall(r"\w+", printed))
    assert words >= {"transfer", "accuracy", "mixing", "spearman", "distance", "prepare", "modalities"}
    assert words >= {part for name in (*methods, *runs) for part in re.findall(r"\w+", name)}
