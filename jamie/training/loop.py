"""Training as Algorithm 1: minibatches, annealing, early stopping, the best state kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jamie.core.context import Context
from jamie.model.joint_vae import JointVAE
from jamie.spec.sections import TrainingSection
from jamie.training.batches import BatchMaker
from jamie.training.checkpoint import Checkpoint
from jamie.training.objective import Objective, explain_not_finite
from jamie.training.sampler import PairSampler


@dataclass
class History:
    """What happened in training.

    Parameters
    ----------
    names
        Of the loss terms.
    epochs
        For each epoch the weighted total, then each term unweighted: means over its minibatches. A term of weight 0
        is not computed and stands as 0.
    best_epoch
        Whose state was kept.
    stopped
        ``patience`` or ``max_epochs``.
    seconds
        Spent in this process.
    steps
        Minibatches so far, over all processes.
    """

    names: tuple[str, ...]
    epochs: list[list[float]] = field(default_factory=list)
    best_epoch: int = -1
    stopped: str = ""
    seconds: float = 0.0
    steps: int = 0


class Trainer:
    """Trains a joint VAE; its whole state goes into a checkpoint and comes back from one.

    Parameters
    ----------
    model, objective, sampler, batches
        The parts.
    settings
        `training` of the spec.
    context
        Device and progress.
    checkpoint
        File to write while training; None for none.
    """

    def __init__(
        self,
        model: JointVAE,
        objective: Objective,
        sampler: PairSampler,
        batches: BatchMaker,
        settings: TrainingSection,
        context: Context,
        checkpoint: Path | None = None,
    ) -> None:
        self.trained = nn.ModuleDict({"model": model, "objective": objective}).to(context.device)
        self.model, self.objective, self.sampler, self.batches = model, objective, sampler, batches
        self.settings, self.context, self.checkpoint = settings, context, checkpoint
        self.parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=settings.learning_rate, fused=True)
        self.history = History(tuple(objective.terms))
        self.best_loss, self.lapses = float("inf"), 0
        self.best: dict[str, Tensor] = {}

    def fit(self) -> History:
        """Train until the loss has not improved for `patience` epochs, then restore the best state."""
        settings, started = self.settings, time.monotonic()
        self.saved_at = started
        while len(self.history.epochs) < settings.max_epochs and self.lapses < settings.patience:
            epoch = len(self.history.epochs)
            values = self._epoch(epoch)
            self.history.epochs.append(values)
            self._keep_best(epoch, values[0])
            self._report(epoch, values)
            if time.monotonic() - self.saved_at >= settings.checkpoint_seconds:
                self.save()
        self.history.stopped = "patience" if self.lapses >= settings.patience else "max_epochs"
        self.history.seconds = time.monotonic() - started
        self.save()
        if self.best:
            self.trained.load_state_dict(self.best)
        self.model.eval()
        return self.history

    def _epoch(self, epoch: int) -> list[float]:
        weights = self.objective.weights(epoch)
        steps = (
            self.sampler.steps_per_pass if self.settings.steps_per_epoch == "auto" else self.settings.steps_per_epoch
        )
        sums = dict.fromkeys(("total", *self.objective.terms), 0.0)
        self.trained.train()
        for _ in range(steps):
            for name, value in self._step(weights).items():
                sums[name] += value
        return [value / steps for value in sums.values()]

    def _step(self, weights: Mapping[str, float]) -> dict[str, float]:
        batch = self.batches.make(self.sampler.draw())
        output = self.model(batch)
        total, values = self.objective(batch, output, weights)
        self.history.steps += 1
        names = ("total", *values)
        numbers = dict(zip(names, torch.stack([total, *values.values()]).tolist(), strict=True))
        if not all(map(_is_finite, numbers.values())):
            raise explain_not_finite(self.history.steps, batch, output, values)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip)
        self.optimizer.step()
        return numbers

    def _keep_best(self, epoch: int, loss: float) -> None:
        """Algorithm 1, lines 23-30; the state kept is the one after the epoch whose loss is best."""
        if epoch < self.settings.min_epochs:
            return
        if loss < self.best_loss - self.settings.min_change:
            self.best_loss, self.lapses, self.history.best_epoch = loss, 0, epoch
            if not self.best:
                self.best = {k: v.detach().clone() for k, v in self.trained.state_dict().items()}
            else:
                for name, tensor in self.trained.state_dict().items():
                    self.best[name].copy_(tensor)
        else:
            self.lapses += 1

    def _report(self, epoch: int, values: list[float]) -> None:
        named = dict(zip(("loss", *self.history.names), values, strict=True))
        self.context.progress("training", epoch + 1, self.settings.max_epochs, named)

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        self.saved_at = time.monotonic()
        if self.checkpoint is not None:
            self.state().save(self.checkpoint)

    def state(self) -> Checkpoint:
        """Everything that `set_state` needs to go on in the very same way."""
        arrays, sampler = self.sampler.state()
        tensors = {f"trained.{k}": v for k, v in self.trained.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in slots.items()}
        tensors |= {f"sampler.{k}": torch.from_numpy(v) for k, v in arrays.items()}
        tensors["history"] = torch.tensor(self.history.epochs, dtype=torch.float64)
        tensors |= {f"random.{k}": v for k, v in _random_state(self.context.device).items()}
        plain = {
            "sampler": sampler,
            "best_loss": self.best_loss,
            "lapses": self.lapses,
            "best_epoch": self.history.best_epoch,
            "steps": self.history.steps,
        }
        return Checkpoint({k: v.cpu() for k, v in tensors.items()}, plain)

    def set_state(self, saved: Checkpoint) -> None:
        """Go on where a checkpoint was taken."""
        device = self.context.device
        self.trained.load_state_dict(saved.part("trained"))
        self.best = {k: v.to(device) for k, v in saved.part("best").items()}
        slots: dict[int, dict[str, Any]] = {}
        for key, tensor in saved.part("optimizer").items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.sampler.set_state({k: v.numpy() for k, v in saved.part("sampler").items()}, saved.plain["sampler"])
        self.history.epochs = saved.tensors["history"].tolist()
        self.best_loss, self.lapses = saved.plain["best_loss"], saved.plain["lapses"]
        self.history.best_epoch, self.history.steps = saved.plain["best_epoch"], saved.plain["steps"]
        _set_random_state(saved.part("random"), device)


def _is_finite(value: float) -> bool:
    return value - value == 0


def _random_state(device: str) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.device(device).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(states: Mapping[str, Tensor], device: str) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
