"""Training as Algorithm 1: minibatches, annealing, early stopping, the best state kept."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

import torch
from torch import Tensor, nn

from jamie.core.batch import Batch
from jamie.core.context import Context
from jamie.core.interfaces import Sampler
from jamie.core.interfaces.optimizer import ParameterGroup, Steps
from jamie.core.prefixes import add_prefix
from jamie.model.joint_vae import JointVAE
from jamie.model.members import join_members, split_members
from jamie.model.shares import Share
from jamie.spec.sections import TrainingSection
from jamie.training.callbacks import Callbacks
from jamie.training.checkpoint import Checkpoint
from jamie.training.minibatches import Minibatches
from jamie.training.objective import Objective, explain_not_finite


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
        ``patience``, ``max_epochs``, or ``callback NAME`` of one that asked for it.
    seconds
        Spent in this process, divided by the number of members that were trained side by side.
    steps
        Minibatches so far, over all processes.
    """

    names: tuple[str, ...]
    epochs: list[list[float]] = field(default_factory=list)
    best_epoch: int = -1
    stopped: str = ""
    seconds: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Parameters
    ----------
    model, objective
        What is trained, and the loss.
    sampler
        Draws its training cells.
    noise
        Draws what training drops and the latents that it samples, on the device of the training.
    """

    model: JointVAE
    objective: Objective
    sampler: Sampler
    noise: torch.Generator


class _Trained(nn.Module):
    """What has parameters: the model, and losses with parameters of their own."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.model, self.objective = member.model, member.objective


