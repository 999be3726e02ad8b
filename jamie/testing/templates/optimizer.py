"""An optimizer."""

import torch

import jamie


class Example(jamie.Optimizer):
    """Gradient descent with momentum.

    Parameters
    ----------
    momentum
        Part of the last step that is added to the next.
    """

    name = "example"
    elementwise = True

    def __init__(self, *, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def _start(self, groups):
        return torch.optim.SGD(groups, lr=1.0, momentum=self.momentum)
