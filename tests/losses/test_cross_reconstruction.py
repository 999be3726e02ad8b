"""cross_reconstruction against plain loops over cells, and what it trains."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch.distributions import Normal, Poisson

from jamie.core.batch import Output, PairBlocks
from jamie.losses.reconstruction import CrossReconstruction
from jamie.testing import toy


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_it_is_the_squared_error_of_matched_cells_weighted_by_mass(n_modalities):
    batch = toy.batch(n_modalities)
    blocks = dict(batch.blocks.by_pair)
    blocks["rna", "atac"] = blocks["rna", "atac"].clone()
    blocks["rna", "atac"][6, :3] = torch.tensor([0.2, 0.4, 0.8])  # several partners, of more than all its mass
    blocks["rna", "atac"][0, 5] = 0.1
    batch = replace(batch, blocks=PairBlocks(blocks))
    output = toy.Model()(batch)
    expected = 0.0
    for a, b in permutations(batch.x, 2):
        f = batch.blocks.between(a, b).double().numpy()
        x, decoded = batch.target[b].double().numpy(), output.decode(a, b).mean.detach().double().numpy()
        errors, mass = [], []
        for i in np.flatnonzero(f.sum(1)):
            partners = sum(f[i, j] * x[j] for j in range(len(x))) / f[i].sum()
            errors.append(np.mean((decoded[i] - partners) ** 2))
            mass.append(min(1, f[i].sum()))
        expected += np.average(errors, weights=mass)
    assert CrossReconstruction()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_it_is_zero_where_no_cell_is_matched():
    for batch in (toy.batch(3, matched=False), replace(toy.batch(3), blocks=PairBlocks())):
        assert CrossReconstruction()(batch, toy.Model()(batch)).item() == 0


def test_it_decodes_the_cells_own_latents_not_the_aggregated():
    batch, model = toy.batch(), toy.Model()
    output = model(batch)
    others = {m: 5 * z for m, z in output.aggregated.items()}
    assert CrossReconstruction()(batch, replace(output, aggregated=others, _cache={})) == CrossReconstruction()(
        batch, output
    )
    z = {m: v.detach().requires_grad_() for m, v in output.z.items()}
    CrossReconstruction()(batch, replace(output, z=z, _cache={})).backward()
    matched = {"rna": batch.blocks.between("rna", "atac").sum(1), "atac": batch.blocks.between("atac", "rna").sum(1)}
    for m, mass in matched.items():
        assert ((z[m].grad.abs().sum(1) > 0) == (mass > 0)).all()


@pytest.mark.parametrize("error", ["auto", "likelihood", "squared"])
def test_counts_are_judged_by_their_likelihood_unless_squared_error_is_asked_for(error):
    batch = toy.batch()
    target = {m: torch.poisson(torch.full_like(t, 3.0)) for m, t in batch.target.items()}
    pairs = torch.zeros(toy.BATCH_SIZE["rna"], toy.BATCH_SIZE["atac"])
    pairs[0, 1] = pairs[2, 3] = 1
    batch = replace(batch, target=target, blocks=PairBlocks({("rna", "atac"): pairs}))
    linear = toy.Model()(batch)

    def decoder(z, source, name):
        mean = linear.decoder(z, source, name).mean
        return Normal(mean, 2.0) if name == "rna" else Poisson(mean.exp(), validate_args=False)

    output = Output(linear.posterior, linear.z, linear.aggregated, decoder, linear.encoder)
    rna, atac = output.decode("atac", "rna"), output.decode("rna", "atac")
    here, there = [0, 2], [1, 3]
    if error == "squared":
        of_atac = (atac.mean[here] - target["atac"][there]).square().mean()
    else:
        of_atac = -Poisson(atac.rate[here]).log_prob(target["atac"][there]).mean()
    if error == "likelihood":
        of_rna = -Normal(rna.loc[there], 2.0).log_prob(target["rna"][here]).mean()
    else:
        of_rna = (rna.mean[there] - target["rna"][here]).square().mean()
    found = CrossReconstruction(error=error)(batch, output)
    assert found.item() == pytest.approx((of_rna + of_atac).item(), rel=1e-5)
