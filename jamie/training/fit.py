"""The training stage: from preprocessed cells to a trained network."""

from __future__ import annotations

import logging
from pathlib import Path

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.model.build import build_model
from jamie.model.joint_vae import JointVAE
from jamie.spec import Spec
from jamie.training.batches import BatchMaker
from jamie.training.checkpoint import Checkpoint
from jamie.training.loop import History, Trainer
from jamie.training.objective import Objective, Term
from jamie.training.randomness import seeded
from jamie.training.sampler import PairSampler

log = logging.getLogger(__name__)


def train(
    cells: Cells,
    inferred: Correspondences | None,
    spec: Spec,
    context: Context,
    checkpoint: Path | None = None,
) -> tuple[JointVAE, History]:
    """Train the network of a spec.

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
        File to write while training, and to go on from where it exists already.

    Raises
    ------
    TrainingError
        Where a loss is not finite.
    DataError
        Where no loss has anything to read.
    """
    context = context.at("training")
    with seeded(context):
        trainer = _trainer(cells, inferred, spec, context, checkpoint)
        if checkpoint is not None and checkpoint.is_file():
            trainer.set_state(Checkpoint.load(checkpoint))
        history = trainer.fit()
    return trainer.model, history


def _trainer(
    cells: Cells, inferred: Correspondences | None, spec: Spec, context: Context, checkpoint: Path | None
) -> Trainer:
    section = spec.training
    scores = cells.scores
    n_inputs = {m: x.shape[1] for m, x in scores.items()}
    model = build_model(spec, n_inputs, {m: t.shape[1] for m, t in cells.targets.items()})
    terms = _terms(spec, inferred is not None)
    known, rho = cells.known, spec.correspondence.rho
    sampler = PairSampler(known, inferred, section.batch_size, context.at("sampling").generator())
    batches = BatchMaker(scores, cells.targets, known, inferred, rho=rho, device=context.device)
    objective = Objective(terms, horizon=section.min_epochs)
    return Trainer(model, objective, sampler, batches, section, context, checkpoint)


def _terms(spec: Spec, has_inferred: bool) -> dict[str, Term]:
    """Build the terms of the objective, less those that would read an inferred correspondence where there is none."""
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
    return {
        name: Term(term.component.build(), term.weight, term.schedule.build())
        for name, term in heavy.items()
        if name not in idle
    }
