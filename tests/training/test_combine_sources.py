"""Weights of several sources, fitted on cells that each network was trained without."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core.sources import JointSources, all_others, weighed_sources
from jamie.data.assemble import mudata_conventions
from jamie.trust.source_weights import SourceWeights

N = 100
SETTINGS = {"modalities.*.preprocess": ["standardize"], "training.calibration": 0.3, "evaluate.metrics": []}


def model(names):
    """A model of modalities that share two latents, but for the first, which is noise."""
    generator = np.random.default_rng(0)
    latent, modalities = generator.normal(size=(N, 2)), {}
    for i, name in enumerate(names):
        X = generator.normal(size=(N, 6)) + (latent @ generator.normal(size=(2, 6)) * 2 if i else 0)
        adata = AnnData(X.astype(np.float32), obs=pd.DataFrame(index=[f"cell{j}" for j in range(N)]))
        adata.var_names = [f"{name}{j}" for j in range(6)]
        modalities[name] = adata
    with mudata_conventions():
        fitted = jamie.JAMIE("fast", SETTINGS, latent_dim=3, max_epochs=20).fit(MuData(modalities))
    return fitted.model


@pytest.fixture(scope="module")
def three():
    return model(["noise", "rna", "atac"])


def test_noise_gets_no_weight(three):
    combinations = three.uncertainty.combinations
    assert set(combinations) == set(all_others(["noise", "rna", "atac"]))
    noise, rna = combinations[JointSources(("noise", "rna"), "atac")].weights
    assert noise < 0.2 < 0.8 < rna


def test_intervals_are_those_of_the_combined_values(three):
    combined = three.calibration(JointSources(("noise", "rna"), "atac"))
    alone = three.uncertainty.calibrations["rna", "atac"]
    assert combined.n.tolist() == alone.n.tolist() == [24] * 6
    width, of_one = ((c.upper - c.lower) * c.scale for c in (combined, alone))
    np.testing.assert_allclose(width.mean(), of_one.mean(), rtol=0.3)


def test_counts_stay_within_their_sources():
    counts = {"modalities": {"rna": {}, "protein": {}, "atac": {"decoder": "negative_binomial", "preprocess": []}}}
    generator = np.random.default_rng(0)
    latent, modalities = generator.normal(size=(N, 2)), {}
    for name in ("rna", "protein", "atac"):
        rates = np.exp(latent @ generator.normal(size=(2, 6)) * 0.5 + 1)
        adata = AnnData((generator.poisson(rates) if name == "atac" else np.log(rates)).astype(np.float32))
        adata.obs_names, adata.var_names = [f"cell{j}" for j in range(N)], [f"{name}{j}" for j in range(6)]
        modalities[name] = adata
    with mudata_conventions():
        mdata = MuData(modalities)
        fitted = jamie.JAMIE("fast", SETTINGS | counts, latent_dim=3, max_epochs=5).fit(mdata)
    weights = fitted.model.uncertainty.combinations[JointSources(("rna", "protein"), "atac")].weights
    assert weights.sum() <= 1 + 1e-9
    assert (fitted.impute(mdata, sources=["rna", "protein"], to="atac").X >= 0).all()


def test_sources_that_no_cell_has_together_get_none(caplog):
    generator = np.random.default_rng(0)
    modalities = {}
    for name, rows in (("rna", slice(None)), ("protein", slice(0, 50)), ("atac", slice(50, None))):
        adata = AnnData(generator.normal(size=(N, 6)).astype(np.float32))
        adata.obs_names, adata.var_names = [f"cell{j}" for j in range(N)], [f"{name}{j}" for j in range(6)]
        modalities[name] = adata[rows].copy()
    with mudata_conventions(), caplog.at_level("INFO", "jamie"):
        fitted = jamie.JAMIE("fast", SETTINGS, latent_dim=3, max_epochs=2).fit(MuData(modalities))
    assert not fitted.model.uncertainty.combinations
    assert "protein+atac to rna: too few calibration cells have all of these for weights" in caplog.text
    assert fitted.model.combination(JointSources(("rna", "protein"), "atac")).weights.tolist() == [0.5, 0.5]


def test_every_two_sources_and_all_together():
    assert not list(weighed_sources(["a", "b"]))
    of_e = [joint.name for joint in weighed_sources(list("abcde")) if joint.target == "e"]
    assert of_e == ["a+b", "a+c", "a+d", "b+c", "b+d", "c+d", "a+b+c+d"]


def test_all_of_five_modalities_are_kept_by_a_saved_model():
    fitted = model(list("abcde"))
    restored = fitted.uncertainty.from_state(fitted.uncertainty.state(list("abcde")), list("abcde"))
    assert list(restored.combinations) == list(fitted.uncertainty.combinations)
    assert len(restored.combinations) == 5 * 7
    assert isinstance(restored.combinations[JointSources(("a", "b"), "e")], SourceWeights)
