"""Tiles of the page: what stands beside a score, and whether it is any good."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from jamie.data.assemble import mudata_conventions
from jamie.report.html.tiles import ScoreRow, chance_level, score_tiles


def record(metric, value, method="jamie", scope="held_out_cells", **fields):
    return {
        "metric": metric,
        "part": "",
        "value": value,
        "scope": scope,
        "method": method,
        "source": "rna",
        "target": "protein",
        "label": "cell_type",
        "n_cells": 50,
        "n_features": 0,
        "higher_is_better": "foscttm" not in metric,
        "headline": True,
        **fields,
    }


def row(*metrics, share=None):
    """Row of the tile of a run with these scores, whose cells have a commonest label of this share."""
    run = SimpleNamespace(metric_records=metrics, methods=[], model_name="jamie", stopped_early=False)
    labels = [] if share is None else ["T"] * round(20 * share) + [f"B{i}" for i in range(20 - round(20 * share))]
    (tile,) = score_tiles(run, cells({"cell_type": labels} if labels else {}, len(labels) or 1))
    return tile["rows"][0]


def cells(obs, n):
    obs = pd.DataFrame(obs, index=[f"cell{i}" for i in range(n)])
    with mudata_conventions():
        return MuData({"protein": AnnData(np.zeros((n, 1), np.float32), obs=obs)})


@pytest.mark.parametrize(
    ("metric", "value", "at_chance"),
    [
        ("foscttm", 0.5, True),
        ("foscttm", 0.6, True),
        ("foscttm", 0.4, False),
        ("auroc", 0.5, True),
        ("auroc", 0.51, False),
        ("pearson", -0.1, True),
        ("pearson", 0.1, False),
        ("r2", 0.0, True),
        ("label_transfer_accuracy", 0.3, True),
        ("label_transfer_accuracy", 0.4, False),
        ("silhouette", -0.2, False),
    ],
)
def test_a_score_is_held_against_chance(metric, value, at_chance):
    assert row(record(metric, value), share=0.3).at_chance is at_chance


def test_the_best_of_those_at_chance_is_still_at_chance():
    found = row(record("pearson", -0.1), record("pearson", -0.2, "ridge"))
    assert found == ScoreRow("rna and protein", "-0.100", "ridge", "-0.200", better=True, at_chance=True)


def test_chance_stands_beside_a_score_that_no_other_method_has():
    found = row(record("label_transfer_accuracy", 0.9), share=0.25)
    assert found == ScoreRow("rna and protein", "0.900", "chance", "0.250")
    assert row(record("label_transfer_accuracy", 0.9)) == ScoreRow("rna and protein", "0.900")


def test_the_share_of_the_commonest_label_is_of_the_cells_that_were_scored():
    labels = ["T"] * 6 + ["B"] * 2 + [None] + ["T", "B", "B", "B"]
    obs = {"cell_type": pd.Categorical(labels), "jamie_split": ["train"] * 9 + ["held_out"] * 4}
    mdata = cells(obs, len(labels))

    def share(scope, **fields):
        return chance_level(mdata, record("label_transfer_accuracy", 0.5, scope=scope, **fields), [])

    assert share("held_out_cells") == 3 / 4
    assert share("training_cells") == share("held_out_pairs") == 6 / 8
    assert share("all") == 7 / 12
    assert share("all", label="layer") is None
    assert share("all", target="rna") is None
    assert chance_level(mdata, record("pearson", 0.5), []) == 0
    assert chance_level(mdata, record("silhouette", 0.5), []) is None


def test_chance_of_inferred_partners_is_that_of_the_run():
    def measured(metric, scope="held_out_pairs", **parts):
        fields = {"scope": scope, "parameters": {}}
        return [record(metric, value, part=part, headline=not part, **fields) for part, value in parts.items()]

    foscttm = [record("barycentric_foscttm", 0.2, scope="held_out_pairs", parameters={})]
    records = foscttm + measured("barycentric_foscttm", chance=0.45) + measured("matching", chance=0.1)
    run = SimpleNamespace(metric_records=records, methods=[], model_name="jamie", stopped_early=True)
    (tile,) = score_tiles(run, cells({}, 1))
    assert tile["rows"] == [ScoreRow("rna and protein", "0.200", "chance", "0.450")]
    assert tile["cells"] == "held-out pairs (50)"
    matching = record("matching", 0.3, scope="held_out_pairs", parameters={})
    assert chance_level(cells({}, 1), matching, measured("matching", mass_chance=0.02)) == 0.02
    assert chance_level(cells({}, 1), matching, measured("matching", "all", mass_chance=0.02)) is None
