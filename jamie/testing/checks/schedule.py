"""Schedules of loss weights."""

from __future__ import annotations

import math

from jamie.core.interfaces import Schedule
from jamie.testing.assertions import build, require

HORIZONS = (1, 7, 2500)


def check_is_finite_and_not_negative(component: type[Schedule]) -> None:
    """The factor is a plain number >= 0 before, at and after the horizon, also for a short one."""
    schedule = build(component)
    for horizon in HORIZONS:
        for step in (0, 1, horizon // 2, horizon - 1, horizon, 3 * horizon):
            factor = schedule(step, horizon)
            valid = isinstance(factor, float | int) and math.isfinite(factor) and factor >= 0
            require(valid, component, f"step {step} of {horizon}", expected="a finite number >= 0", found=factor)


def check_keeps_no_memory(component: type[Schedule]) -> None:
    """The factor depends on the step alone, so that a resumed run continues the same."""
    schedule, steps = build(component), range(10)
    forward = [schedule(step, 7) for step in steps]
    backward = [schedule(step, 7) for step in reversed(steps)][::-1]
    same = forward == backward == [build(component)(step, 7) for step in steps]
    require(same, component, "the factor depends on the step alone", expected=forward, found=backward)
