"""Schedules that break their contract."""

import jamie


class Sound(jamie.Schedule):
    """Rises to 1."""

    def __call__(self, step: int, horizon: int) -> float:
        return min(step / horizon, 1.0)


class Falls(jamie.Schedule):
    """Falls below zero after the horizon."""

    def __call__(self, step: int, horizon: int) -> float:
        return 1 - step / horizon


class Infinite(jamie.Schedule):
    """Overflows at the horizon."""

    def __call__(self, step: int, horizon: int) -> float:
        return float("inf") if step == horizon else 1.0


class Counts(jamie.Schedule):
    """Counts its own calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int, horizon: int) -> float:
        self.calls += 1
        return float(self.calls)


BROKEN = {
    "check_is_finite_and_not_negative": [
        (Falls, "schedule 'falls': step 3 of 1: expected a finite number >= 0, found -2.0"),
        (Infinite, "schedule 'infinite': step 1 of 1: .* found inf"),
    ],
    "check_keeps_no_memory": [(Counts, "the factor depends on the step alone")],
}
