"""Optimizers, on a small quadratic function of a matrix and a vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from jamie.core.interfaces import Optimizer
from jamie.core.interfaces.optimizer import Steps
from jamie.testing.assertions import build, require, require_equal, require_finite

RATE, STEPS = 0.01, 5
MINIMUM = 3.0  # of the function, at every number


def check_goes_downhill(component: type[Optimizer]) -> None:
    """A few small steps lower the function, and leave it finite."""
    parameters = _parameters()
    before = _function(parameters)
    _walk(_started(component, parameters), parameters, STEPS)
    require_finite(component, "the parameters after a few steps", tuple(parameters))
    after = _function(parameters)
    require(after < before, component, "goes downhill", expected=f"less than {before.item():g}", found=after.item())


def check_step_size_is_given(component: type[Optimizer]) -> None:
    """A step of size 0 moves nothing, as the schedule of the spec sets the size of each step."""
    parameters = _parameters()
    steps, before = _started(component, parameters), [p.detach().clone() for p in parameters]
    _gradients(parameters)
    steps.step(0.0)
    require_equal(component, "a step of size 0 moves nothing", tuple(parameters), tuple(before), tolerance=1e-7)


def check_continues_from_a_state(component: type[Optimizer]) -> None:
    """Another one with the same state, of tensors alone, goes the same way."""
    parameters = _parameters()
    steps = _started(component, parameters)
    _walk(steps, parameters, STEPS)
    state = {name: value.clone() for name, value in steps.state().items()}
    copies = [p.detach().clone().requires_grad_() for p in parameters]
    other = _started(component, copies)
    other.set_state(state)
    _walk(steps, parameters, STEPS)
    _walk(other, copies, STEPS)
    require_equal(component, "a state restores it", tuple(copies), tuple(parameters), tolerance=0)


def check_parameters_without_a_gradient_stay(component: type[Optimizer]) -> None:
    """What has no gradient, such as a layer that is not used, stays as it is."""
    parameters = _parameters()
    steps, before = _started(component, parameters), parameters[0].detach().clone()
    parameters[1].grad = torch.ones_like(parameters[1])
    steps.step(RATE)
    require_equal(component, "a parameter without a gradient stays", parameters[0], before, tolerance=0)


def check_elementwise(component: type[Optimizer]) -> None:
    """If it is `elementwise`, parameters of two members that are stacked go the way of each by itself."""
    if not build(component).elementwise:
        return
    members = [_parameters(), [p.detach().neg().requires_grad_() for p in _parameters()]]
    stacked = [torch.stack([p.detach() for p in pair]).requires_grad_() for pair in zip(*members, strict=True)]
    for parameters in (*members, stacked):
        _walk(_started(component, parameters), parameters, STEPS)
    alone = tuple(torch.stack([p.detach() for p in pair]) for pair in zip(*members, strict=True))
    require_equal(component, "stacked parameters go the way of each", tuple(stacked), alone, tolerance=1e-6)


def _parameters() -> list[Tensor]:
    values = torch.linspace(-2, 2, 10)
    return [values[:6].view(2, 3).clone().requires_grad_(), values[6:].clone().requires_grad_()]


def _started(component: type[Optimizer], parameters: Sequence[Tensor]) -> Steps:
    groups = [{"params": [one], "weight_decay": 0.0} for one in parameters]
    return build(component).start(groups)  # type: ignore[arg-type]  # a list of such mappings


def _function(parameters: Sequence[Tensor]) -> Tensor:
    return torch.stack([(p - MINIMUM).square().sum() for p in parameters]).sum()


def _gradients(parameters: Sequence[Tensor]) -> None:
    for parameter in parameters:
        parameter.grad = None
    _function(parameters).backward()


def _walk(steps: Steps, parameters: Sequence[Tensor], count: int) -> None:
    for _ in range(count):
        _gradients(parameters)
        steps.step(RATE)
