import numpy as np
import pytest

from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_regulatory import SimulateRegulatory
from jamie.data.simulation.network import MAX_PEAKS
from jamie.data.simulation.tree import TypeTree

SMALL = {"n_cells": 60, "n_genes": 12, "n_peaks": 30, "n_tfs": 3, "n_types": 3}


@pytest.fixture(scope="module")
def mdata():
    return SimulateRegulatory().read()


@pytest.fixture(scope="module")
def links(mdata):
    """(600, 200) whether a peak regulates a gene."""
    found = np.zeros((600, 200), bool)
    truth = mdata.uns["truth"]["peak_links"]
    found[mdata["atac"].var_names.get_indexer(truth["peak"]), mdata["rna"].var_names.get_indexer(truth["gene"])] = True
    return found


def test_defaults_are_2000_cells_200_genes_600_peaks_of_which_1_to_5_regulate_a_gene(mdata, links):
    assert mdata["rna"].shape == (2000, 200)
    assert mdata["atac"].shape == (2000, 600)
    assert mdata["rna"].obs["cell_type"].nunique() == 6
    number = links.sum(axis=0)
    assert number.min() == 1
    assert number.max() <= MAX_PEAKS == 5
    np.testing.assert_array_equal(links.any(axis=1), mdata["atac"].var["regulatory"])


def test_most_but_not_all_regulators_are_within_100_kb_of_their_gene(mdata):
    truth, genes, peaks = mdata.uns["truth"]["peak_links"], mdata["rna"].var, mdata["atac"].var
    gene, peak = genes.loc[truth["gene"]], peaks.loc[truth["peak"]]
    first = np.where(gene["strand"] == "+", gene["start"], gene["end"])
    same = gene["chrom"].to_numpy() == peak["chrom"].to_numpy()
    near = (same & (np.abs(peak["start"].to_numpy() - first) < 100_000)).mean()
    assert 0.75 < near < 0.95
    assert (genes["start"] >= 0).all()
    assert (peaks["start"] >= 0).all()
    assert (genes["end"] > genes["start"]).all()


def test_a_conditional_ranking_finds_regulators_and_a_marginal_one_is_misled(mdata, links):
    genes, peaks = mdata["rna"], mdata["atac"][mdata["rna"].obs_names]
    Y, X = ((m.X - m.X.mean(axis=0)) / m.X.std(axis=0) for m in (genes, peaks))
    ridge = np.linalg.solve(X.T @ X + 50 * np.eye(600), X.T @ Y)

    def found(scores):
        """Part of a gene's regulators that are among its ten highest, a mean over genes."""
        top = np.argsort(-np.abs(scores), axis=0)[:10]
        return (np.take_along_axis(links, top, axis=0).sum(axis=0) / links.sum(axis=0)).mean()

    assert found(ridge) > 0.9
    assert 0.5 < found(X.T @ Y) < 0.8


def test_expected_counts_are_those_that_the_truth_implies():
    """A gene's log expression at low drive rises by the effect for each unit of its peak's log accessibility."""
    mdata = SimulateRegulatory(n_cells=500, n_genes=20, n_peaks=40, n_tfs=0, seed=2).read()
    genes, peaks = mdata["rna"], mdata["atac"][mdata["rna"].obs_names]
    truth = mdata.uns["truth"]["peak_links"]
    X = np.log(peaks.layers["expected"].astype(np.float64))
    Y = genes.layers["expected"].astype(np.float64)
    for gene, regulators in truth.groupby("gene"):
        x = X[:, peaks.var_names.get_indexer(regulators["peak"])]
        y = Y[:, genes.var_names.get_loc(gene)]
        # x / x0 = 8 e^d / (7 + e^d): e^d is x / (8 x0 - x) up to a factor, with the x0 at which that is linear in log a
        errors = []
        for most in y.max() * np.linspace(1.001, 10, 2000):
            drive = np.log(y / (most - y))
            fit = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), drive, rcond=None)
            errors.append((float(fit[1].sum()), fit[0][:-1]))
        np.testing.assert_allclose(min(errors, key=lambda e: e[0])[1], regulators["effect"], rtol=0.05)


def test_transcription_factors_are_regulated_by_peaks_alone(mdata):
    truth, genes = mdata.uns["truth"]["tf_links"], mdata["rna"].var
    assert set(truth["tf"]) <= set(genes.index[genes["is_tf"]])
    assert not set(truth["gene"]) & set(genes.index[genes["is_tf"]])
    assert truth.groupby("gene").size().max() == 2
    assert genes["is_tf"].sum() == 10


