"""likelihood against scipy's distributions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli, NegativeBinomial, Normal

from jamie.losses.reconstruction import Likelihood, Reconstruction
from jamie.testing import toy


def test_it_is_half_the_squared_error_and_a_constant_for_unit_variance():
    batch = toy.batch(3)
    output = toy.Model()(batch)
    expected = 0.5 * Reconstruction()(batch, output).item() + 3 * 0.5 * np.log(2 * np.pi)
    assert Likelihood()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_each_modality_has_a_distribution_of_its_own():
    batch = toy.batch(3)
    generator = torch.Generator().manual_seed(0)
    target = dict(batch.target)
    target["atac"] = torch.bernoulli(torch.full_like(target["atac"], 0.3), generator=generator)
    target["protein"] = torch.poisson(torch.full_like(target["protein"], 4.0), generator=generator)
    batch = replace(batch, target=target)
    linear = toy.Model()(batch)

    def decoder(z, source, name):
        mean = linear.decoder(z, source, name).mean
        if name == "atac":
            return Bernoulli(logits=mean, validate_args=False)
        return NegativeBinomial(2.5, logits=mean, validate_args=False) if name == "protein" else Normal(mean, 0.7)

    output = replace(linear, decoder=decoder, _cache={})
    mean = {m: linear.decoder(linear.aggregated[m], m, m).mean.detach().double().numpy() for m in target}
    x = {m: t.double().numpy() for m, t in target.items()}
    p = {m: 1 / (1 + np.exp(-v)) for m, v in mean.items()}
    expected = -(
        stats.norm.logpdf(x["rna"], mean["rna"], 0.7).mean()
        + stats.bernoulli.logpmf(x["atac"], p["atac"]).mean()
        + stats.nbinom.logpmf(x["protein"], 2.5, 1 - p["protein"]).mean()
    )
    assert Likelihood()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_reconstruction_takes_the_likelihood_of_counts_unless_squared_error_is_asked_for():
    batch, model = toy.with_count_targets(toy.batch(3)), toy.Model(counts=True)
    output = model(batch)
    expected = {
        "auto": -np.sum([output.reconstruct(m).log_prob(t).mean().item() for m, t in batch.target.items()]),
        "squared": np.sum([(output.reconstruct(m).mean - t).square().mean().item() for m, t in batch.target.items()]),
    }
    assert expected["auto"] != pytest.approx(expected["squared"], rel=0.01)
    for error, value in expected.items():
        assert Reconstruction(error=error)(batch, output).item() == pytest.approx(value, rel=1e-5)
    assert Likelihood()(batch, output).item() == pytest.approx(expected["auto"], rel=1e-5)
