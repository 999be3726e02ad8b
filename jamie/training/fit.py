"""The training stage: from prepared cells to a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.values import column_means
from jamie.model.build import build_model
from jamie.model.trained import TrainedModality, TrainedModel
from jamie.preprocess.prepare import Prepared
from jamie.spec import Spec
from jamie.training.batches import BatchMaker
from jamie.training.checkpoint import Checkpoint
from jamie.training.loop import History, Trainer
from jamie.training.objective import Objective, Term
from jamie.training.sampler import PairSampler


def train(
    prepared: Prepared,
    inferred: Correspondences | None,
    spec: Spec,
    context: Context,
    checkpoint: Path | None = None,
) -> tuple[TrainedModel, History]:
    """Train the model of a spec on the training cells.

    Parameters
    ----------
    prepared
        All cells; those held out are left out here.
    inferred
        Inferred correspondence of the training cells; None where nothing is inferred.
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
    """
    cells = prepared.subset(prepared.split.train)
    context = context.at("training")
    devices = [context.device] if torch.device(context.device).type == "cuda" else []
    # Dropout draws from torch's own generator; forking it leaves the caller's as it was.
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(context.generator().integers(2**63)))
        trainer = _trainer(cells, inferred, spec, context, checkpoint)
        if checkpoint is not None and checkpoint.is_file():
            trainer.set_state(Checkpoint.load(checkpoint))
        history = trainer.fit()
    modalities = {m: _modality(prepared, m) for m in prepared.scores}
    return TrainedModel(spec, modalities, trainer.model), history


def _trainer(
    cells: Prepared, inferred: Correspondences | None, spec: Spec, context: Context, checkpoint: Path | None
) -> Trainer:
    section = spec.training
    n_inputs = {m: x.shape[1] for m, x in cells.scores.items()}
    model = build_model(spec, n_inputs, {m: t.shape[1] for m, t in cells.targets.items()})
    terms = {
        name: Term(term.component.build(), term.weight, term.schedule.build())
        for name, term in spec.losses.items()
        if term.weight > 0
    }
    known, rho = cells.dataset.known, spec.correspondence.rho
    sampler = PairSampler(known, inferred, section.batch_size, context.at("sampling").generator())
    batches = BatchMaker(cells.scores, cells.targets, known, inferred, rho=rho, device=context.device)
    objective = Objective(terms, horizon=section.min_epochs)
    return Trainer(model, objective, sampler, batches, section, context, checkpoint)


def _modality(prepared: Prepared, name: str) -> TrainedModality:
    data, train = prepared.dataset.modalities[name], prepared.split.train[name]
    return TrainedModality(
        features=data.input.features,
        fill=column_means(data.input.X[train]).astype(np.float32),
        chain=prepared.chains[name],
        target_features=data.target.features,
        target_chain=prepared.target_chains[name],
        target_origin=data.target.origin,
    )
