"""Schedules of the learning rate."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

RateSchedule: TypeAlias = Literal["constant", "cosine", "one_cycle"]

WARM_UP, FIRST = 0.3, 0.04  # fraction of the steps over which one_cycle rises, and the factor at its start


def rate_factor(schedule: RateSchedule, done: float) -> float:
    """Factor of the learning rate when a fraction `done` of all steps is done.

    ``cosine`` falls from 1 to 0 along half a cosine (Loshchilov & Hutter 2017, 10.48550/arXiv.1608.03983);
    ``one_cycle`` rises to 1 before it (Smith & Topin 2019, 10.1117/12.2520589).
    """
    if schedule == "constant":
        return 1.0
    if schedule == "one_cycle":
        if done < WARM_UP:
            return FIRST + (1 - FIRST) * 0.5 * (1 - math.cos(math.pi * done / WARM_UP))
        done = (done - WARM_UP) / (1 - WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1)))
