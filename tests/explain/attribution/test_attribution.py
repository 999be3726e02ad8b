"""Attribution on cells of which it is known what tells them apart."""

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse, stats
from torch import nn

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.explain.attribution.explainer import Attribution
from jamie.explain.attribution.markers import marker_enrichment, read_markers
from jamie.explain.attribution.soft_votes import SoftVotes
from jamie.testing import toy
from jamie.testing.toy_subject import ToySubject

MARKER = "rna3"


def marked_cells(n=120):
    """Two types, which a single gene, and a single protein, tell apart; all else is noise."""
    generator = np.random.default_rng(5)
    is_a = generator.random(n) < 0.5
    obs = pd.DataFrame({"cell_type": np.where(is_a, "a", "b")}, index=[f"cell{i}" for i in range(n)])
    modalities = {}
    for name, p in (("rna", 12), ("adt", 7)):
        rates = np.full((n, p), 3.0)
        rates[is_a, 3] = 20
        X = generator.poisson(rates)
        modalities[name] = AnnData(
            X.astype(np.float32), obs.copy(), pd.DataFrame(index=[f"{name}{j}" for j in range(p)])
        )
    return modalities


@pytest.fixture(scope="module", params=["affine", "not affine"])
def subject(request, train):
    settings = {"losses.kl": None, "training.min_epochs": 40, "training.max_epochs": 40, "training.ensemble": 1}
    settings |= {"training.validation": 0.05, "training.calibration": 0.05}
    given = marked_cells()
    if request.param == "affine":
        for adata in given.values():
            adata.X = np.log1p(1000 * adata.X / adata.X.sum(axis=1, keepdims=True))
    steps = {"affine": ["standardize"], "not affine": ["log_normalize", "standardize"]}
    settings["modalities.*.preprocess"] = steps[request.param]
    return train(given, **settings)


@pytest.mark.parametrize("reference", ["adt", "rna"])
def test_the_gene_that_tells_two_types_apart_comes_first(subject, reference):
    markers = {label: [MARKER, "not measured"] for label in "ab"}
    found = Attribution(reference=reference, markers=markers, cells="all").explain(subject, Context())
    table = found.tables["features"]
    assert table["feature"][table["rank"] == 1].tolist() == [MARKER, MARKER]
    assert (table.groupby("label")["score"].diff().dropna() <= 0).all()
    assert found.settings["markers"] == markers
    enriched = found.tables["markers"].set_index("label")
    assert enriched["auroc"].tolist() == [1, 1]
    assert enriched["worst_rank"].tolist() == [1, 1]
    assert enriched["found"].tolist() == [1, 1]
    assert enriched["n_markers"].tolist() == [2, 2]
    assert found.settings["baseline"] > 0.8
    assert found.settings["direction"] == f"{reference} to rna"


def test_contributions_add_up_to_the_margin(subject):
    coarse, fine = (Attribution(cells="all", steps=steps, top=None).explain(subject, Context()) for steps in (1, 128))
    assert fine.settings["error"] < 0.05
    assert coarse.settings["error"] > fine.settings["error"]
    assert fine.notes == ()
    assert ("raise steps" in " ".join(coarse.notes)) == (coarse.settings["error"] > 0.05)
    table = fine.tables["features"]
    assert set(table.groupby("label").size()) == {12}


