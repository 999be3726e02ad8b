"""Every spec of the repository is valid and runs, on few cells and for few epochs.

Specs that simulate run as they are but for the number of cells and epochs. Those that read a file run on some of its
cells where `JAMIE_DATA` names the folder that holds it, and are skipped where it does not. Of a sweep, all runs are
checked and the first is done; of a benchmark of inferers, one of each.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import mudata
import numpy as np
import pytest

import jamie
from jamie.data.assemble import mudata_conventions
from jamie.spec import expand, load_spec
from jamie.spec.files import DATA_FOLDER

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "plugins" / "jamie-example" / "example.yaml"
SPECS = [*sorted((ROOT / "specs").rglob("*.yaml")), EXAMPLE]
N_CELLS = 60
QUICK = {
    "training.min_epochs": 2,
    "training.max_epochs": 3,
    "training.batch_size": 64,
    "training.ensemble": 1,
    "model.latent_dim": 8,
}
REQUIRED = {
    "quickstart.yaml",
    "citeseq.yaml",
    "unmatched.yaml",
    "partial.yaml",
    "three_modalities.yaml",
    "compare_partial.yaml",
} | {
    f"paper/{name}.yaml"
    for name in (
        "branch_integration",
        "patchseq_motor_integration",
        "patchseq_motor_imputation",
        "scgem_integration",
        *("ablation", "brain", "snareseq", "visual_cortex", "colo320"),
    )
}

BENCHMARKS = [path for path in SPECS if path.parent.name == "bench"]
IMPUTATION = ROOT / "specs" / "bench" / "imputation.yaml"


def each_of(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


every_spec = each_of(SPECS)


def test_the_specs_that_are_promised_are_there():
    assert {path.relative_to(ROOT / "specs").as_posix() for path in SPECS[:-1]} >= REQUIRED


def needs_example(path: Path) -> None:
    if path == EXAMPLE and importlib.util.find_spec("jamie_example") is None:
        pytest.skip("jamie-example is not installed: pip install ./plugins/jamie-example")


def data_file(path: Path) -> Path | None:
    """The file that a spec reads, None where it simulates; skips where it is not there."""
    needs_example(path)
    name = load_spec(path, reads_data=False).data.params.get("path")
    if name is None:
        return None
    folder = os.environ.get(DATA_FOLDER)
    if not folder:
        pytest.skip(f"{DATA_FOLDER} is not set, so {Path(name).name} cannot be found")
    if not (Path(folder) / Path(name).name).is_file():
        pytest.skip(f"{Path(name).name} is not in {DATA_FOLDER}")
    return Path(folder) / Path(name).name


@every_spec
def test_valid_and_reads_again(path):
    needs_example(path)
    sweep = expand(path, reads_data=False)
    again = expand(sweep.spec.to_plain(), reads_data=False)
    # as plain values: the classes of a plugin file are made anew each time
    assert again.spec.to_plain() == sweep.spec.to_plain()
    assert [cell.spec.to_plain() for cell in again.runs] == [cell.spec.to_plain() for cell in sweep.runs]


@each_of([path for path in SPECS if path not in BENCHMARKS])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # mudata's own, on reading
def test_runs_on_few_cells(path, tmp_path):
    file = data_file(path)
    few = {"data.n_cells": N_CELLS} if file is None else {"data.path": str(some_cells(file, tmp_path))}
    spec = expand(path, QUICK | few | slow_settings(path)).runs[0].spec
    result = jamie.run(spec.to_plain(), out=tmp_path / "run")
    calibrated = {"interval_coverage", "interval_width"}  # which takes more cells than these
    assert expected_metrics(spec) - calibrated == {record.metric for record in result.metrics.itertuples()} - calibrated
    assert expected_scopes(spec) == {record.scope for record in result.metrics.itertuples()}
    assert result.mdata.obsm["X_jamie"].shape[1] == 8
    assert np.isfinite(result.mdata.obsm["X_jamie"]).all()
    inferred = list((result.path / "correspondence").glob("*.inferred.npz"))
    assert bool(inferred) == (spec.correspondence.infer is not None)
    assert set(jamie.load(result.path).model.modalities) == set(result.mdata.mod)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_the_benchmark_of_imputation_runs_on_few_cells(tmp_path):
    data = some_cells(data_file(IMPUTATION), tmp_path)
    first = expand(IMPUTATION).spec.sweep[0]
    grid = {**first, "data.path": [str(data)], "evaluate.holdout.column": first["evaluate.holdout.column"][:2]}
    quick = {"training.min_epochs": 2, "training.max_epochs": 3, "training.ensemble": 1}
    settings = {"sweep": [grid], "evaluate.compare.jamie.settings": quick, **quick}
    result = jamie.sweep(IMPUTATION, out=tmp_path / "sweep", overrides=settings)
    assert not result.failed
    pearson = result.imputed.scores[result.imputed.scores["metric"] == "pearson"]
    assert set(pearson["n"]) == {2}
    assert set(zip(pearson["source"], pearson["target"], strict=True)) == {("rna", "methyl"), ("methyl", "rna")}
    regressions = ["knn", "ridge", "kernel_ridge", "pls", "reduced_rank", "forest", "stack"]
    assert list(pearson["method"].unique()) == ["jamie", *regressions, "mlp", "babel", "jamie(spec=paper)"]
    assert {"knn", "jamie(spec=paper)"} <= set(result.imputed.wins["method"])


@each_of([path for path in BENCHMARKS if path != IMPUTATION])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_benchmarks_run_on_few_cells(path, tmp_path):
    data_file(path)  # skips where there is none
    inferring = (cell.spec for cell in expand(path).runs if cell.spec.correspondence.infer)
    first = {spec.correspondence.infer.name: spec for spec in reversed(list(inferring))}
    for name, spec in first.items():
        file = spec.data.params.get("path")
        few = {"data.n_cells": N_CELLS} if file is None else {"data.path": str(some_cells(file, tmp_path))}
        slow = [key for key in ("iterations", "max_iterations") if key in spec.correspondence.infer.params]
        training = {"training.min_epochs": 1, "training.max_epochs": 2, "training.ensemble": 1}
        compared = any(ref.name == "jamie" for ref in spec.evaluate.compare)
        quick = {**training, "training.batch_size": 64} | few | infer_quickly(slow)
        quick |= {"evaluate.compare.jamie.settings": training} if compared else {}
        result = jamie.run(spec.to_plain(), out=tmp_path / name, overrides=quick)
        named = {ref.name for ref in spec.evaluate.metrics}
        assert {record.metric for record in result.metrics.itertuples()} == named, name
        if "matching" not in named:  # all pairs are known, and methods stand side by side
            continue
        parts = {record.part for record in result.metrics.itertuples() if record.metric == "matching"}
        assert {"quantile", "top_1", "type_accuracy"} <= parts, name
        assert list((result.path / "correspondence").glob("*.inferred.npz"))


def infer_quickly(slow: list[str]) -> dict[str, int]:
    """Stop inferers early that iterate."""
    return {f"correspondence.infer.{key}": 20 for key in slow}


def slow_settings(path: Path) -> dict[str, int]:
    """An inferer that iterates is stopped early."""
    infer = load_spec(path, reads_data=False).correspondence.infer
    return {"correspondence.infer.max_iterations": 50} if infer and "max_iterations" in infer.params else {}


def expected_metrics(spec) -> set[str]:
    """Those that the spec names; inferred pairs are scored where there are some that the inferer was not told."""
    named = {ref.name for ref in spec.evaluate.metrics}
    inferer = spec.correspondence.infer
    untold = inferer and (spec.evaluate.known_pairs.fraction < 1 or not inferer.build().uses_known)
    return named if untold else named - {"matching"}


def expected_scopes(spec) -> set[str]:
    hidden, held_out = spec.evaluate.known_pairs.fraction < 1, spec.evaluate.holdout.fraction > 0
    apart = {"training_cells", "held_out_cells"} if held_out else set()
    return {"all"} | ({"held_out_pairs"} if hidden else set()) | apart


def some_cells(file: Path, folder: Path) -> Path:
    """Some cells of a file with all their features, spread over it; labels that are sorted are then all there."""
    with mudata_conventions():
        whole = mudata.read_h5mu(file)
        rows = np.linspace(0, whole.n_obs - 1, N_CELLS).astype(int)
        whole[rows].copy().write_h5mu(folder / file.name)
    return folder / file.name
