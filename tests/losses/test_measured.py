"""What was not measured counts in no loss, whatever the distribution and however targets were preprocessed."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, NegativeBinomial, Normal, Poisson

from jamie.core.batch import MeasuredCells
from jamie.losses.prediction_error import errors_of_cells, mean_error

B, T = 6, 5
MASK = torch.tensor([[1.0] * T, [1, 1, 1, 0, 0]])
PANEL = torch.tensor([0, 1, 0, 1, 1, 0])
MEASURED = MeasuredCells(PANEL, tuple(MASK))

DISTRIBUTIONS = {
    "normal": lambda raw: Normal(raw, torch.ones_like(raw)),
    "gaussian": lambda raw: Normal(raw, 0.5 + raw.square()),
    "poisson": lambda raw: Poisson(raw.exp(), validate_args=False),
    "negative_binomial": lambda raw: NegativeBinomial(torch.full_like(raw, 3.0), logits=raw, validate_args=False),
    "bernoulli": lambda raw: Bernoulli(logits=raw, validate_args=False),
}


@pytest.fixture
def raw():
    return torch.as_tensor(np.random.default_rng(0).normal(size=(B, T)), dtype=torch.float32).requires_grad_()


def target(fill):
    values = torch.as_tensor(np.random.default_rng(1).integers(0, 2, (B, T)), dtype=torch.float32)
    return torch.where(MASK[PANEL] > 0, values, torch.tensor(float(fill)))


@pytest.mark.parametrize("measure", ["squared", "likelihood", "auto"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_error_is_the_mean_over_what_was_measured(raw, name, measure):
    measure_of = {"auto": "squared" if name in ("normal", "gaussian") else "likelihood"}.get(measure, measure)
    distribution, there = DISTRIBUTIONS[name](raw), MASK[PANEL] > 0
    values = target(1)
    each = (distribution.mean - values).square() if measure_of == "squared" else -distribution.log_prob(values)
    found = mean_error(distribution, values, measure, MEASURED)
    assert found.item() == pytest.approx(each[there].mean().item(), rel=1e-5)


@pytest.mark.parametrize("measure", ["squared", "likelihood"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_stands_in_its_place_changes_nothing_and_teaches_nothing(raw, name, measure):
    losses = [mean_error(DISTRIBUTIONS[name](raw), target(fill), measure, MEASURED) for fill in (0, 1)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    losses[0].backward()
    assert (raw.grad[MASK[PANEL] == 0] == 0).all()
    assert (raw.grad[MASK[PANEL] > 0] != 0).any()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_partners_count_by_what_was_measured_of_them(raw, name):
    order = torch.tensor([3, 0, 1, 2, 5, 4])
    partners = torch.eye(B)[order]
    distribution = DISTRIBUTIONS[name](raw)
    errors = errors_of_cells(distribution, partners, target(0), "auto", MEASURED)
    moved = MeasuredCells(PANEL[order], MEASURED.parts)
    of_each = [
        mean_error(
            DISTRIBUTIONS[name](raw[[i]]), target(0)[order][[i]], "auto", MeasuredCells(moved.panel[[i]], moved.parts)
        ).item()
        for i in range(B)
    ]
    assert errors.tolist() == pytest.approx(of_each, rel=1e-5)


def test_a_cell_without_measured_partners_adds_nothing(raw):
    errors = errors_of_cells(DISTRIBUTIONS["normal"](raw), torch.zeros(B, B), target(0), "auto", MEASURED)
    assert (errors == 0).all()


def test_of_scores_only_the_measured_part_of_the_residual_counts(raw):
    part = torch.as_tensor(np.random.default_rng(2).normal(size=(T, T)), dtype=torch.float32)
    measured = MeasuredCells(PANEL, (torch.eye(T), part))
    values = target(0)
    residual = values - raw
    expected = torch.where((PANEL == 1)[:, None], residual @ part, residual).square().sum()
    found = mean_error(DISTRIBUTIONS["normal"](raw), values, "squared", measured) * measured.weight().sum()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
