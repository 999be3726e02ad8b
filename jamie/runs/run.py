"""A run, read from its directory, and the directory that a run writes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from jamie.core.correspondence import Correspondence
from jamie.core.data import Dataset, Split
from jamie.core.errors import JamieError, OutputError
from jamie.core.explanation import Explanation
from jamie.core.names import LEFT_OUT, MODEL_NAME, SPLIT, TRAIN, UNS_KEY
from jamie.data.assemble import mudata_conventions
from jamie.model.fitted_model import FittedModel
from jamie.model.store import load_model
from jamie.runs.correspondence_files import correspondence_of_cells
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import load_explanations
from jamie.runs.file_names import (
    EVENTS,
    FEATURES,
    HISTORY,
    INFERENCE,
    MANIFEST,
    METHODS,
    METRIC_RECORDS,
    METRICS,
    PAIRING,
    POSTERIOR,
    RESOLVED_SPEC,
    RESULT,
    RUNS_FOLDER,
    STACK,
    WHOLE_RUN,
    WINS,
    imputed_file,
)
from jamie.runs.shapes import require_columns, require_shape
from jamie.runs.tables import TEXT_COLUMNS, method_table, read_table, stage_table, storable
from jamie.spec import Spec, load_resolved

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

T = TypeVar("T")

LARGEST_SHOWN = 2 * 2**30 + 2**28  # bytes of a file of imputed values that a page reads
_COPY = "run the spec again, or copy the whole run directory"


class Run(OutputDirectory):
    """A run: its spec, model, embedded cells, imputed values, scores and explanations.

    Everything is read from the run directory when it is first used.

    Parameters
    ----------
    path
        The run directory, which `jamie.run` or ``jamie run`` wrote.
    plugins
        Python files with components of the run. Files that the run itself names are executed only if they are among
        these, or if you have run the same before.

    Raises
    ------
    OutputError
        If it is no run directory, or was written in another format.

    Examples
    --------
    >>> run = jamie.Run(result.path)
    >>> run.status
    'finished'
    >>> run.metrics.columns[:3].tolist()
    ['metric', 'part', 'value']
    >>> run.mdata.mod["rna"].obsm["X_jamie"].shape
    (60, 4)
    """

    plugins: tuple[Path, ...] = ()

    def __init__(self, path: str | Path, plugins: Sequence[str | Path] = ()) -> None:
        super().__init__(path)
        self.plugins = tuple(map(Path, plugins))
        for name in (MANIFEST, RESOLVED_SPEC):
            if not (self.path / name).is_file():
                fix = "give the directory that `jamie run` wrote"
                raise OutputError(f"expected a run directory, found no {name}", where=str(path), fix=fix)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.status})"

    @classmethod
    def finished(cls, path: str | Path, *, trained: bool = True, plugins: Sequence[str | Path] = ()) -> Run:
        """Open a run that has finished; one that stopped before training only if it need not be `trained`.

        Raises
        ------
        OutputError
            If there is no run, it has not finished, or a file that every run writes is absent.
        """
        run = cls(path, plugins)
        if run.status != "finished":
            raise OutputError(
                f"expected a finished run, found one that is {run.status}",
                where=str(path),
                fix="go on with `jamie run SPEC --out DIR --resume`",
            )
        if "sweep" in run.manifest:
            fix = f"give one of the runs below it, such as {next((run.path / RUNS_FOLDER).glob('*'), RUNS_FOLDER)}"
            raise OutputError("expected the directory of one run, found that of a sweep", where=str(path), fix=fix)
        if trained and run.stopped_early:
            raise OutputError(
                f"expected a run that trained a model, found one that stopped after the {run.manifest['until']}",
                where=str(path),
                fix="run the spec without `until`; the scores of this one are in metrics.csv",
            )
        run.require_whole()
        return run

    def require_whole(self) -> None:
        """Refuse a finished run that lacks a file of every run; one that stopped before training has fewer.

        Raises
        ------
        OutputError
            If a file is absent.
        """
        if self.status == "finished" and not self.stopped_early:
            for name in WHOLE_RUN:
                self._require_file(name)

    @property
    def status(self) -> str:
        """How the run ended: ``finished``, ``failed`` or ``interrupted``; else ``running``."""
        return str(self.manifest.get("status", "of unknown status"))

    @property
    def stopped_early(self) -> bool:
        """Whether the run ended before training, as its spec asked."""
        return bool(self.manifest.get("until"))

    @cached_property
    def spec(self) -> Spec:
        """The spec with all defaults filled in."""
        self._require_file(RESOLVED_SPEC)
        path = self.path / RESOLVED_SPEC
        recorded = self.manifest.get("plugins")
        return load_resolved(path.read_text(encoding="utf-8"), path, plugins=self.plugins, recorded=recorded)

    @cached_property
    def model(self) -> FittedModel:
        """The fitted model, on the CPU; `jamie.load` wraps it in an estimator."""
        return load_model(self.path, plugins=self.plugins)

    @property
    def model_name(self) -> str:
        """Name of the model among the methods: ``jamie``, or that of a method in its place."""
        return str(self.methods[0]["method"]) if self.methods else MODEL_NAME

    @property
    def metrics(self) -> pd.DataFrame:
        """Scores, one row each, as in ``metrics.csv``."""
        return self._table(METRICS)

    @property
    def features(self) -> pd.DataFrame:
        """Scores of each imputed feature, as in ``features.csv``."""
        return self._table(FEATURES)

    @property
    def wins(self) -> pd.DataFrame:
        """Numbers of features that one method imputes better than another, as in ``wins.csv``."""
        return self._table(WINS)

    @property
    def history(self) -> pd.DataFrame:
        """Losses by epoch and member of the ensemble, as in ``history.csv``."""
        return self._table(HISTORY)

    @property
    def metric_records(self) -> list[dict[str, Any]]:
        """The scores as plain values, as in ``metrics.json``."""
        return self._json(METRIC_RECORDS, [])

    @property
    def methods(self) -> list[dict[str, Any]]:
        """Status, properties and cost of the model and of each method, as in ``methods.json``."""
        return self._json(METHODS, [])

    @property
    def pairing(self) -> dict[str, Any]:
        """Numbers of cells and of pairs between the modalities, as in ``pairing.json``."""
        return self._json(PAIRING, {})

    @property
    def posterior(self) -> dict[str, Any]:
        """For each modality and latent, divergence from the prior and standard deviations."""
        return self._json(POSTERIOR, {}) or {}

    @property
    def stack(self) -> list[dict[str, Any]]:
        """How regressions were tuned and weighed against the networks, for each source and target."""
        return self._json(STACK, [])

    @property
    def inference(self) -> list[dict[str, Any]]:
        """Diagnostics and quality of each inferred correspondence, as in ``correspondence.json``."""
        return self._json(INFERENCE, [])

    @property
    def explanations(self) -> dict[str, Explanation]:
        """Explanations by their names in ``explain/``."""
        return load_explanations(self.path)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the last session of the run, each once."""
        return self._read(EVENTS, _warnings, ())

    @cached_property
    def obs(self) -> dict[str, pd.DataFrame]:
        """Annotations of each modality's cells in ``result.h5mu``, without reading any values."""
        return self._read(RESULT, _read_obs)

    @cached_property
    def mdata(self) -> MuData:
        """The data with embeddings, as in ``result.h5mu``; ``uns["jamie"]`` holds the other files' current tables.

        Without modalities if the run stopped before training.
        """
        from mudata import MuData, read_h5mu

        with mudata_conventions():
            mdata = MuData({}) if self.stopped_early else self._read(RESULT, read_h5mu)
        mdata.uns[UNS_KEY] = {**mdata.uns.get(UNS_KEY, {}), **self._tables()}
        return mdata

    def find_imputed(self, source: str, target: str) -> AnnData | None:
        """Read one modality imputed from another; None if the run did not write it, or it is too large for a page."""
        file = self.path / imputed_file(source, target)
        readable = file.is_file() and file.stat().st_size <= LARGEST_SHOWN
        return self.imputed(source, target) if readable else None

    def imputed(self, source: str, target: str) -> AnnData:
        """Read one modality imputed from another, with intervals and the values of other methods as layers.

        Raises
        ------
        OutputError
            If the run did not write it.
        """
        from anndata import read_h5ad

        name = imputed_file(source, target)
        if not (self.path / name).is_file():
            fix = f"impute it with `jamie impute`, or leave out what needs it; the run has {', '.join(self.obs)}"
            raise OutputError("expected imputed values, found none", where=str(self.path / name), fix=fix)
        return self._read(name, read_h5ad)

    def correspondence(self, a: str, b: str) -> Correspondence:
        """Return the known pairs of two modalities, and the inferred partners of cells that have none.

        Parameters
        ----------
        a, b
            Modalities.

        Returns
        -------
        Correspondence
            (n_a, n_b), cells in the order of `mdata`.

        Raises
        ------
        OutputError
            If the run has no such modalities.
        """
        return correspondence_of_cells(self.path, a, b, {m: obs.index for m, obs in self.obs.items()})

    def split(self, dataset: Dataset) -> Split:
        """Return which cells of the dataset the run was trained on.

        Raises
        ------
        OutputError
            If a cell of the dataset is not in the result.
        """
        train = {}
        for m, data in dataset.modalities.items():
            obs = self.obs[m]
            if not data.cells.isin(obs.index).all():
                raise OutputError(
                    f"expected all {data.n_cells} cells of {m}, found {int(data.cells.isin(obs.index).sum())}",
                    where=str(self.path / RESULT),
                    fix="run the spec again",
                )
            train[m] = (obs[SPLIT].loc[data.cells] == TRAIN).to_numpy()
        return Split(train)

    def _tables(self) -> dict[str, Any]:
        """Return what the files of the run say, in the form in which a MuData carries it."""
        resolved = (self.path / RESOLVED_SPEC).read_text(encoding="utf-8")
        tables: dict[str, Any] = {"spec": resolved, "seed": self.manifest.get("seed", 0)}
        for name in (METRICS, FEATURES, WINS, HISTORY):
            if (self.path / name).is_file():
                tables[Path(name).stem] = storable(self._table(name))
        for name in (INFERENCE, PAIRING):
            if (self.path / name).is_file():
                tables[Path(name).stem] = (self.path / name).read_text(encoding="utf-8")
        if (self.path / METHODS).is_file():
            tables["methods"] = storable(method_table(self.methods))
        return tables | {"stages": storable(stage_table(self.manifest.get("stages", {})))}

    def _table(self, name: str) -> pd.DataFrame:
        def read(path: Path) -> pd.DataFrame:
            table = read_table(path)
            require_columns(name, table, TEXT_COLUMNS)
            return table

        return self._read(name, read, pd.DataFrame())

    def _json(self, name: str, absent: Any) -> Any:
        def read(path: Path) -> Any:
            value = json.loads(path.read_text(encoding="utf-8"))
            require_shape(name, value)
            return value

        return self._read(name, read, absent)

    def _read(self, name: str, read: Callable[[Path], T], absent: T | None = None) -> T:
        """Read a file of the run; one that may be absent is then `absent`."""
        if absent is not None and not (self.path / name).exists():
            return absent
        self._require_file(name)
        try:
            return read(self.path / name)
        except JamieError:
            raise
        except Exception as error:  # of a damaged file pandas, h5py and anndata raise all sorts
            problem = f"cannot be read ({type(error).__name__}: {error})"
            raise OutputError(problem, where=str(self.path / name), fix=_COPY) from error

    def _require_file(self, name: str) -> None:
        if not (self.path / name).is_file():
            problem = "expected a file of a finished run, found none"
            raise OutputError(problem, where=str(self.path / name), fix=_COPY)


def left_out(path: Path) -> list[str]:
    """Return what failed beside the result of a run, or of the runs of a sweep: reports, figures, explanations."""
    folders = [path, *sorted((path / RUNS_FOLDER).glob("*"))]
    return [name for folder in folders for name in OutputDirectory(folder).manifest.get(LEFT_OUT, [])]


def _read_obs(path: Path) -> dict[str, pd.DataFrame]:
    import h5py
    from anndata.io import read_elem

    with h5py.File(path) as file:
        modalities = file["mod"]
        return {
            name: read_elem(modalities[name]["obs"]) for name in modalities.attrs.get("mod-order", list(modalities))
        }


def _warnings(path: Path) -> tuple[str, ...]:
    messages: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # cut short, as when the process was killed or the disk was full
            continue
        if not isinstance(event, dict):
            continue
        if event.get("event") == "running":
            messages = []
        elif event.get("event") == "notice" and event.get("level") in ("warning", "error"):
            messages.append(str(event.get("message")))
    return tuple(dict.fromkeys(messages))
