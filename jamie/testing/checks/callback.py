"""Callbacks, shown the epochs of a training whose loss falls."""

from __future__ import annotations

from itertools import product

import torch
from torch import nn

from jamie.core.interfaces import Callback
from jamie.core.interfaces.callback import Epoch
from jamie.testing import toy
from jamie.testing.assertions import build, require, require_equal

EPOCHS = 8


def check_watches_every_training(component: type[Callback]) -> None:
    """It says after each epoch whether to stop, for one member or three, with and without validation cells."""
    for n_members, validates in product((1, 3), (True, False)):
        case = f"{n_members} members, {'with' if validates else 'without'} validation cells"
        callback = build(component)
        for number in range(EPOCHS):
            try:
                answer = callback.after_epoch(_epoch(number, n_members, validates))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
                require(False, component, case, expected="an answer", found=found)
            require(isinstance(answer, bool), component, case, expected="True or False", found=answer)


def check_joins_at_any_epoch(component: type[Callback]) -> None:
    """Of a training that is resumed it sees the last epochs alone."""
    try:
        build(component).after_epoch(_epoch(EPOCHS - 1, 2, True))
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        require(False, component, "the first epoch that it sees is not the first", expected="an answer", found=found)


def check_leaves_networks_alone(component: type[Callback]) -> None:
    """It changes no weight, as it has copies, and need not ask for them."""
    network = toy.Model()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    callback = build(component)
    for number in range(EPOCHS):
        callback.after_epoch(_epoch(number, 1, True, network))
    require_equal(component, "the weights stay", dict(network.state_dict()), before, tolerance=0)


def _epoch(number: int, n_members: int, validates: bool, network: nn.Module | None = None) -> Epoch:
    losses = []
    for k in range(n_members):
        term = (1 + k / 10) / (1 + number)
        losses.append({"loss": 2 * term, "reconstruction": term, **({"validation": 1.5 * term} if validates else {})})
    with torch.random.fork_rng(devices=[]):
        shown = network or toy.Model()
    return Epoch(number, EPOCHS, tuple(losses), 0, lambda member: shown)
