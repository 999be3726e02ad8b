"""A small finished run, for checks of what is made of one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.core.explanation import Explanation
from jamie.core.files import file_hash
from jamie.core.names import DATA_LAYOUT, EMBEDDING, LATENT_LAYOUT
from jamie.data.assemble import mudata_conventions
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import save_explanation
from jamie.runs.file_names import EXPLANATIONS, HISTORY, IMPUTED, RESULT
from jamie.testing import toy

OPTIONAL = (HISTORY, EXPLANATIONS, IMPUTED)  # absent from large runs, or from those without explainers


def copied_run(*, labelled: bool = True, whole: bool = True) -> Path:
    """Return a copy of the run of one's own, `whole` or without the optional files."""
    folder = Path(shutil.copytree(toy_run(labelled=labelled), temporary_folder() / "run"))
    for path in () if whole else (folder / name for name in OPTIONAL):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Hashes of all files of a folder by their names."""
    return {str(path.relative_to(folder)): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def temporary_folder() -> Path:
    """Make a folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="jamie-report-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def toy_run(*, labelled: bool) -> Path:
    """Run jamie on the toy cells, once in a process; the folder must not be modified."""
    from jamie.commands.run import run

    folder = temporary_folder()
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
