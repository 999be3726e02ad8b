"""A callback."""

import jamie


class Example(jamie.Callback):
    """Stops training once the loss is small.

    Parameters
    ----------
    loss
        What the loss of every network is to reach.
    """

    name = "example"

    def __init__(self, *, loss: float = 0.1) -> None:
        self.loss = loss

    def _after_epoch(self, epoch):
        return all(values["loss"] <= self.loss for values in epoch.losses)
