"""A place to run the command line in: a few cells in a file, a spec beside it, and what came of it."""

import json
import os
from pathlib import Path

# Tests run side by side, and their matrices are tiny: several threads for each would wait for one another most of the
# time. Set before torch is loaded, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
# Functions that numba compiles run on a few cells: to optimize them takes longer than it saves.
os.environ.setdefault("NUMBA_OPT", "0")

import numpy as np
import pandas as pd
import pytest
import yaml
from anndata import AnnData
from mudata import MuData
from typer.testing import CliRunner

from jamie.cli import app
from jamie.core.package_versions import set_pull_on_update
from jamie.data.assemble import mudata_conventions

set_pull_on_update(False)  # as from mudata 0.4 on, and without a warning in the tests' own calls of mudata

SPEC = {
    "data": {"mudata": {"path": "cells.h5mu"}},
    "labels": ["cell_type"],
    "modalities": {"*": {"preprocess": ["standardize"]}},
    "model": {"latent_dim": 3},
    "training": {"ensemble": 1, "min_epochs": 2, "max_epochs": 4, "patience": 2},
    "evaluate": {"holdout": {"fraction": 0}},
    "report": [],
}


def few_cells(n_cells=30):
    """Modalities rna (12 features, with a layer of counts) and protein (8) of the same cells, which differ by type."""
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n_cells, 2))
    modalities = {}
    for name, prefix, p in (("rna", "gene", 12), ("protein", "marker", 8)):
        X = latent @ generator.normal(size=(2, p)) + 0.1 * generator.normal(size=(n_cells, p))
        obs = pd.DataFrame({"cell_type": np.where(latent[:, 0] > 0, "T", "B")}, index=names("cell", n_cells))
        modalities[name] = AnnData(X.astype(np.float32), obs=obs, var=pd.DataFrame(index=names(prefix, p)))
    modalities["rna"].layers["counts"] = generator.poisson(3, size=(n_cells, 12)).astype(np.float32)
    return modalities


def names(prefix, n):
    return [f"{prefix}{i}" for i in range(n)]


class Place:
    """A folder that the command line works in.

    Parameters
    ----------
    folder
        Empty at first; the working directory.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.out = self.folder / "out"

    def write(self, modalities, name="cells.h5mu"):
        """Write a .h5mu file."""
        with mudata_conventions():
            MuData(modalities).write_h5mu(self.folder / name)

    def call(self, *arguments):
        """Run `jamie` in this process."""
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    def write_spec(self, modalities=None, /, **settings):
        """Write cells and a spec, whose sections `settings` replace."""
        if modalities is not None or not (self.folder / "cells.h5mu").exists():
            self.write(few_cells() if modalities is None else modalities)
        (self.folder / "spec.yaml").write_text(
            yaml.safe_dump({**SPEC, **settings}, sort_keys=False, default_flow_style=None)
        )

    def run(self, modalities=None, /, *options, **settings):
        """Write cells and a spec as `write_spec` does, and run it into `out`."""
        self.write_spec(modalities, **settings)
        return self.call("run", "spec.yaml", "--out", self.out, "--quiet", *options)

    def manifest(self):
        """How the run says that it ended."""
        return json.loads((self.out / "manifest.json").read_text())

    def records(self):
        """The metrics of the run."""
        return json.loads((self.out / "metrics.json").read_text())

    def refused(self, done, message):
        """Require exit code 2 and a message, in which ``{folder}`` stands for the place; no traceback, no fault."""
        assert done.exit_code == 2, done.output
        assert message.replace("{folder}", str(self.folder)) in done.stderr
        assert "Traceback" not in done.output
        assert "unexpected" not in done.output

    def works(self, done, notice=""):
        """Require success, and a notice if one is given."""
        assert done.exit_code == 0, done.output
        assert notice.replace("{folder}", str(self.folder)) in done.stderr


def plain_layouts(scores, latents, context):
    """Lay cells out by the first two numbers of each, in place of a UMAP."""
    given = {"X_data_umap": scores, "X_jamie_umap": latents}
    return {key: {m: np.pad(x, ((0, 0), (0, 1)))[:, :2] for m, x in values.items()} for key, values in given.items()}


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory):
    """What tests run is not what the user has run: plugin files are not trusted beyond the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def reports_switch():
    """No run of the suite writes a report or makes a UMAP, which takes longer than all else that it does."""
    from jamie.commands import run, write_results

    real = {"run.write_reports": run.write_reports, "write_results.compute_layouts": write_results.compute_layouts}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "write_reports", lambda run, refs, context: None)
        patch.setattr(write_results, "compute_layouts", plain_layouts)
        yield real


@pytest.fixture
def reports(reports_switch, monkeypatch):
    """Let the runs of a test, in this process, write the reports that their specs name."""
    for name, function in reports_switch.items():
        monkeypatch.setattr(f"jamie.commands.{name}", function)


@pytest.fixture
def forget_specs():
    """Let a command read a spec as in a process of its own, in which it is not in use yet."""
    from jamie.pl import results
    from jamie.spec.sections import SPECS_IN_USE

    def forget():
        results._parse_spec.cache_clear()
        SPECS_IN_USE.clear()

    return forget


@pytest.fixture(scope="session")
def place_in():
    """Make a place of a folder, for fixtures that several tests share."""
    return Place


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAMIE_DATA", raising=False)
    return Place(tmp_path)


@pytest.fixture
def modalities():
    return few_cells()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with another method beside the model, cells held out, and labels in one modality; its files must stay."""
    place = Place(tmp_path_factory.mktemp("finished"))
    cells = few_cells(60)
    del cells["protein"].obs["cell_type"]
    one_neighbor = [{"label_transfer_accuracy": {"k": 1, "leave_partner_out": left_out}} for left_out in (False, True)]
    evaluate = {
        "holdout": {"fraction": 0.3},
        "metrics": [*one_neighbor, "foscttm", "pearson"],
        "compare": ["procrustes_pairs"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        place.works(place.run(cells, evaluate=evaluate))
    return place
