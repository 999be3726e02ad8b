"""A method as the model of a run gives the numbers of the method called from Python, in every command."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest

import jamie
from jamie.builtins import load_registry
from jamie.commands.evaluate import evaluate_run
from jamie.commands.explain import explain_run
from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.matrix import to_dense
from jamie.core.names import embedding_key
from jamie.core.package_versions import layer_names
from jamie.data.assemble import mudata_conventions
from jamie.data.load import load_dataset
from jamie.explain.explained_model import ExplainedModel
from jamie.explain.knockout.explainer import Knockout
from jamie.explain.shap.explainer import Shap
from jamie.methods.run_method import training_label
from jamie.model.trained_method import TrainedMethod
from jamie.model.trained_modality import TrainedModality
from jamie.preprocess.prepare import prepare
from jamie.testing import toy

REGISTRY = load_registry()
METHODS = REGISTRY.names("method")
SHAP = {"algorithm": "permutation", "cells": 2, "background": 3, "features": 2, "samples": 40}
SHAP_SETS = [f"shap.{key}={value}" for key, value in SHAP.items()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy.h5mu"
    with mudata_conventions():
        toy.mudata().write_h5mu(path)
    return path


def spec_of(name, data, **settings):
    return {
        "data": {"mudata": {"path": str(data)}},
        "labels": [toy.LABEL],
        "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 5}}]}},
        "method": {name: REGISTRY.get("method", name).test_params()},
        "training": {"device": "cpu"},
        "report": [],
    } | settings


@pytest.fixture(scope="module")
def run_of(data, tmp_path_factory):
    @cache
    def run(name):
        if name == "mofa":
            pytest.importorskip("mofapy2")
        return jamie.run(spec_of(name, data), out=tmp_path_factory.mktemp(name) / "run")

    return run


@pytest.fixture(scope="module")
def direct(run_of):
    """Return the cells of a run and its method, fitted by a call from Python."""

    @cache
    def fit(name):
        spec = run_of(name).spec
        context = Context(seed=spec.seed)
        loaded = load_dataset(spec, context)
        prepared = prepare(loaded.dataset, loaded.split, spec, context)
        cells = prepared.cells(training_label(spec.method, prepared))
        train = {m: np.flatnonzero(mask) for m, mask in loaded.split.train.items()}
        return prepared, cells, train, spec.method.build().fit(cells.subset(train), context)

    return fit


def method_of(name):
    return REGISTRY.get("method", name)


@pytest.mark.parametrize("name", METHODS)
def test_results_are_those_of_the_method(name, run_of, direct):
    run, (prepared, cells, train, method) = run_of(name), direct(name)
    mdata, data = run.mdata, prepared.dataset.modalities
    assert run.methods[0]["method"] == name
    assert set(run.metrics["method"]) <= {name}
    assert (embedding_key(name) in mdata.obsm) == method.embeds()
    if method.embeds():
        z = method.embed(cells.scores if method.inductive else cells.subset(train).scores)
        for m in data:
            order = mdata.mod[m].obs_names.get_indexer(data[m].cells if method.inductive else data[m].cells[train[m]])
            found = mdata.mod[m].obsm[embedding_key(name)]
            np.testing.assert_array_equal(found[order], z[m])
            assert np.isnan(np.delete(found, order, axis=0)).all()
    assert (run.path / "imputed").is_dir() == method.imputes()
    for a, b in permutations(data, 2) if method.imputes() else ():
        values = method.impute(cells.scores[a], a, b, cells.labels.get(a)).mean.astype(np.float32)
        np.testing.assert_array_equal(run.imputed(a, b).X, to_dense(prepared.target_chains[b].inverse()(values)))


@pytest.mark.parametrize("name", METHODS)
def test_a_loaded_method_embeds_and_imputes_the_same(name, run_of, direct):
    run, (prepared, _, train, method) = run_of(name), direct(name)
    model, mdata, key = jamie.load(run.path, device="cpu"), toy.mudata(), embedding_key(name)
    if method.embeds() and method.inductive:
        model.embed(mdata)
        assert np.isfinite(mdata.obsm[key]).all()
        for m, adata in mdata.mod.items():
            rows = run.mdata.mod[m].obs_names.get_indexer(adata.obs_names)
            np.testing.assert_array_equal(adata.obsm[key], run.mdata.mod[m].obsm[key][rows])
    elif method.embeds():
        with pytest.raises(DataError, match=f"method '{name}': expected training cells of rna, which are .* others"):
            model.embed(mdata)
        fitted = {m: data.cells[train[m]] for m, data in prepared.dataset.modalities.items()}
        for m in mdata.mod:
            mdata.mod[m] = mdata.mod[m][fitted[m]].copy()
        mdata.update()
        model.embed(mdata)
        for m, names in fitted.items():
            rows = run.mdata.mod[m].obs_names.get_indexer(names)
            np.testing.assert_array_equal(mdata.mod[m].obsm[key], run.mdata.mod[m].obsm[key][rows])
    else:
        with pytest.raises(
            DataError, match=f"method '{name}': expected a model that embeds cells, found one that only"
        ):
            model.embed(mdata)
    if not method.imputes():
        with pytest.raises(DataError, match=f"method '{name}': expected a model that imputes, found one that only"):
            model.impute(mdata, "rna", "atac")
        return
    for a, b in permutations(mdata.mod, 2):
        imputed, expected = model.impute(mdata, a, b), run.imputed(a, b)
        expected = expected[imputed.obs_names]
        np.testing.assert_array_equal(imputed.X, expected.X)
        assert set(layer_names(imputed)) == {"sd", "lower", "upper"}
        np.testing.assert_array_equal(imputed.layers["upper"], expected.layers["upper"])
        assert (imputed.layers["lower"] <= imputed.layers["upper"]).all()


@pytest.mark.parametrize("name", METHODS)
def test_explanations_are_those_of_the_method(name, run_of, direct):
    run, (prepared, _, _, method) = run_of(name), direct(name)
    modalities = {m: TrainedModality.of(prepared, m) for m in prepared.scores}
    subject = ExplainedModel(TrainedMethod(run.spec, modalities, method), prepared.dataset, prepared.split, Context())
    if not (method.imputes() or method.inductive):
        with pytest.raises(DataError, match=f"method '{name}': expected a model that embeds changed .* fitted"):
            explain_run(run.path, ["knockout"])
        return
    knockout = explain_run(run.path, ["knockout"])["knockout"]
    assert knockout.settings["metric"] == ("label_transfer_accuracy" if method.embeds() else "imputation")
    expected = Knockout().explain(subject, Context().for_stage("explain knockout"))
    assert knockout.tables["features"].equals(expected.tables["features"])
    if method.imputes():
        shap = explain_run(run.path, ["shap"], SHAP_SETS)["shap"]
        expected = Shap(**SHAP).explain(subject, Context().for_stage("explain shap"))
        np.testing.assert_array_equal(shap.values.layers["0"], expected.values.layers["0"])
        with pytest.raises(DataError, match=f"(?s)method '{name}': expected a model with grad.*permutation or kernel"):
            explain_run(run.path, ["shap"])


@pytest.mark.parametrize("name", ["knn", "rcca", "nlma", "mofa"])
def test_a_run_is_scored_again_from_its_files(name, run_of):
    run = run_of(name)
    before = run.metrics
    evaluate_run(run.path)
    assert jamie.Run(run.path).metrics.equals(before)
