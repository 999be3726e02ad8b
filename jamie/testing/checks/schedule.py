"""Schedules of loss weights."""

from __future__ import annotations

import math

from jamie.core.interfaces import Schedule
from jamie.testing.clause import build, require

HORIZONS = (1, 7, 2500)


def check_is_finite_and_not_negative(component: type[Schedule]) -> None:
    """The factor is a plain number >= 0 before, at and after the horizon, however short that is."""
    schedule = build(component)
    for horizon in HORIZONS:
        for step in (0, 1, horizon // 2, horizon - 1, horizon, 3 * horizon):
            factor = schedule(step, horizon)
            require(
                isinstance(factor, float | int) and math.isfinite(factor) and factor >= 0,
                component,
                f"step {step} of {horizon}",
                expected="a finite number >= 0",
                found=factor,
            )


def check_keeps_no_memory(component: type[Schedule]) -> None:
    """The factor depends on the step alone, so that a resumed run goes on as it would have."""
    schedule = build(component)
    forward = [schedule(step, 7) for step in range(10)]
    backward = [schedule(step, 7) for step in reversed(range(10))][::-1]
    require(
        forward == backward == [build(component)(step, 7) for step in range(10)],
        component,
        "the factor depends on the step alone",
        expected=forward,
        found=backward,
    )
