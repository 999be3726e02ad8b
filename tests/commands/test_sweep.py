"""Sweeps through the command line: folders, tables and figures, what fails, what is gone on with, what is refused."""

import json
import re
import subprocess

import anndata
import joblib
import numpy as np
import pandas as pd
import pytest
import torch

import jamie
import jamie.commands.multirun.results
import jamie.commands.multirun.workers
from jamie.commands.multirun.plan import slug_of
from jamie.commands.multirun.workers import RunTask, run_in_process
from jamie.core.errors import OutputError, SpecError

METRICS = {"metrics": ["foscttm", "label_transfer_accuracy"], "holdout": {"fraction": 0}}
GRID = {"model.latent_dim": [2, 3]}


@pytest.fixture
def figures():
    """Ask for figures."""


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Draw figures only where they are asked for: they take longer than the runs."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr(jamie.commands.multirun.results, "write_metric_figures", lambda *_: None)


@pytest.fixture
def one_thread():
    """Compute as runs side by side do on two cores: sums in another order may differ in their last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sweep(place):
    """Run a sweep over the latent dimension, or another one, with two seeds."""

    def run(*options, grid=GRID, seeds=(0, 1), **settings):
        evaluate = {**METRICS, "seeds": list(seeds)} if seeds else METRICS
        return place.run(None, *options, sweep=grid, evaluate=evaluate, **settings)

    return run


def runs_in(place):
    return sorted(path.name for path in (place.out / "runs").iterdir())


def status(place, run):
    return json.loads((place.out / "runs" / run / "manifest.json").read_text())["status"]


def table(place, name="sweep.csv"):
    return pd.read_csv(place.out / name, keep_default_na=False, na_values={"value": ""})


class TestResults:
    def test_every_run_is_a_run_directory_as_by_itself(self, place, sweep):
        place.works(sweep())
        assert runs_in(place) == [
            "000-latent_dim=2-seed=0",
            "001-latent_dim=2-seed=1",
            "002-latent_dim=3-seed=0",
            "003-latent_dim=3-seed=1",
        ]
        alone = jamie.run(
            "spec.yaml",
            overrides={"sweep": None, "evaluate.seeds": None, "seed": 1, "model.latent_dim": 3},
            out=place.folder / "alone",
        )
        folder = place.out / "runs" / "003-latent_dim=3-seed=1"
        for name in ("spec.resolved.yaml", "metrics.json", "features.csv"):
            assert (folder / name).read_text() == (alone.path / name).read_text()
        assert np.array_equal(
            jamie.load(folder).model.encode("rna", np.ones((1, 12), np.float32)),
            alone.model.encode("rna", np.ones((1, 12), np.float32)),
        )

    def test_tables_hold_every_record_and_their_mean_sd_and_number(self, place, sweep):
        place.works(sweep())
        records, summary = table(place), table(place, "summary.csv")
        of_a_run = json.loads((place.out / "runs" / "000-latent_dim=2-seed=0" / "metrics.json").read_text())
        mine = records[records["run"] == "000-latent_dim=2-seed=0"]
        assert list(mine["value"]) == pytest.approx([record["value"] for record in of_a_run])
        assert {(row["model.latent_dim"], row["seed"]) for _, row in mine.iterrows()} == {(2, 0)}
        assert len(summary) == 2 * len(of_a_run)
        row = summary[summary["headline"] & (summary["metric"] == "foscttm")].iloc[0]
        values = records[
            (records["metric"] == "foscttm")
            & (records["scope"] == row["scope"])
            & (records["model.latent_dim"] == row["model.latent_dim"])
        ]["value"]
        assert (row["mean"], row["sd"], row["n"]) == pytest.approx((values.mean(), values.std(ddof=1), 2))
        as_json = json.loads((place.out / "summary.json").read_text())
        assert [one["mean"] for one in as_json] == pytest.approx(list(summary["mean"]))

    def test_a_figure_for_each_headline_metric(self, place, sweep, figures):
        place.works(sweep())
        found = {path.name for path in (place.out / "figures").iterdir()}
        assert found == {f"{m}.{s}" for m in ("foscttm", "label_transfer_accuracy") for s in ("png", "svg")}

    def test_folds_are_repetitions(self, place):
        evaluate = {**METRICS, "holdout": {"folds": 3}}
        place.works(place.run(None, evaluate=evaluate))
        held_out = []
        for name in runs_in(place):
            obs = anndata.read_h5ad(place.out / "runs" / name / "imputed" / "rna-to-protein.h5ad").obs
            held_out += list(obs.index[obs["jamie_split"] == "held_out"])
        assert sorted(held_out) == sorted(obs.index)
        assert set(table(place, "summary.csv")["n"]) == {3}
        assert "evaluate.holdout.fold" not in table(place, "summary.csv")

    def test_values_that_are_mappings_are_written_short(self, place, sweep):
        grid = {"modalities.*.preprocess": [["standardize"], [{"pca": {"n_components": 4}}]], "losses.kl": [None, 1]}
        place.works(sweep(grid=grid, seeds=()))
        assert runs_in(place)[3] == "003-preprocess=pca_n_components_4-kl=1"
        records = table(place)
        assert list(dict.fromkeys(records["modalities.*.preprocess"])) == [
            "[standardize]",
            "[{pca: {n_components: 4}}]",
        ]
        assert list(dict.fromkeys(records["losses.kl"])) == ["null", "1"]

    def test_the_table_on_the_terminal(self, place, sweep):
        sweep()
        done = place.call("run", "spec.yaml", "--out", place.out, "--overwrite")
        assert re.search(r"^2 +\d\.\d{3} ± \d\.\d{3} +\d\.\d{3} ± \d\.\d{3}$", done.stdout, re.M), done.stdout
        assert max(map(len, done.stdout.splitlines()[:-1])) <= 80  # the last names the folder
        assert done.stdout.endswith(f"written to {place.out}\n")
        assert "003-latent_dim=3-seed=1 finished (4 of 4)\n" in done.stderr

    def test_json(self, place, sweep):
        found = json.loads(sweep("--json").stdout)
        assert [run["values"] for run in found["runs"]] == [
            {"model.latent_dim": g, "seed": s} for g in (2, 3) for s in (0, 1)
        ]
        assert {row["n"] for row in found["summary"]} == {2}

    def test_runs_side_by_side_end_in_the_same_numbers(self, place, sweep, one_thread):
        place.works(sweep())
        alone = (place.out / "sweep.csv").read_text()
        place.works(sweep("--jobs", 2, "--overwrite"))
        assert (place.out / "sweep.csv").read_text() == alone

    def test_a_surrounding_configuration_of_joblib_counts(self, place, sweep, monkeypatch, one_thread):
        sweep()
        asked = []
        monkeypatch.setattr(
            joblib.parallel.ThreadingBackend, "effective_n_jobs", lambda self, n_jobs: asked.append(n_jobs) or 2
        )
        with joblib.parallel_config("threading", n_jobs=2):
            result = jamie.sweep("spec.yaml", out=place.folder / "threads")
        assert 2 in asked
        assert result.records["value"].to_numpy() == pytest.approx(table(place)["value"].to_numpy(), nan_ok=True)

    def test_progress_counts_runs(self, place, sweep):
        sweep()
        told = []
        jamie.sweep("spec.yaml", out=place.folder / "two", progress=lambda *said: told.append(said[:3]))
        assert [said for said in told if said[0] == "runs"] == [("runs", done, 4) for done in range(5)]

    def test_a_spec_of_one_run_is_a_sweep_of_one(self, place):
        place.run()
        result = jamie.sweep("spec.yaml", out=place.folder / "one", overrides={"evaluate.metrics": ["foscttm"]})
        assert [(run.name, run.values) for run in result.runs] == [("000", {})]
        assert set(result.summary["n"]) == {1}


class TestFailures:
    GRID = {"labels": [["cell_type"], ["nope"]]}  # noqa: RUF012

    def test_a_run_that_fails_does_not_stop_the_others(self, place, sweep):
        done = sweep(grid=self.GRID, labels=["cell_type"])
        assert done.exit_code == 2
        for seed in (0, 1):
            assert (
                f"00{seed + 2}-labels=nope-seed={seed} failed: labels: expected a column 'nope' in obs" in done.stderr
            )
        assert "Traceback" not in done.output
        assert set(table(place)["run"]) == {"000-labels=cell_type-seed=0", "001-labels=cell_type-seed=1"}
        listed = json.loads((place.out / "manifest.json").read_text())["runs"]
        assert [run["status"] for run in listed] == ["finished", "finished", "failed", "failed"]
        assert listed[2]["error"].startswith("labels: expected a column 'nope'")

    def test_faults_are_told_too_and_what_failed_is_tried_again(self, place, sweep, monkeypatch):
        actual = jamie.commands.multirun.workers.run

        def run(spec, **keywords):
            if spec["seed"] == 1:
                actual(spec, **keywords | {"progress": fail})
            return actual(spec, **keywords)

        def fail(stage, done, total, values):
            raise ZeroDivisionError("oh")

        monkeypatch.setattr(jamie.commands.multirun.workers, "run", run)
        done = sweep()
        assert done.exit_code == 2
        assert "001-latent_dim=2-seed=1 failed: unexpected ZeroDivisionError: oh" in done.stderr
        assert (status(place, "000-latent_dim=2-seed=0"), status(place, "001-latent_dim=2-seed=1")) == (
            "finished",
            "failed",
        )
        monkeypatch.setattr(jamie.commands.multirun.workers, "run", actual)
        done = place.call("run", "spec.yaml", "--out", place.out, "--resume")
        place.works(done, "2 of 4 runs are finished already")
        assert table(place)["run"].nunique() == 4

    def test_runs_on_other_data_are_not_joined(self, place, sweep, modalities):
        place.works(sweep())
        before = (place.out / "runs" / "000-latent_dim=2-seed=0" / "manifest.json").read_text()
        modalities["rna"].X += 1
        place.write(modalities)
        place.refused(
            place.call("run", "spec.yaml", "--out", place.out, "--resume"),
            "000-latent_dim=2-seed=0: the data are not those that this run was made with: {folder}/cells.h5mu\n"
            "  go on with the same settings and data, or start anew with another --out",
        )
        assert (place.out / "runs" / "000-latent_dim=2-seed=0" / "manifest.json").read_text() == before
        place.works(place.call("run", "spec.yaml", "--out", place.out, "--overwrite"))

    def test_all_runs_may_fail(self, place, sweep):
        done = sweep(grid={"labels": [["no"], ["nope"]]})
        assert done.exit_code == 2
        assert done.stderr.count("failed: labels") == 4
        assert len(table(place)) == len(table(place, "summary.csv")) == 0

    def test_warnings_are_told_once_with_their_runs(self, place, sweep, modalities):
        modalities["rna"].X[:] = modalities["rna"].layers["counts"] * 100
        place.write(modalities)
        done = sweep()
        listed = [line for line in done.stderr.splitlines() if line.startswith("WARNING") and "raw counts" in line]
        assert len(listed) == 1
        assert listed[0].endswith(" (run 000-latent_dim=2-seed=0 and 3 more)")

    @pytest.mark.parametrize(
        ("code", "error"),
        [(-9, "killed by signal 9, often for lack of memory"), (1, "ended with exit code 1: no memory")],
    )
    def test_a_process_that_does_not_end_by_itself(self, tmp_path, monkeypatch, code, error):
        ended = subprocess.CompletedProcess((), code, "", "no memory\n")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
        assert run_in_process(RunTask("a", str(tmp_path / "a"), {})).error == error


class TestResume:
    @pytest.fixture
    def interrupted(self, place, sweep, monkeypatch):
        """Stop a sweep within its second run, after some epochs."""
        actual, started = jamie.commands.multirun.workers.run, []

        def run(spec, **keywords):
            started.append(spec["seed"])

            def progress(stage, done, total, values):
                if len(started) == 2 and stage == "training" and done == 3:
                    raise KeyboardInterrupt

            return actual(spec, **keywords | {"progress": progress})

        monkeypatch.setattr(jamie.commands.multirun.workers, "run", run)
        done = sweep("--set", "training.checkpoint_seconds=0")
        monkeypatch.setattr(jamie.commands.multirun.workers, "run", actual)
        assert done.exit_code == 130
        assert (
            done.stderr
            == f"interrupted\n  go on with the same spec and settings: jamie run SPEC --out {place.out} --resume\n"
        )
        return place

    def test_an_interrupted_sweep_ends_in_the_same_numbers(self, interrupted, monkeypatch):
        place = interrupted
        first, second = runs_in(place)
        assert (status(place, first), status(place, second)) == ("finished", "interrupted")
        before = (place.out / "runs" / first / "manifest.json").stat().st_mtime_ns
        actual, resumed = jamie.commands.multirun.workers.run, []

        def run(spec, **keywords):
            resumed.append(keywords["resume"])
            return actual(spec, **keywords)

        monkeypatch.setattr(jamie.commands.multirun.workers, "run", run)
        again = ("run", "spec.yaml", "--set", "training.checkpoint_seconds=0", "--out")
        done = place.call(*again, place.out, "--resume")
        place.works(done, "1 of 4 runs are finished already")
        assert resumed == [True, False, False]
        assert (place.out / "runs" / first / "manifest.json").stat().st_mtime_ns == before
        place.works(place.call(*again, place.folder / "whole"))
        assert (place.out / "sweep.csv").read_text() == (place.folder / "whole" / "sweep.csv").read_text()

    def test_a_run_that_was_killed_before_it_began(self, interrupted):
        place = interrupted
        _, second = runs_in(place)
        for name in ("manifest.json", "spec.resolved.yaml"):
            (place.out / "runs" / second / name).unlink()
        options = ("--set", "training.checkpoint_seconds=0", "--out", place.out, "--resume")
        place.works(place.call("run", "spec.yaml", *options))
        assert {status(place, name) for name in runs_in(place)} == {"finished"}

    def test_a_sweep_may_grow(self, place, sweep):
        place.works(sweep())
        more = "sweep.model.latent_dim=[4, 2, 3]"
        done = place.call("run", "spec.yaml", "--out", place.out, "--resume", "--set", more)
        place.works(done, "4 of 6 runs are finished already")
        assert runs_in(place)[4:] == ["004-latent_dim=4-seed=0", "005-latent_dim=4-seed=1"]
        assert list(dict.fromkeys(table(place)["model.latent_dim"])) == [4, 2, 3]

    def test_other_settings_are_refused(self, place, sweep):
        sweep()
        before = (place.out / "manifest.json").read_text()
        place.refused(
            place.call("run", "spec.yaml", "--out", place.out, "--resume", "--set", "training.max_epochs=5"),
            "runs/000-latent_dim=2-seed=0: the spec is not the one that this run was made with: "
            "training.max_epochs was 4 and is 5\n"
            "  go on with the same settings and data, or start anew with another --out",
        )
        assert (place.out / "manifest.json").read_text() == before

    def test_a_single_run_is_not_gone_on_with_as_a_sweep(self, place, sweep):
        place.run()
        done = sweep("--resume")
        place.refused(
            done,
            "out: expected the folder of a sweep, found that of a single run\n"
            "  give --out the folder of the sweep to go on with, or leave out --resume",
        )

    def test_a_folder_that_exists_is_not_replaced(self, place, sweep):
        place.works(sweep())
        place.refused(sweep(), "out: exists already\n  give another --out, --resume to go on, or --overwrite")


class TestRefusals:
    def test_all_runs_are_checked_before_any_starts(self, place, sweep):
        done = sweep(grid={"model.latent_dim": [2, 0]})
        place.refused(done, "model.latent_dim: expected a whole number from 1 to 10000, found 0")
        assert not place.out.exists()

    def test_no_jobs(self, place, sweep):
        place.refused(sweep("--jobs", 0), "--jobs: expected at least one job\n  give 1 or more, or -1 for one on each")
        assert not place.out.exists()

    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"sweep.seed": [0]}, "sweep"),
            ({"evaluate.seeds": [0]}, "evaluate.seeds"),
            ({"evaluate.holdout.folds": 2}, ""),
        ],
    )
    def test_python_names_the_function(self, settings, key):
        spec = {"data": "simulate_branch"}
        with pytest.raises(SpecError, match=f"{key}.*: expected one run, found a sweep\n  run it with jamie.sweep"):
            jamie.run(spec, overrides=settings)
        with pytest.raises(SpecError, match="expected one run, found a sweep"):
            jamie.JAMIE(spec, settings)

    def test_data_that_are_swept_need_not_stand_elsewhere(self):
        with pytest.raises(SpecError, match="expected one run, found a sweep"):
            jamie.run({"sweep": {"data": ["simulate_branch"]}})

    def test_validate_checks_every_run(self, place, sweep):
        sweep()
        done = place.call("validate", "spec.yaml")
        place.works(done, "a sweep of 4 runs")
        assert "model.latent_dim: [2, 3]" in done.stdout
        place.refused(
            place.call("validate", "spec.yaml", "--set", "sweep.losses.kl.weight=[1, -1]"),
            "losses.kl.weight: expected a number >= 0, found -1",
        )


class TestSlugs:
    @pytest.mark.parametrize(
        ("values", "slug"),
        [
            ({"fraction": 0.5, "seed": 0}, "fraction=0.5-seed=0"),
            ({"data": {"mudata": {"path": "a/b/cells.h5mu"}}}, "data=mudata_path_cells.h5mu"),
            ({"infer": None, "x": True}, "infer=null-x=true"),
            ({"layer": "a/../b c*"}, "layer=b_c"),
            ({}, ""),
        ],
    )
    def test_names_of_folders(self, values, slug):
        assert slug_of(values) == slug

    def test_long_ones_are_cut_and_stay_apart(self):
        one, other = (slug_of({"layer": "x" * 200 + end}) for end in "ab")
        assert len(one) == len(other) == 80
        assert one != other


class TestBench:
    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_time_and_memory_of_each_stage_and_method(self, place):
        place.run(None, evaluate=METRICS)
        done = place.call("bench", "spec.yaml", "--out", place.folder / "bench", "--repeats", 2)
        place.works(done)
        found = pd.read_csv(place.folder / "bench" / "bench.csv", keep_default_na=False)
        assert set(found["run"]) == {"000-repeat=0", "001-repeat=1"}
        assert {"data", "training", "evaluation", "total"} <= set(found[found["method"] == ""]["stage"])
        assert set(found[found["method"] == "jamie"]["stage"]) == {"preparation", "training"}
        one = found[(found["run"] == "000-repeat=0") & (found["method"] == "")].set_index("stage")
        assert one["seconds"]["total"] == pytest.approx(one["seconds"].drop("total").sum())
        assert one["peak_memory_mib"]["total"] == pytest.approx(one["peak_memory_mib"].drop("total").max(), rel=0.2)
        medians = pd.read_csv(place.folder / "bench" / "bench_summary.csv", keep_default_na=False)
        assert set(medians["n"]) == {2}
        assert re.search(r"^2 +\d+\.\d +\d+ ", done.stdout, re.M), done.stdout
        assert (place.folder / "bench" / "summary.csv").is_file()
        again = place.call("bench", "spec.yaml", "--out", place.folder / "bench", "--repeats", 2, "--resume")
        place.works(again, "2 of 2 runs are finished already")

    def test_a_run_that_fails_in_its_process(self, place):
        place.run(None, evaluate=METRICS)
        done = place.call(
            "bench", "spec.yaml", "--out", place.folder / "bench", "--repeats", 1, "--set", "labels=[nope]"
        )
        assert done.exit_code == 2
        assert "000-repeat=0 failed: labels: expected a column 'nope' in obs" in done.stderr

    def test_no_repeats(self):
        with pytest.raises(OutputError, match="--repeats: expected at least 1, found 0"):
            jamie.bench({"data": "simulate_branch"}, repeats=0)
