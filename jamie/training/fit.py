"""The training stage: from preprocessed cells to trained networks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.model.build import build_model, sized, start_decoders
from jamie.model.joint_vae import JointVAE
from jamie.spec import Spec
from jamie.spec.sections import LossTerm
from jamie.training.aside import Aside, set_aside
from jamie.training.batches import BatchMaker
from jamie.training.checkpoint import Checkpoint
from jamie.training.loop import History, Trainer
from jamie.training.objective import Objective, Term
from jamie.training.randomness import seeded
from jamie.training.sampler import PairSampler

log = logging.getLogger(__name__)

VALIDATED_AT_ONCE, MOST_VALIDATION_BATCHES = 1024, 8  # cells of a validation minibatch, and how many of them


@dataclass(frozen=True)
class Ensemble:
    """Trained networks.

    Parameters
    ----------
    spec
        That they were trained by, with what it leaves to the number of cells.
    networks
        In evaluation mode.
    histories
        Of the training of each.
    asides
        Training cells that each was not fitted on.
    """

    spec: Spec
    networks: tuple[JointVAE, ...]
    histories: tuple[History, ...]
    asides: tuple[Aside, ...]


def train(
    cells: Cells,
    inferred: Correspondences | None,
    spec: Spec,
    context: Context,
    checkpoint: Path | None = None,
) -> Ensemble:
    """Train the networks of a spec, one after the other.

    Parameters
    ----------
    cells
        Training cells.
    inferred
        Their inferred correspondence; None where nothing is inferred.
    spec
        Names the parts of the model and of the objective.
    context
        Seed, device and progress.
    checkpoint
        File to write while training, and to go on from where it exists already; those of further members are numbered.

    Raises
    ------
    TrainingError
        Where a loss is not finite.
    DataError
        Where no loss has anything to read.
    """
    spec = sized(spec, {m: view.n_cells for m, view in cells.views.items()})
    section = spec.training
    terms = _checked(spec, inferred is not None)
    networks, histories, asides = [], [], []
    for member in range(section.ensemble):
        generator = context.for_stage("set aside").generator()
        aside = set_aside(cells.known, section.validation, section.calibration, generator, member, section.ensemble)
        surroundings = _of_member(context, member, spec)
        file = checkpoint.with_stem(f"{checkpoint.stem}.{member}") if checkpoint and member else checkpoint
        with seeded(surroundings):
            trainer = _trainer(cells, inferred, aside, spec, terms, surroundings, file)
            if file is not None and file.is_file():
                trainer.set_state(Checkpoint.load(file))
            histories.append(trainer.fit())
        networks.append(trainer.model)
        asides.append(aside)
    return Ensemble(spec, tuple(networks), tuple(histories), tuple(asides))


def _of_member(context: Context, member: int, spec: Spec) -> Context:
    """Return the surroundings of a member: random numbers of its own, and its part of the progress."""
    total = spec.training.ensemble * spec.training.max_epochs
    before = member * spec.training.max_epochs

    def progress(stage: str, done: int, _: int, values: Mapping[str, float]) -> None:
        context.progress(stage, before + done, total, values)

    stage = f"training {member}" if member else "training"
    return replace(context.for_stage(stage), progress=progress)


def _trainer(
    cells: Cells,
    inferred: Correspondences | None,
    aside: Aside,
    spec: Spec,
    terms: Mapping[str, LossTerm],
    context: Context,
    checkpoint: Path | None,
) -> Trainer:
    section, firmness = spec.training, _firmness(spec, aside)
    section = replace(section, weight_decay=firmness * section.weight_decay)
    n_inputs = {m: x.shape[1] for m, x in cells.scores.items()}
    frequencies = {m: values[aside.fitted[m]].mean(axis=0) for m, values in cells.covariates.items()}
    model = build_model(spec, n_inputs, {m: t.shape[1] for m, t in cells.targets.items()}, frequencies)
    start_decoders(model, cells, aside.fitted)
    objective = Objective(
        {name: _term(term, firmness) for name, term in terms.items()}, horizon=section.resolved_min_epochs
    )
    sampling = context.for_stage(context.stage.replace("training", "sampling"))
    sampler, batches = _source(cells, inferred, aside.fitted, spec, section.batch_size, sampling)
    validation = []
    if all(len(index) for index in aside.validation.values()):
        drawn, made = _source(cells, inferred, aside.validation, spec, VALIDATED_AT_ONCE, sampling)
        validation = [made.make(drawn.draw()) for _ in range(min(drawn.steps_per_pass, MOST_VALIDATION_BATCHES))]
    return Trainer(model, objective, sampler, batches, section, context, checkpoint, validation)


def _firmness(spec: Spec, aside: Aside) -> float:
    """Factor of what holds the model back, which has to be firmer where there are fewer cells."""
    if spec.training.reference_cells is None:
        return 1.0
    n_cells = sum(map(len, aside.fitted.values())) / len(aside.fitted)
    return math.sqrt(spec.training.reference_cells / n_cells)


def _term(term: LossTerm, firmness: float) -> Term:
    loss = term.component.build()
    return Term(loss, term.weight * (firmness if loss.regularizes else 1), term.schedule.build())


def _source(
    cells: Cells,
    inferred: Correspondences | None,
    index: Mapping[str, NDArray[np.int64]],
    spec: Spec,
    batch_size: int,
    context: Context,
) -> tuple[PairSampler, BatchMaker]:
    """Minibatches of some of the cells."""
    if any(len(index[m]) < view.n_cells for m, view in cells.views.items()):
        cells = cells.subset(index)
        inferred = inferred.subset(index) if inferred else None
    sampler = PairSampler(cells.known, inferred, batch_size, context.generator())
    batches = BatchMaker(
        cells.scores,
        cells.targets,
        cells.known,
        inferred,
        rho=spec.correspondence.rho,
        device=context.device,
        covariates=cells.covariates,
        size_factor=cells.size_factor,
        measured=cells.measured,
    )
    return sampler, batches


def _checked(spec: Spec, has_inferred: bool) -> dict[str, LossTerm]:
    """Return the terms of the objective, less those that would read an inferred correspondence where there is none."""
    heavy = {name: term for name, term in spec.losses.items() if term.weight > 0}
    idle = [name for name, term in heavy.items() if "inferred" in term.component.cls.requires and not has_inferred]
    for name in idle:
        log.info("training: loss '%s' is left out, as there is no inferred correspondence for it to read", name)
    if len(idle) == len(heavy):
        raise DataError(
            f"the losses ({', '.join(idle)}) all read an inferred correspondence, and there is none",
            where=spec.where("losses"),
            fix="add a loss that does without, such as reconstruction",
        )
    return {name: term for name, term in heavy.items() if name not in idle}
