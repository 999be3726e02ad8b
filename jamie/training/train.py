"""The training stage: from preprocessed cells to trained networks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.model.build import build_model, set_size_defaults, start_decoders
from jamie.model.joint_vae import JointVAE
from jamie.spec import Spec
from jamie.spec.sections import LossTerm
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.loop import History, Trainer
from jamie.training.minibatches import Minibatches
from jamie.training.objective import Objective, Term
from jamie.training.randomness import seeded
from jamie.training.validation_split import Indices, ValidationSplit, split_training_cells

log = logging.getLogger(__name__)

VALIDATION_BATCH_SIZE, MAX_VALIDATION_BATCHES = 1024, 8


@dataclass(frozen=True)
class Ensemble:
    """Trained networks.

    Parameters
    ----------
    spec
        The spec of the training, with the settings that depend on the number of cells filled in.
    networks
        In evaluation mode.
    histories
        Of the training of each network.
    splits
        Training, validation and calibration cells of each network.
    """

    spec: Spec
    networks: tuple[JointVAE, ...]
    histories: tuple[History, ...]
    splits: tuple[ValidationSplit, ...]


def train(
    cells: Cells,
    inferred: Correspondences | None,
    spec: Spec,
    context: Context,
    checkpoints: CheckpointFiles | None = None,
) -> Ensemble:
    """Train the networks of a spec, one after the other.

    Parameters
    ----------
    cells
        Training cells.
    inferred
        Their inferred correspondence; None if nothing is inferred.
    spec
        Names the components of the model and of the objective.
    context
        Seed, device and progress.
    checkpoints
        Written during training, and read first, to continue an interrupted training; None for no checkpoints.

    Raises
    ------
    TrainingError
        If a loss is not finite.
    DataError
        If every loss needs an inferred correspondence, and there is none.
    """
    spec = set_size_defaults(spec, {m: view.n_cells for m, view in cells.views.items()})
    section = spec.training
    usable = replace(spec, losses=_usable_losses(spec, inferred is not None))
    splits = split_training_cells(cells.known, section.validation, section.calibration, context, section.ensemble)
    networks, histories = [], []
    for member, split in enumerate(splits):
        member_context = _member_context(context, member, spec)
        with seeded(member_context):
            trainer = _trainer(cells, inferred, split, usable, member_context)
            if checkpoints and (saved := checkpoints.load(member)):
                trainer.set_state(saved)
            histories.append(trainer.fit(partial(checkpoints.save, member) if checkpoints else None))
        networks.append(trainer.model)
    return Ensemble(spec, tuple(networks), tuple(histories), splits)


def _member_context(context: Context, member: int, spec: Spec) -> Context:
    """Return the context of a member: its own random numbers, and its part of the progress."""
    total = spec.training.ensemble * spec.training.max_epochs
    before = member * spec.training.max_epochs

    def progress(stage: str, done: int, _: int, values: Mapping[str, float]) -> None:
        context.progress(stage, before + done, total, values)

    stage = f"training {member}" if member else "training"
    return replace(context.for_stage(stage), progress=progress)


def _trainer(
    cells: Cells, inferred: Correspondences | None, split: ValidationSplit, spec: Spec, context: Context
) -> Trainer:
    factor = _regularization_factor(spec, split)
    section = replace(spec.training, weight_decay=factor * spec.training.weight_decay)
    n_inputs = {m: x.shape[1] for m, x in cells.scores.items()}
    frequencies = {m: values[split.training[m]].mean(axis=0) for m, values in cells.covariates.items()}
    model = build_model(spec, n_inputs, {m: t.shape[1] for m, t in cells.targets.items()}, frequencies)
    start_decoders(model, cells, split.training)
    terms = {}
    for name, term in spec.losses.items():
        loss = term.component.build()
        terms[name] = Term(loss, term.weight * (factor if loss.regularizes else 1), term.schedule.build())
    objective = Objective(terms, horizon=section.resolved_min_epochs)
    sampling = context.for_stage(context.stage.replace("training", "sampling"))
    minibatches = _minibatches(cells, inferred, split.training, spec, section.batch_size, sampling)
    validation = []
    if all(map(len, split.validation.values())):
        validating = _minibatches(cells, inferred, split.validation, spec, VALIDATION_BATCH_SIZE, sampling)
        steps = min(validating.sampler.steps_per_pass, MAX_VALIDATION_BATCHES)
        validation = [validating.draw() for _ in range(steps)]
    return Trainer(model, objective, minibatches, section, context, validation)


def _regularization_factor(spec: Spec, split: ValidationSplit) -> float:
    """Factor of weight decay and of regularizing losses: larger for fewer cells."""
    if spec.training.reference_cells is None:
        return 1.0
    n_cells = sum(map(len, split.training.values())) / len(split.training)
    return math.sqrt(spec.training.reference_cells / n_cells)


def _minibatches(
    cells: Cells, inferred: Correspondences | None, index: Indices, spec: Spec, batch_size: int, context: Context
) -> Minibatches:
    """Return minibatches of the cells at `index`."""
    if any(len(index[m]) < view.n_cells for m, view in cells.views.items()):
        cells = cells.subset(index)
        inferred = inferred.subset(index) if inferred else None
    return Minibatches(
        cells,
        inferred,
        batch_size,
        context.generator(),
        rho=spec.correspondence.rho,
        mix_all=spec.correspondence.mix == "all",
        independent=spec.training.sampling == "independent",
        device=context.device,
    )


def _usable_losses(spec: Spec, has_inferred: bool) -> dict[str, LossTerm]:
    """Return the terms of positive weight, without those that need an inferred correspondence if there is none."""
    weighted = {name: term for name, term in spec.losses.items() if term.weight > 0}
    unusable = [n for n, t in weighted.items() if "inferred" in t.component.cls.requires and not has_inferred]
    for name in unusable:
        log.info("training: loss '%s' is left out, since it needs an inferred correspondence", name)
    if len(unusable) == len(weighted):
        raise DataError(
            f"all losses ({', '.join(unusable)}) need an inferred correspondence, and there is none",
            where=spec.where("losses"),
            fix="add a loss that does not need one, such as reconstruction",
        )
    return {name: term for name, term in weighted.items() if name not in unusable}
