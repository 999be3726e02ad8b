"""Training as Algorithm 1: minibatches, annealing, early stopping, the best state kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from jamie.core.batch import Batch
from jamie.core.context import Context
from jamie.core.prefixes import add_prefix
from jamie.model.joint_vae import JointVAE
from jamie.spec.sections import TrainingSection
from jamie.training.checkpoint import Checkpoint
from jamie.training.minibatches import Minibatches
from jamie.training.objective import Objective, explain_not_finite
from jamie.training.rates import rate_factor


@dataclass
class History:
    """Course of a training.

    Parameters
    ----------
    names
        Of the loss terms; `validation` comes last if there are validation cells.
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
    """Trains a joint VAE; its whole state can be saved in a checkpoint and restored from one.

    Parameters
    ----------
    model, objective
        What is trained, and the loss.
    minibatches
        Of the training cells.
    settings
        `training` of the spec.
    context
        Device and progress.
    validation
        Minibatches whose loss decides when to stop and which state is kept; if there are none, the training loss does.
    """

    def __init__(
        self,
        model: JointVAE,
        objective: Objective,
        minibatches: Minibatches,
        settings: TrainingSection,
        context: Context,
        validation: Sequence[Batch] = (),
    ) -> None:
        self.trained = nn.ModuleDict({"model": model, "objective": objective}).to(context.device)
        self.model, self.objective, self.minibatches = model, objective, minibatches
        self.settings, self.context, self.validation = settings, context, validation
        self.parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer = self._optimizer()
        self._on_gpu = torch.device(context.device).type == "cuda"
        model.precision = self._precision()
        self.history = History((*objective.terms, *(["validation"] if validation else [])))
        self.best_loss, self.lapses = float("inf"), 0
        self.best: dict[str, Tensor] = {}

    def fit(self, save: Callable[[Checkpoint], None] | None = None) -> History:
        """Train until the loss has not improved for `patience` epochs, then restore the best state.

        `save` is called with a checkpoint every `checkpoint_seconds`, and at the end.
        """
        settings, started = self.settings, time.monotonic()
        saved_at = started
        while len(self.history.epochs) < settings.max_epochs and self.lapses < settings.patience:
            epoch = len(self.history.epochs)
            values = self._epoch(epoch)
            if self.validation:
                values.append(self._validate())
            self.history.epochs.append(values)
            self._keep_best(epoch, values[-1] if self.validation else values[0])
            self._report(epoch, values)
            if save and time.monotonic() - saved_at >= settings.checkpoint_seconds:
                saved_at = time.monotonic()
                save(self.state())
        self.history.stopped = "patience" if self.lapses >= settings.patience else "max_epochs"
        self.history.seconds = time.monotonic() - started
        if save:
            save(self.state())
        if self.best:
            self.trained.load_state_dict(self.best)
        self.model.eval()
        self.model.precision = None
        return self.history

    def _optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer; vectors (biases, scales of normalization, weights of modalities) do not decay."""
        settings = self.settings
        matrices, vectors = ([p for p in self.parameters if (p.ndim > 1) is many] for many in (True, False))
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        return optimizer([group for group in groups if group["params"]], lr=settings.learning_rate, fused=True)

    def _precision(self) -> torch.dtype | None:
        """Type that encoders and decoders compute in; None for that of their weights.

        On a processor that has it, bfloat16 gains at layers of a few hundred units and loses at narrower ones
        (``tests/benchmarks/step_cost.py``): `auto` does not use it there.
        """
        automatic = self.settings.precision == "auto" and self._on_gpu and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if automatic or self.settings.precision == "bfloat16" else None

    def _epoch(self, epoch: int) -> list[float]:
        weights = self.objective.weights(epoch)
        steps = self._steps_per_epoch
        sums = dict.fromkeys(("total", *self.objective.terms), 0.0)
        self.trained.train()
        for _ in range(steps):
            for name, value in self._step(weights).items():
                sums[name] += value
        return [value / steps for value in sums.values()]

    def _step(self, weights: Mapping[str, float]) -> dict[str, float]:
        batch = self.minibatches.draw()
        output = self.model(batch)
        total, values = self.objective(batch, output, weights)
        self.history.steps += 1
        names = ("total", *values)
        numbers = dict(zip(names, torch.stack([total, *values.values()]).tolist(), strict=True))
        if not all(map(math.isfinite, numbers.values())):
            raise explain_not_finite(self.history.steps, batch, output, values)
        done = (self.history.steps - 1) / (self._steps_per_epoch * self.settings.max_epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate_factor(self.settings.rate_schedule, done)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip)
        self.optimizer.step()
        return numbers

    @property
    def _steps_per_epoch(self) -> int:
        settings, one_pass = self.settings, self.minibatches.sampler.steps_per_pass
        if settings.steps_per_epoch != "auto":
            return settings.steps_per_epoch
        at_least = max(one_pass, settings.min_steps_per_epoch or 1)
        return min(at_least, settings.max_steps_per_epoch or at_least)

    @torch.no_grad()
    def _validate(self) -> float:
        self.trained.eval()
        losses = [self.objective.validation(batch, self.model(batch)).item() for batch in self.validation]
        return sum(losses) / len(losses)

    def _keep_best(self, epoch: int, loss: float) -> None:
        """Algorithm 1, lines 23-30; the state kept is the one after the epoch whose loss is best."""
        if epoch < self.settings.resolved_min_epochs:
            return
        if loss < self.best_loss - self.settings.min_change:
            self.best_loss, self.lapses, self.history.best_epoch = loss, 0, epoch
            self.best = {k: v.detach().clone() for k, v in self.trained.state_dict().items()}
        else:
            self.lapses += 1

    def _report(self, epoch: int, values: list[float]) -> None:
        named = dict(zip(("loss", *self.history.names), values, strict=True))
        self.context.progress("training", epoch + 1, self.settings.max_epochs, named)

    def state(self) -> Checkpoint:
        """Everything that `set_state` needs to continue with the same numbers."""
        arrays, sampler = self.minibatches.sampler.state()
        tensors = add_prefix("trained", self.trained.state_dict())
        tensors |= add_prefix("best", self.best)
        for i, slots in self.optimizer.state_dict()["state"].items():
            tensors |= add_prefix(f"optimizer.{i}", slots)
        tensors |= add_prefix("sampler", {k: torch.from_numpy(v) for k, v in arrays.items()})
        tensors["history"] = torch.tensor(self.history.epochs, dtype=torch.float64)
        tensors["random.cpu"] = torch.get_rng_state()
        if self._on_gpu:
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.context.device)
        plain = {
            "sampler": sampler,
            "best_loss": self.best_loss,
            "lapses": self.lapses,
            "best_epoch": self.history.best_epoch,
            "steps": self.history.steps,
        }
        return Checkpoint({k: v.cpu() for k, v in tensors.items()}, plain)

    def set_state(self, saved: Checkpoint) -> None:
        """Continue from a checkpoint."""
        device = self.context.device
        self.trained.load_state_dict(saved.part("trained"))
        self.best = {k: v.to(device) for k, v in saved.part("best").items()}
        slots: dict[int, dict[str, Any]] = {}
        for key, tensor in saved.part("optimizer").items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        order = {k: v.numpy() for k, v in saved.part("sampler").items()}
        self.minibatches.sampler.set_state(order, saved.plain["sampler"])
        self.history.epochs = saved.tensors["history"].tolist()
        self.best_loss, self.lapses = saved.plain["best_loss"], saved.plain["lapses"]
        self.history.best_epoch, self.history.steps = saved.plain["best_epoch"], saved.plain["steps"]
        torch.set_rng_state(saved.tensors["random.cpu"])
        if "random.cuda" in saved.tensors:
            torch.cuda.set_rng_state(saved.tensors["random.cuda"], device)
