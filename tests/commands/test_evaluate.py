"""Runs as they are evaluated: nothing leaks, methods stand beside the model, a finished run is scored again."""

import json

import numpy as np
import pandas as pd
import pytest

import jamie
from jamie.commands.evaluate import evaluate_run
from jamie.core.errors import DataError, OutputError
from jamie.core.package_versions import layer_names
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.simulate_branch import SimulateBranch

SPEC = {
    "data": {"mudata": {"path": "cells.h5mu"}},
    "labels": ["cell_type"],
    "modalities": {"*": {"preprocess": [{"select_features": {"n_features": 12}}, "standardize", "pca"]}},
    "model": {"latent_dim": 4},
    "training": {"ensemble": 1, "min_epochs": 4, "max_epochs": 8, "patience": 4, "batch_size": 32},
    "correspondence": {"infer": {"unioncom": {"max_iterations": 20}}},
    "losses": {"alignment": {"weight": 31.25}},
    "evaluate": {"compare": ["knn", "ridge", "nlma", {"cca": {"n_components": 3}}, {"cca": {"n_components": 2}}]},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    write(cells(), folder / "cells.h5mu")
    return folder


def cells():
    mdata = SimulateBranch(n_cells=60, n_features=(20, 30), modalities=("rna", "adt")).read()
    for m in ("rna", "adt"):  # another label than that by which the split is stratified
        mdata[m].obs["side"] = np.where(mdata["rna"].X[:, 0] > np.median(mdata["rna"].X[:, 0]), "high", "low")
    return mdata


def write(mdata, path):
    with mudata_conventions():
        mdata.write_h5mu(path)


def run(folder, name, **settings):
    spec = {**SPEC, "data": {"mudata": {"path": str(folder / "cells.h5mu")}}}
    return jamie.run(spec, out=folder / name, overrides=settings)


@pytest.fixture(scope="module")
def result(place):
    return run(place, "one")


def test_a_fifth_of_the_cells_is_held_out_by_default(result):
    for m in ("rna", "adt"):
        counts = result.mdata[m].obs["jamie_split"].value_counts()
        assert (counts["held_out"], counts["train"]) == (12, 48)


def test_held_out_values_change_nothing_of_the_model(result, place, tmp_path):
    changed = cells()
    for m in ("rna", "adt"):
        held_out = (result.mdata[m].obs["jamie_split"] == "held_out").to_numpy()
        X = changed[m].X.copy()
        X[held_out] = 1000 * np.random.default_rng(0).normal(size=X[held_out].shape)
        changed[m].X = X
    write(changed, tmp_path / "cells.h5mu")
    other = run(tmp_path, "two")
    for file in ("model/network.safetensors", "model/preprocessing.safetensors"):
        assert (result.path / file).read_bytes() == (other.path / file).read_bytes()
    before, after = (np.load(r.path / "correspondence/rna--adt.inferred.npz") for r in (result, other))
    np.testing.assert_array_equal(before["data"], after["data"])
    for m in ("rna", "adt"):  # the methods beside it learn nothing of them either
        train = (result.mdata[m].obs["jamie_split"] == "train").to_numpy()
        for key in ("X_nlma", "X_cca(n_components=3)"):
            one, two = (r.mdata[m].obsm[key][train] for r in (result, other))
            np.testing.assert_array_equal(one, two)


def test_every_method_stands_in_the_same_tables(result):
    table = pd.read_csv(result.path / "metrics.csv", keep_default_na=False)
    cca = ["cca(n_components=3)", "cca(n_components=2)"]
    assert set(table["method"]) == {"jamie", "knn", "ridge", "nlma", *cca}
    foscttm = table[table["metric"] == "foscttm"].groupby("scope")["method"].agg(set)
    assert foscttm["training_cells"] == {"jamie", "nlma", *cca}
    assert foscttm["held_out_cells"] == foscttm["all"] == {"jamie", *cca}  # nlma embeds no new cells
    pearson = table[table["metric"] == "pearson"]
    assert set(pearson["method"]) == {"jamie", "knn", "ridge"}
    assert set(pearson["scope"]) == {"held_out_cells"}
    assert set(zip(pearson["source"], pearson["target"], strict=True)) == {("rna", "adt"), ("adt", "rna")}


def test_the_features_table_is_what_the_records_are_means_of(result):
    features = pd.read_csv(result.path / "features.csv")
    assert list(features.columns) == ["method", "source", "target", "scope", "feature", "pearson"]
    means = features.groupby(["method", "source", "target"])["pearson"].mean()
    for record in result.metrics.itertuples():
        if record.metric == "pearson":
            assert record.value == pytest.approx(means[record.method, record.source, record.target], abs=1e-12)
            assert (
                record.n_features
                == len(features[features["method"] == record.method]) * (20 if record.target == "rna" else 30) // 50
            )


def test_wins_are_counted_for_every_two_methods(result):
    wins = pd.read_csv(result.path / "wins.csv")
    assert {tuple(sorted(pair)) for pair in zip(wins["method_a"], wins["method_b"], strict=True)} == {
        ("jamie", "knn"),
        ("jamie", "ridge"),
        ("knn", "ridge"),
    }
    features = pd.read_csv(result.path / "features.csv")
    row = wins[(wins["method_a"] == "jamie") & (wins["method_b"] == "knn") & (wins["target"] == "adt")].iloc[0]
    of = features[features["target"] == "adt"].pivot(index="feature", columns="method", values="pearson")
    assert (row["wins_a"], row["wins_b"]) == ((of["jamie"] > of["knn"]).sum(), (of["knn"] > of["jamie"]).sum())


def test_methods_tell_their_time_and_memory(result):
    methods = json.loads((result.path / "methods.json").read_text())
    assert [one["method"] for one in methods][:2] == ["jamie", "knn"]
    for one in methods:
        assert one["status"] == "done"
        for phase in ("preparation", "training"):
            assert one[phase]["seconds"] >= 0
            assert one[phase]["peak_memory_mib"] > 0


def test_embeddings_and_imputed_values_of_all_methods_are_kept(result):
    import anndata

    assert np.isnan(result.mdata["rna"].obsm["X_nlma"]).any(axis=1).sum() == 12
    imputed = anndata.read_h5ad(result.path / "imputed/rna-to-adt.h5ad")
    assert set(layer_names(imputed)) == {"knn", "ridge"}
    assert imputed.shape == (60, 30)


def test_a_method_that_cannot_be_used_is_told_and_stops_nothing(place):
    quick = {"jamie": {"settings": {"training.min_epochs": 2, "training.max_epochs": 4}}}
    done = run(place, "none_known", **{"correspondence.known": "none", "evaluate.compare": ["knn", "nlma", quick]})
    by_name = {one["method"]: one for one in done.methods}
    assert by_name["knn"]["status"] == by_name["nlma"]["status"] == "refused"
    assert "method 'knn': expected known pairs, found none" in by_name["knn"]["reason"]
    assert by_name["jamie(training.min_epochs=2, training.max_epochs=4)"]["status"] == "done"
    events = (done.path / "events.jsonl").read_text()
    assert "knn is left out: method 'knn': expected known pairs, found none" in events


def test_a_method_that_breaks_is_told_and_stops_nothing(place):
    plugin = place / "broken.py"
    plugin.write_text(
        "import jamie\n\n\nclass Broken(jamie.Method):\n    'Broken.'\n\n    name = 'broken'\n\n"
        "    def _fit(self, cells, context):\n        1 / 0\n\n    def _embed(self, scores):\n        return scores\n"
    )
    done = run(place, "broken", plugins=[str(plugin)], **{"evaluate.compare": ["broken"]})
    assert (done.methods[1]["status"], done.methods[1]["reason"]) == ("failed", "ZeroDivisionError: division by zero")
    assert {record.method for record in done.metrics.itertuples()} == {"jamie"}


def test_imputed_values_that_are_no_numbers_in_units_cost_the_method_only(place):
    plugin = place / "wild.py"
    plugin.write_text(
        "import numpy as np\nimport jamie\n\n\nclass Wild(jamie.Method):\n    'Wild.'\n\n    name = 'wild'\n\n"
        "    def _fit(self, cells, context):\n        self.n = {m: y.shape[1] for m, y in cells.targets.items()}\n\n"
        "    def _impute(self, scores, source, target):\n"
        "        return np.full((len(scores), self.n[target]), 1e3)\n"  # the logarithm of more than a float can hold
    )
    own = {"evaluate.compare": ["wild"], "modalities.*.preprocess": ["log_normalize"], "plugins": [str(plugin)]}
    counted = place / "counts"
    counted.mkdir()
    mdata = cells()
    for m in ("rna", "adt"):
        mdata[m].X = np.round(10 * np.abs(mdata[m].X))
    write(mdata, counted / "cells.h5mu")
    done = run(counted, "run", **own)
    assert done.methods[1]["status"] == "refused"
    assert "method 'wild': expected finite values of adt imputed from rna, in units" in done.methods[1]["reason"]
    assert {record.method for record in done.metrics.itertuples()} == {"jamie"}


def test_methods_may_have_preprocessing_of_their_own(result, place):
    own = {"evaluate.compare": ["ridge"], "evaluate.compare_preprocess": ["standardize", {"pca": {"n_components": 2}}]}
    done = run(place, "own", **own)
    values = {one.path: {} for one in (result, done)}
    for one in (result, done):
        values[one.path] = {
            r.method: r.value for r in one.metrics.itertuples() if r.metric == "pearson" and r.target == "adt"
        }
    assert values[done.path]["jamie"] == values[result.path]["jamie"]
    assert values[done.path]["ridge"] != values[result.path]["ridge"]


def test_preprocessing_that_does_not_suit_the_data_costs_the_methods_only(place):
    own = {"evaluate.compare": ["knn", "ridge"], "evaluate.compare_preprocess": [{"pca": {}}, "log_normalize"]}
    done = run(place, "unsuited", **own)
    assert [one["status"] for one in done.methods] == ["done", "refused", "refused"]
    assert "preprocessor 'log_normalize': expected counts" in done.methods[1]["reason"]
    assert {record.method for record in done.metrics.itertuples()} == {"jamie"}


def test_refit_delivers_a_model_of_all_cells_and_scores_of_the_one_that_was_evaluated(result, place):
    again = run(place, "refit", **{"evaluate.refit": True})
    assert set(again.mdata["rna"].obs["jamie_split"]) == {"train"}
    assert [r.value for r in again.metrics.itertuples()] == [r.value for r in result.metrics.itertuples()]
    one, two = (r.model.modalities["rna"].fill for r in (result, again))
    np.testing.assert_allclose(two, cells()["rna"].X.mean(axis=0), rtol=1e-5)
    assert not np.allclose(one, two)
    stages = json.loads((again.path / "manifest.json").read_text())["stages"]
    assert again.methods[0]["training"] == stages["training"] != stages["refit training"]
    with pytest.raises(OutputError, match="fitted again on all cells"):
        evaluate_run(again.path)


def test_a_finished_run_is_scored_again(result):
    before = json.loads((result.path / "metrics.json").read_text())
    found = evaluate_run(result.path)
    after = json.loads((result.path / "metrics.json").read_text())
    assert [one | {"value": 0} for one in after] == [one | {"value": 0} for one in before]
    np.testing.assert_allclose([one["value"] for one in after], [one["value"] for one in before], atol=1e-5)
    assert len(found.records) == len(after)


def test_a_finished_run_is_scored_by_other_metrics(place):
    done = run(place, "other", **{"evaluate.compare": ["ridge"]})
    found = evaluate_run(done.path, ["evaluate.metrics=[r2, {foscttm: {}}]"])
    assert {record.metric for record in found.records} == {"r2", "foscttm"}
    with pytest.raises(DataError, match=r"expected evaluate\.metrics or labels, found 'seed'"):
        evaluate_run(done.path, {"seed": 1})


def test_inferred_partners_are_scored_again_where_they_place_cells(place):
    names = ["barycentric_foscttm", "barycentric_label_transfer_accuracy"]
    first = run(place, "projected", **{"evaluate.known_pairs.fraction": 0.5, "evaluate.metrics": names})
    before = {(r.metric, r.part, r.source): r.value for r in first.metrics.itertuples()}
    assert {(r.scope, r.n_cells) for r in first.metrics.itertuples()} == {("held_out_pairs", 24)}
    again = evaluate_run(first.path)
    assert {(r.metric, r.part, r.source): r.value for r in again.records} == pytest.approx(before, rel=1e-9)


def test_an_embedding_that_the_data_brought_is_not_taken_for_that_of_a_method(tmp_path):
    mdata = cells()
    for m in ("rna", "adt"):
        mdata[m].obsm["X_ridge"] = np.zeros((60, 2))
    write(mdata, tmp_path / "cells.h5mu")
    done = run(tmp_path, "run", **{"evaluate.compare": ["ridge"]})
    found = evaluate_run(done.path).records
    for records in (list(done.metrics.itertuples()), found):
        assert {r.metric for r in records if r.method == "ridge"} == {"pearson"}


def test_a_finished_run_is_scored_by_another_label_on_the_cells_that_it_held_out(place):
    done = run(place, "label", **{"evaluate.compare": []})
    before = {(r.metric, r.scope): r.value for r in done.metrics.itertuples() if r.headline and r.metric == "foscttm"}
    found = evaluate_run(done.path, ["labels=[side]"]).records
    assert {r.label for r in found} == {"", "side"}
    after = {(r.metric, r.scope): r.value for r in found if r.headline and r.metric == "foscttm"}
    assert after == pytest.approx(before, abs=1e-5)


def test_where_nothing_is_held_out_no_model_is_fitted_again(place):
    settings = {"evaluate.compare": [], "evaluate.refit": True, "evaluate.holdout.fraction": 0}
    done = run(place, "nothing_held_out", **settings)
    values = [r.value for r in evaluate_run(done.path).records]
    np.testing.assert_allclose(values, [r.value for r in done.metrics.itertuples()], atol=1e-5)


def test_a_run_whose_data_have_changed_is_not_scored_again(tmp_path):
    write(cells(), tmp_path / "cells.h5mu")
    done = run(tmp_path, "run", **{"evaluate.compare": []})
    write(
        SimulateBranch(n_cells=60, n_features=(20, 30), modalities=("rna", "adt"), seed=1).read(),
        tmp_path / "cells.h5mu",
    )
    with pytest.raises(DataError, match="expected the file that the run has read, found another content"):
        evaluate_run(done.path)


def test_a_metric_that_breaks_is_told_and_costs_nothing(place):
    plugin = place / "wrong.py"
    plugin.write_text(
        "import jamie\n\n\nclass Wrong(jamie.Metric):\n    'Wrong.'\n\n    name = 'wrong'\n    bounds = (0, 1)\n"
        "    higher_is_better = True\n\n    def _score(self, pair):\n        return 1 / 0\n"
    )
    done = run(place, "wrong", plugins=[str(plugin)], **{"evaluate.compare": [], "evaluate.metrics": ["wrong", "r2"]})
    assert {record.metric for record in done.metrics.itertuples()} == {"r2"}
    events = (done.path / "events.jsonl").read_text()
    assert "jamie, rna and adt, all: wrong is left out: it failed: ZeroDivisionError: division by zero" in events


def test_metrics_that_were_asked_for_and_lack_labels_are_named_once(caplog):
    spec = {**SPEC, "data": None, "labels": [], "evaluate": {}}
    said = "not scored for lack of labels: silhouette, js_distance; name columns of obs under labels"
    chosen = ["silhouette", "foscttm", "js_distance", "silhouette", "pearson"]
    metrics = jamie.JAMIE(spec, {"evaluate.metrics": chosen}).fit(cells()).metrics
    assert [record.getMessage() for record in caplog.records].count(said) == 1
    assert set(metrics["metric"]) == {"foscttm", "pearson"}
    caplog.clear()
    jamie.JAMIE(spec).fit(cells())
    jamie.JAMIE(spec, {"labels": ["cell_type"], "evaluate.metrics": ["silhouette"]}).fit(cells())
    assert "lack of labels" not in caplog.text


def test_metrics_that_were_asked_for_and_lack_intervals_are_named(caplog):
    metrics = (
        jamie.JAMIE({**SPEC, "data": None, "evaluate": {"metrics": ["interval_coverage", "r2"]}}).fit(cells()).metrics
    )
    assert set(metrics["metric"]) == {"r2"}
    assert (
        "not scored for lack of intervals: interval_coverage; raise training.calibration, so that each network has "
        "at least 3 matched calibration cells"
    ) in caplog.text


def test_the_model_is_there_before_it_is_evaluated(place, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("jamie.commands.fit.evaluate_all", stop)
    with pytest.raises(KeyboardInterrupt):
        run(place, "stopped", **{"evaluate.compare": []})
    assert set(jamie.load(place / "stopped").model.modalities) == {"rna", "adt"}
