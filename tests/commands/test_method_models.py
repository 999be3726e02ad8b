"""Methods as the model of a run: beside jamie, by a plugin with files of its own, of three modalities, on the page."""

import json
import pickle
import re

import numpy as np
import pytest

import jamie
from jamie.commands.embed import embed_file
from jamie.commands.impute import impute_file
from jamie.commands.transfer import transfer_run
from jamie.core.errors import DataError, OutputError, SpecError
from jamie.core.names import EMBEDDING, METHOD_FOLDER, MODEL_FOLDER
from jamie.data.assemble import mudata_conventions
from jamie.model.store import load_model
from jamie.spec import load_spec
from jamie.spec.sweep import expand
from jamie.testing import toy

QUICK = {"spec": "fast", "settings": {"training.max_epochs": 2, "model.latent_dim": 3}}
PICKLED = '''
import pickle

import numpy as np

import jamie


class Pickled(jamie.Method):
    """Imputes the mean of all training cells, which it keeps in a pickle."""

    name = "pickled"
    unsafe_format = True

    def _fit(self, cells, context):
        self.means = {m: target.mean(axis=0) for m, target in cells.targets.items()}

    def _impute(self, scores, source, target):
        return np.tile(self.means[target], (len(scores), 1))

    def _save_folder(self, path):
        (path / "means.pkl").write_bytes(pickle.dumps(self.means))

    def _load_folder(self, path):
        self.means = pickle.loads((path / "means.pkl").read_bytes())


class Unsaved(jamie.Method):
    """Imputes zeros, and does not say how."""

    name = "unsaved"

    def _fit(self, cells, context):
        self.sizes = {m: target.shape[1] for m, target in cells.targets.items()}

    def _impute(self, scores, source, target):
        return np.zeros((len(scores), self.sizes[target]))
'''


@pytest.fixture
def spec(tmp_path):
    def write(n_modalities=2, /, **settings):
        path = tmp_path / "toy.h5mu"
        with mudata_conventions():
            toy.mudata(n_modalities).write_h5mu(path)
        return {
            "data": {"mudata": {"path": str(path)}},
            "labels": [toy.LABEL],
            "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 5}}]}},
            "training": {"device": "cpu"},
            "report": [],
        } | settings

    return write


def test_the_joint_vae_may_stand_beside(spec, tmp_path):
    compare = [{"jamie": QUICK}, {"knn": {"k": 2}}]
    run = jamie.run(spec(method={"rcca": {"n_components": 4}}, evaluate={"compare": compare}), out=tmp_path / "run")
    assert [one["method"] for one in run.methods] == ["rcca", "jamie", "knn"]
    assert set(run.metrics["method"]) == {"rcca", "jamie", "knn"}
    assert {"X_rcca", EMBEDDING} <= set(run.mdata.mod["rna"].obsm)
    assert run.model_name == run.model.name == run.manifest["model"] == "rcca"
    assert transfer_run(run.path, toy.LABEL).method == "rcca"
    assert transfer_run(run.path, toy.LABEL, method="jamie").method == "jamie"
    assert transfer_run(run.path, toy.LABEL, data=tmp_path / "toy.h5mu", to="rna").table["predicted"].notna().all()


def test_several_sources_and_labels(spec, tmp_path):
    run = jamie.run(spec(3, method="mean_by_label"), out=tmp_path / "run")
    model, mdata = jamie.load(run.path, device="cpu"), toy.mudata(3)
    jointly = model.impute(mdata, sources=["rna", "atac"], to="protein")
    written = run.imputed("rna+atac", "protein")
    rows = jointly.obs_names.get_indexer(written.obs_names)
    np.testing.assert_allclose(jointly.X[rows], written.X, rtol=1e-5)
    del mdata.mod["rna"].obs[toy.LABEL]
    mdata.obs = mdata.obs[[]]
    with pytest.raises(DataError, match=f"method 'mean_by_label': expected the label of each .* '{toy.LABEL}'"):
        model.impute(mdata, "rna", "atac")


def test_the_estimator_takes_a_method(tmp_path):
    mdata = toy.mudata()
    model = jamie.JAMIE(method={"stack": {"members": ["ridge", "pls"]}}, labels=[toy.LABEL], device="cpu").fit(mdata)
    assert repr(model) == "JAMIE('default', method='stack'; trained on rna, atac)"
    imputed = model.impute(mdata, "rna", "atac")
    result = model.to_mudata(mdata)
    assert EMBEDDING not in result.obsm
    assert set(model.metrics["method"]) == {"stack"}
    model.save(tmp_path / "saved")
    np.testing.assert_array_equal(jamie.load(tmp_path / "saved").impute(mdata, "rna", "atac").X, imputed.X)


def test_it_is_fitted_again_on_all_cells(spec, tmp_path):
    run = jamie.run(spec(method="nlma", evaluate={"refit": True, "metrics": ["foscttm"]}), out=tmp_path / "run")
    assert np.isfinite(run.mdata.mod["rna"].obsm["X_nlma"]).all()
    mdata = toy.mudata()
    jamie.load(run.path).embed(mdata)
    assert np.isfinite(mdata.obsm["X_nlma"]).all()


