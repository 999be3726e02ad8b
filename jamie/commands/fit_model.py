"""The stage of a fit that gives the model: the joint VAE, or a method in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.errors import JamieError
from jamie.core.lazy_matrix import is_large
from jamie.core.names import MODEL_FOLDER, MODEL_NAME
from jamie.core.resources import ResourceMeter, ResourceUsage
from jamie.core.row_reader import KeptRows
from jamie.core.sources import JointSources, all_others, joint_cells
from jamie.methods.intervals import IntervalPlan, calibrate_method
from jamie.methods.known_pairs import Direction
from jamie.methods.result import MethodResult
from jamie.methods.run_method import (
    add_usage,
    bounds_in_units,
    require_finite,
    require_finite_units,
    training_label,
    values_in_units,
)
from jamie.model.fitted_model import FittedModel
from jamie.model.store import save_model
from jamie.model.trained import TrainedModel
from jamie.model.trained_method import TrainedMethod
from jamie.model.trained_modality import TrainedModality
from jamie.preprocess.prepare import Prepared
from jamie.runs.file_names import CHECKPOINT, REFIT_CHECKPOINT
from jamie.runs.run import Run
from jamie.spec import Spec
from jamie.spec.ref import to_plain
from jamie.training.calibrate_model import fit_novelty, fit_uncertainty
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.combine_sources import fit_combinations
from jamie.training.cross_fit import CrossFit
from jamie.training.fit_stacks import fit_regressions
from jamie.training.loop import History
from jamie.training.train import train
from jamie.training.validation_split import Indices, split_training_cells
from jamie.trust.uncertainty import Uncertainty

log = logging.getLogger(__name__)

Stage = Callable[[str], AbstractContextManager[ResourceMeter]]


@dataclass(frozen=True)
class ModelFit:
    """A fitted model, and how it came about.

    Parameters
    ----------
    model
        Calibrated.
    preparation, training
        Time and memory of each, without the preprocessing.
    calibration_cells
        Cells that intervals were calibrated on, for each fit without them.
    histories
        Losses of each member of an ensemble; empty for a method.
    stack
        For each source and target, how regressions were tuned and weighed against the networks.
    """

    model: FittedModel
    preparation: ResourceUsage
    training: ResourceUsage
    calibration_cells: Sequence[Indices]
    histories: tuple[History, ...] = ()
    stack: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


def fit_joint_vae(
    prepared: Prepared,
    partners: Correspondences | None,
    preparation: ResourceUsage,
    spec: Spec,
    context: Context,
    stage: Stage,
    run: Run | None,
    *,
    refit: bool = False,
) -> ModelFit:
    """Train the networks of a spec and the regressions beside them, and calibrate what they impute.

    Parameters
    ----------
    prepared
        All cells, preprocessed.
    partners
        Inferred correspondence of the training cells that is used; None if there is none.
    preparation
        Time and memory of the inference.
    spec, context
        Settings; seed, device and progress.
    stage
        Opens a stage of the run by its name.
    run
        Stores checkpoints and the model as soon as it exists; None for none.
    refit
        Whether the model follows one that is kept until this one is complete.
    """
    save_to = None if refit else run
    with stage("training") as meter:
        checkpoints = CheckpointFiles(run.path / (REFIT_CHECKPOINT if refit else CHECKPOINT)) if run else None
        training_cells = prepared.subset(prepared.split.train, lazily=True)
        ensemble = train(training_cells.cells(), partners, spec, context, checkpoints)
        if run:
            run.manifest["training_threads"] = ensemble.threads
            run.manifest["training_processes"] = ensemble.processes
        model = TrainedModel.of(prepared, ensemble.spec, ensemble.networks)
        stacks = fit_regressions(model, training_cells, ensemble.splits, context)
        model = replace(model, stacks=stacks.stacks)
        write_model(model, save_to)
    with stage("calibration"):
        fitted, level = (
            CrossFit(model, training_cells, ensemble.splits, stacks.out_of_fold),
            spec.evaluate.intervals.level,
        )
        uncertainty = fit_uncertainty(fitted, level, context)
        combinations = fit_combinations(fitted, level, context)
        model = replace(
            model,
            uncertainty=replace(uncertainty, combinations=combinations.weights),
            stacks={**model.stacks, **combinations.stacks},
        )
        write_model(model, save_to)
    return ModelFit(
        model,
        preparation,
        meter.usage,
        [split.calibration for split in ensemble.splits],
        ensemble.histories,
        {**stacks.decisions, **combinations.decisions},
    )


def fit_method(
    prepared: Prepared,
    preparation: ResourceUsage,
    spec: Spec,
    context: Context,
    stage: Stage,
    run: Run | None,
    *,
    refit: bool = False,
) -> ModelFit:
    """Fit the method that a spec names in place of the networks, and calibrate what it imputes.

    Parameters are those of `fit_joint_vae`.
    """
    ref = spec.method
    assert ref is not None
    save_to = None if refit else run
    label = training_label(ref, prepared)
    with stage("training"):
        train_rows = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
        method = ref.build()
        method.fit(prepared.cells(label).subset(train_rows), context)
        data = prepared.dataset.modalities
        cells = {} if method.inductive else {m: data[m].cells[rows] for m, rows in train_rows.items()}
        modalities = {m: TrainedModality.of(prepared, m) for m in prepared.scores}
        model = TrainedMethod(spec, modalities, method, cells, prepared.batches)
        write_model(model, save_to)
    training_cells = prepared.subset(prepared.split.train, lazily=True)
    splits = split_training_cells(
        training_cells.dataset.known, 0.0, spec.training.calibration, context, spec.training.ensemble
    )
    plan = IntervalPlan(frozenset({ref.name}), spec.evaluate.intervals.level, [split.calibration for split in splits])
    with stage("calibration"):
        novelty = fit_novelty(training_cells, context)
        calibrations = {}
        if method.imputes() and any(len(rows) for cells in plan.left_out for rows in cells.values()):
            try:
                calibrations = calibrate_method(ref, prepared, plan, context, label)
            except JamieError as error:  # as where the other cells are too few for a fit
                log.warning("%s: no intervals, as it cannot be fitted without calibration cells: %s", ref.name, error)
        model = replace(model, uncertainty=Uncertainty(calibrations, novelty))
        write_model(model, save_to)
    usage = method.usage
    return ModelFit(model, add_usage(preparation, usage["preparation"]), usage["training"], plan.left_out)


def write_model(model: FittedModel, run: Run | None) -> None:
    """Write the model as soon as it exists, so that no later error loses it."""
    if run is not None:
        with run.writing(MODEL_FOLDER) as path:
            path.mkdir()
            save_model(model, path)


def result_of_model(fit: ModelFit, prepared: Prepared, preprocessing: ResourceUsage) -> MethodResult:
    """Compute latents and imputed values of a fitted model, as far as it gives them.

    Raises
    ------
    DataError
        If a latent or an imputed value of a method is not finite.
    """
    model = fit.model
    latents = _latents(model, prepared) if model.embeds else {}
    imputed = _imputed(model, prepared) if model.imputes else {}
    if isinstance(model, TrainedMethod):
        require_finite_units(model.name, values_in_units(imputed, prepared.target_chains), prepared)
    calibrations = dict(model.uncertainty.calibrations)
    for joint in all_others(list(prepared.scores)) if model.imputes else ():
        direction = joint.name, joint.target
        imputed[direction] = _impute_jointly(model, prepared, joint)
        if (calibration := model.calibration(joint)) is not None:
            calibrations[direction] = calibration
    values = values_in_units(imputed, prepared.target_chains)
    result = MethodResult(
        model.name,
        MODEL_NAME,
        preparation=add_usage(preprocessing, fit.preparation),
        training=fit.training,
        inductive=model.inductive,
        latents=latents,
        imputed=values,
        intervals=bounds_in_units(values, calibrations),
    )
    if not isinstance(model, TrainedMethod) or model.spec.method is None:
        return result
    ref = model.spec.method
    return replace(
        result,
        component=ref.name,
        parameters=to_plain(ref.params),
        tuning=model.method.tuning,
        uses_labels="labels" in ref.cls.needs,
    )


def _latents(model: FittedModel, prepared: Prepared) -> dict[str, NDArray[np.floating]]:
    """Return (n_m, L) of all cells; rows of NaN for held-out ones of a model that embeds only those of its fit."""
    latents = {}
    for m, data in prepared.dataset.modalities.items():
        train, covariates = prepared.split.train[m], prepared.covariates.get(m)
        rows = slice(None) if model.inductive else np.flatnonzero(train)
        known = None if covariates is None else covariates[rows]
        z = model.encode(m, prepared.scores[m][rows], known, data.obs.iloc[rows])
        if isinstance(model, TrainedMethod):
            require_finite(model.name, "latents", [z])
        latents[m] = z
        if not model.inductive:
            latents[m] = np.full((len(train), z.shape[1]), np.nan, z.dtype)
            latents[m][rows] = z
    return latents


def _imputed(model: FittedModel, prepared: Prepared) -> dict[Direction, NDArray[np.float32] | KeptRows]:
    """Return preprocessed values (n_s, t) for every source and target."""
    imputed = {(a, b): _impute_alone(model, prepared, (a, b)) for a, b in permutations(prepared.scores, 2)}
    if isinstance(model, TrainedMethod):
        require_finite(model.name, "imputed values", [v for v in imputed.values() if isinstance(v, np.ndarray)])
    return imputed


def _impute_alone(model: FittedModel, prepared: Prepared, direction: Direction) -> NDArray[np.float32] | KeptRows:
    """Preprocessed values (n, t) for all cells of a source; of very many those that are read, as few are scored."""
    source, target = direction
    shape = prepared.dataset.sizes[source], prepared.targets[target].shape[1]
    if not is_large(shape):
        return _impute_rows(model, prepared, direction, slice(None))
    return KeptRows(shape, partial(_impute_rows, model, prepared, direction))


def _impute_rows(
    model: FittedModel, prepared: Prepared, direction: Direction, rows: NDArray[np.int64] | slice
) -> NDArray[np.float32]:
    source, target = direction
    obs = prepared.dataset.modalities[source].obs.iloc[rows]
    return model.impute_scores(source, target, *prepared.inputs(source, rows), obs)


def _impute_jointly(model: FittedModel, prepared: Prepared, joint: JointSources) -> NDArray[np.float32]:
    """Preprocessed values (n, t) for the cells of the first source; NaN for those that another source lacks."""
    rows, data = joint_cells(prepared.dataset.truth, joint), prepared.dataset.modalities
    inputs = [prepared.inputs(m, rows[:, i]) for i, m in enumerate(joint.sources)]
    obs = [data[m].obs.iloc[rows[:, i]] for i, m in enumerate(joint.sources)]
    n_cells, n_targets = prepared.dataset.sizes[joint.sources[0]], prepared.targets[joint.target].shape[1]
    values = np.full((n_cells, n_targets), np.nan, np.float32)
    values[rows[:, 0]] = model.joint_scores(joint, inputs, obs)
    return values
