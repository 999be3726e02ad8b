"""contrastive against the sums of its equation."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from jamie.core.batch import PairBlocks
from jamie.losses.contrastive import Contrastive
from jamie.testing import toy


def plain_loss(z, block_of, tau):
    """The sums of the equation, cell by cell."""
    total = 0.0
    for a, b in permutations(z, 2):
        block, value, mass = block_of(a, b), 0.0, 0.0
        for i, row in enumerate(block):
            if not row.sum():
                continue
            s = np.exp(-((z[a][i] - z[b]) ** 2).sum(1) / (2 * tau))
            w = min(1.0, row.sum())
            value += w * (row / row.sum() * np.log(s / s.mean())).sum()
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


def loss_of(z_a, z_b):
    """Loss of cells of which those with equal index are partners."""
    batch = replace(toy.batch(), blocks=PairBlocks({("rna", "atac"): torch.eye(len(z_a))}))
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
