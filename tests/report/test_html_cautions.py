"""Warnings of the page: each where it is due, and only there."""

from types import SimpleNamespace

import pandas as pd
import pytest

from jamie.report.html.cautions import cautions
from jamie.spec import load_spec

SPEC = load_spec({"data": {"simulate_branch": {}}, "evaluate": {"intervals": {"level": 0.9}}}, reads_data=False)


def record(metric, value, method="jamie", scope="held_out_cells", n_cells=300, higher=True, **fields):
    imputed = metric in ("pearson", "interval_coverage")
    common = {"metric": metric, "part": "", "value": value, "scope": scope, "method": method, "source": "rna"}
    return {
        **common,
        "target": "protein",
        "n_cells": n_cells,
        "n_features": 20 if imputed else 0,
        "higher_is_better": higher,
        "headline": True,
        **fields,
    }


def method(name, status="done", **fields):
    return {"method": name, "status": status, "reason": "", "uses_labels": False, **fields}


def files(**fields):
    given = {
        "status": "finished",
        "stopped_early": False,
        "spec": SPEC,
        "pairing": {"cells": {"rna": 1000, "protein": 1000}, "pairs": [], "alone": {}, "in_all": 1000},
        "metric_records": (record("pearson", 0.6), record("foscttm", 0.05, higher=False)),
        "methods": (method("jamie"),),
        "inference": (),
        "warnings": (),
        "posterior": {"rna": {"kl": [1.0, 0.5]}, "protein": {"kl": [1.0, None]}},
    }
    return SimpleNamespace(**{"model_name": "jamie", **given, **fields})


def texts(run, imputability=None):
    return [one.text for one in cautions(run, imputability or {})]


def test_a_good_run_is_not_warned_of():
    good = files(posterior={"rna": {"kl": [1.0, 0.5]}})
    assert texts(good) == []


CASES = {
    "The inferred correspondence of rna and protein is no better than chance.": {
        "inference": (
            {"source": "rna", "target": "protein", "diagnostics": {}, "quality": {"better_than_chance": False}},
        )
    },
    "rna and protein are hardly aligned: FOSCTTM is 0.480, and 0.5 is chance.": {
        "metric_records": (record("foscttm", 0.48, higher=False),)
    },
    "Nothing was held out: all scores are on training cells, and therefore too good.": {
        "metric_records": (record("pearson", 0.6, scope="all"),)
    },
    "The posterior of rna has collapsed: 1 of 3 latents are active.": {
        "posterior": {"rna": {"kl": [0.001, 0.002, 0.7]}}
    },
    "ridge does better than the model by Pearson correlation: rna → protein 0.650 against 0.600.": {
        "metric_records": (record("pearson", 0.6), record("pearson", 0.65, "ridge"))
    },
    "Intervals of protein from rna contain 80.0% of the measured values, not 90%.": {
        "metric_records": (record("interval_coverage", 0.8),)
    },
    "cca has no result (refused): too many modalities": {
        "methods": (method("jamie"), method("cca", "refused", reason="too many modalities"))
    },
    "There are few cells: 90 of rna.": {
        "pairing": {"cells": {"rna": 90, "protein": 900}, "pairs": [], "alone": {}, "in_all": 90}
    },
    "Some scores are of 20 held-out cells.": {"metric_records": (record("pearson", 0.6, n_cells=20),)},
    "The run has not finished: it was interrupted.": {"status": "interrupted"},
    "rna: dropped 2 features": {"warnings": ("rna: dropped 2 features",)},
}


@pytest.mark.parametrize("text", CASES)
def test_each_is_said_alone(text):
    assert texts(files(**{"posterior": {}, **CASES[text]})) == [text]


def test_small_differences_and_methods_that_use_labels():
    near = files(posterior={}, metric_records=(record("pearson", 0.6), record("pearson", 0.605, "ridge")))
    assert texts(near) == []
    metrics = (record("pearson", 0.6), record("pearson", 0.7, "mean_by_label"))
    run = files(
        posterior={}, metric_records=metrics, methods=(method("jamie"), method("mean_by_label", uses_labels=True))
    )
    (one,) = cautions(run, {})
    assert one.detail == "It uses the labels: imputed values may reflect the type of the cell and little else."


def test_a_metric_of_which_less_is_better():
    lost = files(
        posterior={}, metric_records=(record("foscttm", 0.2, higher=False), record("foscttm", 0.1, "cca", higher=False))
    )
    assert texts(lost) == ["cca does better than the model by FOSCTTM: rna and protein 0.100 against 0.200."]
    won = files(
        posterior={}, metric_records=(record("foscttm", 0.1, higher=False), record("foscttm", 0.2, "cca", higher=False))
    )
    assert texts(won) == []


def test_features_that_cannot_be_imputed():
    hopeless = pd.Series([0.05, float("nan"), 0.5])
    found = texts(files(posterior={}), {("rna", "protein"): hopeless})
    assert found == ["2 of 3 features of protein can hardly be imputed from rna (imputability below 0.1)."]
    assert texts(files(posterior={}), {("rna", "protein"): pd.Series([0.3, 0.4, 0.0])}) == []


def test_serious_ones_come_first_and_nothing_is_said_twice():
    run = files(
        posterior={},
        warnings=("cca is left out: too few cells", "correspondence: NO BETTER THAN CHANCE", "another"),
        methods=(method("jamie"), method("cca", "refused", reason="too few cells")),
        metric_records=(record("foscttm", 0.5, higher=False),),
    )
    assert [one.serious for one in cautions(run, {})] == [True, False, False]
    assert texts(run)[1:] == ["cca has no result (refused): too few cells", "another"]


def test_pairs_unknown_to_the_model():
    pairs = [{"a": "rna", "b": "protein", "shared_a": 500, "known_a": 0}]
    run = files(posterior={}, pairing={"cells": {"rna": 500, "protein": 500}, "pairs": pairs, "alone": {}, "in_all": 0})
    assert texts(run) == [
        "No pairs of rna and protein were known to the model; 500 true pairs were hidden, for evaluation."
    ]
