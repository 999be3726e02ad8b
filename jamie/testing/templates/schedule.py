"""A schedule of the weight of a loss."""

import jamie


class Example(jamie.Schedule):
    """Rises from 0 to 1 over the horizon."""

    name = "example"

    def __call__(self, step: int, horizon: int) -> float:
        return min(1.0, step / max(horizon, 1))
