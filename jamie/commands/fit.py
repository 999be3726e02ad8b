"""The stages of a fit, in memory: preprocess, infer, train, calibrate, compare, evaluate."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.commands.fit_model import fit_joint_vae, fit_method, result_of_model, write_model
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Dataset, Split
from jamie.core.names import ALL_CELLS, MODEL_NAME, TRAINING_CELLS
from jamie.core.resources import ResourceMeter, ResourceUsage, measure_resources
from jamie.correspondence.connectivity import require_connected_modalities
from jamie.correspondence.infer import Inference, infer_all
from jamie.correspondence.quality.assess import Quality, assess_all
from jamie.correspondence.verify import PairCheck, verify_known_pairs
from jamie.data.load import LoadedData
from jamie.methods.intervals import IntervalPlan
from jamie.methods.names import name_methods
from jamie.methods.result import MethodResult
from jamie.methods.run_method import failed_method, run_method
from jamie.metrics.evaluate import Evaluation, evaluate
from jamie.metrics.matching_scores import score_matching
from jamie.model.fitted_model import FittedModel
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import Prepared, prepare
from jamie.runs.correspondence_files import load_inference, save_inference
from jamie.runs.run import Run
from jamie.spec import Spec
from jamie.spec.sections import CorrespondenceSection
from jamie.training.few_cells import warn_of_few_cells
from jamie.training.loop import History
from jamie.training.minibatches import mix
from jamie.training.select_components import SelectedComponents, select_components
from jamie.training.validation_split import MIN_CELLS

log = logging.getLogger(__name__)

COLLAPSED = 0.01  # standard deviation of latent means below which no latent is used; the prior's is 1
REFIT = "refit "  # before the names of stages in which the model is fitted again on all cells


@dataclass(frozen=True)
class AssessedCorrespondence:
    """Inferred correspondence, and what is known about its quality.

    Parameters
    ----------
    inference
        Inferred correspondence of the training cells; None if nothing is inferred.
    quality
        Quality for every two modalities, as far as true pairs or labels tell.
    pair_checks
        Verdicts on the known pairs.
    """

    inference: Inference | None
    quality: Mapping[tuple[str, str], Quality]
    pair_checks: tuple[PairCheck, ...] = ()


@dataclass(frozen=True)
class Fitted:
    """Result of a fit, before anything is written.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    correspondence
        Known and inferred pairs, assessed.
    model
        The fitted model.
    histories
        Losses of each member of the ensemble; empty for a method, as are `posterior` and `stack`.
    results
        Latents and imputed values of the model, as far as it gives them, then of the methods that it is compared with.
    aggregated
        (n_m, L) the model's latents after aggregation over `correspondences`.
    correspondences
        Of all cells: the known pairs, mixed with the inferred ones if rho < 1.
    posterior
        For each modality and latent, the divergence from the prior, and standard deviations.
    stack
        For each source and target, how regressions were tuned and weighed against the networks; for several sources
        together, against what each gives alone.
    evaluation
        Metrics.
    """

    prepared: Prepared
    correspondence: AssessedCorrespondence
    model: FittedModel
    histories: tuple[History, ...]
    results: tuple[MethodResult, ...]
    aggregated: Mapping[str, NDArray[np.floating]]
    correspondences: Correspondences
    posterior: Mapping[str, Mapping[str, list[float]]]
    stack: Mapping[tuple[str, str], Mapping[str, Any]]
    evaluation: Evaluation

    @property
    def latents(self) -> Mapping[str, NDArray[np.floating]]:
        """(n_m, L) latent means of each modality's cells."""
        return self.results[0].latents


def infer_only(loaded: LoadedData, spec: Spec, context: Context, run: Run) -> tuple[AssessedCorrespondence, Evaluation]:
    """Preprocess, infer and evaluate the inferred correspondence; `run` stores times and inferred pairs."""
    split = loaded.split
    with run.stage("preprocess"):
        prepared = prepare(loaded.dataset, split, spec, context)
    with run.stage("correspondence"):
        correspondence = _infer(prepared, spec, context, run)
    with run.stage("evaluation"):
        inference = correspondence.inference
        return correspondence, evaluate_all((), loaded.dataset, split, inference, spec, prepared.scores)


