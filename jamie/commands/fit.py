"""Fitting in memory: preprocess, infer, train, compare, evaluate; one call for each stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset, Split
from jamie.core.interfaces import CorrespondenceInferer
from jamie.core.names import ALL_CELLS, MODEL_NAME, TRAINING_CELLS
from jamie.core.resources import ResourceMeter, ResourceUsage, measure_resources
from jamie.correspondence.connectivity import require_ties
from jamie.correspondence.infer import Inference, infer_all
from jamie.correspondence.quality.assess import Quality, assess_all
from jamie.correspondence.verify import PairCheck, verify_all
from jamie.data.load import LoadedData
from jamie.data.splits.holdout import split_cells
from jamie.methods.intervals import IntervalPlan
from jamie.methods.names import name_methods
from jamie.methods.result import MethodResult
from jamie.methods.run import add_usage, bounds_in_units, failed_method, run_method, values_in_units
from jamie.metrics.evaluate import Evaluation, evaluate
from jamie.metrics.matching_scores import score_matching
from jamie.model.store import save_model
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared, prepare
from jamie.runs.correspondence_files import load_inference, save_inference
from jamie.runs.directory import RunFolder
from jamie.spec import Spec
from jamie.training.batches import mix
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.few_cells import warn_of_few_cells
from jamie.training.fit import train
from jamie.training.loop import History
from jamie.training.uncertainty import fit_uncertainty
from jamie.training.validation_split import MIN_CELLS

log = logging.getLogger(__name__)

COLLAPSED = 0.01  # standard deviation of latent means below which no latent is used; the prior's is 1
CHECKPOINT, REFIT_CHECKPOINT = "checkpoint/training.safetensors", "checkpoint/refit.safetensors"
REFIT = "refit "  # before the names of stages in which the model is fitted again on all cells


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
    histories
        Of the training of each member of the ensemble.
    results
        Latents and imputed values of the model, and then of the methods that it is compared with.
    aggregated
        (n_m, L) the model's latents after aggregation over `correspondences`.
    correspondences
        Of all cells: the known pairs, mixed with the inferred ones where rho < 1.
    posterior
        For each modality and latent, the divergence from the prior, and standard deviations.
    evaluation
        Metrics.
    verified
        What the data say of the known pairs.
    """

    prepared: Prepared
    inference: Inference | None
    quality: Mapping[tuple[str, str], Quality]
    model: TrainedModel
    histories: tuple[History, ...]
    results: tuple[MethodResult, ...]
    aggregated: Mapping[str, NDArray[np.float32]]
    correspondences: Correspondences
    posterior: Mapping[str, Mapping[str, list[float]]]
    evaluation: Evaluation
    verified: tuple[PairCheck, ...] = ()

    @property
    def latents(self) -> Mapping[str, NDArray[np.floating]]:
        """(n_m, L) latent means of each modality's cells."""
        return self.results[0].latents


@dataclass(frozen=True)
class Matched:
    """What a run gives that stops after the correspondence.

    Parameters
    ----------
    inference
        Inferred correspondence of the training cells.
    quality
        How good that is, for every two modalities, as far as truth or labels tell.
    evaluation
        Metrics that read an inferred correspondence.
    verified
        What the data say of the known pairs.
    """

    inference: Inference
    quality: Mapping[tuple[str, str], Quality]
    evaluation: Evaluation
    verified: tuple[PairCheck, ...] = ()


def match(
    loaded: LoadedData, inferer: CorrespondenceInferer, spec: Spec, context: Context, folder: RunFolder
) -> Matched:
    """Preprocess, infer and evaluate what was inferred; `folder` keeps times and the inferred pairs."""
    split = split_cells(loaded.dataset, spec.evaluate.holdout, context)
    with folder.stage("preprocess"):
        prepared = prepare(loaded.dataset, split, spec, context)
    with folder.stage("correspondence"):
        verified = verify_all(prepared, spec.correspondence.verify, context)
        inference = _infer(prepared, inferer, spec, context, folder)
    with folder.stage("evaluation"):
        quality = _assess(inference, prepared, inferer)
        scored = evaluate_all((), loaded.dataset, split, inference, spec)
        return Matched(inference, quality, scored, verified)


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
    model = replace(final.model, spec=replace(spec, modalities=final.model.spec.modalities))
    evaluated = fitted.results[0]  # whose times stand beside those of the methods
    ours = replace(final.results[0], preparation=evaluated.preparation, training=evaluated.training)
    results = (ours, *fitted.results[1:])
    _save(model, folder)
    return replace(final, model=model, results=results, evaluation=fitted.evaluation, verified=fitted.verified)


