"""What follows training may fail: the result is kept, and a warning says what is missing and what makes it."""

import json
import os
import subprocess
import sys

NOWHERE = "/proc/nowhere"  # where nobody can write, not even root


def broken(*_args, **_options):
    raise RuntimeError("no ink")


def test_figures_that_fail_are_named_with_the_command_that_makes_them(place, reports, monkeypatch):
    monkeypatch.setattr("jamie.pl.losses", broken)
    done = place.run(report=["html"])
    place.works(done, "figure losses is left out: it failed: RuntimeError: no ink\n  once that is mended: jamie ")
    assert place.manifest()["left_out"] == ["figure losses"]
    assert (place.out / "report.html").is_file()
    place.works(place.run(None, "--overwrite", report=[]))
    assert place.manifest()["left_out"] == []


def test_figures_that_cannot_be_written_cost_no_page(place, reports, monkeypatch):
    monkeypatch.setattr("matplotlib.backends.backend_svg.FigureCanvasSVG.print_svg", broken)
    place.works(place.run(report=["html"]), "figure losses is left out: it failed: RuntimeError: no ink")
    assert (place.out / "report.html").is_file()


def test_layouts_that_fail_cost_no_page(place, reports, monkeypatch):
    monkeypatch.setattr("jamie.runs.umap_coordinates.compute_layouts", broken)
    monkeypatch.setattr("jamie.commands.write_results.compute_layouts", broken)
    done = place.run(report=["html"])
    place.works(done, "layouts failed, and the run is without them: RuntimeError: no ink\n  once that is mended")
    place.works(done, "layout of cells is left out: it failed: RuntimeError: no ink")
    assert (place.out / "report.html").is_file()
    assert (place.out / "result.h5mu").is_file()


def test_strict_tells_by_the_exit_code_that_something_is_left_out(place, reports, monkeypatch):
    place.works(place.run(None, "--strict", report=["html"]))
    monkeypatch.setattr("jamie.report.html.run_page.write_page", broken)
    done = place.run(None, "--strict", "--overwrite", report=["html"])
    assert done.exit_code == 3
    assert f"once that is mended: jamie report {place.out}" in done.stderr
    assert place.manifest()["status"] == "finished"
    assert place.manifest()["left_out"] == ["report html"]
    place.works(place.run(None, "--overwrite", report=["html"]), "report 'html' failed, and the run is without it")


def test_figures_of_a_sweep_that_fail_cost_no_table(place, monkeypatch):
    monkeypatch.setattr("jamie.commands.multirun.figures.metric_figure", broken)
    sweep = {"sweep": {"seed": [0, 1], "model.latent_dim": [2, 3]}, "evaluate": {"metrics": ["foscttm"]}}
    done = place.run(None, "--strict", **sweep)
    assert done.exit_code == 3, done.output
    assert "figure foscttm is left out: it failed: RuntimeError: no ink" in done.stderr
    assert (place.out / "summary.csv").is_file()


def test_a_run_needs_no_home_no_caches_no_terminal_and_no_locale(place, modalities):
    for cells in modalities.values():
        cells.var_names = [f"{name}-ген-遺伝子-é" for name in cells.var_names]
        cells.obs_names = [f"{name}-κ" for name in cells.obs_names]
        cells.obs["cell_type"] = cells.obs["cell_type"].map({"T": "κύτταρα", "B": "細胞B"})
    place.out = place.folder / "лук"
    place.write_spec(modalities, report=["html"], explain=["shap"], evaluate={"holdout": {"fraction": 0.3}})
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS")}
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"), NOWHERE)
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "jamie", "run", place.folder / "spec.yaml", "--out", place.out],
        env={**kept, **folders, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        cwd="/proc",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert json.loads((place.out / "manifest.json").read_text(encoding="utf-8"))["left_out"] == []
    assert "ген-遺伝子" in (place.out / "features.csv").read_text(encoding="utf-8")
    assert (place.out / "report.html").is_file()