class Trainer:
    """Trains members of an ensemble side by side; the whole state can be saved in a checkpoint and restored from one.

    Several members are one network whose tensors have a leading axis of members; a single one has no such axis. Each
    member has its own cells, noise, history and best state, and its own norm of the gradient.

    Parameters
    ----------
    members
        What is trained. After `fit` their models hold their best states.
    minibatches
        Made of the cells that the members draw.
    settings
        `training` of the spec.
    context
        Device and progress.
    validation
        Minibatches whose loss decides when to stop and which state is kept; if there are none, the training loss does.
    callbacks
        Called after each epoch.
    share
        What this process computes of each minibatch, where others train the same members; None for all of it.
    elsewhere
        Samplers of members that belong to these and are trained by other processes: the sizes of all their minibatches
        say how much noise each draws.
    """

    def __init__(
        self,
        members: Sequence[Member],
        minibatches: Minibatches,
        settings: TrainingSection,
        context: Context,
        validation: Sequence[Batch] = (),
        callbacks: Callbacks | None = None,
        share: Share | None = None,
        elsewhere: Sequence[Sampler] = (),
    ) -> None:
        self.members, self.minibatches = members, minibatches
        self._samplers = [*(member.sampler for member in members), *elsewhere]
        self.settings, self.context, self.validation, self.share = settings, context, validation, share
        self._callbacks, self._stopped_by = callbacks or Callbacks((), settings.max_epochs), ""
        self._separate = [_Trained(member) for member in members]
        self.trained = join_members(self._separate).to(context.device)
        self.model, self.objective = self.trained.model, self.trained.objective
        self.parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer, self._rate_factor = self._optimizer(), settings.rate_schedule.build()
        self._on_gpu = torch.device(context.device).type == "cuda"
        self.model.precision = self._precision()
        self.model.set_share(share)
        self.model.set_generators(tuple(member.noise for member in members))
        names = (*self.objective.terms, *(["validation"] if validation else []))
        self.histories = [History(names) for _ in members]
        self.best_loss, self.lapses = [float("inf")] * len(members), [0] * len(members)
        self.best: dict[str, Tensor] = {}

    def fit(self, save: Callable[[Checkpoint], None] | None = None) -> list[History]:
        """Train until no loss has improved for `patience` epochs, then restore the best state of each member.

        `save` is called with a checkpoint every `checkpoint_seconds`, and at the end.
        """
        settings, started = self.settings, time.monotonic()
        saved_at = started
        for epoch in count(max(len(history.epochs) for history in self.histories)):
            running = [k for k, lapses in enumerate(self.lapses) if lapses < settings.patience]
            if epoch == settings.max_epochs or not running or self._stopped_by:
                break
            values = self._epoch(epoch)
            if self.validation:
                values = torch.cat([values, self._validate()])
            if self.share:  # a last digit must not let one process stop before the others
                values = self.share.agree(values.cpu())
            self._note(epoch, running, values.T.tolist())
            self._report(epoch, values.mean(1).tolist())
            self._stopped_by = self._call_back(epoch, values.T.tolist())
            if self.share:
                self._stopped_by = self.share.agree(self._stopped_by)
            if save and time.monotonic() - saved_at >= settings.checkpoint_seconds:
                saved_at = time.monotonic()
                save(self.state())
        for history, lapses in zip(self.histories, self.lapses, strict=True):
            otherwise = f"callback {self._stopped_by}" if self._stopped_by else "max_epochs"
            history.stopped = "patience" if lapses >= settings.patience else otherwise
            history.seconds = (time.monotonic() - started) / len(self.members)
        if save:
            save(self.state())
        self._finish()
        return self.histories

    def _finish(self) -> None:
        """Give each member its best state."""
        if self.best:
            self.trained.load_state_dict(self.best)
        self.model.set_generators(())
        self.model.set_share(None)
        self.model.precision = None
        self.write_members()

    def write_members(self) -> None:
        """Give the model of each member, in evaluation mode, its present state."""
        states = split_members(self.trained.state_dict(), len(self.members))
        for separate, state in zip(self._separate, states, strict=True):
            separate.to(self.context.device).load_state_dict(state)
            separate.eval()

    def _optimizer(self) -> Steps:
        """Return the optimizer; vectors (biases, scales of normalization, weights of modalities) do not decay."""
        settings, vector_axes = self.settings, 1 if len(self.members) == 1 else 2
        matrices, vectors = ([p for p in self.parameters if (p.ndim > vector_axes) is many] for many in (True, False))
        groups = [
            ParameterGroup(params=matrices, weight_decay=settings.weight_decay),
            ParameterGroup(params=vectors, weight_decay=0.0),
        ]
        return settings.optimizer.build().start(groups)

    def _precision(self) -> torch.dtype | None:
        """Type that encoders and decoders compute in; None for that of their weights.

        On a processor that has it, bfloat16 gains at layers of a few hundred units and loses at narrower ones
        (``tests/benchmarks/step_cost.py``): `auto` does not use it there.
        """
        automatic = self.settings.precision == "auto" and self._on_gpu and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if automatic or self.settings.precision == "bfloat16" else None

    def _epoch(self, epoch: int) -> Tensor:
        """Means (1 + terms, K) of the weighted total and of each term."""
        weights = self.objective.weights(epoch)
        used = [name for name, weight in weights.items() if weight != 0]
        self.trained.train()
        first = epoch * self._steps_per_epoch
        values = torch.stack([self._step(weights, first + i) for i in range(self._steps_per_epoch)])
        if self._on_gpu and not values.isfinite().all():
            step = int((~values.isfinite()).flatten(1).any(1).nonzero()[0])
            raise explain_not_finite(first + step + 1, dict(zip(used, values[step, 1:], strict=True)))
        means = values.new_zeros(1 + len(weights), len(self.members), dtype=torch.float64)
        means[[0, *(1 + i for i, name in enumerate(weights) if name in used)]] = values.double().mean(0)
        return means

    def _step(self, weights: Mapping[str, float], done: int) -> Tensor:
        """Train on a minibatch, and return (1 + terms, K) the total and each term of positive weight."""
        drawn, n_members = [sampler.draw() for sampler in self._samplers], len(self.members)
        batch = self.minibatches.make(drawn[:n_members], drawn[n_members:])
        output = self.model(batch)
        total, values = self.objective(batch, output, weights)
        found = torch.stack([total.detach(), *(value.detach() for value in values.values())])
        if not self._on_gpu and not found.isfinite().all():  # a GPU would have to finish the step first
            raise explain_not_finite(done + 1, values, batch, output)
        n_steps = self._steps_per_epoch * self.settings.max_epochs
        rate = self.settings.learning_rate * self._rate_factor(done / n_steps)
        for parameter in self.parameters:
            parameter.grad = None
        total.sum().backward()
        if self.share:
            self.share.average([p.grad for p in self.parameters if p.grad is not None])
        self._clip_gradients()
        self.optimizer.step(rate)
        return found.reshape(len(found), len(self.members))

    def _clip_gradients(self) -> None:
        """Scale each member's gradient to a norm of at most `gradient_clip`."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norms = torch.stack([self._norms(gradient) for gradient in gradients])
        factor = (self.settings.gradient_clip / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1)
        if self._on_gpu or bool((factor < 1).any()):
            for gradient in gradients:
                gradient.mul_(
                    factor.view(-1, *[1] * (gradient.ndim - 1)) if len(self.members) > 1 else factor.squeeze()
                )

    def _norms(self, gradient: Tensor) -> Tensor:
        """(K,) norms of the gradients (K, ...) of members."""
        if len(self.members) == 1:
            return torch.linalg.vector_norm(gradient).view(1)
        axes = tuple(range(1, gradient.ndim))
        return torch.linalg.vector_norm(gradient, dim=axes) if axes else gradient.abs()

    @cached_property
    def _steps_per_epoch(self) -> int:
        settings, one_pass = self.settings, max(sampler.steps_per_pass for sampler in self._samplers)
        if settings.steps_per_epoch != "auto":
            return settings.steps_per_epoch
        at_least = max(one_pass, settings.min_steps_per_epoch or 1)
        return min(at_least, settings.max_steps_per_epoch or at_least)

    @torch.no_grad()
    def _validate(self) -> Tensor:
        """(1, K) mean over the validation minibatches."""
        self.trained.eval()
        losses = torch.stack([self.objective.validation(batch, self.model(batch)) for batch in self.validation])
        return losses.double().mean(0).reshape(1, -1)

    def _note(self, epoch: int, running: Sequence[int], values: list[list[float]]) -> None:
        """Note the values of members that have not stopped, and keep their states that are the best so far."""
        for k in running:
            self.histories[k].epochs.append(values[k])
            self.histories[k].steps += self._steps_per_epoch
        if epoch < self.settings.resolved_min_epochs:
            return
        improved = [k for k in running if self._improves(k, epoch, values[k][-1 if self.validation else 0])]
        if improved and len(improved) < len(self.members) and self.best:
            state = self.trained.state_dict()
            for name, best in self.best.items():
                best[improved] = state[name][improved]
        elif improved:
            self.best = {name: value.detach().clone() for name, value in self.trained.state_dict().items()}

    def _improves(self, k: int, epoch: int, loss: float) -> bool:
        """Algorithm 1, lines 23-30; the state kept is the one after the epoch whose loss is best."""
        if loss < self.best_loss[k] - self.settings.min_change:
            self.best_loss[k], self.lapses[k], self.histories[k].best_epoch = loss, 0, epoch
            return True
        self.lapses[k] += 1
        return False

    def _report(self, epoch: int, values: list[float]) -> None:
        named = dict(zip(("loss", *self.histories[0].names), values, strict=True))
        self.context.progress("training", epoch + 1, self.settings.max_epochs, named)

    def _call_back(self, epoch: int, values: list[list[float]]) -> str:
        """Name of a callback that asks to stop; empty if none does."""
        names = ("loss", *self.histories[0].names)
        losses = [dict(zip(names, one, strict=True)) for one in values]
        return self._callbacks.after_epoch(epoch, losses, self._copy_network) if self._callbacks.components else ""

    def _copy_network(self, k: int) -> JointVAE:
        """Return a copy of the network of a member, with its present state."""
        self.model.set_generators(())  # which cannot be copied, nor can a share
        self.model.set_share(None)
        copied = copy.deepcopy(self._separate[k].model)
        self.model.set_generators(tuple(member.noise for member in self.members))
        self.model.set_share(self.share)
        copied.load_state_dict(split_members(self.model.state_dict(), len(self.members))[k])
        copied.precision = None
        return copied.to(self.context.device)

    def state(self) -> Checkpoint:
        """Everything that `set_state` needs to continue with the same numbers."""
        tensors = add_prefix("trained", self.trained.state_dict()) | add_prefix("best", self.best)
        tensors |= add_prefix("optimizer", self.optimizer.state())
        samplers = [sampler.state() for sampler in self._samplers]
        for k, (arrays, _) in enumerate(samplers):
            tensors |= add_prefix(f"sampler.{k}", {name: torch.from_numpy(v) for name, v in arrays.items()})
        for k, member in enumerate(self.members):
            tensors[f"noise.{k}"] = member.noise.get_state()
            tensors[f"history.{k}"] = torch.tensor(self.histories[k].epochs, dtype=torch.float64)
        tensors["random.cpu"] = torch.get_rng_state()  # of components that know nothing of generators
        if self._on_gpu:
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.context.device)
        plain = {
            "sampler": [plain for _, plain in samplers],
            "best_loss": self.best_loss,
            "lapses": self.lapses,
            "best_epoch": [history.best_epoch for history in self.histories],
            "steps": [history.steps for history in self.histories],
            "stopped_by": self._stopped_by,
        }
        return Checkpoint({k: v.cpu() for k, v in tensors.items()}, plain)

    def set_state(self, saved: Checkpoint) -> None:
        """Continue from a checkpoint."""
        device, plain = self.context.device, saved.plain
        self.trained.load_state_dict(saved.part("trained"))
        self.best = {k: v.to(device) for k, v in saved.part("best").items()}
        self.optimizer.set_state(saved.part("optimizer"))
        self.best_loss, self.lapses = list(plain["best_loss"]), list(plain["lapses"])
        self._stopped_by = plain.get("stopped_by", "")
        for k, sampler in enumerate(self._samplers):
            order = {name: v.numpy() for name, v in saved.part(f"sampler.{k}").items()}
            sampler.set_state(order, plain["sampler"][k])
        for k, (member, history) in enumerate(zip(self.members, self.histories, strict=True)):
            member.noise.set_state(saved.tensors[f"noise.{k}"])
            history.epochs = saved.tensors[f"history.{k}"].tolist()
            history.best_epoch, history.steps = plain["best_epoch"][k], plain["steps"][k]
        torch.set_rng_state(saved.tensors["random.cpu"])
        if "random.cuda" in saved.tensors:
            torch.cuda.set_rng_state(saved.tensors["random.cuda"], device)
