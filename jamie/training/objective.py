"""The weighted sum of the loss terms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from jamie.core.batch import Batch, Output
from jamie.core.errors import ContractError, TrainingError
from jamie.core.interfaces import Loss, Schedule


@dataclass(frozen=True)
class Term:
    """One term of the objective.

    Parameters
    ----------
    loss
        Unweighted.
    weight
        Its factor.
    schedule
        A further factor that changes with the epoch.
    """

    loss: Loss
    weight: float
    schedule: Schedule


class Objective(nn.Module):
    """Sum of loss terms, each with its weight and schedule (eq. 1).

    Parameters
    ----------
    terms
        By name.
    horizon
        Epochs over which schedules run: tau_min.
    """

    def __init__(self, terms: Mapping[str, Term], horizon: int) -> None:
        super().__init__()
        self.terms = dict(terms)
        self.horizon = horizon
        self.losses = nn.ModuleList(term.loss for term in terms.values())  # losses may have parameters of their own

    def weights(self, epoch: int) -> dict[str, float]:
        """Factor of each term in an epoch."""
        return {name: t.weight * self._factor(t.schedule, epoch) for name, t in self.terms.items()}

    def _factor(self, schedule: Schedule, epoch: int) -> float:
        factor = schedule(epoch, self.horizon)
        if not isinstance(factor, Real) or not 0 <= factor < math.inf:
            raise ContractError(
                f"expected a number from 0 on in epoch {epoch}, found {factor}",
                where=f"schedule '{schedule.name}'",
                fix="try it by itself with the checks of jamie.testing",
            )
        return float(factor)

    def forward(self, batch: Batch, output: Output, weights: Mapping[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted total, and each term unweighted; with a leading axis of members, (K,) of each.

        Raises
        ------
        ContractError
            If a term is not a scalar tensor, or one for each member where there are several.
        """
        shape = next(iter(output.z.values())).shape[:-2]
        values = {
            name: term.loss(batch.read_by(term.loss), output) for name, term in self.terms.items() if weights[name] != 0
        }
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.shape != shape:
                found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
                raise ContractError(
                    f"expected forward to return a scalar tensor, found {found}",
                    where=f"loss '{name}'",
                    fix="return a mean over cells",
                )
        total = sum(weights[name] * value for name, value in values.items())
        return torch.as_tensor(total), values

    def validation(self, batch: Batch, output: Output) -> Tensor:
        """Weighted sum of the terms that measure prediction, of all terms if none does; without schedules."""
        measuring = [t for t in self.terms.values() if t.loss.validates] or list(self.terms.values())
        return torch.as_tensor(sum(t.weight * t.loss(batch.read_by(t.loss), output) for t in measuring))


def explain_not_finite(
    step: int, values: Mapping[str, Tensor], batch: Batch | None = None, output: Output | None = None
) -> TrainingError:
    """Return an error that names the term and, given the minibatch, the modality of a loss that is NaN or infinite."""
    terms = [name for name, value in values.items() if not torch.isfinite(value).all()]
    found = "" if batch is None or output is None else f" ({_modality_not_finite(batch, output)})"
    return TrainingError(
        f"loss '{terms[0] if terms else 'total'}' is not finite{found}",
        where=f"training, step {step}",
        fix="lower training.learning_rate, or check the scale of that modality's features; "
        "a run directory's checkpoint, if one was written yet, holds an earlier state",
    )


def _modality_not_finite(batch: Batch, output: Output) -> str:
    # A modality's own latents are checked first: aggregation spreads NaN to the other modalities.
    modalities = [m for m, p in output.posterior.items() if not _finite(p.mean, p.logvar, output.z[m])]
    modalities += [m for m in batch.target if not _finite(output.reconstruct(m).mean)]
    return f"modality '{modalities[0]}'" if modalities else "no single modality: latents and decoded values are finite"


def _finite(*tensors: Tensor | None) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor is not None)
