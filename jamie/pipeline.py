"""The pipeline: one call for each stage, in the order in which data flow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context, Progress
from jamie.core.correspondence import Correspondences
from jamie.core.errors import OutputError
from jamie.correspondence.infer import Inference, infer_all
from jamie.correspondence.quality import Quality, assess_all
from jamie.correspondence.ties import require_ties
from jamie.data.assemble import mudata_conventions
from jamie.data.load import LoadedData, load_dataset
from jamie.data.split import split_cells
from jamie.metrics.evaluate import Record, evaluate, to_table
from jamie.model.store import save_model
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared, prepare
from jamie.report.correspondence_files import inference_records, load_inference, save_inference, save_known
from jamie.report.results import EMBEDDING, cell_columns, embedded_mudata, write_imputed
from jamie.report.run_folder import RESOLVED, RunFolder, file_hash
from jamie.spec import Spec, load_spec
from jamie.training.batches import mix
from jamie.training.device import device_for
from jamie.training.fit import train
from jamie.training.loop import History

if TYPE_CHECKING:
    from mudata import MuData

log = logging.getLogger(__name__)

COLLAPSED = 0.01  # standard deviation of latent means below which no latent is used; the prior's is 1
CHECKPOINT = "checkpoint/training.safetensors"


@dataclass(frozen=True)
class Fitted:
    """What fitting gives, before anything is written.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    inference
        Inferred correspondence of the training cells; None where nothing is inferred.
    quality
        How good that is, for every two modalities, as far as truth or labels tell.
    model
        Trained.
    history
        Of the training.
    latents
        (n_m, L) latent means of each modality's cells.
    aggregated
        (n_m, L) the same after aggregation over `correspondences`.
    correspondences
        Of all cells: the known pairs, mixed with the inferred ones where rho < 1.
    posterior
        For each modality and latent, the divergence from the prior, and standard deviations.
    records
        Metrics.
    """

    prepared: Prepared
    inference: Inference | None
    quality: Mapping[tuple[str, str], Quality]
    model: TrainedModel
    history: History
    latents: Mapping[str, NDArray[np.float32]]
    aggregated: Mapping[str, NDArray[np.float32]]
    correspondences: Correspondences
    posterior: Mapping[str, Mapping[str, list[float]]]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Result:
    """A finished run.

    Parameters
    ----------
    folder
        The run directory.
    mdata
        The data with the embeddings, as in ``result.h5mu``.
    model
        The network with its preprocessing; `jamie.load(result.folder)` gives it `embed` and `impute`.
    metrics
        As in ``metrics.json``.
    """

    folder: Path
    mdata: MuData
    model: TrainedModel
    metrics: tuple[Record, ...]


def run(
    source: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | tuple[str, ...] | list[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a spec: read, pair, preprocess, infer, train, evaluate, and write the run directory.

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
    spec = load_spec(source, overrides)
    device = device_for(spec.training.device)
    files = (*spec.data.build().sources(), *spec.correspondence.known.files(), *spec.plugins)
    hashes = {str(path): file_hash(path) for path in files}
    place = Path(out) if out else Path("runs") / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with RunFolder.create(place, resume=resume, overwrite=overwrite) as folder:
        context = Context(seed=spec.seed, device=device, progress=_both(folder.progress, progress))
        if resume:
            _require_same(folder, spec, hashes)
        with folder.recording(name=spec.name, seed=spec.seed, device=device, data=hashes):
            log.info("run directory: %s", folder.path)
            folder.write_text(RESOLVED, spec.to_yaml())
            with folder.stage("data"):
                loaded = load_dataset(spec, context)
            fitted = fit(loaded, spec, context, folder)
            with folder.stage("results"):
                mdata = _write(folder, loaded, fitted)
    return Result(folder.path, mdata, fitted.model, fitted.records)


def fit(loaded: LoadedData, spec: Spec, context: Context, folder: RunFolder | None = None) -> Fitted:
    """Preprocess, infer, train and evaluate; `folder` keeps checkpoints, times and the inferred correspondence."""
    stage = folder.stage if folder else lambda name: nullcontext()
    dataset = loaded.dataset
    require_ties(dataset.known, spec)
    with stage("preprocess"):
        split = split_cells(dataset, spec.evaluate.holdout.fraction, context)
        prepared = prepare(dataset, split, spec, context)
    with stage("correspondence") if spec.correspondence.infer else nullcontext():
        inference = _infer(prepared, spec, context, folder)
        quality = _assess(inference, prepared, spec) if inference else {}
    with stage("training"):
        inferred = inference.correspondences if inference else None
        checkpoint = folder.path / CHECKPOINT if folder else None
        model, history = train(prepared, inferred, spec, context, checkpoint)
    with stage("evaluation"):
        latents = {m: model.encode(m, scores) for m, scores in prepared.scores.items()}
        correspondences = _for_all_cells(prepared, inferred, spec.correspondence.rho)
        aggregated = model.aggregate(latents, correspondences)
        metrics = [ref.build() for ref in spec.evaluate.metrics]
        records = tuple(evaluate(latents, dataset, split, metrics))
        posterior = {m: model.posterior_summary(m, scores) for m, scores in prepared.scores.items()}
        _warn_of_collapse(posterior)
    return Fitted(
        prepared=prepared,
        inference=inference,
        quality=quality,
        model=model,
        history=history,
        latents=latents,
        aggregated=aggregated,
        correspondences=correspondences,
        posterior=posterior,
        records=records,
    )


def _warn_of_collapse(posterior: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Say so where no latent of a modality tells its cells apart."""
    for m, summary in posterior.items():
        if max(summary["sd_of_mean"]) < COLLAPSED:
            log.warning(
                "modality '%s': the posterior has collapsed: every cell has nearly the same latents; "
                "train longer, or give losses.kl less weight",
                m,
            )


