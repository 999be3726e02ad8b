"""The training stage: from preprocessed cells to trained networks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.batch import Batch
from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError
from jamie.core.interfaces import Optimizer, Sampler
from jamie.core.interfaces.sampler import CellPool
from jamie.core.requirements import DATA_WORDS, split_word
from jamie.core.resources import limit_torch_threads
from jamie.model.build import build_model, set_size_defaults, start_decoders
from jamie.model.joint_vae import JointVAE
from jamie.model.shares import Share
from jamie.spec import Spec, load_spec
from jamie.spec.sections import LossTerm, TrainingSection
from jamie.training.callbacks import Callbacks
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.loop import History, Member, Trainer
from jamie.training.minibatches import Minibatches
from jamie.training.objective import Objective, Term
from jamie.training.processes import World, count_processes, start_processes
from jamie.training.randomness import global_generator, seeded
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
    threads
        Of torch, that they were trained with, in each process.
    processes
        That they were trained by.
    """

    spec: Spec
    networks: tuple[JointVAE, ...]
    histories: tuple[History, ...]
    splits: tuple[ValidationSplit, ...]
    threads: int
    processes: int


def train(
    cells: Cells,
    inferred: Correspondences | None,
    spec: Spec,
    context: Context,
    checkpoints: CheckpointFiles | None = None,
) -> Ensemble:
    """Train the networks of a spec: side by side if every part of them has a member axis, else one after the other.

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
        Members that are trained side by side have the file of the first.

    Raises
    ------
    TrainingError
        If a loss is not finite, or a process of several is lost.
    DataError
        If every loss needs an inferred correspondence, and there is none, or `training.devices` are not there.
    """
    spec = set_size_defaults(spec, {m: view.n_cells for m, view in cells.views.items()})
    parts = _build(cells, inferred, spec, context)
    n_processes = count_processes(spec.training, context.device)
    if n_processes == 1:
        histories, threads = _train_members(parts, range(len(parts.members)), context, checkpoints)
    else:
        histories, threads = _train_on_processes(parts, n_processes, context, checkpoints)
    networks = tuple(member.model for member in parts.members)
    return Ensemble(spec, networks, tuple(histories), parts.splits, threads, n_processes)


@dataclass(frozen=True)
class TrainingTask:
    """What another process needs to train its members.

    Parameters
    ----------
    cells, inferred, context, checkpoints
        As of `train`; the cells without what training does not read.
    spec
        As a mapping: plugins that it names are loaded there.
    """

    cells: Cells
    inferred: Correspondences | None
    spec: Mapping[str, Any]
    context: Context
    checkpoints: CheckpointFiles | None


def train_task(task: TrainingTask, world: World, device: str) -> None:
    """Train the members of this process, and hand them in to the first one."""
    spec, context = load_spec(task.spec, reads_data=False), replace(task.context, device=device)
    team, share = world.place(spec.training.ensemble)
    parts = _build(task.cells, task.inferred, spec, context)
    histories, _ = _train_members(parts, team.members, context, task.checkpoints, share)
    states = [{name: value.cpu() for name, value in parts.members[k].model.state_dict().items()} for k in team.members]
    world.hand_in((team.members, states, histories) if world.rank == team.ranks[0] else None)


def _train_on_processes(
    parts: _Parts, n_processes: int, context: Context, checkpoints: CheckpointFiles | None
) -> tuple[list[History], int]:
    """Train members in this process while others train the rest."""
    nothing = Block(np.empty((0, 0), np.float32), pd.Index([]))
    views = {m: View(m, nothing, view.scores) for m, view in parts.cells.views.items()}
    if not DATA_WORDS.isdisjoint(split_word(word)[0] for word in _words(parts.members[0])):
        views = {m: replace(view, block=nothing) for m, view in parts.cells.views.items()}
    spec = {key: value for key, value in parts.spec.to_plain().items() if key != "data"}
    task = TrainingTask(
        replace(parts.cells, views=views, labels={}),
        parts.inferred,
        spec,
        replace(context, progress=Context().progress),
        checkpoints,
    )
    histories: dict[int, History] = {}
    with start_processes(n_processes, context.device) as world:
        world.share_task(task)
        team, share = world.place(len(parts.members))

        def progress(*report: Any) -> None:
            world.require_all()
            context.progress(*report)

        own, threads = _train_members(parts, team.members, context.with_progress(progress), checkpoints, share)
        histories.update(zip(team.members, own, strict=True))
        for numbers, states, others in filter(None, world.hand_in(None)):
            histories.update(zip(numbers, others, strict=True))
            for k, state in zip(numbers, states, strict=True):
                parts.members[k].model.load_state_dict(state)
                parts.members[k].model.to(context.device).eval()
    return [histories[k] for k in range(len(parts.members))], threads


