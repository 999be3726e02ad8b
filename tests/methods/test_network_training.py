import numpy as np
import pytest
import torch
from torch import nn

from jamie.core.context import Context
from jamie.methods.network_training import NetworkTraining

GROUP = ("a", "b")
OTHER = ("a", "c")


class Position(nn.Module):
    """One number, pulled up in training and down by the validation pairs once it is past 1."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(()))


def settings(**changed):
    return NetworkTraining(
        **{"learning_rate": 0.1, "weight_decay": 0, "batch_size": 4, "max_epochs": 60, "patience": 3} | changed
    )


def trained(sizes, training):
    network, seen = Position(), {True: [], False: []}
    validations = []

    def loss(group, index):
        seen[network.training].append((group, index))
        return (network.at - (3 if network.training else 1)) ** 2

    context = Context(progress=lambda stage, done, total, values: validations.append(values["validation"]))
    training.fit(network, loss, sizes, context)
    return network, seen, validations


def test_training_ends_with_patience_and_keeps_the_best_state():
    network, _, validations = trained({GROUP: 20}, settings())
    assert (network.at.item() - 1) ** 2 == pytest.approx(min(validations))
    assert len(validations) == int(np.argmin(validations)) + 1 + 3
    assert not network.training


def test_a_tenth_is_for_validation_and_the_others_seen_once_in_each_pass():
    _, seen, validations = trained({GROUP: 20, OTHER: 7}, settings(max_epochs=2))
    assert len(validations) == 2
    for group, n, n_validation in ((GROUP, 20, 2), (OTHER, 7, 1)):
        validation = [index for g, index in seen[False] if g == group]
        fitted = np.concatenate([index for g, index in seen[True] if g == group])
        assert len(validation[0]) == n_validation
        np.testing.assert_array_equal(validation[0], validation[1])
        np.testing.assert_array_equal(np.sort(fitted), np.repeat(np.setdiff1d(np.arange(n), validation[0]), 2))


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(10, 4, {3}), (6, 2, {2, 3}), (6, 1, {2, 3})])
def test_no_minibatch_holds_a_single_pair(n, batch_size, sizes):
    _, seen, _ = trained({GROUP: n}, settings(batch_size=batch_size, max_epochs=3))
    assert {len(index) for _, index in seen[True]} == sizes
