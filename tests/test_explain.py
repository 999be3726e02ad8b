"""Explaining and showing runs: at their end, and afterwards from their files."""

import json
import shutil

import numpy as np
import pytest
import yaml
from mudata import MuData, read_h5mu

import jamie
from jamie.core.errors import DataError, SpecError
from jamie.data.assemble import mudata_conventions

PLUGIN = '''
import json
from typing import Literal

import numpy as np
import pandas as pd

import jamie


class Correlation(jamie.Explainer):
    """Correlation of every feature with a latent.

    Parameters
    ----------
    latent
        Which.
    modality
        Whose features.
    fails
        How.
    """

    name = "correlation"

    def __init__(
        self, *, latent: int = 0, modality: str = "rna", fails: Literal["no", "data", "fault", "stop"] = "no"
    ) -> None:
        self.latent, self.modality, self.fails = latent, modality, fails

    def _explain(self, subject, context):
        if self.fails == "data":
            raise jamie.DataError("expected a sunny day", where="explainer 'correlation'", fix="wait")
        if self.fails == "fault":
            raise RuntimeError("a fault")
        if self.fails == "stop" and not (context.seed and __import__("pathlib").Path("go").exists()):
            raise KeyboardInterrupt
        data, train = subject.dataset.modalities[self.modality], subject.split.train[self.modality]
        z = subject.embed(self.modality, subject.scores(self.modality))[train, self.latent]
        found = [np.corrcoef(x, z)[0, 1] for x in data.input.X[train].T]
        table = pd.DataFrame({"rank": 1, "feature": data.input.features, "correlation": found})
        table["rank"] = (-table["correlation"].abs()).rank().astype(int)
        table = table.sort_values("rank").reset_index(drop=True)
        settings = {"latent": self.latent, "n_cells": int(train.sum())}
        context.progress("correlation", 1, 1, {})
        return jamie.Explanation(self.name, f"latent {self.latent}, from {self.modality}", settings, {"top": table})


class Constant(jamie.Explainer):
    """The same always."""

    name = "constant"

    def _explain(self, subject, context):
        return jamie.Explanation(self.name, "nothing", {}, {"one": pd.DataFrame({"value": [1.5]})})


class Lines(jamie.Report):
    """The files and stages of a run.

    Parameters
    ----------
    fails
        Whether it does.
    """

    name = "lines"

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def _write(self, run, context):
        if self.fails:
            raise RuntimeError("no ink")
        manifest = json.loads((run / "manifest.json").read_text())
        files = sorted(path.name for path in run.glob("explain/*"))
        (run / "report.html").write_text(json.dumps([manifest["status"], list(manifest["stages"]), files]))
        return [run / "report.html"]
'''


def prepare(place):
    (place.folder / "mine.py").write_text(PLUGIN)
    return place


def run(place, *options, **settings):
    return prepare(place).run(None, *options, **{"plugins": ["mine.py"], **settings})


def page(place):
    return json.loads((place.out / "report.html").read_text())


def tables(place, name="correlation", table="top"):
    return (place.out / f"explain/{name}/{table}.csv").read_text()


@pytest.fixture
def reports(reports_switch, monkeypatch):
    """Let runs write their reports, without the layouts of cells, which these do not show."""
    monkeypatch.setattr("jamie.commands.run.write_reports", reports_switch["run.write_reports"])