@dataclass(frozen=True)
class _Parts:
    """What is trained, on what."""

    cells: Cells
    inferred: Correspondences | None
    spec: Spec
    settings: TrainingSection
    splits: tuple[ValidationSplit, ...]
    members: Sequence[Member]
    minibatches: Minibatches


def _build(cells: Cells, inferred: Correspondences | None, spec: Spec, context: Context) -> _Parts:
    """Build all members, to the same numbers in every process."""
    section = spec.training
    usable = replace(spec, losses=_usable_losses(spec, inferred is not None))
    splits = split_training_cells(cells.known, section.validation, section.calibration, context, section.ensemble)
    factor = _regularization_factor(spec, splits)
    settings = replace(section, weight_decay=factor * section.weight_decay)
    members = [_member(cells, inferred, usable, split, factor, k, context) for k, split in enumerate(splits)]
    minibatches = Minibatches(
        cells,
        inferred,
        rho=spec.correspondence.rho,
        mix_all=spec.correspondence.mix == "all",
        device=context.device,
        words=_words(members[0]),
    )
    return _Parts(cells, inferred, spec, settings, splits, members, minibatches)


def _train_members(
    parts: _Parts,
    own: Sequence[int],
    context: Context,
    checkpoints: CheckpointFiles | None,
    share: Share | None = None,
) -> tuple[list[History], int]:
    """Train some of the members, and return their histories and the number of threads."""
    cells, inferred, spec, splits, members = parts.cells, parts.inferred, parts.spec, parts.splits, parts.members
    leads = share is None or share.rank == 0
    histories, threads = [], 1
    for together in _groups(members, splits, parts.settings.optimizer.build()):
        group = [k for k in together if k in own]
        if not group:
            continue
        first, before = group[0], own.index(group[0])
        group_context = _group_context(context, first, len(group), before, len(own), spec.training)
        validating = [
            _sampler(
                cells, inferred, spec, splits[k].validation, VALIDATION_BATCH_SIZE, _stage(context, "validation", k)
            )
            for k in group
            if _validates(splits[k])
        ]
        n_cells = len(group) * spec.training.batch_size
        largest = max((parameter.numel() for parameter in members[first].model.parameters()), default=0)
        with seeded(group_context), limit_torch_threads(2 * n_cells * largest) as limited:
            threads, validation = limited, _validation(parts.minibatches, validating)
            calls = [ref.build() for ref in spec.training.callbacks] if leads else []
            trainer = Trainer(
                [members[k] for k in group],
                parts.minibatches,
                parts.settings,
                group_context,
                validation,
                Callbacks(calls, spec.training.max_epochs, first, context.device),
                share,
                [members[k].sampler for k in together if k not in own],
            )
            saved = checkpoints.load(first) if checkpoints and leads else None
            saved = share.agree(saved) if share else saved
            if saved and len(saved.plain["lapses"]) == len(group):
                trainer.set_state(saved)
            elif saved:
                log.warning("training: members are dealt out otherwise than in the checkpoint, and start anew")
            histories += trainer.fit(partial(checkpoints.save, first) if checkpoints and leads else None)
    return histories, threads


def _stage(context: Context, name: str, member: int) -> Context:
    """Return the context of a stage of a member, with random numbers of its own."""
    return context.for_stage(f"{name} {member}" if member else name)