def _fit(
    dataset: Dataset, split: Split, spec: Spec, context: Context, folder: RunFolder | None, *, refit: bool = False
) -> Fitted:
    """Fit on the training cells of a split, and evaluate."""

    def stage(name: str) -> AbstractContextManager[ResourceMeter]:
        return folder.stage(REFIT + name if refit else name) if folder else measure_resources()

    with stage("preprocess") as preprocess:
        prepared = prepare(dataset, split, spec, context)
    if not refit:
        warn_of_few_cells(prepared, spec, context)
    with stage("correspondence") if spec.correspondence.infer else measure_resources() as correspondence:
        verified = () if refit else verify_all(prepared, spec.correspondence.verify, context)
        inferer = spec.correspondence.infer.build() if spec.correspondence.infer else None
        inference = _infer(prepared, inferer, spec, context, None if refit else folder) if inferer else None
        quality = _assess(inference, prepared, inferer) if inferer and inference else {}
    with stage("training") as training:
        inferred = _trusted(inference, spec)
        checkpoints = CheckpointFiles(folder.path / (REFIT_CHECKPOINT if refit else CHECKPOINT)) if folder else None
        training_cells = prepared.subset(split.train)
        ensemble = train(training_cells.cells(), inferred, spec, context, checkpoints)
        model = TrainedModel.of(prepared, ensemble.spec, ensemble.networks)
        _save(model, None if refit else folder)
    with stage("calibration"):
        uncertainty = fit_uncertainty(model, training_cells, ensemble.splits, spec.evaluate.intervals.level, context)
        model = replace(model, uncertainty=uncertainty)
        _save(model, None if refit else folder)
    preparation = add_usage(preprocess.usage, correspondence.usage)
    results = [_of_model(model, prepared, preparation, training.usage)]
    with stage("comparison") if spec.evaluate.compare else nullcontext():
        settings, left_out = spec.evaluate.intervals, [one.calibration for one in ensemble.splits]
        plan = IntervalPlan(frozenset(settings.methods), settings.level, left_out)
        results += _compare(dataset, split, spec, context, prepared, preprocess.usage, plan)
    if not any(one.intervals for one in results):
        _warn_of_intervals(spec)
    with stage("evaluation"):
        correspondences = _for_all_cells(prepared, inferred, spec.correspondence.rho)
        covariates = prepared.covariates
        posterior = {m: model.posterior_summary(m, x, covariates.get(m)) for m, x in prepared.scores.items()}
        _warn_of_collapse(posterior)
        return Fitted(
            prepared=prepared,
            inference=inference,
            quality=quality,
            model=model,
            histories=ensemble.histories,
            results=tuple(results),
            aggregated=model.aggregate(results[0].latents, correspondences),
            correspondences=correspondences,
            posterior=posterior,
            evaluation=evaluate_all(results, dataset, split, inference, spec),
            verified=verified,
        )


def _save(model: TrainedModel, folder: RunFolder | None) -> None:
    """Write the model as soon as there is one, so that nothing that comes after can cost it."""
    if folder is not None:
        with folder.writing("model") as path:
            path.mkdir()
            save_model(model, path)


def _compare(
    dataset: Dataset,
    split: Split,
    spec: Spec,
    context: Context,
    prepared: Prepared,
    preprocessing: ResourceUsage,
    plan: IntervalPlan,
) -> Iterator[MethodResult]:
    """Run the methods that the model is compared with, on its own preprocessing or on theirs."""
    methods = name_methods(spec.evaluate.compare, taken=[MODEL_NAME])
    steps = spec.evaluate.compare_preprocess
    if methods and steps is not None:
        own = {m: replace(spec.modality(m), preprocess=steps) for m in dataset.modalities}
        try:
            with measure_resources() as meter:
                prepared = prepare(dataset, split, replace(spec, modalities={**spec.modalities, **own}), context)
        except Exception as error:  # as where a method breaks: the model is trained already, and must not be lost
            yield from (failed_method(name, ref, error) for name, ref in methods.items())
            return
        preprocessing = meter.usage
    for name, ref in methods.items():
        yield run_method(name, ref, prepared, context, preprocessing, plan)