@pytest.fixture(scope="module")
def explained(tmp_path_factory, place_in):
    """A run with an explanation; its files must stay."""
    place = place_in(tmp_path_factory.mktemp("explained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        place.works(run(place, explain=["correlation"], evaluate={"holdout": {"fraction": 0.2}}))
    return place


@pytest.fixture
def copied(explained, place_in, tmp_path, monkeypatch):
    """The same, in a copy; the data stay where they were."""
    monkeypatch.chdir(explained.folder)
    place = place_in(explained.folder)
    place.out = tmp_path / "out"
    shutil.copytree(explained.out, place.out)
    return place


# At the end of a run.


def test_a_run_explains_itself_and_is_shown(place, reports):
    prepare(place).write_spec(plugins=["mine.py"], explain=["correlation", "constant"], report=["lines"])
    found = jamie.run("spec.yaml", out="out")
    assert set(found.explanations) == {"correlation", "constant"}
    assert found.explanations["correlation"].settings == {"latent": 0, "n_cells": 30}
    assert len(tables(place).splitlines()) == 13
    stages = place.manifest()["stages"]
    assert list(stages)[-3:] == ["results", "explanation", "report"]
    assert all(stages[stage]["seconds"] >= 0 for stage in stages)
    status, known, names = page(place)
    assert (status, known[-1], names) == ("running", "explanation", ["constant", "correlation"])
    assert place.manifest()["status"] == "finished"


def test_what_fails_there_costs_nothing_else(place, reports):
    fails = [{"correlation": {"fails": how}} for how in ("data", "fault")]
    done = run(place, explain=[*fails, "constant"], report=[{"lines": {"fails": True}}, "lines"])
    place.works(done, "explainer 'correlation' failed, and the run is without it: explainer 'correlation': expected a")
    assert f"once that is mended: jamie explain {place.out} correlation" in done.stderr
    assert "the run is without it: unexpected RuntimeError: a fault" in done.stderr
    assert "report 'lines' failed, and the run is without it: unexpected RuntimeError: no ink" in done.stderr
    assert f"once that is mended: jamie report {place.out}" in done.stderr
    assert place.manifest()["status"] == "finished"
    assert page(place)[2] == ["constant"]


def test_an_interrupted_explanation_is_made_when_the_run_goes_on(place):
    stopped = {"seed": 1, "explain": ["constant", {"correlation": {"fails": "stop"}}]}
    done = run(place, **stopped)
    assert done.exit_code == 130
    assert place.manifest()["status"] == "interrupted"
    (place.folder / "go").touch()
    place.works(run(place, "--resume", **stopped))
    assert sorted(path.name for path in (place.out / "explain").iterdir()) == ["constant", "correlation"]
    first = tables(place)
    place.works(run(place, "--overwrite", **stopped))
    assert tables(place) == first


def test_the_resolved_spec_explains_and_shows_again(place, reports):
    place.works(run(place, explain=[{"correlation": {"latent": 2}}], report=["lines"]))
    first = tables(place)
    again = place.call("run", place.out / "spec.resolved.yaml", "--out", place.folder / "again", "--quiet")
    place.works(again)
    place.out = place.folder / "again"
    assert (tables(place), page(place)[2]) == (first, ["correlation"])


def test_a_run_that_stops_before_training_is_shown_and_not_explained(place, reports):
    sparse = {"infer": "unioncom", "known": "by_name"}
    stops = {"until": "correspondence", "correspondence": sparse, "evaluate": {"known_pairs": {"fraction": 0.5}}}
    place.works(run(place, explain=["correlation"], report=["lines"], **stops))
    assert page(place)[1][-1] == "evaluation"
    assert not (place.out / "explain").exists()
    place.works(place.call("report", place.out))


def test_runs_of_a_sweep_are_explained_and_not_shown(place, reports):
    place.works(run(place, explain=["correlation"], report=["lines"], sweep={"seed": [0, 1]}))
    children = sorted((place.out / "runs").iterdir())
    assert [(child / "explain/correlation").is_dir() for child in children] == [True, True]
    assert [(child / "report.html").exists() for child in children] == [False, False]
    place.works(run(place, "--resume", explain=["correlation"], report=["lines"], sweep={"seed": [0, 1, 2]}))


# Afterwards.


def test_a_finished_run_is_explained_as_its_spec_says(copied):
    before = tables(copied)
    shutil.rmtree(copied.out / "explain")
    done = copied.call("explain", copied.out, "--quiet")
    copied.works(done)
    assert done.stdout == f"written to {copied.out}/explain/correlation\n"
    assert tables(copied) == before


def test_explainers_are_named_and_told_their_parameters(copied):
    copied.works(copied.call("explain", copied.out, "constant", "--quiet"))
    copied.works(copied.call("explain", copied.out, "correlation", "--set", "latent=1", "--quiet"))
    many = ("constant", "correlation", "--set", "correlation.modality=protein", "--quiet")
    copied.works(copied.call("explain", copied.out, *many))
    found = {
        path.parent.name: json.loads(path.read_text())["component"]
        for path in sorted(copied.out.glob("explain/*/explanation.json"))
    }
    params = {"latent": 0, "modality": "rna", "fails": "no"}
    assert found == {
        "constant": "constant",
        "correlation": {"correlation": params},
        "correlation_2": {"correlation": {**params, "latent": 1}},
        "correlation_3": {"correlation": {**params, "modality": "protein"}},
    }


def test_the_split_is_that_of_the_run(copied):
    done = copied.call("explain", copied.out, "--json")
    (found,) = json.loads(done.stdout)["explanations"].values()
    assert found["settings"] == {"latent": 0, "n_cells": 24}
    assert [row["rank"] for row in found["tables"]["top"]] == list(range(1, 13))


def test_the_top_of_the_tables_is_printed(copied):
    done = copied.call("explain", copied.out, "--set", "modality=rna")
    copied.works(done)
    assert "correlation, top: latent 0, from rna" in done.stdout
    rank, feature, value = tables(copied).splitlines()[1].split(",")
    assert [rank, feature, f"{float(value):.4g}"] in [line.split() for line in done.stdout.splitlines()]


def test_its_page_is_made_anew_where_it_has_one(copied):
    spec = copied.out / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("report: []", "report: [lines]"))
    (copied.out / "report.html").touch()
    copied.works(copied.call("explain", copied.out, "constant", "--quiet"))
    assert page(copied)[2] == ["constant", "correlation"]
    (copied.out / "report.html").unlink()
    copied.works(copied.call("explain", copied.out, "--quiet"))
    assert not (copied.out / "report.html").exists()


REFUSED = {
    "unknown": (("shapp",), "explainer 'shapp': unknown explainer 'shapp'\n  did you mean 'shap'?   available: "),
    "a kind of another": (("pearson",), "explainer 'pearson': unknown explainer 'pearson'"),
    "a parameter": (
        ("--set", "latnt=1"),
        "--set explain.correlation.latnt=1  explain.correlation.latnt: unknown key 'latnt'\n  did you mean 'latent'?",
    ),
    "a value": (("--set", "latent=first"), "--set explain.correlation.latent=first"),
    "no value": (("--set", "latent"), "expected key=value"),
    "whose": (
        ("constant", "correlation", "--set", "latent=1"),
        "--set latent=1: expected the name of an explainer before the parameter, one of constant, correlation\n"
        "  for example --set constant.latent=1",
    ),
    "what it finds missing": (("--set", "fails=data"), "explainer 'correlation': expected a sunny day\n  wait"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_explained_is_said(copied, arguments, message):
    before = tables(copied)
    copied.refused(copied.call("explain", copied.out, *arguments), message)
    assert tables(copied) == before


def test_a_run_without_explainers_asks_for_one(copied):
    spec = copied.out / "spec.resolved.yaml"
    text = spec.read_text()
    start = text.index("explain:")
    spec.write_text(text[:start] + "explain: []\n" + text[text.index("report:") :])
    message = f"{copied.out}: expected an explainer, found none in its spec\n  name one of "
    copied.refused(copied.call("explain", copied.out), message)


@pytest.mark.parametrize("command", ["explain", "report"])
def test_what_is_no_finished_run_is_refused(copied, command, tmp_path):
    copied.refused(
        copied.call(command, tmp_path / "none"), f"{tmp_path}/none: expected a run directory, found no manif"
    )
    manifest = copied.manifest()
    (copied.out / "manifest.json").write_text(json.dumps({**manifest, "status": "interrupted"}))
    copied.refused(copied.call(command, copied.out), "expected a finished run, found one that is interrupted")
    (copied.out / "manifest.json").write_text(json.dumps({**manifest, "sweep": {}}))
    copied.refused(copied.call(command, copied.out), "expected the directory of one run, found that of a sweep")


def test_other_data_are_refused(copied, tmp_path):
    data = tmp_path / "cells.h5mu"
    shutil.copy(copied.folder / "cells.h5mu", data)
    spec, manifest = copied.out / "spec.resolved.yaml", copied.out / "manifest.json"
    for file in (spec, manifest):
        file.write_text(file.read_text().replace(str(copied.folder / "cells.h5mu"), str(data)))
    copied.works(copied.call("explain", copied.out, "--quiet"))
    data.write_bytes(b"other")
    copied.refused(
        copied.call("explain", copied.out), f"{data}: expected the file that the run has read, found another"
    )
    data.unlink()
    copied.refused(copied.call("explain", copied.out), str(data))


def test_a_report_needs_no_data(copied):
    spec = copied.out / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("report: []", "report: [lines]").replace("cells.h5mu", "gone.h5mu"))
    done = copied.call("report", copied.out)
    copied.works(done)
    assert done.stdout == f"written to {copied.out}/report.html\n"
    assert page(copied)[2] == ["correlation"]
    listed = json.loads(copied.call("report", copied.out, "--json").stdout)
    assert listed == {"folder": str(copied.out), "files": [str(copied.out / "report.html")]}


def test_a_report_that_fails_says_so(copied):
    spec = copied.out / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("report: []", "report: [{lines: {fails: true}}]"))
    done = copied.call("report", copied.out)
    assert done.exit_code == 1
    assert "unexpected RuntimeError: no ink" in done.stderr


def test_a_page_shows_the_metrics_of_another_evaluation(copied):
    spec = copied.out / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("report: []", "report: [lines]"))
    (copied.out / "report.html").touch()
    copied.works(copied.call("evaluate", copied.out, "--set", "evaluate.metrics=[foscttm]", "--quiet"))
    assert page(copied)[2] == ["correlation"]


