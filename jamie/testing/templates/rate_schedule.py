"""A schedule of the learning rate."""

import jamie


class Example(jamie.RateSchedule):
    """Falls along a straight line."""

    name = "example"

    def __call__(self, done: float) -> float:
        return max(1.0 - done, 0.0)
