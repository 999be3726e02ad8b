"""Results as MuData and AnnData: the data, all of them, with what a run adds."""

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

import jamie
from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.runs import imputed_results

SETTINGS = {
    "modalities": {"rna": {"preprocess": ["standardize"]}, "protein": {"preprocess": ["standardize"]}},
    "model": {"latent_dim": 3},
    "training": {"min_epochs": 2, "max_epochs": 3},
}


@pytest.fixture
def mdata(modalities):
    """Cells whose file holds something of every sort, and a modality that no spec names."""
    rna = modalities["rna"]
    rna.raw = AnnData(
        np.ones((30, 20), np.float32), obs=rna.obs, var=pd.DataFrame(index=[f"raw{i}" for i in range(20)])
    )
    rna.var["chromosome"] = pd.Categorical(["1", "2"] * 6)
    modalities["hto"] = AnnData(np.ones((31, 2), np.float32), obs=pd.DataFrame(index=[f"cell{i}" for i in range(31)]))
    modalities["hto"].var_names = ["gene0", "tag"]  # the first as in rna
    with mudata_conventions():
        mdata = MuData(modalities)
    mdata.obs["batch"] = pd.Categorical(np.where(np.arange(31) < 9, "x", "y"))
    mdata.var["kept"] = np.arange(22) % 2 == 0
    mdata.obsm["X_wnn"] = np.arange(62.0).reshape(31, 2)
    mdata.obsm["scores"] = pd.DataFrame({"s": np.arange(31)}, index=mdata.obs_names)
    mdata.obsp["graph"] = sparse.csr_matrix(np.diag(np.arange(31.0)))
    mdata.varm["loadings"] = np.arange(22.0)[:, None]
    mdata.varp["network"] = np.eye(22)
    mdata.uns["author"] = "me"
    return mdata


def fitted(mdata):
    return jamie.JAMIE(SETTINGS).fit(mdata)


def reordered(mdata, seed=0):
    """The same cells, those of each modality in another order."""
    generator = np.random.default_rng(seed)
    with mudata_conventions():
        return MuData({m: a[generator.permutation(a.n_obs)].copy() for m, a in mdata.mod.items()})


def require_everything(result, mdata):
    assert list(result.mod) == list(mdata.mod)
    np.testing.assert_array_equal(result["rna"].raw.X, mdata["rna"].raw.X)
    assert result["rna"].raw.var_names.equals(mdata["rna"].raw.var_names)
    np.testing.assert_array_equal(result["hto"].X, mdata["hto"].X)
    assert "X_jamie" not in result["hto"].obsm
    cells = mdata.obs_names.get_indexer(result.obs_names)
    pd.testing.assert_series_equal(result.obs["batch"], mdata.obs["batch"].iloc[cells])
    np.testing.assert_array_equal(result.obsm["X_wnn"], mdata.obsm["X_wnn"][cells])
    np.testing.assert_array_equal(result.obsm["scores"]["s"], mdata.obsm["scores"]["s"].iloc[cells])
    np.testing.assert_array_equal(result.obsp["graph"].toarray(), mdata.obsp["graph"].toarray()[cells][:, cells])
    np.testing.assert_array_equal(result.var["kept"], mdata.var["kept"])
    np.testing.assert_array_equal(result.varm["loadings"], mdata.varm["loadings"])
    np.testing.assert_array_equal(result.varp["network"], mdata.varp["network"])
    assert result.uns["author"] == "me"


def test_the_result_holds_everything_of_the_data_and_shares_it(mdata):
    result = fitted(mdata).to_mudata(mdata)
    require_everything(result, mdata)
    for shared, original in (
        (result["rna"].X, mdata["rna"].X),
        (result["rna"].raw.X, mdata["rna"].raw.X),
        (result["hto"].X, mdata["hto"].X),
        (result.obsm["X_wnn"], mdata.obsm["X_wnn"]),
        (result.varm["loadings"], mdata.varm["loadings"]),
    ):
        assert np.shares_memory(shared, original)
    assert "X_jamie" not in mdata["rna"].obsm
    assert "jamie_split" not in mdata["rna"].obs


def test_the_file_of_a_run_holds_everything_too(mdata, tmp_path):
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    spec = SETTINGS | {"data": {"mudata": {"path": str(tmp_path / "cells.h5mu")}}}
    out = jamie.run(spec, out=tmp_path / "out").path
    with mudata_conventions():
        require_everything(mudata.read_h5mu(out / "result.h5mu"), mdata)
    imputed = anndata.read_h5ad(out / "imputed/protein-to-rna.h5ad")
    pd.testing.assert_series_equal(imputed.var["chromosome"], mdata["rna"].var["chromosome"])


def test_a_target_in_obsm_has_names_alone(mdata, tmp_path):
    mdata["rna"].obsm["X_pca"] = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    spec = SETTINGS | {"data": {"mudata": {"path": str(tmp_path / "cells.h5mu")}}}
    out = jamie.run(spec, out=tmp_path / "out", overrides={"modalities.rna.target": {"obsm": "X_pca"}}).path
    imputed = anndata.read_h5ad(out / "imputed/protein-to-rna.h5ad")
    assert list(imputed.var_names) == ["X_pca_1", "X_pca_2", "X_pca_3", "X_pca_4"]
    assert imputed.var.shape == (4, 0)


