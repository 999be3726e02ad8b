"""Optimizers that break their contract."""

import torch

import jamie


class Sound(jamie.Optimizer):
    """Gradient descent with momentum."""

    elementwise = True

    def _start(self, groups):
        return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


class OwnSteps:
    """Plain gradient descent."""

    def __init__(self, groups):
        self.parameters = [p for group in groups for p in group["params"]]
        self.done = 0

    def direction(self, parameter):
        return parameter.grad

    def step(self, learning_rate):
        self.done += 1
        with torch.no_grad():
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter -= self.size(learning_rate) * self.direction(parameter)

    def size(self, learning_rate):
        return learning_rate

    def state(self):
        return {}

    def set_state(self, saved):
        pass


class Uphill(Sound):
    """Goes up."""

    def _start(self, groups):
        return torch.optim.SGD(groups, lr=1.0, maximize=True)


class Stubborn(Sound):
    """Has a step size of its own."""

    def _start(self, groups):
        steps = OwnSteps(groups)
        steps.size = lambda learning_rate: 0.1
        return steps


class Forgets(Sound):
    """Halves its steps with time, and forgets how many it has done."""

    def _start(self, groups):
        steps = OwnSteps(groups)
        steps.size = lambda learning_rate: learning_rate / 2**steps.done
        return steps


class Decays(Sound):
    """Shrinks everything."""

    def _start(self, groups):
        class Steps(OwnSteps):
            def step(self, learning_rate):
                super().step(learning_rate)
                with torch.no_grad():
                    for parameter in self.parameters:
                        parameter *= 1 - 0.01 * learning_rate

        return Steps(groups)


class Normed(Sound):
    """Divides by the norm of the whole gradient."""

    def _start(self, groups):
        steps = OwnSteps(groups)
        steps.direction = lambda parameter: parameter.grad / parameter.grad.norm()
        return steps


BROKEN = {
    "check_goes_downhill": [(Uphill, "optimizer 'uphill': goes downhill: expected less than")],
    "check_step_size_is_given": [(Stubborn, "a step of size 0 moves nothing")],
    "check_continues_from_a_state": [(Forgets, "a state restores it")],
    "check_parameters_without_a_gradient_stay": [(Decays, "a parameter without a gradient stays")],
    "check_elementwise": [(Normed, "stacked parameters go the way of each")],
}