def test_votes_are_those_of_about_k_cells():
    generator = np.random.default_rng(0)
    z, voters = generator.normal(size=(6, 4)), generator.normal(size=(40, 4))
    labels = np.array(["x", "y"])[generator.integers(2, size=40)]
    votes = SoftVotes(voters, labels, 5, nn.Identity())
    own = sparse.csr_array((np.ones(1), ([2], [7])), shape=(6, 40))
    h = votes.bandwidth(z, own)
    distance = ((z[:, None] - voters) ** 2).sum(axis=2)
    weights = np.exp(-distance / h)
    weights[2, 7] = 0
    shares = weights / weights.sum(axis=1, keepdims=True)
    assert np.median(np.exp(stats.entropy(shares, axis=1))) == pytest.approx(5, abs=0.5)
    at = torch.as_tensor(z, dtype=torch.float32)
    odds = votes.log_odds(at, h, own, torch.tensor([0, 0, 0, 1, 1, 1])).numpy()
    for_x, for_y = (weights[:, labels == label].sum(axis=1) for label in ("x", "y"))
    np.testing.assert_allclose(odds, np.log(for_x / for_y) * np.array([1, 1, 1, -1, -1, -1]), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(votes.winners(at, h, own).numpy(), for_y > for_x)


def test_enrichment_is_the_mann_whitney_test():
    scores = np.array([[5.0, 1, 4, 0, 3], [1, 2, 3, 4, 5]])
    features = pd.Index(list("vwxyz"))
    found = marker_enrichment(
        {"t": ["v", "z"], "u": ["absent"]}, ["t", "s", "u"], features, np.vstack([scores, scores[:1]])
    )
    assert found.loc[0, "auroc"] == pytest.approx(5 / 6)  # of six pairs, v loses none, z one (to x)
    test = stats.mannwhitneyu([5, 3], [1, 4, 0], alternative="greater")
    assert found.loc[0, "p_value"] == pytest.approx(test.pvalue)
    assert found.loc[0, "median_rank"] == 2
    assert found.loc[0, "worst_rank"] == 3
    assert found.loc[1, "found"] == 0
    assert np.isnan(found.loc[1, "auroc"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "label,feature\na,g1\na,g2\nb,g3\n"),
        ("m.tsv", "label\tfeature\na\tg1\na\tg2\nb\tg3\n"),
        ("m.yaml", "a: [g1, g2]\nb: [g3]\n"),
        ("m.gmt", "a\tof a\tg1\tg2\nb\tof b\tg3\n"),
    ],
)
def test_marker_files(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert read_markers(tmp_path / name) == {"a": ["g1", "g2"], "b": ["g3"]}


def test_marker_files_of_another_form_are_refused(tmp_path):
    (tmp_path / "m.csv").write_text("type,gene\na,g1\n")
    with pytest.raises(DataError, match="expected the columns label and feature, found type, gene"):
        read_markers(tmp_path / "m.csv")
    (tmp_path / "m.yaml").write_text("a: g1\n")
    with pytest.raises(DataError, match=r"expected `label: \[feature, ...\]`, a list of features for each label"):
        read_markers(tmp_path / "m.yaml")
    (tmp_path / "m.gmt").write_text("a\t\tg1\nb\tg2\n")
    with pytest.raises(DataError, match=r"a description and features, separated by tabs, found no features of 'b'"):
        read_markers(tmp_path / "m.gmt")
    with pytest.raises(DataError, match=r"expected marker lists: a \.csv or \.tsv table"):
        read_markers(tmp_path / "absent.gmt")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"modality": "protein"}, "expected a modality of the model, found 'protein'"),
        (
            {"reference": "ata"},
            r"expected a modality of the model, found 'ata'\s+did you mean 'atac'\?   available: rna, atac",
        ),
        ({"k": 99}, r"expected k below the number of labelled cells of atac that vote, \d+, found 99\s+give at most"),
        ({"label": "celltype"}, "expected the column 'celltype' in obs"),
        (
            {"markers": {"erly": ["rna_1"]}},
            r"markers: expected labels that are voted on, found 'erly'\s+did you mean 'early'",
        ),
        ({"markers": {}}, "expected markers among the features, found none of 0"),
        ({"markers": {"early": ["Rna_1", "x"]}}, r"markers among the features, found none of 2; the first is 'Rna_1'"),
    ],
)
def test_what_is_unknown_is_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        Attribution(**parameters).explain(ToySubject(), Context())


def test_markers_that_were_not_measured_are_named(caplog):
    Attribution(markers={"early": ["rna_1", "Gad1"]}).explain(ToySubject(), Context())
    assert "1 of 2 markers are not among the features and are left out; the first is 'Gad1'" in caplog.text


def test_without_labels_it_is_said_what_is_needed():
    with pytest.raises(DataError, match="expected labels of rna and atac, found none"):
        Attribution().explain(ToySubject(labels=False), Context())


def test_cells_that_nobody_votes_for_are_left_out(caplog):
    subject = ToySubject()
    for name in ("rna", "atac"):
        obs = subject.dataset.modalities[name].obs
        labels = obs[toy.LABEL].astype(str).to_numpy(object)
        if name == "rna":
            labels[:2] = "alone"
        obs[toy.LABEL] = labels
    found = Attribution(cells="all").explain(subject, Context())
    assert found.settings["n_cells"] == 39
    assert "2 of 41 cells of rna have labels that no other cell of atac votes for" in caplog.text
    assert np.isfinite(found.tables["features"]["score"]).all()


def test_a_single_label_is_refused():
    subject = ToySubject()
    for data in subject.dataset.modalities.values():
        data.obs[toy.LABEL] = "same"
    with pytest.raises(DataError, match="expected cells with votes for and against their label, found none: 1 labels"):
        Attribution().explain(subject, Context())
