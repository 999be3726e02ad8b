"""Whole runs: what they leave behind, that they repeat, resume and reload, and that no order of cells matters."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

import jamie
from jamie.commands.evaluate import evaluate_run
from jamie.console.output import run_tables
from jamie.core import data, lazy_matrix
from jamie.core.errors import OutputError, SpecError
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.preprocess import chain

TRAINING = {"min_epochs": 15, "max_epochs": 40, "patience": 10, "batch_size": 32, "checkpoint_seconds": 0}
SPEC = {
    "preset": "paper",
    "data": {"simulate_branch": {"n_cells": 60, "n_features": [20, 30], "modalities": ["rna", "adt"], "overlap": 0.8}},
    "labels": ["cell_type"],
    "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 8}}]}},
    "model": {"latent_dim": 4},
    "training": TRAINING,
    "evaluate": {"holdout": {"fraction": 0.2}, "known_pairs": {"fraction": 0.5}},
    "correspondence": {"infer": "unioncom", "rho": 0.7, "check": 0},
    "losses": {"alignment": {"weight": 31.25}},
    "report": [],  # also where a run has a process of its own
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return jamie.run(SPEC, out=tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def mdata():
    return SimulateBranch(n_cells=60, n_features=(20, 30), modalities=("rna", "adt"), overlap=0.8).read()


def metrics_of(folder):
    return json.loads((Path(folder) / "metrics.json").read_text())


def test_run_directory_is_complete(result):
    found = {path.relative_to(result.path).as_posix() for path in result.path.rglob("*") if path.is_file()}
    assert found == {
        "spec.resolved.yaml",
        "manifest.json",
        "events.jsonl",
        "checkpoint/training.safetensors",
        "model/model.json",
        "model/network.safetensors",
        "model/preprocessing.safetensors",
        "methods.json",
        "features.csv",
        "history.csv",
        "wins.csv",
        "result.h5mu",
        "imputed/rna-to-adt.h5ad",
        "imputed/adt-to-rna.h5ad",
        "correspondence/rna--adt.npz",
        "correspondence/rna--adt.inferred.npz",
        "correspondence.json",
        "pairing.json",
        "posterior.json",
        "stack.json",
        "metrics.json",
        "metrics.csv",
    }


def test_whoever_may_read_one_file_of_the_run_may_read_all(result):
    modes = {path.stat().st_mode & 0o777 for path in result.path.rglob("*") if path.is_file()}
    assert modes == {(result.path / "manifest.json").stat().st_mode & 0o777}


def test_nothing_in_the_run_directory_is_a_pickle(result):
    for path in result.path.rglob("*"):
        if path.is_file():
            head = path.read_bytes()[:2]
            assert not (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05"), path
    for path in result.path.glob("correspondence/*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_manifest_tells_versions_seed_times_and_memory(result):
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["seed"] == 0
    assert manifest["versions"]["torch"]
    stages = ["data", "preprocess", "correspondence", "training", "calibration", "evaluation", "results"]
    assert list(manifest["stages"]) == stages
    assert all(stage["peak_memory_mib"] > 0 for stage in manifest["stages"].values())


def test_events_hold_losses_and_notices(result):
    events = [json.loads(line) for line in (result.path / "events.jsonl").read_text().splitlines()]
    training = [event for event in events if event["event"] == "progress" and event["stage"] == "training"]
    assert set(training[-1]["values"]) == {"loss", "kl", "combination", "reconstruction", "alignment"}
    assert any(event["event"] == "notice" and event["message"].startswith("pairing") for event in events)


def test_result_opens_with_the_embeddings_where_scanpy_looks(result):
    with mudata_conventions():
        mdata = mudata.read_h5mu(result.path / "result.h5mu")
    assert mdata.obsm["X_jamie"].shape == (mdata.n_obs, 4)
    for modality in ("rna", "adt"):
        assert mdata[modality].obsm["X_jamie"].shape == (60, 4)
        assert set(mdata[modality].obs["jamie_split"]) == {"train", "held_out"}
        assert mdata[modality].obs["jamie_match_score"].between(0, 1).all()
    assert yaml.safe_load(mdata.uns["jamie"]["spec"])["model"]["latent_dim"] == 4


def test_imputed_values_carry_names_and_units_of_the_target(result, mdata):
    imputed = anndata.read_h5ad(result.path / "imputed/rna-to-adt.h5ad")
    assert imputed.obs_names.equals(mdata["rna"].obs_names)
    assert imputed.var_names.equals(mdata["adt"].var_names)
    assert imputed.uns["jamie"]["units"] == "as X of adt"


def test_correspondence_files_open_with_scipy(result):
    known = sparse.load_npz(result.path / "correspondence/rna--adt.npz")
    assert known.shape == (60, 60)
    assert known.nnz == 24  # half of the 48 shared cells
    with np.load(result.path / "correspondence/rna--adt.inferred.npz", allow_pickle=False) as arrays:
        assert len(arrays["cells_a"]) == arrays["shape"][0] < 60  # training cells alone


def test_metrics_are_reported_for_every_scope(result):
    scopes = {(record["metric"], record["scope"]) for record in metrics_of(result.path)}
    for metric in ("label_transfer_accuracy", "foscttm"):
        assert {(metric, scope) for scope in ("all", "held_out_pairs", "held_out_cells")} <= scopes


def test_the_headline_accuracy_is_the_plain_one_beside_the_one_without_partners(result):
    accuracies = [r for r in metrics_of(result.path) if r["metric"] == "label_transfer_accuracy"]
    assert {r["parameters"]["leave_partner_out"] for r in accuracies} == {False, True}
    assert {r["parameters"]["leave_partner_out"] for r in accuracies if r["headline"]} == {False}


def test_same_seed_gives_identical_metrics(result, tmp_path):
    again = jamie.run(SPEC, out=tmp_path / "again")
    assert metrics_of(again.path) == metrics_of(result.path)
    other = jamie.run(SPEC, out=tmp_path / "other", overrides={"seed": 1})
    assert metrics_of(other.path) != metrics_of(result.path)


def test_resolved_spec_runs_again_to_the_same_metrics(result, tmp_path):
    again = jamie.run(result.path / "spec.resolved.yaml", out=tmp_path / "again")
    assert metrics_of(again.path) == metrics_of(result.path)


@pytest.mark.parametrize("moment", ["spec", "training", "late"])
def test_killed_and_resumed_ends_in_the_same_metrics(result, tmp_path, moment):
    spec, out = tmp_path / "spec.yaml", tmp_path / "run"
    spec.write_text(yaml.dump({"name": "jamie", **SPEC}))
    run = [sys.executable, "-m", "jamie", "run", str(spec), "--out", str(out), "--quiet"]
    process = subprocess.Popen(run, stderr=subprocess.PIPE)
    waited_for = {"spec": "manifest.json", "training": "checkpoint/training.safetensors", "late": "model/model.json"}
    while not (out / waited_for[moment]).exists() and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = subprocess.run([*run, "--resume"], capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert metrics_of(out) == metrics_of(result.path)
    assert json.loads((out / "manifest.json").read_text())["status"] == "finished"
    assert not list(out.rglob("*.partial*"))


def test_saved_model_embeds_and_imputes_what_the_run_wrote(result, mdata):
    model = jamie.load(result.path)
    model.embed(mdata)
    imputed = model.impute(mdata, source="rna", to="adt")
    written = anndata.read_h5ad(result.path / "imputed/rna-to-adt.h5ad")
    np.testing.assert_allclose(imputed.X, written.X, atol=1e-5)
    for modality in ("rna", "adt"):
        np.testing.assert_allclose(mdata[modality].obsm["X_jamie"], result.mdata[modality].obsm["X_jamie"], atol=1e-5)


def test_python_class_is_the_same_pipeline(mdata, result, tmp_path):
    before = {modality: adata.X.copy() for modality, adata in mdata.mod.items()}
    model = jamie.JAMIE({key: value for key, value in SPEC.items() if key != "data"}).fit(mdata)
    expected = [record["value"] for record in metrics_of(result.path)]
    np.testing.assert_allclose(model.metrics["value"], expected, rtol=1e-12)
    assert len(model.history) > 10
    for modality in mdata.mod:
        np.testing.assert_array_equal(mdata[modality].X, before[modality])
    model.save(tmp_path / "model")
    with pytest.raises(jamie.JamieError, match=r"model: exists already\n  give another folder, or overwrite=True"):
        model.save(tmp_path / "model")
    model.save(tmp_path / "model", overwrite=True)
    copy = jamie.load(tmp_path / "model").embed(mdata, copy=True, key_added="X_other")
    np.testing.assert_allclose(copy.obsm["X_other"].shape, (mdata.n_obs, 4))
    features = list(mdata["adt"].var_names[[3, 1]])
    assert list(model.impute(mdata, "rna", "adt", features=features).var_names) == features


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    checked = {"until": "correspondence", "correspondence": SPEC["correspondence"] | {"check": 0.2}}
    return jamie.run(SPEC | checked, out=tmp_path_factory.mktemp("runs") / "matched")


def test_a_run_until_the_correspondence_infers_and_judges_and_trains_nothing(matched, result):
    with pytest.raises(OutputError, match="expected a model, found no"):
        matched.model  # noqa: B018
    assert not matched.mdata.mod
    assert not (matched.path / "model").exists()
    assert json.loads((matched.path / "manifest.json").read_text())["status"] == "finished"
    file = "correspondence/rna--adt.inferred.npz"
    same = [sparse.load_npz(one.path / file).toarray() for one in (matched, result)]
    np.testing.assert_array_equal(*same)
    mine = {record["part"]: record["value"] for record in metrics_of(matched.path)}
    assert mine == {r["part"]: r["value"] for r in metrics_of(result.path) if r["metric"] == "matching"}
    (pair,) = json.loads((matched.path / "correspondence.json").read_text())
    assert pair["diagnostics"]["checked_pairs"] > 0


def test_it_is_not_taken_for_a_whole_run(matched):
    with pytest.raises(
        OutputError, match="expected a run that trained a model, found one that stopped after the correspondence"
    ):
        evaluate_run(matched.path)


def test_its_table_names_every_part_beside_chance(matched):
    (block,) = run_tables(metrics_of(matched.path))
    assert block.title.startswith("rna and adt, inferred partners of ")
    rows = {row["partner"]: row for row in block.rows}
    assert list(rows) == ["mass ↑", "top 1 ↑", "top 10 ↑", "quantile ↓", "type accuracy ↑"]
    assert rows["quantile ↓"]["chance"] == "0.500"


def test_to_stop_after_what_is_not_done_is_refused():
    with pytest.raises(SpecError, match=r"until: the run is to stop after .*correspondence.infer is null"):
        jamie.run(SPEC | {"until": "correspondence", "correspondence": {"infer": None}, "losses": {}})


def test_public_names_are_not_shadowed_by_modules():
    modules = {name for name in jamie.__all__ if isinstance(getattr(jamie, name), type(jamie))}
    assert modules == set(jamie._SUBMODULES)


def test_type_checkers_see_the_public_names():
    (block,) = (node for node in ast.parse(Path(jamie.__file__).read_text()).body if isinstance(node, ast.If))
    seen = {alias.asname: (node.module, alias.name) for node in block.body for alias in node.names}
    public = jamie._MODULE_OF | dict.fromkeys(jamie._SUBMODULES, "jamie")
    assert seen == {name: (module, name) for name, module in public.items()}


def test_a_setting_that_does_not_exist_is_named():
    with pytest.raises(TypeError, match=r"JAMIE has no setting 'latent_dims'; expected one of seed, labels,"):
        jamie.JAMIE("default", latent_dims=3)


def test_a_model_that_is_not_trained_says_so(mdata):
    with pytest.raises(jamie.JamieError, match=r"the model is not trained yet\n  call fit\(mdata\)"):
        jamie.JAMIE("default").embed(mdata)
    assert repr(jamie.JAMIE("default", latent_dim=4)) == "JAMIE('default', latent_dim=4; not trained)"


def test_a_model_shows_what_it_was_trained_on(result):
    assert repr(jamie.load(result.path)) == "JAMIE('jamie', latent_dim=4; trained on rna, adt)"


@pytest.mark.parametrize("method", ["fit", "embed"])
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (anndata.AnnData(np.eye(3)), "AnnData\n  wrap it: mudata.MuData({'rna': adata})"),
        ("cells.h5mu", "str\n  read it with mudata.read_h5mu"),
        (None, "NoneType\n  give MuData"),
    ],
    ids=["AnnData", "str", "None"],
)
def test_data_of_another_class_are_named(method, data, found):
    with pytest.raises(jamie.JamieError) as caught:
        getattr(jamie.JAMIE("default"), method)(data)
    assert str(caught.value) == f"{method}: expected MuData, found {found}"


def test_what_impute_takes():
    message = "impute: expected MuData or AnnData, found str\n  read it with mudata.read_h5mu or anndata.read_h5ad"
    with pytest.raises(jamie.JamieError) as caught:
        jamie.JAMIE("default").impute("cells.h5ad", "rna", "adt")
    assert str(caught.value) == message


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.0], ids=["all pairs", "half the pairs", "no pairs"])
def test_the_order_of_cells_in_the_file_changes_no_metric_beyond_seeds(fraction, mdata, tmp_path):
    """Preparation depends on names alone, so what is left is the order in which sums are taken."""
    generator = np.random.default_rng(3)
    with mudata_conventions():
        shuffled = mudata.MuData({m: a[generator.permutation(a.n_obs)].copy() for m, a in mdata.mod.items()})
        for name, data in (("straight", mdata), ("shuffled", shuffled)):
            data.write_h5mu(tmp_path / f"{name}.h5mu")
    settings = {**SPEC, "evaluate": {"known_pairs": {"fraction": fraction}}}

    def scores(name, seed):
        spec = {**settings, "data": {"mudata": {"path": str(tmp_path / f"{name}.h5mu")}}}
        out = jamie.run(spec, out=tmp_path / f"{name}-{seed}", overrides={"seed": seed}).path
        return np.array([record["value"] for record in metrics_of(out) if record["headline"]])

    straight = np.stack([scores("straight", seed) for seed in range(3)])
    moved = np.stack([scores("shuffled", seed) for seed in range(3)])
    spread = np.ptp(straight, axis=0) + 1 / 12  # one of the twelve cells that are held out
    assert (np.abs(np.median(moved, axis=0) - np.median(straight, axis=0)) <= spread).all()


def test_large_data_give_what_small_data_give(tmp_path, monkeypatch):
    """Whatever is read, imputed or calibrated in parts once there is much of it."""
    cells = {"n_cells": 300, "n_features": [30, 20], "modalities": ["rna", "adt"], "mean_counts": [1, 2]}
    spec = {
        "data": {"simulate_pairs": cells},
        "labels": ["cell_type"],
        "modalities": {"*": {"preprocess": ["log_normalize", "standardize", {"pca": {"n_components": 6}}]}},
        "training": {"ensemble": 2, "max_epochs": 3},
        "report": [],
    }
    expected = jamie.run(spec, out=tmp_path / "whole")
    for module in (data, chain):
        monkeypatch.setattr(module, "LAZY_FROM", 0)
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 100)
    found = jamie.run(spec, out=tmp_path / "parts")
    for table in ("metrics", "features"):
        columns = getattr(expected, table).select_dtypes("number").columns
        a, b = (getattr(run, table)[columns].to_numpy() for run in (found, expected))
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3, err_msg=table)
    for m in ("rna", "adt"):
        a, b = (run.mdata.mod[m] for run in (found, expected))
        np.testing.assert_allclose(a.obsm["X_jamie"], b.obsm["X_jamie"], atol=1e-3)
        pd.testing.assert_frame_equal(a.var, b.var, rtol=2e-3, atol=2e-3)
