import json

import numpy as np
import pandas as pd
import pytest

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import evaluate as evaluate_results
from jamie.metrics.foscttm import FOSCTTM
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy
from jamie.metrics.records import to_table

SIZES = {"rna": 30, "atac": 26, "prot": 12}
METRICS = [LabelTransferAccuracy(), LabelTransferAccuracy(k="paper"), FOSCTTM()]


def evaluate(latents, dataset, split, metrics, method="jamie"):
    """Records of one method that embeds."""
    return evaluate_results([MethodResult(method, latents=latents)], dataset, split, metrics).records


def first_cells_match(n_a, n_b, n_pairs):
    return Correspondence.from_pairs(range(n_pairs), range(n_pairs), (n_a, n_b))


@pytest.fixture
def latents():
    z = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    return {m: z[:n] + np.float32(0.1 * i) for i, (m, n) in enumerate(SIZES.items())}


@pytest.fixture
def dataset():
    """20 pairs of rna and atac, of which 8 are known; prot has no pairs and no subtype."""
    rng = np.random.default_rng(1)
    modalities = {}
    for m, n in SIZES.items():
        obs = pd.DataFrame({"cell_type": pd.Categorical(rng.choice(["a", "b"], n))}, index=[f"c{i}" for i in range(n)])
        if m != "prot":
            obs["subtype"] = rng.choice(["x", "y", "z"], n)
        block = Block(np.zeros((n, 2), np.float32), pd.Index(["f", "g"]))
        modalities[m] = ModalityData(m, obs, block, block)
    truth = Correspondences(SIZES, {("rna", "atac"): first_cells_match(30, 26, 20)})
    known = Correspondences(SIZES, {("rna", "atac"): first_cells_match(30, 26, 8)})
    return Dataset(modalities, truth, known, ("cell_type", "subtype"))


@pytest.fixture
def split():
    return Split({"rna": np.arange(30) < 24, "atac": np.arange(26) < 15, "prot": np.ones(12, bool)})


def chosen(records, **fields):
    return [r for r in records if all(getattr(r, key) == value for key, value in fields.items())]


def test_latents_of_very_many_cells_are_scored_by_a_sample_and_said_so(latents, dataset, split, monkeypatch, caplog):
    whole = evaluate(latents, dataset, split, [FOSCTTM()])
    monkeypatch.setattr("jamie.metrics.evaluate.MOST_EMBEDDED", 26)
    with caplog.at_level("WARNING"):
        found = evaluate(latents, dataset, split, [FOSCTTM()])
    assert "latents of rna and atac, all: 26 of 30 cells are scored" in caplog.text
    scopes = {record.scope for record in whole}
    for scope in scopes - {"all"}:
        assert chosen(found, scope=scope) == chosen(whole, scope=scope)
    (sampled,), (every,) = (chosen(records, scope="all") for records in (found, whole))
    assert sampled.n_cells < every.n_cells == 20
    kept = np.linspace(0, 29, 26).astype(int)
    pairs = kept[kept < 20]
    assert sampled.n_cells == len(pairs)
    apart = np.linalg.norm(latents["rna"][kept][:, None] - latents["atac"][None], axis=2)
    row = np.searchsorted(kept, pairs)
    columns = np.union1d(pairs, np.setdiff1d(np.arange(26), pairs)[:8])
    own = apart[row, pairs]
    closer = [(apart[row][:, columns] < own[:, None]).mean(), (apart[:, pairs] < own).mean()]
    assert sampled.value == pytest.approx(np.mean(closer))


def test_evaluate_scores_each_scope_among_its_own_cells(latents, dataset, split):
    records = evaluate(latents, dataset, split, [FOSCTTM()])
    shown = {(r.source, r.target, r.scope): r.n_cells for r in records}
    # of the 12 pairs that were not told, 7 are of cells that were trained on; prot has no pairs
    scopes = {"all": 20, "training_cells": 15, "held_out_pairs": 7}
    assert shown == {("rna", "atac", scope): n for scope, n in scopes.items()}
    among = {m: z[8:15] for m, z in latents.items()}
    truth = Correspondences({"rna": 7, "atac": 7}, {("rna", "atac"): first_cells_match(7, 7, 7)})
    alone = Dataset(
        {m: dataset.modalities[m].subset(np.arange(8, 15)) for m in ("rna", "atac")}, truth, truth, dataset.labels
    )
    (expected,) = evaluate(among, alone, Split({m: np.ones(7, bool) for m in ("rna", "atac")}), [FOSCTTM()])
    assert chosen(records, scope="held_out_pairs")[0].value == expected.value


