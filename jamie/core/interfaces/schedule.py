"""Schedules of loss weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from jamie.core.component import Component


class Schedule(Component):
    """Factor of a loss's weight as training goes on."""

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def __call__(self, step: int, horizon: int) -> float:
        """Factor, >= 0, at epoch `step` (from 0) of a `horizon` (the least number of epochs, tau_min)."""