@pytest.mark.parametrize(("method", "embeds"), [("knn", False), ("nlma", True), ("rcca", True)])
def test_the_page_says_which_method(method, embeds, spec, tmp_path, reports):
    run = jamie.run(spec(method=method, evaluate={"compare": ["ridge"]}, report=["html"]), out=tmp_path / "run")
    page = (run.path / "report.html").read_text()
    assert f"The method {method} was fitted on" in page
    assert f"method {method}" in page
    assert "in place of the joint VAE" in page
    assert ("The model has no latent space" in page) != embeds
    names = {path.stem for path in (run.path / "figures").iterdir()}
    assert ("umap_latents_modality" in names) == embeds
    assert "losses" not in names
    assert f"umap_data_{toy.LABEL}" in names


@pytest.fixture
def pickled(spec, tmp_path):
    plugin = tmp_path / "pickled.py"
    plugin.write_text(PICKLED)
    return jamie.run(spec(method="pickled", plugins=[str(plugin)]), out=tmp_path / "run")


def test_a_format_that_can_run_code_is_read_only_on_demand(pickled, tmp_path):
    data, out = tmp_path / "toy.h5mu", tmp_path / "imputed.h5ad"
    message = "(?s)method 'pickled' reads files of a format that can run code.*--allow-unsafe-model"
    for refused in (
        lambda: load_model(pickled.path),
        lambda: jamie.load(pickled.path),
        lambda: embed_file(pickled.path, data, tmp_path / "x.h5mu", max_missing=0.2),
        lambda: impute_file(pickled.path, data, out, sources=["rna"], max_missing=0.2),
    ):
        with pytest.raises(OutputError, match=message):
            refused()
    impute_file(pickled.path, data, out, sources=["rna"], max_missing=0.2, allow_unsafe_model=True)
    model = jamie.load(pickled.path, allow_unsafe_model=True)
    np.testing.assert_allclose(model.impute(toy.mudata(), "rna", "atac").X[0], pickled.imputed("rna", "atac").X[0])


def test_files_that_changed_are_not_read(pickled):
    file = pickled.path / MODEL_FOLDER / METHOD_FOLDER / "means.pkl"
    file.write_bytes(pickle.dumps({}))
    with pytest.raises(OutputError, match="expected the files that method 'pickled' wrote, found others"):
        load_model(pickled.path, allow_unsafe=True)
    description = pickled.path / MODEL_FOLDER / "model.json"
    described = json.loads(description.read_text())
    described["method"]["unsafe_format"] = False
    description.write_text(json.dumps(described))
    with pytest.raises(OutputError, match="format that can run code"):
        load_model(pickled.path)


def test_state_that_does_not_fit_is_an_error(spec, tmp_path):
    run = jamie.run(spec(method="ridge"), out=tmp_path / "run")
    description = run.path / MODEL_FOLDER / "model.json"
    description.write_text(re.sub('"AffineRegression"', '"Unknown"', description.read_text()))
    with pytest.raises(OutputError, match=r"method 'ridge' cannot read what it saved \(KeyError: 'Unknown'\)"):
        load_model(run.path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"losses": {"kl": {"weight": 2}}},
            "losses.kl: the model is the method knn, which does not read this setting of the joint VAE",
        ),
        (
            {"training": {"max_epochs": 2}},
            "(?s)training.max_epochs: .* methods read calibration, ensemble, device",
        ),
        ({"model": {"latent_dim": 2}}, "model.latent_dim: the model is the method knn"),
        ({"modalities": {"rna": {"decoder": "poisson"}}}, "modalities.rna.decoder: the model is the method knn"),
        ({"evaluate": {"compare": ["knn"]}}, r"evaluate.compare\[0\]: expected each method once, found knn again"),
        ({"method": {"knn": {"k": 0}}}, "method.knn.k: expected a whole number > 0 or null, found 0"),
        ({"method": "nobody"}, "method: unknown method 'nobody'"),
    ],
)
def test_settings_of_the_networks_are_refused_beside_a_method(settings, message, spec):
    with pytest.raises(SpecError, match=message):
        load_spec(spec(method="knn") | settings)


def test_a_method_that_does_not_say_what_it_fitted_is_refused(spec, tmp_path):
    plugin = tmp_path / "pickled.py"
    plugin.write_text(PICKLED)
    with pytest.raises(SpecError, match="method: unsaved cannot be the model of a run, since it does not say"):
        load_spec(spec(method="unsaved", plugins=[str(plugin)]))


def test_the_resolved_spec_reads_again(spec):
    first = load_spec(spec(method={"knn": {"k": 10}}), ["training.calibration=0"])
    again = load_spec(first.to_plain())
    assert again.to_yaml() == first.to_yaml()
    assert (again.training.calibration, again.correspondence.infer) == (0, None)
    assert load_spec(first.to_plain(), {"method": None, "preset": "fast"}).method is None


def test_methods_are_swept_beside_the_joint_vae(spec):
    sweep = expand(spec(training={"max_epochs": 2}, sweep={"method": [None, "knn", {"ridge": {"penalty": "shared"}}]}))
    assert [run.spec.model_name for run in sweep.runs] == ["jamie", "knn", "ridge"]
    assert [bool(run.spec.losses) for run in sweep.runs] == [True, False, False]
    again = expand(sweep.spec.to_plain())
    assert [run.spec.to_yaml() for run in again.runs] == [run.spec.to_yaml() for run in sweep.runs]
