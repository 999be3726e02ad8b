"""Constant weight."""

from __future__ import annotations

from typing import ClassVar

from jamie.core.interfaces import Schedule


class Constant(Schedule):
    """The full weight from the first epoch on."""

    name: ClassVar[str] = "constant"

    def __call__(self, step: int, horizon: int) -> float:
        return 1.0
