"""Adam and AdamW by torch's fused kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from jamie.core.interfaces import Optimizer
from jamie.core.interfaces.optimizer import ParameterGroup

Beta = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0)]


class Adam(Optimizer):
    """Adam, whose weight decay is part of the gradient.

    Parameters
    ----------
    betas
        How much of their past the running means of the gradient and of its square keep.
    eps
        Added to the root of the latter.
    """

    name: ClassVar[str] = "adam"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1412.6980",)
    elementwise = True

    def __init__(self, *, betas: tuple[Beta, Beta] = (0.9, 0.999), eps: Epsilon = 1e-8) -> None:
        self.betas = betas
        self.eps = eps

    def _start(self, groups: Sequence[ParameterGroup]) -> AdamSteps:
        return AdamSteps(adam, groups, self.betas, self.eps)


class AdamW(Optimizer):
    """Adam with a weight decay that is apart from the gradient.

    Parameters
    ----------
    betas
        How much of their past the running means of the gradient and of its square keep.
    eps
        Added to the root of the latter.
    """

    name: ClassVar[str] = "adamw"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1711.05101",)
    elementwise = True

    def __init__(self, *, betas: tuple[Beta, Beta] = (0.9, 0.999), eps: Epsilon = 1e-8) -> None:
        self.betas = betas
        self.eps = eps

    def _start(self, groups: Sequence[ParameterGroup]) -> AdamSteps:
        return AdamSteps(adamw, groups, self.betas, self.eps)


class AdamSteps:
    """Steps of Adam or AdamW.

    They are torch's functions: the class `torch.optim.Adam` imports torch's compiler, which takes a second or two.

    Parameters
    ----------
    update
        `torch.optim.adam.adam` or `torch.optim.adamw.adamw`.
    groups
        What is trained; a parameter without a gradient in the first step never gets one.
    betas, eps
        As of the component.
    """

    def __init__(
        self, update: Callable[..., Any], groups: Sequence[ParameterGroup], betas: tuple[float, float], eps: float
    ) -> None:
        self._update, self._betas, self._eps = update, betas, eps
        self._groups = [(group["weight_decay"], [_Moments.of(p) for p in group["params"]]) for group in groups]

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
                    beta1=self._betas[0],
                    beta2=self._betas[1],
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    eps=self._eps,
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