def fit(loaded: LoadedData, spec: Spec, context: Context, run: Run | None = None) -> Fitted:
    """Preprocess, infer, train, calibrate, compare and evaluate.

    Parameters
    ----------
    loaded
        The data.
    spec
        All settings.
    context
        Seed, device and progress.
    run
        Stores checkpoints, times, the inferred pairs and the model as soon as they exist.
    """
    dataset, split = loaded.dataset, loaded.split
    if spec.method is None:
        require_connected_modalities(dataset.known, spec)
    fitted = _fit_on_split(dataset, split, spec, context, run)
    if not (spec.evaluate.refit and split.any_held_out):
        return fitted
    log.info("the evaluated model is followed by one that is trained on all cells")
    refit_spec = replace(spec, evaluate=replace(spec.evaluate, compare=[], metrics=[]))
    all_cells = Split({m: np.ones_like(train) for m, train in split.train.items()})
    final = _fit_on_split(dataset, all_cells, refit_spec, context, run, refit=True)
    spec = replace(spec, modalities=final.model.spec.modalities)
    model = replace(final.model, spec=spec)  # type: ignore[type-var]  # models of either kind are dataclasses
    evaluated = fitted.results[0]  # its times are shown beside those of the methods
    result = replace(final.results[0], preparation=evaluated.preparation, training=evaluated.training)
    write_model(model, run)
    return replace(
        final,
        correspondence=replace(final.correspondence, pair_checks=fitted.correspondence.pair_checks),
        model=model,
        results=(result, *fitted.results[1:]),
        evaluation=fitted.evaluation,
    )


def _fit_on_split(
    dataset: Dataset, split: Split, spec: Spec, context: Context, run: Run | None, *, refit: bool = False
) -> Fitted:
    """Fit on the training cells of a split, and evaluate."""

    def stage(name: str) -> AbstractContextManager[ResourceMeter]:
        return run.stage(REFIT + name if refit else name) if run else measure_resources()

    save_to = None if refit else run  # the model that is trained again replaces no file before it is complete
    with stage("preprocess") as preprocess_meter:
        full = prepare(dataset, split, spec, context)
        selected = SelectedComponents(full) if spec.method is not None else select_components(full, context)
    prepared = selected.prepared
    if run and selected.decisions:
        run.manifest["components"] = selected.decisions
    if not refit and spec.method is None:
        warn_of_few_cells(prepared, spec, context)
    with stage("correspondence") if spec.correspondence.infer else measure_resources() as correspondence_meter:
        correspondence = _infer(full, spec, context, save_to, verify=not refit)
        partners = _partners_for_training(correspondence.inference, spec)
    given = (spec, context, stage, run)
    if spec.method is None:
        fit = fit_joint_vae(prepared, partners, correspondence_meter.usage, *given, refit=refit)
    else:
        fit = fit_method(prepared, correspondence_meter.usage, *given, refit=refit)
    model = fit.model
    results = [result_of_model(fit, prepared, preprocess_meter.usage)]
    with stage("comparison") if spec.evaluate.compare else nullcontext():
        intervals = spec.evaluate.intervals
        plan = IntervalPlan(frozenset(intervals.methods), intervals.level, fit.calibration_cells)
        results += _compare(dataset, split, spec, context, full, preprocess_meter.usage, plan)
    if not any(result.intervals for result in results):
        _warn_of_missing_intervals(spec)
    with stage("evaluation"):
        correspondences = _correspondences_of_all_cells(prepared, partners, spec.correspondence)
        posterior = _posterior(model, prepared)
        return Fitted(
            prepared=prepared,
            correspondence=correspondence,
            model=model,
            histories=fit.histories,
            results=tuple(results),
            aggregated=model.aggregate(results[0].latents, correspondences),
            correspondences=correspondences,
            posterior=posterior,
            stack=fit.stack,
            evaluation=evaluate_all(results, dataset, split, correspondence.inference, spec, full.scores),
        )


def _compare(
    dataset: Dataset,
    split: Split,
    spec: Spec,
    context: Context,
    prepared: Prepared,
    preprocessing: ResourceUsage,
    plan: IntervalPlan,
) -> Iterator[MethodResult]:
    """Run the methods of `evaluate.compare`, on the model's preprocessing or on `compare_preprocess`."""
    methods = name_methods(spec.evaluate.compare, taken=[spec.model_name])
    steps = spec.evaluate.compare_preprocess
    if methods and steps is not None:
        compared = {m: replace(spec.modality(m), preprocess=steps) for m in dataset.modalities}
        try:
            with measure_resources() as meter:
                prepared = prepare(dataset, split, replace(spec, modalities={**spec.modalities, **compared}), context)
        except Exception as error:  # as where a method breaks: the model is trained already, and must not be lost
            yield from (failed_method(name, ref, error) for name, ref in methods.items())
            return
        preprocessing = meter.usage
    for name, ref in methods.items():
        yield run_method(name, ref, prepared, context, preprocessing, plan)


