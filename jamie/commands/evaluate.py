"""A finished run, scored again: what `jamie evaluate` does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.commands.ending import renew_page
from jamie.commands.fit import REFIT, evaluate_all
from jamie.commands.run import require_same_data
from jamie.core.context import Context
from jamie.core.data import Dataset, Matrix, Split
from jamie.core.errors import DataError, OutputError
from jamie.core.names import MODEL_NAME, UNCERTAINTY_LAYERS, embedding_key
from jamie.correspondence.infer import Inference
from jamie.data.load import load_dataset
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import Evaluation
from jamie.runs.correspondence_files import load_inference
from jamie.runs.directory import RESOLVED, RunFolder
from jamie.runs.results import bound_layers, write_evaluation
from jamie.runs.run import RESULT, FinishedRun
from jamie.runs.tables import evaluation_tables, refresh
from jamie.spec import load_spec

if TYPE_CHECKING:
    from anndata import AnnData

CHANGEABLE = ("evaluate.metrics", "labels")


def evaluate_run(path: str | Path, overrides: Iterable[str] | Mapping[str, Any] = ()) -> Evaluation:
    """Score the embeddings and imputed values of a finished run, and write its metrics anew.

    Nothing is fitted: data and known pairs are those of the run, split and results are read from its files.

    Parameters
    ----------
    path
        The run directory.
    overrides
        Other metrics or labels: ``{"evaluate.metrics": ["foscttm"]}`` or ``["labels=[subtype]"]``.

    Raises
    ------
    OutputError
        Where there is no finished run, or its model was fitted again on all cells after it was evaluated.
    DataError
        Where the data are not those that it was run on any more.
    """
    run, folder = FinishedRun.open(path), RunFolder(Path(path))
    overrides = dict(overrides) if isinstance(overrides, Mapping) else list(overrides)
    _require_changeable(overrides)
    spec = load_spec(folder.path / RESOLVED, overrides)
    if any(stage.startswith(REFIT) for stage in run.manifest["stages"]):
        raise OutputError(
            "expected the results that were evaluated, found those of the model that was fitted again on all cells",
            where=str(path),
            fix="run it without evaluate.refit to score it with other metrics",
        )
    require_same_data(spec, run.manifest)
    dataset = load_dataset(spec, Context(seed=spec.seed)).dataset
    files = _Files(run, dataset)
    split = run.split(dataset)
    evaluation = evaluate_all(files.results(), dataset, split, _inference(folder, split), spec)
    with folder.kept():
        write_evaluation(folder, evaluation)
        refresh(folder, RESULT, evaluation_tables(evaluation))
    renew_page(folder, spec, Context(seed=spec.seed))
    return evaluation


def _require_changeable(overrides: Mapping[str, Any] | list[str]) -> None:
    keys = [one.partition("=")[0].strip() for one in overrides]
    wrong = [key for key in keys if key not in CHANGEABLE]
    if wrong:
        raise DataError(
            f"expected {' or '.join(CHANGEABLE)}, found '{wrong[0]}', which would need another run",
            where="jamie evaluate",
            fix="run the spec with this setting",
        )


class _Files:
    """Split and results of the methods in the files of a run."""

    def __init__(self, run: FinishedRun, dataset: Dataset) -> None:
        self.run, self.dataset = run, dataset
        self.mdata = run.mdata()
        self.imputed = cache(self._imputed)

    def results(self) -> list[MethodResult]:
        """Return what each method that has a result made of the cells."""
        return [self._result(one) for one in self.run.json("methods.json") if one["status"] == "done"]

    def _result(self, method: Mapping[str, Any]) -> MethodResult:
        name = method["method"]
        directions = list(permutations(self.dataset.modalities, 2)) if method["imputes"] else []
        # the data may have an embedding of that name of their own
        latents = self._latents(name) if method["embeds"] else {}
        return MethodResult(
            name,
            inductive=method["inductive"],
            latents=latents,
            imputed={(a, b): partial(self._values, name, a, b) for a, b in directions},
            intervals={(a, b): partial(self._bounds, name, a, b) for a, b in directions},
        )

    def _latents(self, method: str) -> dict[str, NDArray[np.floating]]:
        key = embedding_key(method)
        found = {}
        for m, data in self.dataset.modalities.items():
            adata = self.mdata.mod[m]
            if key in adata.obsm:
                found[m] = np.asarray(adata.obsm[key])[adata.obs_names.get_indexer(data.cells)]
        return found

    def _values(self, method: str, source: str, target: str, rows: NDArray[np.int64]) -> Matrix:
        adata = self.imputed(source, target)
        values: Matrix = (adata.X if method == MODEL_NAME else adata.layers[method])[self._order(adata, source, rows)]
        return values

    def _bounds(
        self, method: str, source: str, target: str, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]] | None:
        adata = self.imputed(source, target)
        lower, upper = UNCERTAINTY_LAYERS[1:] if method == MODEL_NAME else bound_layers(method)
        if lower not in adata.layers:
            return None
        order = self._order(adata, source, rows)
        return adata.layers[lower][order], adata.layers[upper][order]

    def _order(self, adata: AnnData, source: str, rows: NDArray[np.int64]) -> NDArray[np.intp]:
        return adata.obs_names.get_indexer(self.dataset.modalities[source].cells[rows])

    def _imputed(self, source: str, target: str) -> AnnData:
        from anndata import read_h5ad

        file = self.run.path / f"imputed/{source}-to-{target}.h5ad"
        if not file.is_file():
            fix = "leave out metrics of imputed values: --set evaluate.metrics=[foscttm]"
            raise OutputError("expected imputed values, found none", where=str(file), fix=fix)
        return read_h5ad(file)


def _inference(folder: RunFolder, split: Split) -> Inference | None:
    return load_inference(folder.path, {m: int(train.sum()) for m, train in split.train.items()})
