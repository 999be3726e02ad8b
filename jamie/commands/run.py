"""A run: what is read, fitted and written, in the order in which data flow."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.commands.ending import try_explanations, try_reports
from jamie.commands.fit import Fitted, Matched, fit, match
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError, OutputError
from jamie.core.explanation import Explanation
from jamie.core.names import EMBEDDING, embedding_key
from jamie.correspondence.verify import PairCheck
from jamie.data.assemble import mudata_conventions
from jamie.data.load import LoadedData, load_dataset
from jamie.data.pairing_table import PairingTable, pairing_table
from jamie.explain.explained_model import ExplainedModel
from jamie.metrics.records import Record
from jamie.model.trained import TrainedModel
from jamie.runs.correspondence_files import inference_records, save_inference, save_known
from jamie.runs.finishing import Finishing, proved_writable
from jamie.runs.layouts import Layouts, layouts_of
from jamie.runs.results import (
    cell_columns,
    embedded_mudata,
    feature_columns,
    write_evaluation,
    write_imputed,
)
from jamie.runs.run import RESULT
from jamie.runs.tables import HISTORY, carried_tables, history_table
from jamie.spec import Spec, load_single
from jamie.spec.difference import describe_changes
from jamie.training.device import device_for

if TYPE_CHECKING:
    from mudata import MuData

from jamie.runs.directory import MANIFEST, RESOLVED, RunFolder, file_hash, json_text
from jamie.runs.mudata_copies import without_cells

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """A finished run.

    Parameters
    ----------
    folder
        The run directory.
    mdata
        The data with the embeddings, as in ``result.h5mu``; as they were read where the run stops before training.
    model
        The network with its preprocessing; `jamie.load(result.folder)` gives it `embed` and `impute`. None where the
        run stops before training.
    metrics
        As in ``metrics.json``.
    methods
        As in ``methods.json``.
    explanations
        What drives the model: those in ``explain/``.
    """

    folder: Path
    mdata: MuData
    model: TrainedModel | None
    metrics: tuple[Record, ...]
    methods: tuple[Mapping[str, Any], ...]
    explanations: tuple[Explanation, ...] = ()


def run(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a spec: read, pair, preprocess, infer, train, evaluate, explain, and write the run directory.

    Parameters
    ----------
    source
        A spec file, or the same as a mapping.
    out
        The run directory; ``runs/<name>-<time>`` by default.
    overrides
        Settings to change: ``{"training.batch_size": 256}`` or ``["training.batch_size=256"]``.
    resume
        Go on in `out`, from the last checkpoint; ends in the same numbers as an undisturbed run.
    overwrite
        Replace a run directory that exists.
    progress
        Called as ``progress(stage, done, total, values)``.

    Raises
    ------
    JamieError
        Where the spec, the data or the folder are not as they must be; see `jamie.core.errors`.
    """
    spec = load_single(source, overrides)
    device = device_for(spec.training.device)
    hashes = {str(path): file_hash(path) for path in sources(spec)}
    place = Path(out) if out else Path("runs") / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with RunFolder.create(place, resume=resume, overwrite=overwrite) as folder:
        context = Context(seed=spec.seed, device=device, progress=_both(folder.progress, progress))
        if resume:
            _require_same(folder, spec, hashes)
        with folder.recording(name=spec.name, seed=spec.seed, device=device, data=hashes, until=spec.until):
            log.info("run directory: %s", folder.path)
            folder.write_text(RESOLVED, spec.to_yaml())
            with folder.stage("data"):
                loaded = load_dataset(spec, context)
            if spec.until is not None and spec.correspondence.infer is not None:
                matched = match(loaded, spec.correspondence.infer.build(), spec, context, folder)
                _write_matched(folder, loaded, matched)
                _report(folder, spec, context)
                return Result(folder.path, loaded.mdata, None, matched.evaluation.records, ())
            loaded = replace(loaded, mdata=proved_writable(loaded.mdata, folder))
            fitted = fit(loaded, spec, context, folder)
            with folder.stage("results"):
                mdata = _write(folder, loaded, fitted, context)
            explanations = _explain(folder, fitted, context)
            _report(folder, spec, context)
    methods = tuple(result.as_dict() for result in fitted.results)
    return Result(folder.path, mdata, fitted.model, fitted.evaluation.records, methods, explanations)


def sources(spec: Spec) -> tuple[Path, ...]:
    """Every file that decides what a run finds."""
    given = (spec.correspondence.links, spec.evaluate.holdout.file, spec.evaluate.known_pairs.file)
    files = (*spec.data.build().sources(), *spec.correspondence.known.files(), *spec.plugins, *given)
    return tuple(dict.fromkeys(file for file in files if file is not None))


def require_same_data(spec: Spec, manifest: Mapping[str, Any]) -> None:
    """Refuse files that changed since a run has read them.

    Raises
    ------
    DataError
        Naming the first.
    """
    for file in sources(spec):
        if manifest["data"].get(str(file)) != file_hash(file):
            raise DataError(
                "expected the file that the run has read, found another content",
                where=str(file),
                fix="restore it, or run the spec again",
            )


def _require_same(folder: RunFolder, spec: Spec, hashes: Mapping[str, str]) -> None:
    before = folder.read_manifest()
    if (folder.path / RESOLVED).is_file() and (started := (folder.path / RESOLVED).read_text()) != spec.to_yaml():
        raise OutputError(
            f"the spec is not the one that this run was started with{describe_changes(started, spec)}",
            where=str(folder.path / RESOLVED),
            fix="resume with the same spec and settings, or start anew with another --out",
        )
    if before.get("data", hashes) != dict(hashes):
        raise OutputError(
            "the data are not those that this run was started with",
            where=str(folder.path),
            fix="restore the files (data, pairing, plugins), or start anew with another --out",
        )


