"""Imputing a modality from several others at once: who has which, what is refused, and that it is worth it."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad, read_zarr
from mudata import MuData

import jamie
from jamie.core import imputation as core
from jamie.core.errors import DataError
from jamie.core.package_versions import layer_names
from jamie.core.sources import JointSources
from jamie.data.assemble import mudata_conventions

N = 160
SETTINGS = {
    "modalities.*.preprocess": ["standardize"],
    "training.calibration": 0.2,
    "training.ensemble": 2,
    "evaluate.metrics": [],
}
RNA_PROTEIN = JointSources(("rna", "protein"), "atac")


def cells(n=N, seed=0, **settings):
    """Cells whose atac follows two latents, of which rna and protein measure one each; the last 30 lack some."""
    generator = np.random.default_rng(seed)
    latent, maps = generator.normal(size=(n, 2)), np.random.default_rng(9)
    seen = {"rna": [1, 0], "protein": [0, 1], "atac": [1, 1]}
    modalities = {}
    for name, p in (("rna", 9), ("protein", 7), ("atac", 8)):
        X = latent * seen[name] @ maps.normal(size=(2, p)) + 0.3 * generator.normal(size=(n, p)) + 2
        obs = pd.DataFrame({"donor": np.where(np.arange(n) % 2, "d1", "d2")}, index=[f"cell{i}" for i in range(n)])
        modalities[name] = AnnData(X.astype(np.float32), obs=obs)
        modalities[name].var_names = [f"{name}{j}" for j in range(p)]
    return modalities


def joined(modalities):
    with mudata_conventions():
        return MuData(modalities)


def new_cells():
    """Cells 0-9 have rna and protein, 10-14 rna alone, 15-19 protein alone, in another order than in rna."""
    made = cells(20, seed=1)
    return joined(
        {"rna": made["rna"][:15].copy(), "protein": made["protein"][[*range(15, 20), *range(9, -1, -1)]].copy()}
    )


@pytest.fixture(scope="module")
def model():
    return jamie.JAMIE("fast", SETTINGS, latent_dim=4, max_epochs=30).fit(joined(cells()))


def correlation(imputed, measured):
    return np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(imputed.X.T, measured.X.T, strict=True)])


def test_two_sources_know_more_than_one(model):
    combination = model.model.uncertainty.combinations[RNA_PROTEIN]
    assert combination.n_cells == 51  # a fifth of the 128 training cells for each of two members
    assert (combination.weights > 0.5).all()
    new = cells(100, seed=2)
    together = correlation(model.impute(joined(new), sources=["protein", "rna"], to="atac"), new["atac"])
    alone = [correlation(model.impute(joined(new), source, "atac"), new["atac"]) for source in ("rna", "protein")]
    assert together > max(alone) + 0.1


def test_each_cell_is_imputed_from_what_it_has(model):
    new = new_cells()
    found = model.impute(new, sources=["rna", "protein"], to="atac")
    assert list(found.obs_names) == [f"cell{i}" for i in range(20)]
    assert list(found.obs["jamie_sources"]) == ["rna+protein"] * 10 + ["rna"] * 5 + ["protein"] * 5
    assert list(found.obs["donor"]) == ["d2", "d1"] * 10
    for source, these in (("rna", found[10:15]), ("protein", found[15:])):
        alone = model.impute(new, source, "atac")[these.obs_names]
        for name in (None, "lower", "upper"):
            values = (these.X, alone.X) if name is None else (these.layers[name], alone.layers[name])
            np.testing.assert_allclose(*values, atol=1e-4)
    both = {"rna": new["rna"][:10].copy(), "protein": new["protein"][:4:-1].copy()}
    scores = [model.model.scores(m, _block(adata), adata.obs, model._context()) for m, adata in both.items()]
    expected = model.model.impute_jointly(RNA_PROTEIN, [(x, None) for x in scores])
    np.testing.assert_allclose(found.X[:10], expected.mean, atol=1e-4)
    assert found.uns["jamie"] == {
        "source": "rna+protein",
        "target": "atac",
        "units": "as X of atac",
        "sources": ["rna", "protein"],
    }


def _block(adata):
    from jamie.data.blocks import choose_block

    return choose_block(adata)


def test_cells_that_no_source_measured_are_unknown(model, caplog):
    new = new_cells()
    new["rna"].X[[0, 10]] = np.nan
    new["protein"].X[[0, -1]] = np.nan  # cell15 and cell0
    found = model.impute(new, sources=["rna", "protein"], to="atac")
    assert "3 of 20 cells were measured in none of rna, protein: their imputed values are NaN" in caplog.text
    assert [i for i, row in enumerate(found.X) if np.isnan(row).all()] == [0, 10, 15]
    assert np.isfinite(np.delete(found.X, [0, 10, 15], axis=0)).all()
    assert np.isnan(found.layers["lower"][0]).all()
    assert list(found.obs["jamie_sources"].iloc[[0, 10]]) == ["", ""]
    assert np.isnan(found.obs["jamie_novelty"].iloc[0])


def test_blocks_files_and_features_give_the_same(model, tmp_path, monkeypatch):
    new = new_cells()
    whole = model.impute(new, sources=["rna", "protein"], to="atac")
    monkeypatch.setattr(core, "_BLOCK_VALUES", 24)
    monkeypatch.setattr("jamie.model.joint_imputation.BLOCK_CELLS", 7)
    options = {"sources": ["rna", "protein"], "to": "atac", "features": ["atac5", "atac0"]}
    for name, read in (("new.h5ad", read_h5ad), ("new.zarr", read_zarr)):
        assert model.impute(new, out=tmp_path / name, **options) is None
        found = read(tmp_path / name)
        assert set(layer_names(found)) == {"sd", "lower", "upper"}
        np.testing.assert_allclose(found.X, whole[:, ["atac5", "atac0"]].X, atol=1e-4)
        np.testing.assert_allclose(found.layers["upper"], whole[:, ["atac5", "atac0"]].layers["upper"], atol=1e-4)
        assert list(found.obs["jamie_sources"]) == list(whole.obs["jamie_sources"])
        np.testing.assert_allclose(found.var["imputability"], whole.var["imputability"].iloc[[5, 0]])


def test_a_saved_model_imputes_the_same(model, tmp_path):
    expected = model.impute(new_cells(), sources=["rna", "protein"], to="atac")
    model.save(tmp_path / "model")
    found = jamie.load(tmp_path / "model").impute(new_cells(), sources=["rna", "protein"], to="atac")
    np.testing.assert_array_equal(found.X, expected.X)
    np.testing.assert_array_equal(found.layers["lower"], expected.layers["lower"])


def test_intervals_hold_their_part_of_new_values(model):
    new = cells(400, seed=3)
    found = model.impute(joined(new), sources=["rna", "protein"], to="atac")
    inside = (found.layers["lower"] <= new["atac"].X) & (found.layers["upper"] >= new["atac"].X)
    assert 0.85 < inside.mean() < 0.97  # of a nominal 0.9, calibrated on 51 cells


def test_batches_of_the_cells_are_read():
    modalities = cells()
    for adata in modalities.values():
        adata.X[::2] += 2
    with_batches = jamie.JAMIE("fast", SETTINGS, latent_dim=4, max_epochs=4, batch_key="donor")
    model = with_batches.fit(joined(modalities))
    found = model.impute(new_cells(), sources=["rna", "protein"], to="atac")
    assert found.X[:10:2].mean() > found.X[1:10:2].mean() + 0.3  # though their values do not differ


def test_without_common_calibration_cells_it_is_the_mean(caplog):
    settings = SETTINGS | {"training.calibration": 0}
    model = jamie.JAMIE("fast", settings, latent_dim=4, max_epochs=2).fit(joined(cells(60)))
    assert not model.model.uncertainty.combinations
    new = joined(cells(20, seed=1))
    found = model.impute(new, sources=["rna", "protein"], to="atac")
    assert "rna+protein to atac: the mean of what each source gives, as no weights could be fitted" in caplog.text
    assert not found.layers
    mean = (model.impute(new, "rna", "atac").X + model.impute(new, "protein", "atac").X) / 2
    np.testing.assert_allclose(found.X, mean, atol=1e-4)
    words = r"rna\+protein to atac: expected a model that has intervals, found none for this direction"
    with pytest.raises(DataError, match=words):
        model.impute(new, sources=["rna", "protein"], to="atac", intervals=True)


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                {"sources": ["rna", "gex"], "to": "atac"},
                r"^model: expected a modality of the model, found 'gex'\n  choose one of rna, protein, atac$",
            ),
            (
                {"sources": ["rna", "atac"], "to": "atac"},
                r"^impute: expected different modalities as sources and target, found 'atac' twice\n  name each modal",
            ),
            (
                {"sources": ["rna", "rna"], "to": "atac"},
                r"^impute: expected different modalities as sources and target, found 'rna' twice\n  name each mod",
            ),
            (
                {"sources": ["rna", "atac"], "to": "protein"},
                r"^impute: expected the modality 'atac', found rna, protein\n  name the modalities as in training$",
            ),
            (
                {"source": "rna", "sources": ["rna", "protein"], "to": "atac"},
                r"^impute: expected one source, or one or more sources, found source='rna' and sources=\['rna',",
            ),
            (
                {"sources": [], "to": "atac"},
                r"found sources=\[\]\n  name one modality as source, or several as sources$",
            ),
        ],
    )
    def test_with_the_reason(self, model, arguments, words):
        with pytest.raises(DataError, match=words):
            model.impute(new_cells(), **arguments)

    def test_anndata_holds_one_modality(self, model):
        words = (
            r"expected MuData with the sources rna, protein, found AnnData, which holds one modality\n  put the sources"
        )
        with pytest.raises(DataError, match=words):
            model.impute(new_cells()["rna"], sources=["rna", "protein"], to="atac")


def test_the_target_follows_where_one_modality_is_left(model):
    new = new_cells()
    found = model.impute(new, sources=["protein", "rna"])
    assert found.uns["jamie"]["target"] == "atac"
    one = model.impute(new, sources=["rna"], to="atac")
    np.testing.assert_array_equal(one.X, model.impute(new, "rna", "atac").X)
    np.testing.assert_array_equal(one.X, model.impute(new, sources="rna", to="atac").X)
