"""Runs and models of data that list cells and features which nobody measured."""

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core.errors import SpecError
from jamie.data.assemble import mudata_conventions

N = 120
QUICK = {
    "labels": ["cell_type"],
    "report": [],
    "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 8}}]}},
    "model": {"latent_dim": 4},
    "correspondence": {"infer": None},
    "training": {"ensemble": 1, "min_epochs": 15, "max_epochs": 20, "calibration": 0.2},
}
B = np.arange(N) % 2 == 1
LACKING = [6, 7]
ONLY_PROT, ONLY_RNA = np.arange(10), np.arange(10, 30)


def cells(batch=None):
    """Modalities rna (12 features) and prot (8) of the same cells, which differ by type; all values above 0."""
    g = np.random.default_rng(0)
    z = g.normal(size=(N, 3))
    found = {}
    for name, p in (("rna", 12), ("prot", 8)):
        X = np.exp(0.3 * (z @ g.normal(size=(3, p)) + 0.1 * g.normal(size=(N, p))) + 1)
        obs = pd.DataFrame({"cell_type": np.where(z[:, 0] > 0, "T", "B")}, index=[f"c{i}" for i in range(N)])
        if batch:
            obs[batch] = np.where(B, "b2", "b1")
        var = pd.DataFrame(index=[f"{name}{j}" for j in range(p)])
        found[name] = AnnData(X.astype(np.float32), obs=obs, var=var)
    return found


def joined(modalities):
    with mudata_conventions():
        return MuData(modalities)


def without(modalities, rna, prot):
    """Leave out cells (indices) of each."""
    left = {"rna": rna, "prot": prot}
    return {m: a[np.setdiff1d(np.arange(N), left[m])].copy() for m, a in modalities.items()}


def read(path):
    with mudata_conventions():
        return mudata.read_h5mu(path)


def run_of(folder, data, **settings):
    with mudata_conventions():
        joined(data).write_h5mu(folder / "cells.h5mu")
    spec = {"data": {"mudata": {"path": str(folder / "cells.h5mu")}}, **QUICK, **settings}
    return jamie.run(spec, out=folder / "run")


@pytest.fixture(scope="module")
def left_out(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("left_out"), without(cells(), ONLY_PROT, ONLY_RNA))


@pytest.mark.parametrize("value", [0, np.nan])
def test_padded_cells_are_as_good_as_left_out(tmp_path, left_out, value):
    padded = cells()
    padded["rna"].X[ONLY_PROT] = value
    padded["prot"].X[ONLY_RNA] = value
    results = [run_of(tmp_path, padded), left_out]
    written = [read(one.path / "result.h5mu") for one in results]
    for m, n in (("rna", N - 10), ("prot", N - 20)):
        assert written[0][m].n_obs == n
        np.testing.assert_allclose(written[0][m].obsm["X_jamie"], written[1][m].obsm["X_jamie"], atol=1e-5)
    imputed = [anndata.read_h5ad(one.path / "imputed/rna-to-prot.h5ad") for one in results]
    assert imputed[0].obs_names.equals(imputed[1].obs_names)
    np.testing.assert_allclose(imputed[0].X, imputed[1].X, atol=1e-4)


@pytest.fixture(scope="module", params=["zeros", "NaN", "counts", "batch_key"])
def run(request, tmp_path_factory):
    """A run of cells of which every second was measured without two of the proteins."""
    data = cells("batch")
    settings = {"training": QUICK["training"] | {"min_epochs": 80, "max_epochs": 120}}
    if request.param == "counts":
        data["prot"].layers["counts"] = np.rint(10 * data["prot"].X)
        target = {"target": {"layer": "counts"}, "decoder": "negative_binomial"}
        plain = QUICK["modalities"]["*"]
        settings["modalities"] = {"rna": plain, "prot": plain | target}
    if request.param == "batch_key":
        settings["batch_key"] = "batch"
    whole = (data["prot"].layers or {"X": data["prot"].X}).get("counts", data["prot"].X).copy()
    for X in (data["prot"].X, *(data["prot"].layers[k] for k in ("counts",) if k in data["prot"].layers)):
        X[np.ix_(B, LACKING)] = np.nan if request.param == "NaN" else 0
    return run_of(tmp_path_factory.mktemp(request.param), data, **settings), whole


