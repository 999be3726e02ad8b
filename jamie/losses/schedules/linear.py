"""Linear annealing."""

from __future__ import annotations

from typing import ClassVar

from jamie.core.interfaces import Schedule


class Linear(Schedule):
    """Annealing from 0 to 1 in a straight line over the horizon, 1 from then on."""

    name: ClassVar[str] = "linear"
    references: ClassVar[tuple[str, ...]] = ("10.18653/v1/K16-1002",)

    def __call__(self, step: int, horizon: int) -> float:
        return min(1.0, step / max(horizon, 1))