def test_counts_vary_more_than_poisson_and_drop_out_as_asked():
    def zeros(dropout):
        rna = SimulateRegulatory(n_cells=600, dropout=dropout).read()["rna"]
        counts, expected = rna.layers["counts"], rna.layers["expected"]
        typical = np.abs(np.log(expected / np.median(expected))) < 0.1
        return (counts[typical] == 0).mean(), counts.mean() / expected.mean()

    (without, whole), (dropped, _) = zeros(0.0), zeros(0.4)
    assert whole == pytest.approx(1, abs=0.02)
    assert dropped == pytest.approx(0.4 + 0.6 * without, abs=0.02)
    atac = SimulateRegulatory(n_cells=600).read()["atac"]
    counts, expected = atac.layers["counts"], atac.layers["expected"]
    depth = counts.sum(axis=1, keepdims=True) / expected.sum(axis=1, keepdims=True)
    pearson = (counts - expected * depth) / np.sqrt(expected * depth)
    assert pearson.var() == pytest.approx(1, abs=0.02)


def test_x_is_the_log_of_counts_at_the_mean_total(mdata):
    rna = mdata["rna"]
    totals = rna.layers["counts"].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.expm1(rna.X) * totals / totals.mean(), rna.layers["counts"], atol=1e-3)


def test_partners_have_the_same_name_and_state_but_not_the_same_row():
    mdata = SimulateRegulatory(**SMALL, overlap=0.5, modalities=("gex", "peaks")).read()
    a, b = mdata["gex"], mdata["peaks"]
    shared = a.obs_names[a.obs_names.isin(b.obs_names)]
    assert len(shared) == 30
    assert a.n_obs == b.n_obs == 60
    assert (a.obs.loc[shared] == b.obs.loc[shared]).to_numpy().all()
    assert (b.obs_names.get_indexer(shared) == a.obs_names.get_indexer(shared)).mean() < 0.2


def test_same_seed_same_cells_another_seed_others():
    first, again, other = (SimulateRegulatory(**SMALL, seed=seed).read() for seed in (3, 3, 4))
    np.testing.assert_array_equal(first["rna"].X, again["rna"].X)
    assert not np.array_equal(first["atac"].X, other["atac"].X)


def test_the_truth_survives_a_file(tmp_path):
    mdata = SimulateRegulatory(**SMALL).read()
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    found = MuDataReader(path=tmp_path / "cells.h5mu").read()
    for name, table in mdata.uns["truth"].items():
        assert found.uns["truth"][name].reset_index(drop=True).equals(table)
    assert list(found["atac"].var["chrom"]) == list(mdata["atac"].var["chrom"])


def test_the_smallest_simulation_has_a_regulator_for_each_gene():
    mdata = SimulateRegulatory(n_cells=3, n_genes=4, n_peaks=2, n_tfs=3, n_types=1, overlap=0).read()
    assert set(mdata.uns["truth"]["peak_links"]["gene"]) == set(mdata["rna"].var_names)


@pytest.mark.parametrize("n_types", [1, 2, 5, 8])
def test_all_types_are_leaves_at_pseudotime_1(n_types):
    tree = TypeTree.balanced(n_types)
    ends = (tree.branches["start"] + tree.branches["length"]).to_numpy()
    leaves = ~tree.branches["child"].isin(tree.branches["parent"])
    assert sorted(tree.branches["child"][leaves]) == sorted(tree.types)
    np.testing.assert_allclose(ends[leaves], 1)
    np.testing.assert_allclose(tree.paths @ tree.branches["length"], 1)
    assert len(tree.branches) == max(1, 2 * n_types - 2)


def test_walks_have_the_covariance_of_the_shared_path():
    """Two leaves' values covary by the pseudotime at which their paths part, as in Brownian motion on a tree."""
    tree = TypeTree.balanced(4)
    cells = tree.cells(400, np.random.default_rng(0)).assign(pseudotime=1.0)
    cells = cells.drop_duplicates("cell_type").sort_values("cell_type")
    values = tree.random_walks(cells, 40_000, np.random.default_rng(1))
    expected = np.array([[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0.5, 1]])
    np.testing.assert_allclose(values @ values.T / 40_000, expected, atol=0.03)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modalities": ("a", "a")}, "modalities: expected different names of modalities, found a, a"),
        ({"n_tfs": 12}, "n_tfs: expected fewer transcription factors than genes, found 12 of 12"),
        ({"n_cells": 2}, "n_cells: input should be greater than or equal to 3, found 2"),
        ({"n_types": 0}, "n_types: input should be greater than or equal to 1, found 0"),
        ({"overlap": 1.5}, "overlap: input should be less than or equal to 1, found 1.5"),
        ({"dropout": 1.0}, "dropout: input should be less than 1, found 1.0"),
        ({"mean_counts": (5.0, 0.0)}, "mean_counts: input should be greater than 0, found 0.0"),
    ],
)
def test_impossible_parameters_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        SimulateRegulatory(**SMALL | wrong).read()
