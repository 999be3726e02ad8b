"""`jamie impute` and `JAMIE.impute` from files to files."""

import shutil

import anndata
import numpy as np
import pytest
from mudata import MuData

import jamie
from jamie.core import imputation as core
from jamie.core.errors import DataError
from jamie.core.package_versions import layer_names
from jamie.data.assemble import mudata_conventions
from tests.conftest import Place, few_cells

SETTINGS = {"rna": {"layer": "counts", "preprocess": ["log_normalize", "standardize"]}, "protein": {}}
IMPUTE = ("impute", "out", "cells.h5mu", "--source", "rna", "--quiet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run directory whose model is calibrated."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("trained")
        patch.chdir(folder)
        place = Place(folder)
        training = {"min_epochs": 2, "max_epochs": 4, "patience": 2, "calibration": 0.4}
        place.works(place.run(few_cells(60), modalities=SETTINGS, training=training))
        return place.out


@pytest.fixture
def query(place, trained, modalities):
    """A place with a trained model in `out`, new cells, and blocks of 8 cells."""
    shutil.copytree(trained, place.out)
    place.write(modalities)
    return place


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(core, "_BLOCK_VALUES", 64)
    monkeypatch.setattr(core, "_CHUNK", 4)


def same(found, expected):
    assert set(layer_names(found)) == set(layer_names(expected))
    np.testing.assert_allclose(found.X, expected.X, atol=1e-5)
    for name in ("lower", "upper"):
        np.testing.assert_allclose(found.layers[name], expected.layers[name], atol=1e-4)
    np.testing.assert_allclose(found.obs["jamie_novelty"], expected.obs["jamie_novelty"])
    np.testing.assert_allclose(found.var["imputability"], expected.var["imputability"])


class TestFiles:
    @pytest.mark.parametrize("name", ["new.h5ad", "new.zarr"])
    def test_hold_what_is_imputed_in_memory(self, query, modalities, name, small_blocks):
        query.works(query.call(*IMPUTE, "--out", name))
        read = anndata.read_h5ad if name.endswith("h5ad") else anndata.read_zarr
        found = read(name)
        assert set(layer_names(found)) == {"sd", "lower", "upper"}
        assert (found.layers["lower"] <= found.layers["upper"]).all()
        assert (found.layers["sd"] > 0).all()
        assert list(found.obs["cell_type"]) == list(modalities["rna"].obs["cell_type"])
        same(found, jamie.load("out").impute(modalities["rna"]))

    def test_are_replaced_only_where_that_is_asked_for(self, query):
        query.works(query.call(*IMPUTE, "--out", "new.zarr"))
        query.refused(query.call(*IMPUTE, "--out", "new.zarr"), "new.zarr: exists already\n  give another name")
        query.works(query.call(*IMPUTE, "--out", "new.zarr", "--overwrite", "--features", "marker3"))
        assert list(anndata.read_zarr("new.zarr").var_names) == ["marker3"]
        (query.folder / "mine.zarr").mkdir()
        message = "mine.zarr: is no zarr store, so it is not overwritten\n  give another name"
        query.refused(query.call(*IMPUTE, "--out", "mine.zarr", "--overwrite"), message)

    def test_of_another_ending_are_refused(self, query):
        message = "new.csv: expected a name that ends in .h5ad or .zarr\n  write new.h5ad or new.zarr"
        query.refused(query.call(*IMPUTE, "--out", "new.csv"), message)

    @pytest.mark.parametrize("name", ["new.h5ad", "new.zarr"])
    def test_are_whole_or_absent(self, query, modalities, name, small_blocks):
        def interrupt(stage, done, total, values):
            if done > 10:
                raise KeyboardInterrupt

        model = jamie.load("out", progress=interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.impute(modalities["rna"], out=query.folder / name)
        assert not list(query.folder.glob("*new*")) + list(query.folder.glob(".new*"))

    def test_wrong_values_far_down_leave_nothing(self, query, modalities, small_blocks):
        modalities["rna"].layers["counts"][29, 2] = np.nan
        query.write(modalities)
        query.refused(query.call(*IMPUTE, "--out", "new.h5ad"), "the first is cell 'cell29', feature 'gene2'\n")
        assert not list(query.folder.glob("*new*")) + list(query.folder.glob(".new*"))


class TestSource:
    def test_is_read_from_its_file_by_blocks(self, query, modalities, small_blocks):
        modalities["rna"].write_h5ad("rna.h5ad")
        query.works(query.call("impute", "out", "rna.h5ad", "--out", "new.h5ad", "--quiet"))
        found = anndata.read_h5ad("new.h5ad")
        same(found, jamie.load("out").impute(modalities["rna"]))
        same(found, jamie.load("out").impute(anndata.read_h5ad("rna.h5ad", backed="r")))

    def test_follows_from_the_data(self, query, modalities):
        message = "expected 'source', the modality that is measured, or only one that it can be; found rna, protein"
        query.refused(query.call("impute", "out", "cells.h5mu", "--out", "new.h5ad", "--quiet"), message)
        query.works(query.call("impute", "out", "cells.h5mu", "--to", "rna", "--out", "to.h5ad", "--quiet"))
        assert anndata.read_h5ad("to.h5ad").uns["jamie"]["source"] == "protein"
        query.write({"protein": modalities["protein"]}, "one.h5mu")
        query.works(query.call("impute", "out", "one.h5mu", "--out", "new.h5ad", "--quiet"))
        assert anndata.read_h5ad("new.h5ad").uns["jamie"]["target"] == "rna"

    def test_of_an_h5ad_file_whose_names_fit_nothing(self, query, modalities):
        modalities["rna"].var_names = modalities["rna"].var_names.str.upper()
        modalities["rna"].write_h5ad("rna.h5ad")
        message = "the names differ in case: 'GENE0' in the data is 'gene0' in the model; rename them"
        query.refused(query.call("impute", "out", "rna.h5ad", "--to", "protein", "--out", "new.h5ad"), message)
        message = (
            "found none among the modalities whose features the data have\n"
            "  name the modalities and features as in training"
        )
        query.refused(query.call("impute", "out", "rna.h5ad", "--out", "new.h5ad"), message)


class TestIntervals:
    def test_are_left_out_where_that_is_asked_for(self, query):
        query.works(query.call(*IMPUTE, "--out", "new.h5ad", "--no-intervals"))
        found = anndata.read_h5ad("new.h5ad")
        assert not found.layers
        assert list(found.var.columns) == ["imputability"]

    def test_are_left_out_of_large_files(self, query, modalities, monkeypatch, caplog):
        monkeypatch.setattr("jamie.model.imputation.MAX_BYTES_WITH_INTERVALS", 4 * 30 * 8 - 1)
        model = jamie.load("out")
        with caplog.at_level("INFO", "jamie"):
            assert not model.impute(modalities["rna"]).layers
        assert "rna to protein: without standard deviations and intervals, since the values alone" in caplog.text
        assert len(layer_names(model.impute(modalities["rna"], intervals=True))) == 3
        assert len(layer_names(model.impute(modalities["rna"], features=["marker1"]))) == 3

    def test_that_the_model_does_not_have(self, modalities):
        with mudata_conventions():
            model = jamie.JAMIE("paper", min_epochs=1, max_epochs=1).fit(MuData(modalities))
        assert not model.impute(modalities["rna"]).layers
        words = (
            "rna to protein: expected a model that has intervals, found none for this direction\n  train with training"
        )
        with pytest.raises(DataError, match=words):
            model.impute(modalities["rna"], intervals=True)


def test_what_does_not_fit_in_memory(query, modalities, monkeypatch):
    monkeypatch.setattr("jamie.core.context.physical_memory", lambda: 2 * 1000)
    with pytest.raises(jamie.MemoryLimitError, match=r"impute: 30 cells x 8 features with sd, .* would need"):
        jamie.load("out").impute(modalities["rna"])
    assert jamie.load("out").impute(modalities["rna"], out="new.zarr") is None
    assert anndata.read_zarr("new.zarr").shape == (30, 8)


class TestSeveralSources:
    @pytest.fixture(scope="class")
    @staticmethod
    def three(tmp_path_factory):
        """A run of three modalities, whose first two hold some genes each."""
        with pytest.MonkeyPatch.context() as patch:
            place = Place(tmp_path_factory.mktemp("three"))
            patch.chdir(place.folder)
            training = {"min_epochs": 2, "max_epochs": 4, "patience": 2, "calibration": 0.4}
            evaluate = {"holdout": {"fraction": 0.2}, "metrics": ["pearson"], "compare": ["ridge"]}
            place.works(place.run(halves(few_cells(60)), training=training, evaluate=evaluate))
            yield place

    def test_of_a_file_are_read_by_blocks(self, three, small_blocks):
        three.write(halves(few_cells(60)), "new.h5mu")
        both = ("--source", "rna_2", "--source", "rna_1")
        three.works(three.call("impute", "out", "new.h5mu", *both, "--out", "both.h5ad", "--quiet", "--overwrite"))
        found = anndata.read_h5ad("both.h5ad")
        assert dict(found.uns["jamie"])["source"] == "rna_1+rna_2"
        assert set(found.obs["jamie_sources"]) == {"rna_1+rna_2"}
        with mudata_conventions():
            cells = MuData(halves(few_cells(60)))
        same(found, jamie.load("out").impute(cells, sources=["rna_1", "rna_2"], to="protein"))
        three.works(
            three.call("impute", "out", "new.h5mu", "--source", "rna_1", "--to", "protein", "--out", "one.h5ad")
        )
        assert dict(anndata.read_h5ad("one.h5ad").uns["jamie"])["source"] == "rna_1"

    def test_that_cannot_be_used(self, three):
        modalities = halves(few_cells(60))
        three.write({name: modalities[name] for name in ("rna_1", "protein")}, "two.h5mu")
        both = ("--source", "rna_1", "--source", "rna_2", "--out", "new.h5ad")
        message = "impute: expected the modality 'rna_2', found rna_1, protein\n  name the modalities as in training"
        three.refused(three.call("impute", "out", "two.h5mu", *both), message)
        modalities["rna_1"].write_h5ad("rna_1.h5ad")
        message = "rna_1.h5ad: expected MuData with the sources rna_1, rna_2, found AnnData, which holds one modality\n"
        three.refused(three.call("impute", "out", "rna_1.h5ad", *both), message)
        message = "impute: expected different modalities as sources and target, found 'rna_1' twice\n"
        three.refused(three.call("impute", "out", "cells.h5mu", *both, "--source", "rna_1"), message)
        three.refused(three.call("impute", "out", "cells.h5mu", *both, "--to", "rna_1"), message)
        itself = ("--source", "rna_1", "--to", "rna_1", "--out", "new.h5ad")
        three.refused(three.call("impute", "out", "cells.h5mu", *itself), message)

    def test_are_scored_and_written_by_a_run(self, three):
        pearson = {(r["source"], r["target"]): r for r in three.records() if r["method"] == "jamie"}
        assert {target for source, target in pearson if source == "rna_1+rna_2"} == {"protein"}
        together, alone = pearson["rna_1+rna_2", "protein"], pearson["rna_1", "protein"]
        assert (together["scope"], together["n_cells"]) == (alone["scope"], alone["n_cells"]) == ("held_out_cells", 12)
        run = jamie.Run("out")
        imputed = run.imputed("rna_1+rna_2", "protein")
        assert set(layer_names(imputed)) == {"sd", "lower", "upper"}
        held_out = imputed[run.mdata["rna_1"].obs["jamie_split"].to_numpy() == "held_out"]
        measured = few_cells(60)["protein"][held_out.obs_names]
        expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(held_out.X.T, measured.X.T, strict=True)]
        assert together["value"] == pytest.approx(np.mean(expected), abs=1e-5)

    def test_are_scored_again_from_the_files(self, three):
        before = three.records()
        three.works(three.call("evaluate", "out", "--quiet"), "")
        assert [{**r, "value": 0} for r in three.records()] == [{**r, "value": 0} for r in before]
        np.testing.assert_allclose([r["value"] for r in three.records()], [r["value"] for r in before], atol=1e-6)

    def test_stand_in_tables_with_their_direction(self, three):
        shown = three.call("compare", "out")
        assert "rna_1+rna_2 → protein" in shown.output


def halves(modalities):
    rna = modalities["rna"]
    return {"rna_1": rna[:, :6].copy(), "rna_2": rna[:, 6:].copy(), "protein": modalities["protein"]}