def _infer(prepared: Prepared, spec: Spec, context: Context, folder: RunFolder | None) -> Inference | None:
    if spec.correspondence.infer is None:
        return None
    cells = prepared.subset(prepared.split.train)
    saved = load_inference(folder.path, cells.dataset.sizes) if folder else None
    if saved is not None:
        return saved
    views = {m: cells.view(m) for m in cells.scores}
    inference = infer_all(views, cells.dataset.known, spec.correspondence.infer.build(), context)
    if folder:
        save_inference(folder, inference, {m: d.cells for m, d in cells.dataset.modalities.items()})
    return inference


def _assess(inference: Inference, prepared: Prepared, spec: Spec) -> dict[tuple[str, str], Quality]:
    told = spec.correspondence.infer is not None and spec.correspondence.infer.build().uses_known
    return assess_all(inference, prepared.dataset.subset(prepared.split.train), told=told)


def _for_all_cells(prepared: Prepared, inferred: Correspondences | None, rho: float) -> Correspondences:
    """Correspondence of all cells: the known pairs, mixed with what was inferred for the training cells."""
    known = prepared.dataset.known
    if inferred is None:
        return known
    train = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
    return mix(known, inferred.spread(train, known.sizes), rho)


def _require_same(folder: RunFolder, spec: Spec, hashes: Mapping[str, str]) -> None:
    before = folder.read_manifest()
    if (folder.path / RESOLVED).is_file() and (folder.path / RESOLVED).read_text() != spec.to_yaml():
        raise OutputError(
            "the spec is not the one that this run was started with",
            where=str(folder.path / RESOLVED),
            fix="resume with the same spec and settings, or start anew with another --out",
        )
    if before.get("data", hashes) != dict(hashes):
        raise OutputError(
            "the data are not those that this run was started with",
            where=str(folder.path),
            fix="restore the files (data, pairing, plugins), or start anew with another --out",
        )


def _write(folder: RunFolder, loaded: LoadedData, fitted: Fitted) -> MuData:
    with folder.writing("model") as path:
        path.mkdir()
        save_model(fitted.model, path)
    save_known(folder, loaded.dataset)
    if fitted.inference:
        folder.write_json("correspondence.json", inference_records(fitted.inference, fitted.quality))
    folder.write_json("pairing.json", loaded.pairing_table.to_json())
    folder.write_json("posterior.json", fitted.posterior)
    folder.write_json("metrics.json", [record.as_dict() for record in fitted.records])
    folder.write_text("metrics.csv", to_table(fitted.records).to_csv(index=False))
    mdata = to_mudata(loaded.mdata, fitted)
    with folder.writing("result.h5mu") as path, mudata_conventions():
        mdata.write_h5mu(path, compression="gzip")
    write_imputed(folder, fitted.model, fitted.prepared, fitted.latents, mdata)
    return mdata


def to_mudata(mdata: MuData, fitted: Fitted, key_added: str = EMBEDDING) -> MuData:
    """Return the data with the embeddings of a fit and its provenance."""
    spec = fitted.model.spec
    provenance = {"version": version("jamie-toolkit"), "spec": spec.to_yaml(), "seed": spec.seed}
    columns = cell_columns(fitted.prepared, fitted.inference)
    return embedded_mudata(
        mdata, fitted.latents, fitted.aggregated, columns, fitted.correspondences, provenance, key_added
    )


def _both(first: Progress, second: Progress | None) -> Progress:
    if second is None:
        return first

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        first(stage, done, total, values)
        second(stage, done, total, values)

    return progress
