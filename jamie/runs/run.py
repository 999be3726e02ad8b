"""Finished runs, read from their directories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.data import Dataset, Split
from jamie.core.errors import OutputError
from jamie.core.names import SPLIT, TRAIN
from jamie.data.assemble import mudata_conventions
from jamie.runs.directory import MANIFEST, RESOLVED, RunFolder

if TYPE_CHECKING:
    from mudata import MuData

RESULT = "result.h5mu"
OF_EVERY_RUN = (RESULT, "metrics.csv", "metrics.json")  # those that runs of all versions have written


def require_run(path: Path) -> None:
    """Refuse a folder that is no run directory, of a run that has finished or has not.

    Raises
    ------
    OutputError
        Where the manifest or the resolved spec is not there.
    """
    if not (path / MANIFEST).is_file() or not (path / RESOLVED).is_file():
        fix = "give the folder that `jamie run` wrote"
        raise OutputError(f"expected a run directory, found no {MANIFEST} or {RESOLVED}", where=str(path), fix=fix)


def require_whole(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a finished run that lacks a file of every run; one that stopped before training has fewer.

    Raises
    ------
    OutputError
        Where a file is not there.
    """
    if manifest.get("status") == "finished" and not manifest.get("until"):
        for name in OF_EVERY_RUN:
            _require_file(path / name)


def _require_file(path: Path) -> None:
    if not path.is_file():
        fix = "run the spec again, or copy the whole run directory"
        raise OutputError("expected a file of a finished run, found none", where=str(path), fix=fix)


@dataclass(frozen=True)
class FinishedRun:
    """The directory of a run that has finished.

    Parameters
    ----------
    path
        The directory.
    manifest
        As in ``manifest.json``.
    """

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path, *, whole: bool = True) -> FinishedRun:
        """Read the manifest of a run; one that was to stop before training only where it need not be `whole`.

        Raises
        ------
        OutputError
            Where there is no run, or it has not finished.
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            fix = "give the folder that `jamie run` wrote"
            raise OutputError(f"expected a run directory, found no {MANIFEST}", where=str(path), fix=fix)
        manifest = RunFolder(path).read_manifest()
        if manifest.get("status") != "finished":
            raise OutputError(
                f"expected a finished run, found one that is {manifest.get('status', 'of no known state')}",
                where=str(path),
                fix="go on with `jamie run SPEC --out DIR --resume`",
            )
        if "sweep" in manifest:
            fix = f"give one of the runs below it, such as {next((path / 'runs').glob('*'), path / 'runs')}"
            raise OutputError("expected the folder of one run, found that of a sweep", where=str(path), fix=fix)
        if whole and manifest.get("until"):
            raise OutputError(
                f"expected a whole run, found one that stopped after the {manifest['until']}",
                where=str(path),
                fix="run the spec without `until`; the scores that there are stand in metrics.csv",
            )
        return cls(path, manifest)

    def json(self, name: str) -> Any:
        """Read a JSON file of the run."""
        return self._read(name, lambda path: json.loads(path.read_text()))

    def table(self, name: str) -> pd.DataFrame:
        """Read a CSV file of the run, in which features are named by text."""
        return self._read(
            name, lambda path: pd.read_csv(path, dtype={"feature": str}, keep_default_na=False, na_values="")
        )

    def text_table(self, name: str) -> pd.DataFrame:
        """Read a CSV file of the run as it stands, all of it text."""
        return self._read(name, lambda path: pd.read_csv(path, dtype=str, keep_default_na=False))

    def annotations(self) -> dict[str, pd.DataFrame]:
        """Read the obs of each modality, and nothing of its values."""
        return self._read(RESULT, _annotations)

    def mdata(self) -> MuData:
        """Read the cells with their embeddings."""
        from mudata import read_h5mu

        with mudata_conventions():
            return self._read(RESULT, read_h5mu)

    def split(self, dataset: Dataset) -> Split:
        """Return which cells the run was trained on: made anew, a split would follow other labels or settings.

        Raises
        ------
        OutputError
            Where a cell of the dataset is not in the result.
        """
        train, annotations = {}, self.annotations()
        for m, data in dataset.modalities.items():
            obs = annotations[m]
            if not data.cells.isin(obs.index).all():
                raise OutputError(
                    f"expected all {data.n_cells} cells of {m}, found {int(data.cells.isin(obs.index).sum())}",
                    where=str(self.path / RESULT),
                    fix="run the spec again",
                )
            train[m] = (obs[SPLIT].loc[data.cells] == TRAIN).to_numpy()
        return Split(train)

    def _read(self, name: str, read: Any) -> Any:
        path = self.path / name
        _require_file(path)
        try:
            return read(path)
        except (OSError, ValueError, KeyError) as error:
            raise OutputError(
                f"cannot be read ({type(error).__name__}: {error})",
                where=str(path),
                fix="run the spec again, or copy the whole run directory",
            ) from error


def _annotations(path: Path) -> dict[str, pd.DataFrame]:
    import h5py
    from anndata.io import read_elem

    with h5py.File(path) as file:
        return {name: read_elem(group["obs"]) for name, group in file["mod"].items()}