class TestPanels:
    def test_they_are_imputed_where_they_were_not_measured(self, run):
        result, truth = run
        imputed = anndata.read_h5ad(result.path / "imputed/rna-to-prot.h5ad")
        at = imputed.obs_names.get_indexer([f"c{i}" for i in range(N)])
        for j in LACKING:
            lacking, measured = (np.corrcoef(imputed.X[at][c, j], truth[c, j])[0, 1] for c in (B, ~B))
            assert lacking > max(0.5, measured - 0.1)
            ratio = imputed.X[at][B, j].mean() / truth[B, j].mean()
            assert 0.8 < ratio < 1.25

    def test_only_what_was_measured_is_scored(self, run):
        result, truth = run
        features = pd.read_csv(result.path / "features.csv")
        mine = features[(features.target == "prot") & (features.scope == "held_out_cells")]
        split = read(result.path / "result.h5mu")["prot"].obs["jamie_split"]
        imputed = anndata.read_h5ad(result.path / "imputed/rna-to-prot.h5ad")
        cells_of = split.index[(split == "held_out") & ~np.isin(split.index, [f"c{i}" for i in np.flatnonzero(B)])]
        rows = [int(name[1:]) for name in cells_of]
        for j in LACKING:
            expected = np.corrcoef(imputed[cells_of].X[:, j], truth[rows, j])[0, 1]
            assert mine.set_index("feature").pearson[f"prot{j}"] == pytest.approx(expected, abs=1e-3)

    def test_the_model_is_loaded_as_it_was_saved(self, run):
        result, _ = run
        mdata = read(result.path.parent / "cells.h5mu")
        again = jamie.load(result.path).impute(mdata, source="rna", to="prot")
        kept = anndata.read_h5ad(result.path / "imputed/rna-to-prot.h5ad")
        np.testing.assert_allclose(again[kept.obs_names].X, kept.X, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def model():
    return jamie.JAMIE(QUICK).fit(joined(cells()))


class TestQueries:
    def test_cells_that_were_not_measured_are_embedded_nowhere(self, model, caplog):
        data = cells()
        data["rna"].X[:5] = 0
        data["prot"].X[3:8] = np.nan
        mdata = joined(data)
        model.embed(mdata)
        z = {m: mdata[m].obsm["X_jamie"] for m in data}
        assert np.isnan(z["rna"][:5]).all()
        assert np.isnan(z["prot"][3:8]).all()
        assert np.isfinite(z["rna"][5:]).all()
        both = np.isnan(mdata.obsm["X_jamie"]).all(axis=1)
        assert np.flatnonzero(both).tolist() == [3, 4]
        assert "5 of 120 cells are 0 or missing (NaN) in all features" in caplog.text

    def test_nothing_is_imputed_from_them(self, model):
        data = cells()
        data["rna"].X[:5] = np.nan
        imputed = model.impute(joined(data), source="rna", to="prot")
        assert np.isnan(imputed.X[:5]).all()
        assert np.isnan(imputed.layers["lower"][:5]).all()
        assert np.isfinite(imputed.X[5:]).all()

    def test_results_of_padded_cells_leave_them_out(self):
        data = cells()
        data["rna"].X[:5] = 0
        mdata = joined(data)
        result = jamie.JAMIE(QUICK).fit(mdata).to_mudata(mdata)
        assert result["rna"].n_obs == N - 5
        assert mdata["rna"].n_obs == N


def test_results_of_unfiltered_droplets_leave_them_out():
    g, data = np.random.default_rng(0), cells()
    droplets = AnnData(g.poisson(0.2, (60, 8)).astype(np.float32), var=data["prot"].var)
    droplets.obs_names = [f"empty{i}" for i in range(60)]
    data["prot"].X = np.rint(100 * data["prot"].X)
    data["prot"] = anndata.concat([data["prot"], droplets])
    mdata = joined(data)
    steps = {"modalities.prot.preprocess": ["log_normalize", "standardize"], "modalities.rna.layer": None}
    result = jamie.JAMIE(QUICK, steps).fit(mdata).to_mudata(mdata)
    assert result["prot"].n_obs == N
    assert not result["prot"].obs_names.str.startswith("empty").any()


def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(SpecError, match=r"modalities\.rna\.absent"):
        jamie.JAMIE(QUICK, {"modalities.rna.absent": "drop"})
