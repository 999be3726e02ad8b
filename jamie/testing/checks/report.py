"""Reports, each of a small run, whose files are there and must stay as they are."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.core.explanation import Explanation
from jamie.core.interfaces import Report
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT
from jamie.data.assemble import mudata_conventions
from jamie.runs.directory import OutputDirectory, file_hash
from jamie.runs.explanation_files import save_explanation
from jamie.runs.layout import MANIFEST, RESULT
from jamie.testing import toy
from jamie.testing.clause import build, require

ABSENT_FROM_OLDER_RUNS = ("history.csv", "explain")
LEFT_OUT_WHERE_LARGE = ("imputed",)


def check_writes_into_the_run(component: type[Report]) -> None:
    """It returns files that are not empty, all of them in the run directory."""
    written, after = _written(component).names, _written(component).after
    require(len(written) > 0, component, "it writes something", expected="a file or more", found="none")
    for name in written:
        require(name in after, component, "it writes into the run directory", expected="a file there", found=name)
        require(after.get(name) != _EMPTY, component, f"'{name}'", expected="a file with content", found="an empty one")


def check_leaves_the_run_alone(component: type[Report]) -> None:
    """No file of the run is changed or removed, and nothing is left behind but what it says."""
    first = _written(component)
    written, before, after = first.names, first.before, first.after
    changed = sorted(name for name, content in before.items() if after.get(name) != content)
    require(not changed, component, "the files of the run stay", expected="no change", found=", ".join(changed))
    stray = sorted(set(after) - set(before) - set(written))
    require(not stray, component, "it returns all that it writes", expected=", ".join(written), found=", ".join(stray))


def check_can_be_written_again(component: type[Report]) -> None:
    """Done again, it writes the same files."""
    first = _written(component)
    again = _relative(build(component).write(first.place, Context(seed=3)), first.place)
    require(again == first.names, component, "done again, it writes the same files", expected=first.names, found=again)


def check_shows_what_there_is(component: type[Report]) -> None:
    """Without labels, and without the files that older and larger runs lack, it is written all the same."""
    with _copy_of(_run(labelled=False)) as place:
        for name in (*ABSENT_FROM_OLDER_RUNS, *LEFT_OUT_WHERE_LARGE):
            path = place / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        try:
            build(component).write(place, Context(seed=3))
        except Exception as error:
            clause = f"a run without labels, {', '.join((*ABSENT_FROM_OLDER_RUNS, *LEFT_OUT_WHERE_LARGE))}"
            require(False, component, clause, expected="a report", found=f"{type(error).__name__}: {error}")


def check_refuses_what_is_no_run(component: type[Report]) -> None:
    """Of a folder that holds no run it raises an `OutputError`."""
    with tempfile.TemporaryDirectory() as place:
        try:
            build(component).write(Path(place), Context(seed=3))
        except OutputError:
            return
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        else:
            found = "a report"
    require(False, component, f"a folder without {MANIFEST}", expected="an OutputError", found=found)


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


@dataclass(frozen=True)
class _Written:
    """What a component wrote into a copy of a run.

    Parameters
    ----------
    place
        The copy.
    names
        Of what it says that it wrote.
    before, after
        Hashes of all files, by their names.
    """

    place: Path
    names: tuple[str, ...]
    before: dict[str, str]
    after: dict[str, str]


@cache
def _written(component: type[Report]) -> _Written:
    place = Path(shutil.copytree(_run(labelled=True), _kept_folder() / "run"))
    before = _contents(place)
    names = _relative(build(component).write(place, Context(seed=3)), place)
    return _Written(place, names, before, _contents(place))


def _kept_folder() -> Path:
    """Make a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="jamie-report-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _run(*, labelled: bool) -> Path:
    """Do a run of the toy cells, once in a process; nobody may write into it."""
    from jamie.commands.run import run

    folder = _kept_folder()
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
    for adata in mdata.mod.values():  # any places do for a layout, and a UMAP would take longer than all the rest
        adata.obsm.update(dict.fromkeys((DATA_LAYOUT, LATENT_LAYOUT), adata.obsm["X_jamie"][:, :2]))
    with mudata_conventions():
        mdata.write_h5mu(folder / "run" / RESULT)
    found = pd.DataFrame({"feature": toy.features("rna"), "score": range(len(toy.features("rna")))})
    save_explanation(OutputDirectory(folder / "run"), Explanation("toy", "atac, from rna", {}, {"features": found}))
    return folder / "run"


@contextmanager
def _copy_of(run: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(shutil.copytree(run, Path(place) / "run"))


def _contents(place: Path) -> dict[str, str]:
    return {str(path.relative_to(place)): file_hash(path) for path in sorted(place.rglob("*")) if path.is_file()}


def _relative(paths: tuple[Path, ...], place: Path) -> tuple[str, ...]:
    return tuple(str(path.relative_to(place)) if path.is_relative_to(place) else str(path) for path in paths)