def test_a_page_that_fails_does_not_cost_what_was_found(copied):
    spec = copied.out / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("report: []", "report: [{lines: {fails: true}}]"))
    (copied.out / "report.html").touch()
    done = copied.call("explain", copied.out, "constant", "--quiet")
    copied.works(done, "report 'lines' failed, and the run is without it: unexpected RuntimeError: no ink")
    assert tables(copied, "constant", "one") == "value\n1.5\n"


@pytest.fixture
def older(copied, monkeypatch):
    """A run of a version that neither explained nor showed runs, and kept no losses."""
    shutil.rmtree(copied.out / "explain")
    (copied.out / "history.csv").unlink()
    mdata = read_result(copied)
    mdata.uns["jamie"] = {key: mdata.uns["jamie"][key] for key in ("version", "spec", "seed")}
    with mudata_conventions():
        mdata.write_h5mu(copied.out / "result.h5mu")
    spec = copied.out / "spec.resolved.yaml"
    settings = yaml.safe_load(spec.read_text())
    spec.write_text(yaml.safe_dump({key: one for key, one in settings.items() if key not in ("explain", "report")}))
    monkeypatch.setattr("jamie.report.html.run_page.add_missing_layouts", lambda run: None)  # UMAPs take long
    return copied


def read_result(place):
    with mudata_conventions():
        return read_h5mu(place.out / "result.h5mu")