def test_evaluate_held_out_cells_are_scored_among_themselves(latents, dataset):
    split = Split({"rna": np.arange(30) < 15, "atac": np.arange(26) < 12, "prot": np.arange(12) < 6})
    (record,) = chosen(evaluate(latents, dataset, split, [FOSCTTM()]), scope="held_out_cells")
    rna, atac = latents["rna"][15:], latents["atac"][12:]
    distances = ((rna[:, None].astype(float) - atac) ** 2).sum(axis=2)
    partner = {i: i + 3 for i in range(5)}
    forth = [np.mean(distances[i] < distances[i, j]) for i, j in partner.items()]
    back = [np.mean(distances[:, j] < distances[i, j]) for i, j in partner.items()]
    assert record.n_cells == 5
    assert record.value == pytest.approx((np.mean(forth) + np.mean(back)) / 2, abs=1e-8)


def test_evaluate_scores_labels_that_both_modalities_carry_in_both_directions(latents, dataset, split):
    records = chosen(evaluate(latents, dataset, split, [LabelTransferAccuracy()]), scope="all")
    shown = [(r.source, r.target, r.label, r.n_cells) for r in records]
    assert shown == [
        ("atac", "rna", "cell_type", 30),
        ("rna", "atac", "cell_type", 26),
        ("atac", "rna", "subtype", 30),
        ("rna", "atac", "subtype", 26),
        ("prot", "rna", "cell_type", 30),
        ("rna", "prot", "cell_type", 12),
        ("prot", "atac", "cell_type", 26),
        ("atac", "prot", "cell_type", 12),
    ]


def test_evaluate_marks_one_headline_per_metric_pair_and_scope(latents, dataset, split):
    records = [r for r in evaluate(latents, dataset, split, METRICS) if r.headline]
    keys = [(r.metric, frozenset((r.source, r.target)), r.scope) for r in records]
    assert len(set(keys)) == len(keys)
    first = chosen(records, metric="label_transfer_accuracy", scope="all")[0]
    assert (first.source, first.target, first.label, first.parameters["k"]) == ("atac", "rna", "cell_type", 5)


def test_evaluate_omits_scopes_without_cells(latents, dataset):
    everyone = Split({m: np.ones(n, bool) for m, n in SIZES.items()})
    told = Dataset(dataset.modalities, dataset.truth, dataset.truth, dataset.labels)
    assert {r.scope for r in evaluate(latents, told, everyone, METRICS)} == {"all"}


def test_evaluate_omits_labels_that_no_cell_has(latents, dataset, split):
    dataset.modalities["prot"].obs["cell_type"] = None
    records = evaluate(latents, dataset, split, [LabelTransferAccuracy()])
    assert {(r.source, r.target) for r in records} == {("rna", "atac"), ("atac", "rna")}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (None, "no cell of prot has one"),
        ("T", "they have no value in common, such as '{first}' in {other} and 'T' in prot"),
        ([f"a{i}" for i in range(12)], "12 cells of prot have 12 different values"),
    ],
)
def test_labels_that_cannot_agree_are_told_once_and_not_scored(latents, dataset, split, values, reason, caplog):
    dataset.modalities["prot"].obs["cell_type"] = values
    records = evaluate(latents, dataset, split, METRICS)
    assert {(r.source, r.target) for r in records if r.label} == {("rna", "atac"), ("atac", "rna")}
    assert caplog.messages == [
        f"label 'cell_type' of {other} and prot is not scored: "
        + reason.format(other=other, first=dataset.modalities[other].obs["cell_type"].iloc[0])
        for other in ("rna", "atac")
    ]


def test_evaluate_refuses_latents_that_are_not_finite(latents, dataset, split):
    latents["atac"][3] = np.nan
    with pytest.raises(DataError, match="jamie, atac and rna, all: expected finite latents, found 1 of 26 cells"):
        evaluate(latents, dataset, split, METRICS)


def test_records_are_plain_values_and_a_table(latents, dataset, split):
    records = evaluate(latents, dataset, split, METRICS, method="nlma")
    assert json.loads(json.dumps([r.as_dict() for r in records]))[0]["method"] == "nlma"
    table = to_table(records)
    assert list(table.columns)[:6] == ["metric", "part", "value", "scope", "method", "source"]
    assert table["parameters"].iloc[0] == "k=5, leave_partner_out=False"
    assert len(table) == len(records)
    assert list(to_table([]).columns) == list(table.columns)


def test_held_out_cells_come_first_and_training_cells_last(latents, dataset):
    split = Split({m: np.arange(n) % 5 > 0 for m, n in SIZES.items()})
    scopes = [
        r.scope for r in evaluate(latents, dataset, split, [FOSCTTM()]) if {r.source, r.target} == {"rna", "atac"}
    ]
    assert list(dict.fromkeys(scopes)) == ["held_out_cells", "held_out_pairs", "all", "training_cells"]
