"""Results of a fit: as MuData, and as the files of a run directory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.commands.fit import AssessedCorrespondence, Fitted
from jamie.core.context import Context
from jamie.core.names import LEFT_OUT, embedding_key
from jamie.correspondence.verify import PairCheck
from jamie.data.assemble import mudata_conventions
from jamie.data.load import LoadedData
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.data.writing.mudata_copies import without_cells
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import Evaluation
from jamie.runs.annotated_mudata import cell_columns, embedded_mudata, feature_columns
from jamie.runs.correspondence_files import inference_records, save_inference, save_known_pairs
from jamie.runs.directory import json_text
from jamie.runs.file_names import (
    HISTORY,
    IMPUTED,
    INFERENCE,
    METHODS,
    METRIC_RECORDS,
    PAIRING,
    POSTERIOR,
    RESULT,
    STACK,
)
from jamie.runs.imputed_results import write_imputed
from jamie.runs.run import Run
from jamie.runs.tables import evaluation_tables, history_table, method_table, stage_table, storable
from jamie.runs.umap_coordinates import Layouts, compute_layouts
from jamie.runs.write_guards import FileFailures

if TYPE_CHECKING:
    from mudata import MuData

log = logging.getLogger(__name__)


def write_fitted(run: Run, loaded: LoadedData, fitted: Fitted, context: Context) -> None:
    """Write all results of a fit, small files first; a file that cannot be written costs no other."""
    failures = FileFailures(run.path)
    with failures.collect(METRIC_RECORDS):
        write_correspondence(run, loaded, fitted.correspondence, fitted.evaluation, fitted.results)
        if fitted.model.spec.evaluate.refit and fitted.correspondence.inference:
            cells = {m: data.cells for m, data in loaded.dataset.modalities.items()}
            save_inference(run, fitted.correspondence.inference, cells)
        run.write_json(POSTERIOR, fitted.posterior)
        stack = [{"source": source, "target": target, **how} for (source, target), how in fitted.stack.items()]
        run.write_json(STACK, stack)
        run.write_table(HISTORY, history_table(fitted.histories, fitted.model.spec))
    with failures.collect(RESULT):
        layouts = _layouts_or_warn(run, fitted, context) if fitted.model.spec.report else {}
        mdata = to_mudata(loaded.mdata, fitted, stages=run.manifest["stages"], layouts=layouts)
        with run.writing(RESULT) as path, mudata_conventions():
            mdata.write_h5mu(path, compression="gzip", compression_opts=1)  # not larger than others, and faster
    with failures.collect(IMPUTED):
        write_imputed(run, failures, fitted.results, fitted.prepared, loaded.mdata, fitted.model)
    failures.raise_any()


def write_correspondence(
    run: Run,
    loaded: LoadedData,
    correspondence: AssessedCorrespondence,
    evaluation: Evaluation,
    results: Sequence[MethodResult] = (),
) -> None:
    """Write known and inferred pairs, their quality, the methods and the scores."""
    save_known_pairs(run, loaded.dataset)
    run.write_json(PAIRING, _pairing(loaded.pairing_table, correspondence.pair_checks))
    if correspondence.inference:
        run.write_json(INFERENCE, inference_records(correspondence.inference, correspondence.quality))
    run.write_json(METHODS, [result.as_dict() for result in results])
    write_evaluation(run, evaluation)


def write_evaluation(run: Run, evaluation: Evaluation) -> None:
    """Write metrics, scores of the features, and wins of the methods over each other."""
    run.write_json(METRIC_RECORDS, [record.as_dict() for record in evaluation.records])
    for name, table in evaluation_tables(evaluation).items():
        run.write_table(name, table)


def _layouts_or_warn(run: Run, fitted: Fitted, context: Context) -> Layouts:
    try:
        return compute_layouts(fitted.prepared.scores, fitted.latents, context)
    except Exception as error:  # of another package: the result must not be lost for it
        log.warning(
            "layouts failed, and the run is without them: %s: %s\n  once that is mended, for the page: jamie report %s",
            *(type(error).__name__, error, run.path),
            extra={LEFT_OUT: "layout of cells"},
        )
        return {}


def _pairing(table: PairingTable, checks: Sequence[PairCheck]) -> dict[str, Any]:
    return table.to_json() | {"verified": [check.as_dict() for check in checks]}


def to_mudata(
    mdata: MuData,
    fitted: Fitted,
    stages: Mapping[str, Mapping[str, float]] | None = None,
    layouts: Mapping[str, Mapping[str, NDArray[np.floating]]] | None = None,
) -> MuData:
    """Return the data with the embeddings, scores and provenance of a fit.

    Parameters
    ----------
    mdata
        The data of the fit.
    fitted
        Its results.
    stages
        Time and memory of each stage, if measured.
    layouts
        (n_m, 2) of each modality by key of `obsm`.
    """
    spec, dataset = fitted.model.spec, fitted.prepared.dataset
    mdata = without_cells(mdata, dataset.absent)
    provenance = {"version": version("jamie-toolkit"), "spec": spec.to_yaml(), "seed": spec.seed}
    correspondence = fitted.correspondence
    records = inference_records(correspondence.inference, correspondence.quality) if correspondence.inference else []
    tables = {name.removesuffix(".csv"): table for name, table in evaluation_tables(fitted.evaluation).items()}
    tables["history"] = history_table(fitted.histories, spec)
    tables["methods"] = method_table(result.as_dict() for result in fitted.results)
    tables["stages"] = stage_table(stages or {})
    provenance |= {name: storable(table) for name, table in tables.items()}
    provenance["correspondence"] = json_text(records)
    provenance["pairing"] = json_text(_pairing(pairing_table(dataset.truth, dataset.known), correspondence.pair_checks))
    embeddings = {embedding_key(result.method): result.latents for result in fitted.results if result.latents}
    embeddings |= layouts or {}
    obs = cell_columns(fitted.prepared, correspondence.inference, fitted.model)
    var = feature_columns(fitted.prepared, fitted.model)
    return embedded_mudata(mdata, embeddings, fitted.aggregated, obs, var, fitted.correspondences, provenance)