def test_a_run_of_an_older_version_is_shown_elsewhere(older, tmp_path):
    files = sorted(older.out.rglob("*"))
    done = older.call("report", older.out, "--out", tmp_path / "page.html")
    older.works(done)
    assert done.stdout == f"written to {tmp_path}/page.html\n"
    assert "<html" in (tmp_path / "page.html").read_text()
    assert sorted(older.out.rglob("*")) == files
    again = older.call("report", older.out, "--out", tmp_path / "page.html")
    older.refused(again, f"{tmp_path}/page.html: exists already\n  give another name, or --overwrite")
    older.refused(older.call("report", older.out, "--out", tmp_path / "p.pdf"), "expected a name that ends in .html")


# In memory.


@pytest.fixture(scope="module")
def fitted(explained):
    cells = {m: one.copy() for m, one in read(explained).mod.items()}
    cells["rna"].var["kind"] = [f"kind {i % 2}" for i in range(12)]
    mdata = MuData(cells)
    spec = {
        "plugins": [str(explained.folder / "mine.py")],
        "labels": ["cell_type"],
        "modalities": {"*": {"preprocess": ["standardize"]}},
        "model": {"latent_dim": 3},
        "training": {"ensemble": 1, "min_epochs": 2, "max_epochs": 4},
        "evaluate": {"holdout": {"fraction": 0.2}, "metrics": ["foscttm"]},
    }
    return jamie.JAMIE(spec).fit(mdata), mdata


def read(place):
    with mudata_conventions():
        return read_h5mu(place.folder / "cells.h5mu")


