"""``jamie evaluate``: a finished run, scored again from its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.commands.fit import REFIT, evaluate_all
from jamie.commands.inputs import require_same_data
from jamie.commands.report import renew_page
from jamie.commands.write_results import write_evaluation
from jamie.core.context import Context
from jamie.core.data import Dataset, Matrix
from jamie.core.errors import DataError, OutputError
from jamie.core.global_state import keep_global_state
from jamie.core.names import UNCERTAINTY_LAYERS, embedding_key
from jamie.core.sources import JointSources, all_others
from jamie.data.load import load_dataset
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import Evaluation
from jamie.preprocess.prepare import prepare
from jamie.runs.annotated_mudata import bound_layers
from jamie.runs.correspondence_files import load_inference
from jamie.runs.file_names import RESOLVED_SPEC, imputed_file
from jamie.runs.run import Run
from jamie.runs.tables import evaluation_tables, replace_result_tables
from jamie.spec import load_saved

if TYPE_CHECKING:
    from anndata import AnnData

CHANGEABLE = ("evaluate.metrics", "labels")


@keep_global_state
def evaluate_run(
    path: str | Path, overrides: Iterable[str] | Mapping[str, Any] = (), *, plugins: Sequence[str | Path] = ()
) -> Evaluation:
    """Score the embeddings and imputed values of a finished run, and replace its metrics.

    Nothing is fitted: data and known pairs are those of the run, split and results are read from its files.

    Parameters
    ----------
    path
        The run directory.
    overrides
        Other metrics or labels: ``{"evaluate.metrics": ["foscttm"]}`` or ``["labels=[subtype]"]``.
    plugins
        Files with components of the run, or with other metrics.

    Raises
    ------
    OutputError
        If there is no finished run, or its model was fitted again on all cells after the evaluation.
    DataError
        If the data have changed since the run.
    """
    run = Run.finished(path, plugins=plugins)
    overrides = dict(overrides) if isinstance(overrides, Mapping) else list(overrides)
    _require_changeable(overrides)
    spec = load_saved(run.path / RESOLVED_SPEC, overrides, plugins=run.plugins, recorded=run.manifest.get("plugins"))
    if any(stage.startswith(REFIT) for stage in run.manifest["stages"]):
        raise OutputError(
            "expected the results that were evaluated, found those of the model that was fitted again on all cells",
            where=str(path),
            fix="run it without evaluate.refit to score it with other metrics",
        )
    require_same_data(spec, run.manifest)
    context = Context(seed=spec.seed)
    dataset = load_dataset(spec, context).dataset
    split = run.split(dataset)
    inference = load_inference(run.path, {m: int(train.sum()) for m, train in split.train.items()})
    reads_scores = inference is not None and any("scores" in ref.cls.requires for ref in spec.evaluate.metrics)
    scores = prepare(dataset, split, spec, context).scores if reads_scores else None
    evaluation = evaluate_all(_SavedResults(run, dataset).results(), dataset, split, inference, spec, scores)
    with run.locked():
        write_evaluation(run, evaluation)
        replace_result_tables(run, evaluation_tables(evaluation))
    renew_page(run, spec, context)
    return evaluation


def _require_changeable(overrides: Mapping[str, Any] | list[str]) -> None:
    keys = [override.partition("=")[0].strip() for override in overrides]
    wrong = [key for key in keys if key not in CHANGEABLE]
    if wrong:
        raise DataError(
            f"expected {' or '.join(CHANGEABLE)}, found '{wrong[0]}', which would need another run",
            where="jamie evaluate",
            fix="run the spec with this setting",
        )


class _SavedResults:
    """Embeddings and imputed values of the methods in the files of a run."""

    def __init__(self, run: Run, dataset: Dataset) -> None:
        self.run, self.dataset, self.model = run, dataset, run.model_name
        self.imputed = cache(self._imputed)

    def results(self) -> list[MethodResult]:
        """Return the embeddings and imputed values of each method that has a result."""
        return [self._result(method) for method in self.run.methods if method["status"] == "done"]

    def _result(self, method: Mapping[str, Any]) -> MethodResult:
        name = method["method"]
        directions = [JointSources((a,), b) for a, b in permutations(self.dataset.modalities, 2)]
        directions += all_others(list(self.dataset.modalities)) if name == self.model else []
        directions = directions if method["imputes"] else []
        # the data may have an embedding of that name of their own
        latents = self._latents(name) if method["embeds"] else {}
        return MethodResult(
            name,
            inductive=method["inductive"],
            latents=latents,
            imputed={(joint.name, joint.target): partial(self._values, name, joint) for joint in directions},
            intervals={(joint.name, joint.target): partial(self._bounds, name, joint) for joint in directions},
        )

    def _latents(self, method: str) -> dict[str, NDArray[np.floating]]:
        key, latents = embedding_key(method), {}
        for m, data in self.dataset.modalities.items():
            adata = self.run.mdata.mod[m]
            if key in adata.obsm:
                latents[m] = np.asarray(adata.obsm[key])[adata.obs_names.get_indexer(data.cells)]
        return latents

    def _values(
        self, method: str, joint: JointSources, rows: NDArray[np.int64], columns: NDArray[np.int64] | None = None
    ) -> Matrix:
        adata = self.imputed(joint)
        return _part(
            adata.X if method == self.model else adata.layers[method], self._order(adata, joint, rows), columns
        )

    def _bounds(
        self, method: str, joint: JointSources, rows: NDArray[np.int64], columns: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]] | None:
        adata = self.imputed(joint)
        lower, upper = UNCERTAINTY_LAYERS[1:] if method == self.model else bound_layers(method)
        if lower not in adata.layers:
            return None
        order = self._order(adata, joint, rows)
        return _part(adata.layers[lower], order, columns), _part(adata.layers[upper], order, columns)

    def _order(self, adata: AnnData, joint: JointSources, rows: NDArray[np.int64]) -> NDArray[np.intp]:
        return adata.obs_names.get_indexer(self.dataset.modalities[joint.sources[0]].cells[rows])

    def _imputed(self, joint: JointSources) -> AnnData:
        file = self.run.path / imputed_file(joint.name, joint.target)
        if not file.is_file():
            fix = "leave out metrics of imputed values: --set evaluate.metrics=[foscttm]"
            raise OutputError("expected imputed values, found none", where=str(file), fix=fix)
        return self.run.imputed(joint.name, joint.target)


def _part(values: Any, rows: NDArray[np.intp], columns: NDArray[np.int64] | None) -> Any:
    return values[rows] if columns is None else values[np.ix_(rows, columns)]
