"""Schedules of the learning rate that break their contract."""

import jamie


class Sound(jamie.RateSchedule):
    """Falls along a line."""

    def __call__(self, done: float) -> float:
        return max(1 - done, 0.0)


class Falls(Sound):
    """Falls below zero after the last step."""

    def __call__(self, done: float) -> float:
        return 1 - done


class Rests(Sound):
    """Trains nothing."""

    def __call__(self, done: float) -> float:
        return 0.0


class Counts(Sound):
    """Counts its own calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, done: float) -> float:
        self.calls += 1
        return float(self.calls)


BROKEN = {
    "check_is_finite_and_not_negative": [
        (Falls, "rate_schedule 'falls': with 1.5 of the steps done: expected a finite number >= 0, found -0.5")
    ],
    "check_moves_at_all": [(Rests, "the factor is above 0 somewhere: expected more than 0, found 0.0")],
    "check_keeps_no_memory": [(Counts, "the factor depends on the part done alone")],
}
