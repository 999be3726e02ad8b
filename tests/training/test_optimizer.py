"""Adam and AdamW against torch's classes."""

import pytest
import torch

from jamie.training.optimizer import Adam, ParameterGroup


def quadratic(parameters):
    return sum((p - i).square().sum() for i, p in enumerate(parameters))


@pytest.mark.parametrize(("name", "cls"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_steps_are_those_of_torch_also_after_a_restored_state(name, cls):
    ours, theirs = ([torch.arange(6.0).view(2, 3), torch.ones(4)] for _ in range(2))
    for parameter in (*ours, *theirs):
        parameter.requires_grad_()

    def new():
        return Adam(name, [ParameterGroup(ours[:1], 0.5), ParameterGroup(ours[1:], 0.0)])

    reference = cls([{"params": theirs[:1], "weight_decay": 0.5}, {"params": theirs[1:], "weight_decay": 0.0}])
    optimizer = new()
    for step in range(6):
        if step == 3:
            state = optimizer.state()
            optimizer = new()
            optimizer.set_state(state)
        for parameters in (ours, theirs):
            for parameter in parameters:
                parameter.grad = None
            quadratic(parameters).backward()
        for group in reference.param_groups:
            group["lr"] = 0.1 * (step + 1)
        reference.step()
        optimizer.step(0.1 * (step + 1))
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two)


def test_a_parameter_without_a_gradient_stays():
    parameter = torch.ones(3, requires_grad=True)
    Adam("adamw", [ParameterGroup([parameter], 0.5)]).step(0.1)
    assert parameter.tolist() == [1, 1, 1]