def test_what_belongs_to_no_modality_any_more_is_left_out_with_a_notice(mdata, caplog):
    model = fitted(mdata)
    mdata.mod["hto"] = AnnData(np.ones((1, 1), np.float32), obs=pd.DataFrame(index=["other"]))
    result = model.to_mudata(mdata)
    assert "X_jamie_umap" not in result["rna"].obsm
    assert "obs of the MuData itself is left out: its names are not those of the modalities" in caplog.text
    assert "X_wnn" not in result.obsm
    assert result["rna"].obsm["X_jamie"].shape == (30, 3)


def test_cells_in_another_order_keep_their_embedding(mdata):
    model = fitted(mdata)
    expected, found = (model.to_mudata(cells, layouts=True) for cells in (mdata, reordered(mdata)))
    assert not found["rna"].obs_names.equals(expected["rna"].obs_names)
    for m in ("rna", "protein"):
        rows = expected[m].obs_names.get_indexer(found[m].obs_names)
        for key in ("X_jamie", "X_jamie_umap", "X_data_umap"):
            np.testing.assert_array_equal(found[m].obsm[key], expected[m].obsm[key][rows])
        assert found[m].obs["jamie_split"].notna().all()
    rows = expected.obs_names.get_indexer(found.obs_names)
    np.testing.assert_array_equal(found.obsm["X_jamie"], expected.obsm["X_jamie"][rows])


def fewer(mdata):
    mdata.mod["rna"] = mdata["rna"][:20].copy()


def renamed(mdata):
    mdata["rna"].obs_names = [f"other{i}" if i < 3 else f"cell{i}" for i in range(30)]


def absent(mdata):
    del mdata.mod["rna"]


@pytest.mark.parametrize(("change", "found"), [(fewer, (20, 20)), (renamed, (30, 27)), (absent, (0, 0))])
def test_other_cells_than_those_fitted_are_refused(mdata, change, found):
    model = fitted(mdata)
    change(mdata)
    words = (
        r"modality 'rna': expected the 30 cells that the model was fitted on, found {}, of which {} are among them\n"
    )
    with pytest.raises(DataError, match=words.format(*found) + r"  give the MuData that was fitted; embed\(mdata\)"):
        model.to_mudata(mdata)


def test_a_cell_of_an_unknown_modality_alone_has_no_joint_embedding(mdata, caplog):
    model = fitted(mdata)
    model.embed(mdata)
    joint = mdata.obsm["X_jamie"]
    assert list(mdata.obs_names[np.isnan(joint).any(axis=1)]) == ["cell30"]
    assert np.isfinite(joint).sum() == 90
    assert "joint embedding: 1 of 31 cells are embedded in no modality of the model: NaN" in caplog.text


def test_a_spec_runs_on_the_result_of_an_earlier_run(mdata, tmp_path):
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    spec = SETTINGS | {"data": {"mudata": {"path": str(tmp_path / "cells.h5mu")}}}
    overrides = {"correspondence.infer": {"unioncom": {"max_iterations": 5}}, "correspondence.rho": 0.5}
    overrides["evaluate.known_pairs.fraction"] = 0.5
    overrides["training.calibration"] = 0.4
    first = jamie.run(spec, out=tmp_path / "first", overrides=overrides)
    assert "jamie_match_score" in first.mdata["rna"].obs
    assert "imputability_from_protein" in first.mdata["rna"].var
    spec["data"] = {"mudata": {"path": str(tmp_path / "first/result.h5mu")}}
    second = jamie.run(spec, out=tmp_path / "second", overrides={"evaluate.holdout.fraction": 0.5})
    with mudata_conventions():
        written = mudata.read_h5mu(second.path / "result.h5mu")
    for obs in (written["rna"].obs, anndata.read_h5ad(second.path / "imputed/rna-to-protein.h5ad").obs):
        assert (obs["jamie_split"] == "held_out").sum() == 15
        assert "jamie_match_score" not in obs  # of the first run
    assert "imputability_from_protein" not in written["rna"].var


def test_a_run_leaves_out_what_would_be_too_large(mdata, tmp_path, monkeypatch, caplog):
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    monkeypatch.setattr(imputed_results, "LARGEST_IMPUTED", 4 * 30 * 10)
    spec = SETTINGS | {"data": {"mudata": {"path": str(tmp_path / "cells.h5mu")}}}
    out = jamie.run(spec, out=tmp_path / "out", overrides={"evaluate.compare": ["knn"]}).path
    assert [path.name for path in (out / "imputed").iterdir()] == ["rna-to-protein.h5ad"]
    assert not anndata.read_h5ad(
        out / "imputed/rna-to-protein.h5ad"
    ).layers  # the model's values alone are small enough
    assert "imputed/protein-to-rna.h5ad is left out, since it would hold 0.0 GiB; imputed: all writes it" in caplog.text


@pytest.mark.parametrize("wanted", ["all", "none"])
def test_a_run_writes_all_imputed_values_or_none(mdata, tmp_path, monkeypatch, wanted):
    with mudata_conventions():
        mdata.write_h5mu(tmp_path / "cells.h5mu")
    monkeypatch.setattr(imputed_results, "LARGEST_IMPUTED", 0)
    spec = SETTINGS | {"data": {"mudata": {"path": str(tmp_path / "cells.h5mu")}}, "imputed": wanted}
    run = jamie.run(spec, out=tmp_path / "out")
    written = [(run.path / f"imputed/{name}.h5ad").is_file() for name in ("rna-to-protein", "protein-to-rna")]
    assert written == [wanted == "all"] * 2
    if wanted == "all":
        assert np.isfinite(run.imputed("rna", "protein").X).all()
