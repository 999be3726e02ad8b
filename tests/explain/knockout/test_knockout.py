"""Knock-outs against the plain way: replace the values, preprocess, embed or impute, and compute the metric."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair, ImputedPair
from jamie.explain.knockout.explainer import Knockout
from jamie.explain.removal import background_values
from jamie.metrics.foscttm import FOSCTTM
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy
from jamie.metrics.pearson import Pearson
from jamie.testing.toy_subject import ToySubject

PREPROCESS = {
    "pca": ["standardize", {"pca": {"n_components": 4}}],
    "standardize": ["standardize"],
    "log_normalize": ["log_normalize", "standardize"],
}
METRICS = ["label_transfer_accuracy", "foscttm", "imputation"]


@pytest.fixture(scope="module", params=[*PREPROCESS, "sparse"])
def subject(request, cells, train):
    given, settings = cells(), {}
    given["rna"].var["pathway"] = pd.Categorical(["one", "two", None] * 5)
    if request.param == "sparse":
        given["rna"].X = sparse.csr_matrix(given["rna"].X)
    if request.param == "standardize":
        settings["batch_key"] = "batch"
    settings["modalities.rna.preprocess"] = PREPROCESS.get(request.param, PREPROCESS["log_normalize"])
    return train(given, **settings)


def plain(subject, metric, modality, source, target, cells, columns, background="mean"):
    """Compute the metric without some features, by its own component."""
    data = subject.dataset.modalities
    X, train = data[modality].input.X, subject.split.train
    X = np.array(X.toarray() if sparse.issparse(X) else X)
    X[:, columns] = background_values(data[modality].input.X[train[modality]], background)[columns]
    if sparse.issparse(data[modality].input.X):
        X = sparse.csr_array(X)
    scores = {m: subject.scores(m) for m in (source, target)} | {modality: subject.preprocess(modality, X)}
    truth = subject.dataset.truth.between(source, target).subset(cells[source], cells[target])
    if metric == "imputation":
        partner = truth.best_partner()
        values = subject.impute(source, target, scores[source])[cells[source]]
        measured = data[target].target.X[cells[target]][partner]
        unused = np.zeros(values.shape[1])
        pair = ImputedPair(source, target, data[target].target.features, measured, values, unused, unused)
        return Pearson().score(pair).value
    z = {m: subject.embed(m, scores[m])[cells[m]] for m in (source, target)}
    labels = {m: data[m].labels("cell_type")[cells[m]] for m in z}
    pair = EmbeddedPair(source, target, z[source], z[target], truth.matrix, labels[source], labels[target])
    return (FOSCTTM() if metric == "foscttm" else LabelTransferAccuracy()).score(pair).value


def held_out(subject):
    return {m: np.flatnonzero(mask) for m, mask in subject.split.held_out.items()}


def everyone(subject):
    return {m: np.arange(n) for m, n in subject.dataset.sizes.items()}


@pytest.mark.parametrize("metric", METRICS)
def test_every_feature_by_itself(subject, metric):
    found = Knockout(metric=metric, exact=None).explain(subject, Context())
    table = found.tables["features"].set_index("feature")
    features = subject.dataset.modalities["rna"].input.features
    for j, name in enumerate(features):
        expected = plain(subject, metric, "rna", "rna", "adt", held_out(subject), [j])
        assert table.loc[name, "value"] == pytest.approx(expected, abs=1e-5)
    assert found.settings["baseline"] == pytest.approx(
        plain(subject, metric, "rna", "rna", "adt", held_out(subject), []), abs=1e-5
    )
    np.testing.assert_allclose(table["change"], table["value"] - found.settings["baseline"])
    assert list(table["rank"]) == list(range(1, len(features) + 1))
    harm = table["change"] if metric == "foscttm" else -table["change"]
    assert harm.round(9).is_monotonic_decreasing
    assert harm.abs().max() > 0
    assert table.loc["rna4", "change"] == pytest.approx(0, abs=1e-6)  # it is constant


@pytest.mark.parametrize("metric", METRICS[:2])
def test_features_of_the_target_of_the_metric(subject, metric):
    found = Knockout(metric=metric, exact=None, modality="adt", source="rna", cells="all").explain(subject, Context())
    assert found.settings["direction"] == "rna to adt"
    for name, value in found.tables["features"].set_index("feature")["value"].items():
        at = subject.dataset.modalities["adt"].input.features.get_indexer([name])
        expected = plain(subject, metric, "adt", "rna", "adt", everyone(subject), at)
        assert value == pytest.approx(expected, abs=1e-5)


def test_groups_of_a_column_or_a_file(subject, tmp_path):
    features = subject.dataset.modalities["rna"].input.features
    file = tmp_path / "groups.csv"
    of = ["one", "two"] * 5
    pd.DataFrame({"feature": features[[i for i in range(15) if i % 3 < 2]], "group": of}).to_csv(file, index=False)
    tables = []
    for metric, background in zip(METRICS, ["median", "minimum", "zero"], strict=True):
        for groups in ({"groups": "pathway"}, {"group_file": file}):
            explainer = Knockout(metric=metric, background=background, cells="train", **groups)
            tables.append(explainer.explain(subject, Context()).tables["features"])
        pd.testing.assert_frame_equal(*tables[-2:])
        assert set(tables[-1]["feature"]) == {"one", "two"}
        assert list(tables[-1]["n_features"]) == [5, 5]
        cells = {m: np.flatnonzero(mask) for m, mask in subject.split.train.items()}
        for name, value in tables[-1].set_index("feature")["value"].items():
            columns = [i for i in range(15) if i % 3 == ["one", "two"].index(name)]
            expected = plain(subject, metric, "rna", "rna", "adt", cells, columns, background)
            assert value == pytest.approx(expected, abs=1e-5)


def test_screening_says_what_is_exact_and_ranks_it_first(subject):
    for metric in METRICS:
        every = Knockout(metric=metric, exact=None, random=0).explain(subject, Context()).tables["features"]
        found = Knockout(metric=metric, exact=4, random=2).explain(subject, Context())
        some = found.tables["features"]
        assert f"{some['exact'].sum()} of 15 changes are exact" in found.notes[0]
        assert (len(found.notes) == 2) == (metric == "label_transfer_accuracy")
        assert some["exact"].sum() in (4, 5, 6)
        assert some["random"].sum() == 2
        assert some["exact"][:4].all()
        assert some["exact"][some["random"]].all()
        assert some["value"].isna().equals(~some["exact"])
        both = some[some["exact"]].merge(every, on="feature")
        np.testing.assert_allclose(both["value_x"], both["value_y"], atol=1e-6)
        np.testing.assert_allclose(both["estimate_x"], both["estimate_y"], atol=1e-9)


def test_likeness_is_the_correlation_with_and_without_a_feature(subject):
    found = Knockout(metric="imputation", features=["adt2"], exact=None, cells="all").explain(subject, Context())
    before = subject.impute("rna", "adt", subject.scores("rna"), features=["adt2"])[:, 0]
    block = subject.dataset.modalities["rna"].input
    for name, similarity in found.tables["features"].set_index("feature")["correlation_with_unperturbed"].items():
        values = block.X.toarray() if sparse.issparse(block.X) else block.X.copy()
        j = block.features.get_loc(name)
        values[:, j] = values[subject.split.train["rna"], j].mean(dtype=float)
        given = sparse.csr_array(values) if sparse.issparse(block.X) else values
        after = subject.impute("rna", "adt", subject.preprocess("rna", given), features=["adt2"])[:, 0]
        assert similarity == pytest.approx(np.corrcoef(before, after)[0, 1], abs=1e-5)


def test_inputs_are_left_alone(subject):
    X = subject.dataset.modalities["rna"].input.X
    before, scores = X.copy(), subject.scores("rna").copy()
    for metric in METRICS:
        Knockout(metric=metric, exact=3).explain(subject, Context())
    assert (abs(X - before)).max() == 0
    np.testing.assert_array_equal(subject.scores("rna"), scores)


def test_the_metric_is_what_the_cells_allow():
    assert Knockout().explain(ToySubject(), Context()).settings["metric"] == "label_transfer_accuracy"
    assert Knockout(cells="all").explain(ToySubject(labels=False), Context()).settings["metric"] == "foscttm"
    about = Knockout(features=["atac_1"], cells="all").explain(ToySubject(), Context())
    assert about.settings["metric"] == "imputation"


def test_cells_are_drawn_with_their_partners():
    found = Knockout(metric="foscttm", cells="all", max_cells=21).explain(ToySubject(), Context())
    assert found.settings["n_cells"] == 21
    assert found.settings["baseline"] > 0


def test_progress_is_reported_up_to_the_end():
    reported = []
    context = Context(progress=lambda *args: reported.append(args[:3]))
    Knockout(exact=None).explain(ToySubject(), context)
    assert reported[-1] == ("explain", 19, 19)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"modality": "rna_"}, r"expected a modality of the model, found 'rna_'\s+did you mean 'rna'"),
        ({"source": "atac", "target": "atac"}, "expected a modality of the model other than atac, found 'atac'"),
        (
            {"metric": "imputation", "source": "atac"},
            "expected features of the source to be removed, found rna imputed",
        ),
        (
            {"metric": "imputation", "features": ["atac_99"]},
            "expected features of the modality, found 'atac_99'",
        ),
        ({"features": []}, "rna to atac, features: expected at least one feature, found an empty list"),
        ({"windows": []}, "rna to atac, windows: expected at least one feature, found an empty list"),
        ({"label": "cell_typ"}, r"expected the column 'cell_typ' in obs, found none in rna, atac\s+did you mean"),
        ({"groups": "module"}, "expected a column 'module' of var, found no columns"),
        ({"groups": "a", "group_file": "b.csv"}, "expected groups or group_file, found both"),
        (
            {"windows": ["atac_1"], "cells": "all"},
            "expected columns chrom, start, end in var, or names such as chr1:100",
        ),
        ({"windows": ["atac_1"], "metric": "foscttm"}, "expected metric imputation for genomic windows, found foscttm"),
    ],
)
def test_what_does_not_go_together_is_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        Knockout(**parameters).explain(ToySubject(), Context())


def test_what_the_cells_lack_is_said():
    with pytest.raises(DataError, match="expected labels of rna and atac, found none"):
        Knockout(metric="label_transfer_accuracy").explain(ToySubject(labels=False), Context())
    with pytest.raises(
        DataError, match="expected at least 3 cells that are known to be the same in rna and atac, found 0"
    ):
        Knockout(metric="foscttm").explain(ToySubject(known=False), Context())
    with pytest.raises(DataError, match="expected at least 3 cells that are known to be the same"):
        Knockout(metric="imputation").explain(ToySubject(known=False), Context())


def test_unknown_features_of_groups_are_named(tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text("feature,group\nrna_1,a\nrna_x,a\n")
    with pytest.raises(DataError, match="expected features of the modality in groups, found 'rna_x'"):
        Knockout(group_file=file).explain(ToySubject(), Context())
    file.write_text("gene,group\nrna_1,a\n")
    with pytest.raises(DataError, match="expected the columns feature and group, found gene, group"):
        Knockout(group_file=file).explain(ToySubject(), Context())


def test_without_derivatives_all_changes_are_exact(monkeypatch, caplog):
    subject = ToySubject()

    def refuse(*args, **kwargs):
        raise DataError("no derivative", where="preprocessor 'x'", fix="another")

    monkeypatch.setattr(subject, "module", refuse)
    table = Knockout(exact=3).explain(subject, Context()).tables["features"]
    assert table["exact"].all()
    assert table["estimate"].isna().all()
    assert "cannot be estimated (no derivative): those of all 19 features are computed exactly" in caplog.text


@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_array])
def test_backgrounds_leave_missing_values_out(as_matrix):
    X = np.array([[1, np.nan, 0], [4, 2, 0], [10, 6, np.nan]], np.float32)
    for kind, expected in (("mean", [5, 4, 0]), ("median", [4, 4, 0]), ("minimum", [1, 2, 0]), ("zero", [0, 0, 0])):
        np.testing.assert_allclose(background_values(as_matrix(X), kind), expected)