def _posterior(model: FittedModel, prepared: Prepared) -> dict[str, dict[str, list[float]]]:
    """Return divergence and standard deviations of the latents of each modality; empty for a method."""
    if not isinstance(model, TrainedModel):
        return {}
    covariates = prepared.covariates
    posterior = {m: model.posterior_summary(m, x, covariates.get(m)) for m, x in prepared.scores.items()}
    _warn_of_collapse(posterior)
    return posterior


def evaluate_all(
    results: Sequence[MethodResult],
    dataset: Dataset,
    split: Split,
    inference: Inference | None,
    spec: Spec,
    scores: Mapping[str, NDArray[np.floating]] | None,
) -> Evaluation:
    """Score the results of all methods, and the correspondence inferred for the training cells.

    Metrics that require ``"scores"`` read the preprocessed cells (n_m, d_m) of `scores`.
    """
    metrics = [ref.build() for ref in spec.evaluate.metrics]
    if results and not dataset.labels:
        _warn_of_missing_labels(spec)
    evaluation = evaluate(results, dataset, split, metrics)
    inferer = spec.correspondence.infer
    if inference is None or inferer is None:
        return evaluation
    cells, uses_known = dataset.subset(split.train, lazily=True), inferer.build().uses_known
    scope = TRAINING_CELLS if split.any_held_out else ALL_CELLS
    training_scores = scores and {m: values[split.train[m]] for m, values in scores.items()}
    matched = score_matching(
        results[0].method if results else MODEL_NAME,
        inference.correspondences,
        cells,
        metrics,
        uses_known=uses_known,
        scope=scope,
        scores=training_scores,
    )
    return replace(evaluation, records=(*evaluation.records, *matched))


def _warn_of_missing_labels(spec: Spec) -> None:
    """Warn of requested metrics that need labels, of which there are none."""
    names = dict.fromkeys(ref.name for ref in spec.evaluate.explicit_metrics if "labels" in ref.cls.requires)
    if names:
        log.warning("not scored for lack of labels: %s; name columns of obs under labels", ", ".join(names))


def _warn_of_missing_intervals(spec: Spec) -> None:
    """Warn of requested metrics that need intervals, which no method has."""
    names = dict.fromkeys(ref.name for ref in spec.evaluate.explicit_metrics if "intervals" in ref.cls.requires)
    if names:
        log.warning(
            "not scored for lack of intervals: %s; raise training.calibration, so that each network has at least "
            "%d matched calibration cells",
            *(", ".join(names), MIN_CELLS),
        )


def _warn_of_collapse(posterior: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Warn of a modality whose cells all have nearly the same latents."""
    for m, summary in posterior.items():
        if max(summary["sd_of_mean"]) < COLLAPSED:
            log.warning(
                "modality '%s': the posterior has collapsed: every cell has nearly the same latents; "
                "train longer, or give losses.kl less weight",
                m,
            )


def _infer(
    prepared: Prepared, spec: Spec, context: Context, run: Run | None, *, verify: bool = True
) -> AssessedCorrespondence:
    """Check the known pairs, infer partners among the training cells, and assess them."""
    checks = verify_known_pairs(prepared, spec.correspondence.verify, context) if verify else ()
    if spec.correspondence.infer is None:
        return AssessedCorrespondence(None, {}, checks)
    inferer = spec.correspondence.infer.build()
    cells = prepared.subset(prepared.split.train, lazily=True)
    inference = load_inference(run.path, cells.dataset.sizes) if run else None
    if inference is None:
        views = {m: cells.view(m) for m in cells.scores}
        inference = infer_all(views, cells.dataset.known, inferer, context, check_fraction=spec.correspondence.check)
        if run:
            save_inference(run, inference, {m: d.cells for m, d in cells.dataset.modalities.items()})
    return AssessedCorrespondence(
        inference, assess_all(inference, cells.dataset, uses_known=inferer.uses_known), checks
    )


def _partners_for_training(inference: Inference | None, spec: Spec) -> Correspondences | None:
    """Return the part of the inferred correspondence that training may use; None if there is none."""
    if inference is None:
        return None
    if spec.correspondence.at_chance == "keep":
        return inference.correspondences
    for a, b in inference.at_chance:
        log.warning("correspondence %s--%s: left out of training (correspondence.at_chance: keep uses it)", a, b)
    partners = inference.above_chance()
    return partners if partners.n_pairs else None


def _correspondences_of_all_cells(
    prepared: Prepared, inferred: Correspondences | None, section: CorrespondenceSection
) -> Correspondences:
    """Correspondence of all cells: the known pairs, mixed with what was inferred for the training cells."""
    known = prepared.dataset.known
    if inferred is None:
        return known
    train = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
    found = inferred.scatter(train, known.sizes)
    return mix(known, found, section.rho, all_cells=section.mix == "all")