def _of_model(
    model: TrainedModel, prepared: Prepared, preparation: ResourceUsage, training: ResourceUsage
) -> MethodResult:
    """Latents and imputed values of the model that was trained."""
    scores, covariates = prepared.scores, prepared.covariates
    latents = {m: model.encode(m, x, covariates.get(m)) for m, x in scores.items()}
    imputed = {(a, b): model.impute_scores(a, b, scores[a], covariates.get(a)) for a, b in permutations(latents, 2)}
    values = values_in_units(imputed, prepared.target_chains)
    return MethodResult(
        MODEL_NAME,
        MODEL_NAME,
        preparation=preparation,
        training=training,
        latents=latents,
        imputed=values,
        intervals=bounds_in_units(values, model.uncertainty.calibrations),
    )


def evaluate_all(
    results: Sequence[MethodResult], dataset: Dataset, split: Split, inference: Inference | None, spec: Spec
) -> Evaluation:
    """Score what all methods made of the cells, and what was inferred for the training cells."""
    metrics = [ref.build() for ref in spec.evaluate.metrics]
    if results and not dataset.labels:
        _warn_of_labels(spec)
    found = evaluate(results, dataset, split, metrics)
    inferer = spec.correspondence.infer
    if inference is None or inferer is None:
        return found
    cells, uses_known = dataset.subset(split.train), inferer.build().uses_known
    scope = TRAINING_CELLS if split.any_held_out else ALL_CELLS
    matched = score_matching(MODEL_NAME, inference.correspondences, cells, metrics, uses_known=uses_known, scope=scope)
    return replace(found, records=(*found.records, *matched))


def _warn_of_labels(spec: Spec) -> None:
    """Say which metrics were asked for that no cell has a label for."""
    names = dict.fromkeys(ref.name for ref in spec.evaluate.explicit_metrics if "labels" in ref.cls.requires)
    if names:
        log.warning("not scored for lack of labels: %s; name columns of obs under labels", ", ".join(names))


def _warn_of_intervals(spec: Spec) -> None:
    """Say which metrics were asked for that no method has intervals for."""
    names = dict.fromkeys(ref.name for ref in spec.evaluate.explicit_metrics if "intervals" in ref.cls.requires)
    if names:
        log.warning(
            "not scored for lack of intervals: %s; set training.calibration so high that each network does without "
            "%d matched cells or more",
            *(", ".join(names), MIN_CELLS),
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


def _infer(
    prepared: Prepared, inferer: CorrespondenceInferer, spec: Spec, context: Context, folder: RunFolder | None
) -> Inference:
    """Infer partners among the training cells, or read what was inferred before."""
    cells = prepared.subset(prepared.split.train)
    saved = load_inference(folder.path, cells.dataset.sizes) if folder else None
    if saved is not None:
        return saved
    views = {m: cells.view(m) for m in cells.scores}
    inference = infer_all(views, cells.dataset.known, inferer, context, checked=spec.correspondence.check)
    if folder:
        save_inference(folder, inference, {m: d.cells for m, d in cells.dataset.modalities.items()})
    return inference


def _trusted(inference: Inference | None, spec: Spec) -> Correspondences | None:
    """Return what training may use of the inferred correspondence; None where that is nothing."""
    if inference is None:
        return None
    if spec.correspondence.at_chance == "keep":
        return inference.correspondences
    for a, b in inference.at_chance:
        log.warning("correspondence %s--%s: left out of training (correspondence.at_chance: keep uses it)", a, b)
    trusted = inference.but_chance()
    return trusted if trusted.n_pairs else None


def _assess(inference: Inference, prepared: Prepared, inferer: CorrespondenceInferer) -> dict[tuple[str, str], Quality]:
    return assess_all(inference, prepared.dataset.subset(prepared.split.train), told=inferer.uses_known)


def _for_all_cells(prepared: Prepared, inferred: Correspondences | None, rho: float) -> Correspondences:
    """Correspondence of all cells: the known pairs, mixed with what was inferred for the training cells."""
    known = prepared.dataset.known
    if inferred is None:
        return known
    train = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
    return mix(known, inferred.scatter(train, known.sizes), rho)
