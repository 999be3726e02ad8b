"""Schedules of the weights of loss terms."""

from __future__ import annotations

import math
from typing import ClassVar

from jamie.core.interfaces import Schedule


class Constant(Schedule):
    """The full weight from the first epoch on."""

    name: ClassVar[str] = "constant"

    def __call__(self, step: int, horizon: int) -> float:
        return 1.0


class Linear(Schedule):
    r"""Linear annealing from 0 to 1 over the horizon, 1 from then on.

    .. math:: \kappa = \min(1, \tau / \tau_\min)
    """

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.18653/v1/K16-1002",)

    def __call__(self, step: int, horizon: int) -> float:
        return min(1.0, step / max(horizon, 1))


class Sigmoid(Schedule):
    r"""Annealing from nearly 0 to nearly 1 over the horizon (Algorithm 1, line 17).

    .. math:: \kappa = \left(1 + \exp\frac{-5 (\tau - 0.5 \tau_\min)}{0.5 \tau_\min}\right)^{-1}
    """

    name: ClassVar[str] = "sigmoid"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z", "10.18653/v1/K16-1002")

    def __call__(self, step: int, horizon: int) -> float:
        half = 0.5 * max(horizon, 1)
        return 1 / (1 + math.exp(-5 * min(step - half, 100 * half) / half))