def test_a_model_explains_itself(fitted):
    model, mdata = fitted
    found = model.explain(mdata, "correlation", latent=1)
    assert (found.title, found.settings) == ("latent 1, from rna", {"latent": 1, "n_cells": 24})
    train = model.to_mudata(mdata)["rna"].obs["jamie_split"].to_numpy() == "train"
    z = model.embed(mdata, copy=True)["rna"].obsm["X_jamie"][train, 1]
    names = mdata["rna"].var_names
    expected = {name: np.corrcoef(x, z)[0, 1] for name, x in zip(names, mdata["rna"].X[train].T, strict=True)}
    table = found.tables["top"].set_index("feature")["correlation"]
    assert table.to_dict() == pytest.approx(expected, abs=1e-5)


def test_cells_come_in_any_order_of_cells_and_features(fitted):
    model, mdata = fitted
    turned = MuData({m: one[::-1, ::-1].copy() for m, one in mdata.mod.items()})
    found, expected = (model.explain(cells, "correlation").tables["top"] for cells in (turned, mdata))
    assert found["feature"].tolist() == expected["feature"].tolist()
    np.testing.assert_allclose(found["correlation"], expected["correlation"], atol=1e-5)


def test_a_loaded_model_explains_new_cells_of_one_modality(fitted, tmp_path, caplog):
    model, mdata = fitted
    model.save(tmp_path / "model")
    loaded = jamie.load(tmp_path / "model")
    new = MuData({"rna": mdata["rna"][:10].copy()})
    new["rna"].obs_names = [f"new{i}" for i in range(10)]
    caplog.set_level("INFO", "jamie")
    assert loaded.explain(new, "correlation").settings["n_cells"] == 10
    assert "obs has no 'jamie_split', so all cells count as training cells" in caplog.text
    assert model.explain(new, "correlation").settings["n_cells"] == 10
    assert "rna: no cell is of the training set, so all cells count as training cells" in caplog.text


def test_a_result_is_explained_by_its_own_split(fitted, tmp_path):
    model, mdata = fitted
    model.save(tmp_path / "model")
    result = model.to_mudata(mdata)
    assert jamie.load(tmp_path / "model").explain(result, "correlation").settings["n_cells"] == 24


def test_an_explainer_sees_pairs_labels_and_annotations(fitted):
    seen = {}

    class Looks(jamie.Explainer):
        """Looks at what it is given."""

        name = "looks"

        def _explain(self, subject, context):
            seen.update(dataset=subject.dataset, imputed=subject.impute("rna", "protein", subject.scores("rna")))
            return jamie.Explanation("looks", "nothing", {}, {})

    model, mdata = fitted
    assert model.explain(mdata, Looks()).title == "nothing"
    dataset = seen["dataset"]
    assert dataset.labels == ("cell_type",)
    assert dataset.known.between("rna", "protein").n_pairs == 30
    assert dataset.modalities["rna"].input.var["kind"].iloc[1] == "kind 1"
    imputed = model.impute(mdata, source="rna", to="protein")
    np.testing.assert_allclose(seen["imputed"], imputed.X, rtol=1e-4, atol=1e-5)


def test_what_is_asked_wrongly_is_said(fitted):
    model, mdata = fitted
    with pytest.raises(SpecError, match=r"unknown explainer 'correlations'\n.*did you mean 'correlation'.*available: "):
        model.explain(mdata, "correlations")
    with pytest.raises(SpecError, match=r"explain\[0\]\.correlation\.latnt: unknown key 'latnt'"):
        model.explain(mdata, "correlation", latnt=1)
    with pytest.raises(SpecError, match=r"explain\[0\]\.correlation\.latent: expected .*, found 'x'"):
        model.explain(mdata, "correlation", latent="x")
    with pytest.raises(DataError, match=r"expected the name of an explainer and its parameters, .* found 3"):
        model.explain(mdata, 3)
    with pytest.raises(DataError, match="expected MuData, found AnnData"):
        model.explain(mdata["rna"])
    with pytest.raises(DataError, match="expected at least one of the modalities rna, protein, found other"):
        model.explain(MuData({"other": mdata["rna"]}), "correlation")
    with pytest.raises(DataError, match="the model is not trained yet"):
        jamie.JAMIE("fast").explain(mdata)