def _group_context(
    context: Context, first: int, n_members: int, before: int, total: int, section: TrainingSection
) -> Context:
    """Return the context of members that are trained side by side: their random numbers and part of the progress.

    Of the `total` members that this process trains, `before` have been trained before.
    """

    def progress(stage: str, done: int, _: int, values: Mapping[str, float]) -> None:
        context.progress(stage, before * section.max_epochs + n_members * done, total * section.max_epochs, values)

    return replace(_stage(context, "training", first), progress=progress)


def _member(
    cells: Cells,
    inferred: Correspondences | None,
    spec: Spec,
    split: ValidationSplit,
    factor: float,
    k: int,
    context: Context,
) -> Member:
    """Build a network, its objective, the sampler of its training cells, and the generator of its noise."""
    n_inputs = {m: x.shape[1] for m, x in cells.scores.items()}
    frequencies = {m: values[split.training[m]].mean(axis=0) for m, values in cells.covariates.items()}
    with seeded(_stage(context, "training", k)):
        model = build_model(spec, n_inputs, {m: t.shape[1] for m, t in cells.targets.items()}, frequencies)
        start_decoders(model, cells, split.training)
        terms = {}
        for name, term in spec.losses.items():
            loss = term.component.build()
            terms[name] = Term(loss, term.weight * (factor if loss.regularizes else 1), term.schedule.build())
        noise = global_generator(context.device)
    sampling = _stage(context, "sampling", k)
    sampler = _sampler(cells, inferred, spec, split.training, spec.training.batch_size, sampling)
    return Member(model, Objective(terms, spec.training.resolved_min_epochs), sampler, noise)


def _words(member: Member) -> list[str]:
    """Return what the losses of a member declare to read."""
    words = (word for term in member.objective.terms.values() for word in term.loss.required())
    return list(dict.fromkeys(words))


def _groups(members: Sequence[Member], splits: Sequence[ValidationSplit], optimizer: Optimizer) -> list[list[int]]:
    """Return the positions of members that are trained side by side."""
    first = members[0]
    parts = [*first.model.parts, *(term.loss for term in first.objective.terms.values())]
    alone = [f"{part.kind} '{part.name}'" for part in parts if not part.has_member_axis()]
    alone += [] if optimizer.elementwise else [f"optimizer '{optimizer.name}'"]
    if not alone and len({_validates(split) for split in splits}) == 1:
        return [list(range(len(members)))]
    if alone and len(members) > 1:
        log.info("training: members one after the other, since there is no member axis in %s", ", ".join(alone))
    return [[k] for k in range(len(members))]


def _validates(split: ValidationSplit) -> bool:
    return all(map(len, split.validation.values()))


def _regularization_factor(spec: Spec, splits: Sequence[ValidationSplit]) -> float:
    """Factor of weight decay and of regularizing losses: larger for fewer cells."""
    if spec.training.reference_cells is None:
        return 1.0
    sizes = [len(index) for split in splits for index in split.training.values()]
    return math.sqrt(spec.training.reference_cells / (sum(sizes) / len(sizes)))


def _sampler(
    cells: Cells, inferred: Correspondences | None, spec: Spec, index: Indices, batch_size: int, context: Context
) -> Sampler:
    """Return a sampler of the cells at `index`."""
    inferred = inferred.subset(index) if inferred else None
    covariates = {m: values[index[m]] for m, values in cells.covariates.items()}
    pool = CellPool(cells.known.subset(index), inferred, batch_size, context.generator(), covariates, index)
    return spec.training.sampling.build().start(pool)


def _validation(minibatches: Minibatches, samplers: Sequence[Sampler]) -> list[Batch]:
    """Return the minibatches of validation cells, drawn once."""
    n_passes = max((sampler.steps_per_pass for sampler in samplers), default=0)
    steps = min(n_passes, MAX_VALIDATION_BATCHES)
    return [minibatches.make([sampler.draw() for sampler in samplers]) for _ in range(steps)]


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
