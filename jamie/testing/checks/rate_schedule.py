"""Schedules of the learning rate."""

from __future__ import annotations

import math

import numpy as np

from jamie.core.interfaces import RateSchedule
from jamie.testing.assertions import build, require


def check_is_finite_and_not_negative(component: type[RateSchedule]) -> None:
    """The factor is a plain number >= 0 from the first step to the last, and after it."""
    schedule = build(component)
    for done in (0, 1e-6, 0.25, 0.5, 0.999, 1.0, 1.5):
        factor = schedule(done)
        valid = isinstance(factor, float | int) and math.isfinite(factor) and factor >= 0
        require(valid, component, f"with {done} of the steps done", expected="a finite number >= 0", found=factor)


def check_moves_at_all(component: type[RateSchedule]) -> None:
    """Somewhere on the way the factor is above 0: else nothing would be trained."""
    largest = max(build(component)(done) for done in np.linspace(0, 1, 21).tolist())
    require(largest > 0, component, "the factor is above 0 somewhere", expected="more than 0", found=largest)


def check_keeps_no_memory(component: type[RateSchedule]) -> None:
    """The factor depends on the part that is done alone, so that a resumed run continues the same."""
    schedule, parts = build(component), np.linspace(0, 1, 11).tolist()
    forward = [schedule(done) for done in parts]
    backward = [schedule(done) for done in reversed(parts)][::-1]
    same = forward == backward == [build(component)(done) for done in parts]
    require(same, component, "the factor depends on the part done alone", expected=forward, found=backward)
