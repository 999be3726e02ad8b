"""Schedules of the learning rate."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from jamie.core.interfaces import RateSchedule


class ConstantRate(RateSchedule):
    """The same step size to the end."""

    name: ClassVar[str] = "constant"

    def __call__(self, done: float) -> float:
        return 1.0


class CosineRate(RateSchedule):
    """Falls from the full step size to 0 along half a cosine."""

    name: ClassVar[str] = "cosine"
    references: ClassVar[tuple[str, ...]] = ("10.48550/arXiv.1608.03983",)

    def __call__(self, done: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * min(done, 1)))


class OneCycle(RateSchedule):
    """Rises to the full step size and then falls to 0, each along half a cosine.

    Parameters
    ----------
    warm_up
        Part of the steps over which it rises.
    start
        Factor at the start.
    """

    name: ClassVar[str] = "one_cycle"
    references: ClassVar[tuple[str, ...]] = ("10.1117/12.2520589",)

    def __init__(
        self,
        *,
        warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.3,
        start: Annotated[float, Field(ge=0, le=1)] = 0.04,
    ) -> None:
        self.warm_up = warm_up
        self.start = start

    def __call__(self, done: float) -> float:
        if done < self.warm_up:
            return self.start + (1 - self.start) * 0.5 * (1 - math.cos(math.pi * done / self.warm_up))
        done = (done - self.warm_up) / (1 - self.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1)))
