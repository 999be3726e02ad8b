"""latent_mmd against the double sums of its equation."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from jamie.losses.latents import LatentMMD
from jamie.testing import toy


def plain_mmd(x, y, factors):
    """Eq. 5 of Gretton et al. 2012, squared, with a mean of Gaussian kernels."""
    both = np.vstack([x, y])
    sigma2 = np.mean([np.sum((u - v) ** 2) for u in both for v in both]) / 2

    def k(u, v):
        return np.mean([np.exp(-np.sum((u - v) ** 2) / (2 * s**2 * sigma2)) for s in factors])

    mean = [np.mean([k(u, v) for u in one for v in other]) for one, other in ((x, x), (y, y), (x, y))]
    return mean[0] + mean[1] - 2 * mean[2]


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("factors", [None, [1.0], [0.3, 2.0]])
def test_it_is_the_biased_estimator_over_unordered_pairs(n_modalities, factors):
    batch = toy.batch(n_modalities)
    output = toy.Model()(batch)
    z = {m: v.detach().double().numpy() for m, v in output.z.items()}
    expected = sum(plain_mmd(z[a], z[b], factors or [0.25, 0.5, 1, 2, 4]) for a, b in combinations(z, 2))
    assert LatentMMD(bandwidths=factors)(batch, output).item() == pytest.approx(expected, rel=1e-4)


def test_it_is_zero_for_equal_sets_and_large_for_sets_far_apart():
    batch, model = toy.batch(), toy.Model()
    output, z = model(batch), torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    same = replace(output, z={"rna": z, "atac": z.flip(0)})
    apart = replace(output, z={"rna": z, "atac": z + 100})
    assert LatentMMD()(batch, same).item() == pytest.approx(0, abs=1e-5)
    assert LatentMMD(bandwidths=[0.1])(batch, apart).item() > 0.9


def test_following_the_gradient_brings_the_distributions_together():
    generator = torch.Generator().manual_seed(0)
    fixed = torch.randn(50, 2, generator=generator)
    moved = (torch.randn(40, 2, generator=generator) * 0.5 + 3).requires_grad_()
    batch, output = toy.batch(), toy.Model()(toy.batch())
    optimizer = torch.optim.Adam([moved], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        LatentMMD()(batch, replace(output, z={"rna": fixed, "atac": moved})).backward()
        optimizer.step()
    assert moved.mean(0).detach().numpy() == pytest.approx(fixed.mean(0).numpy(), abs=0.3)
