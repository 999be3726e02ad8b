import numpy as np
import pytest
import torch
from torch import nn

from jamie.core.context import Context
from jamie.methods.early_stopping import Training, train

GROUP = ("a", "b")
OTHER = ("a", "c")


class Place(nn.Module):
    """One number, pulled up in training and down by the pairs set aside once it is past 1."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(()))


def settings(**changed):
    return Training(
        **{"learning_rate": 0.1, "weight_decay": 0, "batch_size": 4, "max_epochs": 60, "patience": 3} | changed
    )


def trained(sizes, training):
    network, seen = Place(), {True: [], False: []}
    validations = []

    def loss(group, index):
        seen[network.training].append((group, index))
        return (network.at - (3 if network.training else 1)) ** 2

    context = Context(progress=lambda stage, done, total, values: validations.append(values["validation"]))
    train(network, loss, sizes, training, context)
    return network, seen, validations


def test_training_ends_with_patience_and_keeps_the_best_state():
    network, _, validations = trained({GROUP: 20}, settings())
    assert (network.at.item() - 1) ** 2 == pytest.approx(min(validations))
    assert len(validations) == int(np.argmin(validations)) + 1 + 3
    assert not network.training


def test_a_tenth_is_set_aside_and_the_others_seen_once_in_each_pass():
    _, seen, validations = trained({GROUP: 20, OTHER: 7}, settings(max_epochs=2))
    assert len(validations) == 2
    for group, n, n_aside in ((GROUP, 20, 2), (OTHER, 7, 1)):
        aside = [index for g, index in seen[False] if g == group]
        fitted = np.concatenate([index for g, index in seen[True] if g == group])
        assert len(aside[0]) == n_aside
        np.testing.assert_array_equal(aside[0], aside[1])
        np.testing.assert_array_equal(np.sort(fitted), np.repeat(np.setdiff1d(np.arange(n), aside[0]), 2))


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(10, 4, {3}), (6, 2, {2, 3}), (6, 1, {2, 3})])
def test_no_minibatch_holds_a_single_pair(n, batch_size, sizes):
    _, seen, _ = trained({GROUP: n}, settings(batch_size=batch_size, max_epochs=3))
    assert {len(index) for _, index in seen[True]} == sizes
