"""The pipeline: one call for each stage, in the order in which data flow."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context, Progress
from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset, Split
from jamie.core.errors import OutputError, SpecError
from jamie.core.meter import Meter, Usage, metered
from jamie.correspondence.infer import Inference, infer_all
from jamie.correspondence.quality import Quality, assess_all
from jamie.correspondence.ties import require_ties
from jamie.data.assemble import mudata_conventions
from jamie.data.load import LoadedData, load_dataset
from jamie.data.split import split_cells
from jamie.methods.compare import Outcome, label_methods, run_method, together
from jamie.metrics.evaluate import Evaluation, MethodResult, evaluate
from jamie.metrics.matching_scores import score_matching
from jamie.metrics.records import Record
from jamie.metrics.scopes import ALL, TRAINING
from jamie.model.apply import decode
from jamie.model.store import save_model
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared, prepare
from jamie.report.correspondence_files import inference_records, load_inference, save_inference, save_known
from jamie.report.results import (
    EMBEDDING,
    cell_columns,
    embedded_mudata,
    embedding_key,
    write_evaluation,
    write_imputed,
)
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
CHECKPOINT, REFIT_CHECKPOINT = "checkpoint/training.safetensors", "checkpoint/refit.safetensors"
OURS = "jamie"  # the name of the model among the methods


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
    outcomes
        Latents and imputed values of the model, and then of the methods that it is compared with.
    aggregated
        (n_m, L) the model's latents after aggregation over `correspondences`.
    correspondences
        Of all cells: the known pairs, mixed with the inferred ones where rho < 1.
    posterior
        For each modality and latent, the divergence from the prior, and standard deviations.
    evaluation
        Metrics.
    """

    prepared: Prepared
    inference: Inference | None
    quality: Mapping[tuple[str, str], Quality]
    model: TrainedModel
    history: History
    outcomes: tuple[Outcome, ...]
    aggregated: Mapping[str, NDArray[np.float32]]
    correspondences: Correspondences
    posterior: Mapping[str, Mapping[str, list[float]]]
    evaluation: Evaluation

    @property
    def latents(self) -> Mapping[str, NDArray[np.floating]]:
        """(n_m, L) latent means of each modality's cells."""
        return self.outcomes[0].latents


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
    methods
        As in ``methods.json``.
    """

    folder: Path
    mdata: MuData
    model: TrainedModel
    metrics: tuple[Record, ...]
    methods: tuple[Mapping[str, Any], ...]


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
    if spec.is_sweep:
        fix = (
            "run it with jamie.sweep(...) or `jamie run`, or leave out sweep, evaluate.seeds and evaluate.holdout.folds"
        )
        raise SpecError("expected one run, found a sweep", where=spec.where("sweep"), fix=fix)
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
    methods = tuple(outcome.as_dict() for outcome in fitted.outcomes)
    return Result(folder.path, mdata, fitted.model, fitted.evaluation.records, methods)


def fit(loaded: LoadedData, spec: Spec, context: Context, folder: RunFolder | None = None) -> Fitted:
    """Preprocess, infer, train, compare and evaluate; `folder` keeps checkpoints, times and the inferred pairs."""
    dataset = loaded.dataset
    require_ties(dataset.known, spec)
    split = split_cells(dataset, spec.evaluate.holdout, context)
    fitted = _fit(dataset, split, spec, context, folder)
    if not (spec.evaluate.refit and split.any_held_out):
        return fitted
    log.info("the model that was evaluated is followed by one that is trained on all cells")
    again = replace(spec, evaluate=replace(spec.evaluate, compare=[], metrics=[]))
    everyone = Split({m: np.ones_like(train) for m, train in split.train.items()})
    final = _fit(dataset, everyone, again, context, folder, refit=True)
    model, outcomes = replace(final.model, spec=spec), (*final.outcomes, *fitted.outcomes[1:])
    return replace(final, model=model, outcomes=outcomes, evaluation=fitted.evaluation)


def _fit(
    dataset: Dataset, split: Split, spec: Spec, context: Context, folder: RunFolder | None, *, refit: bool = False
) -> Fitted:
    """Fit on the training cells of a split, and evaluate."""

    def stage(name: str) -> AbstractContextManager[Meter]:
        return folder.stage(f"refit {name}" if refit else name) if folder else metered()

    with stage("preprocess") as preprocess:
        prepared = prepare(dataset, split, spec, context)
    compared = label_methods(spec.evaluate.compare, taken=[OURS])
    with stage("correspondence") if spec.correspondence.infer else metered() as correspondence:
        inference = _infer(prepared, spec, context, None if refit else folder)
        quality = _assess(inference, prepared, spec) if inference else {}
    with stage("training") as training:
        inferred = inference.correspondences if inference else None
        checkpoint = folder.path / (REFIT_CHECKPOINT if refit else CHECKPOINT) if folder else None
        train_cells = prepared.subset(split.train).cells()
        network, history = train(train_cells, inferred, spec, context, checkpoint)
        model = TrainedModel.of(prepared, spec, network)
    preparation = together(preprocess.usage, correspondence.usage)
    outcomes = [_of_model(model, prepared, preparation, training.usage)]
    with stage("comparison") if compared else nullcontext():
        outcomes += [run_method(name, ref, prepared, context, preprocess.usage) for name, ref in compared.items()]
    with stage("evaluation"):
        correspondences = _for_all_cells(prepared, inferred, spec.correspondence.rho)
        posterior = {m: model.posterior_summary(m, scores) for m, scores in prepared.scores.items()}
        _warn_of_collapse(posterior)
        return Fitted(
            prepared=prepared,
            inference=inference,
            quality=quality,
            model=model,
            history=history,
            outcomes=tuple(outcomes),
            aggregated=model.aggregate(outcomes[0].latents, correspondences),
            correspondences=correspondences,
            posterior=posterior,
            evaluation=_evaluate(prepared, outcomes, inference, spec),
        )


def _of_model(model: TrainedModel, prepared: Prepared, preparation: Usage, training: Usage) -> Outcome:
    """Latents and imputed values of the model that was trained."""
    latents = {m: model.encode(m, scores) for m, scores in prepared.scores.items()}
    imputed = {(a, b): decode(model.network, b, latents[a]) for a, b in permutations(latents, 2)}
    return Outcome(OURS, OURS, preparation=preparation, training=training, latents=latents, imputed=imputed)


def _evaluate(prepared: Prepared, outcomes: Sequence[Outcome], inference: Inference | None, spec: Spec) -> Evaluation:
    metrics = [ref.build() for ref in spec.evaluate.metrics]
    results = [
        MethodResult(one.method, one.latents, partial(one.in_units, prepared) if one.imputed else None)
        for one in outcomes
        if one.status == "done"
    ]
    found = evaluate(results, prepared.dataset, prepared.split, metrics)
    if inference is None or spec.correspondence.infer is None:
        return found
    cells, inferer = prepared.dataset.subset(prepared.split.train), spec.correspondence.infer
    matched = score_matching(
        inferer.name,
        inference.correspondences,
        cells,
        metrics,
        told=inferer.build().uses_known,
        scope=TRAINING if prepared.split.any_held_out else ALL,
    )
    return replace(found, records=(*found.records, *matched))


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
    spec = fitted.model.spec
    with folder.writing("model") as path:
        path.mkdir()
        save_model(fitted.model, path)
    save_known(folder, loaded.dataset)
    if fitted.inference:
        if spec.evaluate.refit:
            save_inference(folder, fitted.inference, {m: d.cells for m, d in loaded.dataset.modalities.items()})
        folder.write_json("correspondence.json", inference_records(fitted.inference, fitted.quality))
    folder.write_json("pairing.json", loaded.pairing_table.to_json())
    folder.write_json("posterior.json", fitted.posterior)
    folder.write_json("methods.json", [outcome.as_dict() for outcome in fitted.outcomes])
    write_evaluation(folder, fitted.evaluation)
    mdata = to_mudata(loaded.mdata, fitted)
    with folder.writing("result.h5mu") as path, mudata_conventions():
        mdata.write_h5mu(path, compression="gzip")
    write_imputed(folder, fitted.outcomes, fitted.prepared, mdata)
    return mdata


def to_mudata(mdata: MuData, fitted: Fitted, key_added: str = EMBEDDING) -> MuData:
    """Return the data with the embeddings of a fit and its provenance."""
    spec = fitted.model.spec
    provenance = {"version": version("jamie-toolkit"), "spec": spec.to_yaml(), "seed": spec.seed}
    embeddings = {key_added: fitted.latents}
    embeddings |= {embedding_key(one.method): one.latents for one in fitted.outcomes[1:] if one.latents}
    columns = cell_columns(fitted.prepared, fitted.inference)
    return embedded_mudata(mdata, embeddings, fitted.aggregated, columns, fitted.correspondences, provenance)


def _both(first: Progress, second: Progress | None) -> Progress:
    if second is None:
        return first

    def progress(stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        first(stage, done, total, values)
        second(stage, done, total, values)

    return progress
