"""A split."""

import jamie


class Example(jamie.Splitter):
    """Holds out a part of the cells at random.

    Parameters
    ----------
    fraction
        Which part.
    """

    name = "example"

    def __init__(self, *, fraction: float = 0.2) -> None:
        self.fraction = fraction

    def _hold_out(self, cells, context):
        return context.generator().random(len(cells)) < self.fraction
