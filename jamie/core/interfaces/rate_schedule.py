"""Schedules of the learning rate."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from jamie.core.component import Component


class RateSchedule(Component):
    """Factor of the learning rate as training goes on.

    Examples
    --------
    >>> class Halved(RateSchedule):
    ...     '''Half the step size in the second half of training.'''
    ...
    ...     name = "halved"
    ...
    ...     def __call__(self, done):
    ...         return 1.0 if done < 0.5 else 0.5
    >>> Halved()(0.75)
    0.5
    """

    kind: ClassVar[str] = "rate_schedule"

    @abstractmethod
    def __call__(self, done: float) -> float:
        """Factor, >= 0, when a part `done` (0 to 1) of all steps of `training.max_epochs` is done."""