def _write(folder: RunFolder, loaded: LoadedData, fitted: Fitted, context: Context) -> MuData:
    """Write what was found: small files first, then the cells; one that fails does not cost the others."""
    rest, mdata = Finishing(folder), loaded.mdata
    with rest.trying("metrics.json"):
        _write_found(folder, loaded, fitted)
    with rest.trying(RESULT):
        layouts = _layouts(fitted, context) if fitted.model.spec.report else {}
        mdata = to_mudata(loaded.mdata, fitted, stages=folder.manifest["stages"], layouts=layouts)
        with folder.writing(RESULT) as path, mudata_conventions():
            mdata.write_h5mu(path, compression="gzip")
    with rest.trying("imputed"):
        write_imputed(rest, fitted.results, fitted.prepared, loaded.mdata, fitted.model)
    rest.require_all()
    return mdata


def _layouts(fitted: Fitted, context: Context) -> Layouts:
    try:
        return layouts_of(fitted.prepared.scores, fitted.latents, context)
    except Exception as error:  # of another package: the result must not be lost for it
        log.warning("layouts failed, and the run is without them: %s: %s", type(error).__name__, error)
        return {}


def _write_found(folder: RunFolder, loaded: LoadedData, fitted: Fitted) -> None:
    spec = fitted.model.spec
    save_known(folder, loaded.dataset)
    if fitted.inference:
        if spec.evaluate.refit:
            save_inference(folder, fitted.inference, {m: d.cells for m, d in loaded.dataset.modalities.items()})
        folder.write_json("correspondence.json", inference_records(fitted.inference, fitted.quality))
    folder.write_json("pairing.json", _pairing(loaded.pairing_table, fitted.verified))
    folder.write_json("posterior.json", fitted.posterior)
    folder.write_json("methods.json", [result.as_dict() for result in fitted.results])
    write_evaluation(folder, fitted.evaluation)
    folder.write_text(HISTORY, history_table(fitted.histories, spec).to_csv(index=False))


def _explain(folder: RunFolder, fitted: Fitted, context: Context) -> tuple[Explanation, ...]:
    spec, prepared = fitted.model.spec, fitted.prepared
    if not spec.explain:
        return ()
    with folder.stage("explanation"):
        subject = ExplainedModel(fitted.model, prepared.dataset, prepared.split, context)
        return try_explanations(folder, spec.explain, subject, context)


def _report(folder: RunFolder, spec: Spec, context: Context) -> None:
    """Write the reports, which read the run's files: its manifest must hold the stages by then."""
    if not spec.report:
        return
    folder.write_json(MANIFEST, folder.manifest)
    with folder.stage("report"):
        try_reports(folder, spec.report, context)


def _write_matched(folder: RunFolder, loaded: LoadedData, matched: Matched) -> None:
    save_known(folder, loaded.dataset)
    folder.write_json("correspondence.json", inference_records(matched.inference, matched.quality))
    folder.write_json("pairing.json", _pairing(loaded.pairing_table, matched.verified))
    folder.write_json("methods.json", [])
    write_evaluation(folder, matched.evaluation)


def _pairing(table: PairingTable, verified: Sequence[PairCheck]) -> dict[str, Any]:
    return table.to_json() | {"verified": [one.as_dict() for one in verified]}


def to_mudata(
    mdata: MuData,
    fitted: Fitted,
    key_added: str = EMBEDDING,
    stages: Mapping[str, Mapping[str, float]] | None = None,
    layouts: Mapping[str, Mapping[str, NDArray[np.floating]]] | None = None,
) -> MuData:
    """Return the data with the embeddings of a fit, its provenance and what it found.

    Parameters
    ----------
    mdata
        Holds the cells of the fit.
    fitted
        To be added.
    key_added
        Key of `obsm` of the latents.
    stages
        Time and memory of each stage, where they were measured.
    layouts
        (n_m, 2) of each modality by further keys of `obsm`.
    """
    spec, dataset = fitted.model.spec, fitted.prepared.dataset
    mdata = without_cells(mdata, dataset.absent)
    provenance = {"version": version("jamie-toolkit"), "spec": spec.to_yaml(), "seed": spec.seed}
    inferred = inference_records(fitted.inference, fitted.quality) if fitted.inference else []
    provenance |= carried_tables(fitted.evaluation, fitted.histories, fitted.results, spec, stages or {})
    provenance["correspondence"] = json_text(inferred)
    provenance["pairing"] = json_text(_pairing(pairing_table(dataset.truth, dataset.known), fitted.verified))
    embeddings = {key_added: fitted.latents}
    embeddings |= {embedding_key(one.method): one.latents for one in fitted.results[1:] if one.latents}
    embeddings |= layouts or {}
    obs = cell_columns(fitted.prepared, fitted.inference, fitted.model)
    var = feature_columns(fitted.prepared, fitted.model)
    return embedded_mudata(mdata, embeddings, fitted.aggregated, obs, var, fitted.correspondences, provenance)


def _both(first: Progress, second: Progress | None) -> Progress:
    if second is None:
        return first

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        first(stage, done, total, values)
        second(stage, done, total, values)

    return progress
