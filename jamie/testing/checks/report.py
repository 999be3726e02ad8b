"""Reports, each of a small run whose files must stay as they are."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.explanation import Explanation
from jamie.core.interfaces import Report
from jamie.core.names import DATA_LAYOUT, EMBEDDING, LATENT_LAYOUT
from jamie.data.assemble import mudata_conventions
from jamie.runs.directory import OutputDirectory, file_hash
from jamie.runs.explanation_files import save_explanation
from jamie.runs.file_names import EXPLANATIONS, HISTORY, IMPUTED, MANIFEST, RESULT
from jamie.testing import toy
from jamie.testing.assertions import build, must_raise, require, require_is

OPTIONAL = (HISTORY, EXPLANATIONS, IMPUTED)  # absent from large runs, or from those without explainers


def check_writes_into_the_run(component: type[Report]) -> None:
    """It returns files that are not empty, all of them in the run directory."""
    report = _report(component)
    require(report.names, component, "it writes something", expected="a file or more", found="none")
    for name in report.names:
        inside = name in report.after
        require(inside, component, "it writes into the run directory", expected="a file there", found=name)
        n_bytes = (report.folder / name).stat().st_size
        require(n_bytes, component, f"'{name}'", expected="a file with content", found="an empty one")


def check_leaves_the_run_alone(component: type[Report]) -> None:
    """No file of the run is changed or removed, and all new files are returned."""
    report = _report(component)
    changed = sorted(name for name, content in report.before.items() if report.after.get(name) != content)
    require(not changed, component, "the files of the run stay", expected="no change", found=", ".join(changed))
    stray, names = sorted(set(report.after) - set(report.before) - set(report.names)), ", ".join(report.names)
    require(not stray, component, "it returns all that it writes", expected=names, found=", ".join(stray))


def check_can_be_written_again(component: type[Report]) -> None:
    """Called again, it writes the same files."""
    report = _report(component)
    require_is(component, "called again, it writes the same files", _write(component, report.folder), report.names)


def check_works_without_optional_files(component: type[Report]) -> None:
    """It is written for a run without labels and without the files that not every run has."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(shutil.copytree(_run(labelled=False), Path(folder) / "run"))
        for path in (run / name for name in OPTIONAL):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        try:
            _write(component, run)
        except Exception as error:
            clause, found = f"a run without labels, {', '.join(OPTIONAL)}", f"{type(error).__name__}: {error}"
            require(False, component, clause, expected="a report", found=found)


def check_refuses_other_folders(component: type[Report]) -> None:
    """Of a folder that holds no run it raises an `OutputError`."""
    with tempfile.TemporaryDirectory() as folder, must_raise(component, f"a folder without {MANIFEST}", OutputError):
        _write(component, Path(folder))


class _WrittenReport(NamedTuple):
    folder: Path  # a copy of a run
    names: tuple[str, ...]  # of the files that the component returned
    before: dict[str, str]  # hashes of all files by their names
    after: dict[str, str]


@cache
def _report(component: type[Report]) -> _WrittenReport:
    folder = Path(shutil.copytree(_run(labelled=True), _temporary_folder() / "run"))
    before = _hashes(folder)
    names = _write(component, folder)
    return _WrittenReport(folder, names, before, _hashes(folder))


def _write(component: type[Report], folder: Path) -> tuple[str, ...]:
    """Write the report; names of its files, relative to the folder if they are in it."""
    paths = build(component).write(folder, Context(seed=3))
    return tuple(str(path.relative_to(folder) if path.is_relative_to(folder) else path) for path in paths)


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _temporary_folder() -> Path:
    """Make a folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="jamie-report-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _run(*, labelled: bool) -> Path:
    """Run jamie on the toy cells, once in a process; the folder must not be modified."""
    from jamie.commands.run import run

    folder = _temporary_folder()
    with mudata_conventions():
        toy.mudata().write(folder / "toy.h5mu")
    spec: dict[str, Any] = {
        "data": {"mudata": {"path": str(folder / "toy.h5mu")}},
        "labels": [toy.LABEL] if labelled else [],
        "modalities": {"*": {"preprocess": ["log_normalize", "standardize"]}},
        "model": {"latent_dim": 3},
        "training": {"ensemble": 1, "min_epochs": 2, "max_epochs": 3},
        "evaluate": {"holdout": {"fraction": 0.3}, "compare": ["procrustes_pairs"]},
        "report": [],
    }
    mdata = run(spec, out=folder / "run").mdata
    for adata in mdata.mod.values():  # any coordinates will do for a layout, and a UMAP is slow
        adata.obsm.update(dict.fromkeys((DATA_LAYOUT, LATENT_LAYOUT), adata.obsm[EMBEDDING][:, :2]))
    with mudata_conventions():
        mdata.write_h5mu(folder / "run" / RESULT)
    table = pd.DataFrame({"feature": toy.features("rna"), "score": range(len(toy.features("rna")))})
    save_explanation(OutputDirectory(folder / "run"), Explanation("toy", "atac, from rna", {}, {"features": table}))
    return folder / "run"
