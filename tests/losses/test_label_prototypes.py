"""label_prototypes against the sums of its equation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jamie.core.batch import BatchElements
from jamie.losses.label_prototypes import LabelPrototypes
from jamie.testing import toy


def with_labels(batch, codes, column="cell_type", names=("a", "b", "c")):
    labels = {f"{column}:{m}": torch.tensor(values) for m, values in codes.items()}
    cells = {f"labels:{column}": {m: labels[f"{column}:{m}"] for m in codes}}
    return replace(batch, elements=BatchElements(cells, categories={column: names}))


@pytest.fixture
def labelled():
    generator = np.random.default_rng(0)
    return {m: generator.integers(-1, 3, size=n) for m, n in list(toy.BATCH_SIZE.items())[:2]}


@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_it_is_the_cross_entropy_of_softmaxed_distances_to_label_means(labelled, tau):
    batch = with_labels(toy.batch(), labelled)
    output = toy.Model()(batch)
    z = np.concatenate([output.z[m].detach().double().numpy() for m in labelled])
    y = np.concatenate(list(labelled.values()))
    means = np.stack([z[y == k].mean(axis=0) for k in range(3)])
    s = np.exp(-((z[:, None] - means) ** 2).sum(axis=2) / (2 * tau))
    expected = -np.mean([np.log(s[i, k] / s[i].sum()) for i, k in enumerate(y) if k >= 0])
    assert LabelPrototypes(temperature=tau)(batch, output).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("codes", [-1, 1])
def test_without_two_labels_it_adds_nothing_and_moves_nothing(labelled, codes):
    batch = with_labels(toy.batch(), {m: np.full(len(y), codes) for m, y in labelled.items()})
    model = toy.Model()
    value = LabelPrototypes()(batch, model(batch))
    assert value.item() == 0
    gradients = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    assert all(gradient is None or not gradient.any() for gradient in gradients)


def test_the_column_is_the_first_or_the_one_named(labelled):
    batch = with_labels(toy.batch(), labelled, "donor")
    output = toy.Model()(batch)
    assert LabelPrototypes()(batch, output) == LabelPrototypes(column="donor")(batch, output)
    other = with_labels(batch, {m: np.roll(y, 1) for m, y in labelled.items()}, "cell_type")
    both = BatchElements(
        {**batch.elements.cells, **other.elements.cells},
        categories={"donor": ("a", "b", "c"), "cell_type": tuple("abc")},
    )
    second = LabelPrototypes(column="cell_type")(replace(batch, elements=both), output)
    assert second == LabelPrototypes()(other, output)


def test_gradient_steps_pull_cells_to_those_of_their_label(labelled):
    z = {m: torch.randn(len(y), 3, requires_grad=True) for m, y in labelled.items()}
    batch = with_labels(toy.batch(), labelled)
    output = replace(toy.Model()(batch), z=z)
    optimizer = torch.optim.Adam(z.values(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        LabelPrototypes()(batch, output).backward()
        optimizer.step()
    points = np.concatenate([v.detach().numpy() for v in z.values()])
    y = np.concatenate(list(labelled.values()))
    means = np.stack([points[y == k].mean(axis=0) for k in range(3)])
    nearest = ((points[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest[y >= 0] == y[y >= 0]).all()
