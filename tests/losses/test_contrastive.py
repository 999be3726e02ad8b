"""contrastive against the sums of its equation."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from jamie.core.batch import PairBlocks
from jamie.losses.contrastive import Contrastive
from jamie.testing import toy


def plain_loss(z, block_of, tau, batches=None):
    """The sums of the equation, cell by cell; `batches` are the numbers of the cells' batches."""
    total = 0.0
    for a, b in permutations(z, 2):
        block, value, mass = block_of(a, b), 0.0, 0.0
        for i, row in enumerate(block):
            if not row.sum():
                continue
            s = np.exp(-((z[a][i] - z[b]) ** 2).sum(1) / (2 * tau))
            w = min(1.0, row.sum())
            told_from = slice(None) if batches is None else (batches[b] == batches[a][i]) | (row > 0)
            value += w * (row / row.sum() * np.log(s / s[told_from].mean())).sum()
            mass += w
        total -= value / (2 * mass)
    return total


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("tau", [1.0, 0.5, 4.0])
def test_it_is_the_sum_over_ordered_pairs(n_modalities, tau):
    batch = toy.batch(n_modalities)
    output = toy.Model()(batch)
    z = {m: v.detach().double().numpy() for m, v in output.z.items()}
    expected = plain_loss(z, lambda a, b: batch.blocks.between(a, b).double().numpy(), tau)
    assert Contrastive(temperature=tau)(batch, output).item() == pytest.approx(expected, rel=1e-4)


def test_with_batches_cells_are_told_from_those_of_their_own():
    made, generator = toy.batch(), np.random.default_rng(0)
    batches = {m: generator.integers(2, size=len(x)) for m, x in made.x.items()}
    unknown = {m: np.eye(2, dtype=np.float32)[numbers] for m, numbers in batches.items()}
    unknown["rna"][0], batches["rna"][0] = 0, -1
    batch = replace(made, covariates={m: torch.tensor(one_hot) for m, one_hot in unknown.items()})
    output = toy.Model()(made)
    z = {m: v.detach().double().numpy() for m, v in output.z.items()}
    expected = plain_loss(z, lambda a, b: batch.blocks.between(a, b).double().numpy(), 1.0, batches)
    assert Contrastive()(batch, output).item() == pytest.approx(expected, rel=1e-4)
    assert expected != pytest.approx(plain_loss(z, lambda a, b: batch.blocks.between(a, b).double().numpy(), 1.0))


def test_latents_that_say_no_more_than_the_batch_say_nothing():
    batch = torch.eye(2).repeat_interleave(4, dim=0)
    assert loss_of(10 * batch, 10 * batch).item() < -0.6
    told = loss_of(10 * batch, 10 * batch, {"rna": batch, "atac": batch})
    assert told.item() == pytest.approx(0, abs=1e-6)


def loss_of(z_a, z_b, covariates=None):
    """Loss of cells of which those with equal index are partners."""
    batch = replace(toy.batch(), blocks=PairBlocks({("rna", "atac"): torch.eye(len(z_a))}), covariates=covariates or {})
    output = replace(toy.Model()(toy.batch()), z={"rna": z_a, "atac": z_b})
    return Contrastive()(batch, output)


def test_it_is_zero_where_latents_say_nothing_and_log_n_where_they_say_all():
    same, apart = torch.ones(8, 2), torch.eye(8) * 10
    assert loss_of(same, same).item() == pytest.approx(0, abs=1e-6)
    assert loss_of(apart, apart).item() == pytest.approx(-np.log(8), rel=1e-5)


def test_without_pairs_it_adds_nothing():
    batch = toy.batch(matched=False)
    assert Contrastive()(batch, toy.Model()(batch)).item() == 0


def test_following_the_gradient_ranks_partners_first():
    generator = torch.Generator().manual_seed(0)
    fixed = torch.randn(30, 2, generator=generator)
    moved = torch.randn(30, 2, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([moved], lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        loss_of(3 * fixed, moved).backward()
        optimizer.step()
    nearest = torch.cdist(moved.detach(), 3 * fixed).argmin(dim=1)
    assert (nearest == torch.arange(30)).float().mean() > 0.9
