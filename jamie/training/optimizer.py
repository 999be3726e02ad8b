"""Adam and AdamW by torch's fused kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with the same weight decay.

    Parameters
    ----------
    parameters
        Leaves of the graph; one without a gradient in the first step never gets one.
    weight_decay
        Of all of them.
    """

    parameters: Sequence[Tensor]
    weight_decay: float


class Adam:
    """Adam, or AdamW, whose weight decay is apart from the gradient.

    They are torch's functions: the class `torch.optim.Adam` imports torch's compiler, which takes a second or two.

    Parameters
    ----------
    name
        ``adam`` or ``adamw``.
    groups
        What is trained.

    References
    ----------
    Kingma & Ba 2015, 10.48550/arXiv.1412.6980; Loshchilov & Hutter 2019, 10.48550/arXiv.1711.05101.
    """

    def __init__(self, name: Literal["adam", "adamw"], groups: Sequence[ParameterGroup]) -> None:
        self._update = adamw if name == "adamw" else adam
        self._groups = [(group.weight_decay, [_Moments.of(p) for p in group.parameters]) for group in groups]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the parameters that have a gradient."""
        for weight_decay, moments in self._groups:
            moved = [one for one in moments if one.parameter.grad is not None]
            if moved:
                self._update(
                    [one.parameter for one in moved],
                    [gradient for one in moved if (gradient := one.parameter.grad) is not None],
                    [one.mean for one in moved],
                    [one.square for one in moved],
                    [],
                    [one.steps for one in moved],
                    foreach=False,
                    fused=True,
                    amsgrad=False,
                    beta1=BETAS[0],
                    beta2=BETAS[1],
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    eps=EPSILON,
                    maximize=False,
                )

    def state(self) -> dict[str, Tensor]:
        """Moments of the gradients, and steps."""
        return {f"{i}.{name}": value for i, one in enumerate(self._moments()) for name, value in one.slots().items()}

    def set_state(self, saved: Mapping[str, Tensor]) -> None:
        """Continue from a `state`."""
        for i, one in enumerate(self._moments()):
            for name, value in one.slots().items():
                value.copy_(saved[f"{i}.{name}"])

    def _moments(self) -> list[_Moments]:
        return [one for _, moments in self._groups for one in moments]


@dataclass(frozen=True)
class _Moments:
    """A parameter, running means of its gradient and of the square, and the number of steps."""

    parameter: Tensor
    mean: Tensor
    square: Tensor
    steps: Tensor

    @classmethod
    def of(cls, parameter: Tensor) -> _Moments:
        mean, square = torch.zeros_like(parameter), torch.zeros_like(parameter)
        return cls(parameter, mean.detach(), square.detach(), torch.zeros((), device=parameter.device))

    def slots(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}
