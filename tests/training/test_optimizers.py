"""Optimizers against torch's classes."""

import pytest
import torch

import jamie
from jamie.core.errors import ContractError, SpecError
from jamie.spec import load_spec
from jamie.training.optimizers.adam import Adam, AdamW
from jamie.training.optimizers.torch_optimizers import TorchOptimizer

SIMULATED = {"data": "simulate_branch"}


def quadratic(parameters):
    return sum((p - i).square().sum() for i, p in enumerate(parameters))


def by_name(name, **parameters):
    written = {name: parameters} if parameters else name
    return load_spec(SIMULATED, {"training.optimizer": written}).training.optimizer.build()


@pytest.mark.parametrize(
    ("component", "cls", "settings"),
    [
        (Adam(), torch.optim.Adam, {}),
        (AdamW(), torch.optim.AdamW, {}),
        (AdamW(betas=(0.5, 0.9), eps=1e-3), torch.optim.AdamW, {"betas": (0.5, 0.9), "eps": 1e-3}),
        (by_name("sgd", momentum=0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (by_name("nadam"), torch.optim.NAdam, {}),
        (by_name("adafactor"), torch.optim.Adafactor, {}),
        (by_name("torch", optimizer="ASGD", parameters={"alpha": 0.5}), torch.optim.ASGD, {"alpha": 0.5}),
        (by_name("torch", optimizer="torch.optim.RAdam"), torch.optim.RAdam, {}),
    ],
)
def test_steps_are_those_of_torch_also_after_a_restored_state(component, cls, settings):
    ours, theirs = ([torch.arange(6.0).view(2, 3), torch.ones(4)] for _ in range(2))
    for parameter in (*ours, *theirs):
        parameter.requires_grad_()

    def new():
        return component.start([{"params": ours[:1], "weight_decay": 0.5}, {"params": ours[1:], "weight_decay": 0.0}])

    groups = [{"params": theirs[:1], "weight_decay": 0.5}, {"params": theirs[1:], "weight_decay": 0.0}]
    reference = cls(groups, **settings)
    optimizer = new()
    for step in range(6):
        if step == 3:
            state = {name: value.clone() for name, value in optimizer.state().items()}
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


def test_numbers_of_a_state_come_back_as_numbers():
    class Counts(torch.optim.SGD):
        """Counts its steps as a number, not as a tensor."""

        def step(self, closure=None):
            self.param_groups[0]["count"] = self.param_groups[0].get("count", 0) + 1
            super().step()

    class Counting(jamie.Optimizer):
        """Counts."""

        name = "counting"

        def _start(self, groups):
            return Counts(groups)

    groups = [{"params": [torch.ones(2, requires_grad=True)], "weight_decay": 0.0}]
    first, second = Counting().start(groups), Counting().start(groups)
    first.step(0.1)
    second.set_state(first.state())
    assert second._optimizer.param_groups[0]["count"] == 1
    assert second._optimizer.param_groups[0]["nesterov"] is False


@pytest.mark.parametrize("component", [AdamW(), by_name("sgd")])
def test_a_parameter_without_a_gradient_stays(component):
    parameter = torch.ones(3, requires_grad=True)
    component.start([{"params": [parameter], "weight_decay": 0.5}]).step(0.1)
    assert parameter.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"sgd": {"momentun": 0.9}}, "unknown key 'momentun'\n  did you mean 'momentum'"),
        ({"sgd": {"momentum": "much"}}, "expected a number, found 'much'"),
        ("sdg", "unknown optimizer 'sdg'\n  did you mean 'sgd'"),
        ({"torch": {"optimizer": "Lion"}}, "expected an optimizer of torch.optim, found 'Lion'"),
        ({"torch": {"optimizer": "LBFGS"}}, "expected an optimizer of torch.optim, found 'LBFGS'"),
        ({"torch": {"optimizer": "absent.Lion"}}, "expected an installed package, found none called 'absent'"),
        ({"torch": {"optimizer": "SGD", "parameters": {"beta": 1}}}, "SGD has no parameter 'beta'"),
    ],
)
def test_a_wrong_optimizer_is_refused_before_data_are_read(written, words):
    with pytest.raises(SpecError, match=words):
        load_spec(SIMULATED, {"training.optimizer": written})


def test_what_torch_refuses_is_an_error_of_the_spec():
    groups = [{"params": [torch.ones(2, requires_grad=True)], "weight_decay": 0.0}]
    with pytest.raises(SpecError, match=r"optimizer 'sgd': Invalid momentum value: -1.0\n  correct its parameters"):
        by_name("sgd", momentum=-1.0).start(groups)
    with pytest.raises(SpecError, match=r"optimizer 'torch', json.Lion: module 'json' has no attribute 'Lion'"):
        TorchOptimizer(optimizer="json.Lion").start(groups)
    with pytest.raises(SpecError, match=r"json.JSONDecoder: expected a subclass of torch.optim.Optimizer"):
        TorchOptimizer(optimizer="json.JSONDecoder").start(groups)
    groups[0]["weight_decay"] = 0.5
    with pytest.raises(SpecError, match=r"Rprop has no weight decay: expected training.weight_decay 0, found another"):
        TorchOptimizer(optimizer="Rprop").start(groups)


def test_what_is_no_optimizer_is_refused():
    class Nothing(jamie.Optimizer):
        """Makes nothing."""

        name = "nothing"

        def _start(self, groups):
            return groups

    with pytest.raises(ContractError, match=r"expected _start to return a torch.optim.Optimizer, found list\n  return"):
        Nothing().start([])
