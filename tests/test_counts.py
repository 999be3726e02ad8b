"""Counts from end to end: principal components in, counts out."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core.errors import SpecError
from jamie.data.assemble import mudata_conventions

N_TRAINING, N_CELLS, N_GENES = 300, 400, 20


@pytest.fixture(scope="module")
def simulated():
    """Cells on a plane; counts that follow it, of cells of unlike depth, and proteins that do. With the true rates."""
    generator = np.random.default_rng(0)
    position = generator.normal(size=(N_CELLS, 2))
    rates = np.exp(1.5 + position @ generator.normal(scale=0.6, size=(2, N_GENES)))
    rates *= N_GENES * 8 / rates.sum(1, keepdims=True)
    depth = generator.lognormal(sigma=0.5, size=(N_CELLS, 1))
    counts = generator.poisson(rates * depth * generator.gamma(5, 1 / 5, size=rates.shape))
    proteins = position @ generator.normal(size=(2, 6)) + generator.normal(scale=0.2, size=(N_CELLS, 6))
    cells = [f"cell{i}" for i in range(N_CELLS)]

    def adata(X, prefix):
        var = pd.DataFrame(index=[f"{prefix}{j}" for j in range(X.shape[1])])
        return AnnData(X.astype(np.float32), pd.DataFrame(index=cells), var)

    with mudata_conventions():
        return MuData({"rna": adata(counts, "gene"), "protein": adata(proteins, "p")}), rates


def cells_of(mdata, rows):
    with mudata_conventions():
        return MuData({name: adata[rows].copy() for name, adata in mdata.mod.items()})


def settings(decoder, target):
    return {
        "preset": None,
        "modalities": {
            "rna": {
                "preprocess": ["log_normalize", "standardize", {"pca": {"n_components": 5}}],
                "target": target,
                "encoder": {"mlp": {"widths": [32]}},
                "decoder": {decoder: {"widths": [32]}},
            },
            "protein": {"preprocess": ["standardize"], "encoder": {"mlp": {"widths": [32]}}},
        },
        "model": {"latent_dim": 4},
        "losses": {"kl": 0.1, "combination": 1, "reconstruction": 1, "cross_reconstruction": 2},
        "training": {"min_epochs": 50, "max_epochs": 50, "batch_size": 100, "learning_rate": 0.01},
    }


@pytest.mark.parametrize("decoder", ["negative_binomial", "zero_inflated_negative_binomial", "poisson"])
def test_imputed_counts_are_near_the_true_rates_at_median_depth(simulated, decoder):
    mdata, rates = simulated
    model = jamie.JAMIE(settings(decoder, {})).fit(cells_of(mdata, slice(N_TRAINING)))
    imputed = np.asarray(model.impute(cells_of(mdata, slice(N_TRAINING, None)), source="protein", to="rna").X)
    counts = mdata["rna"].X
    median = np.median(counts[:N_TRAINING].sum(1))
    truth = rates[N_TRAINING:] / rates[N_TRAINING:].sum(1, keepdims=True) * median
    of_training = counts[:N_TRAINING].mean(0)
    assert imputed.min() >= 0
    assert imputed.sum(1).mean() == pytest.approx(median, rel=0.15)
    assert imputed.mean(0) == pytest.approx(truth.mean(0), rel=0.25)
    assert np.mean((imputed - truth) ** 2) < 0.3 * np.mean((of_training - truth) ** 2)
    measured = counts[N_TRAINING:]
    assert np.mean((imputed - measured) ** 2) < 0.9 * np.mean((of_training - measured) ** 2)


def test_open_and_closed_come_out_as_probabilities(simulated):
    mdata = cells_of(simulated[0], slice(None))
    mdata["rna"].layers["open"] = (np.median(mdata["rna"].X, axis=0) < mdata["rna"].X).astype(np.float32)
    model = jamie.JAMIE(settings("bernoulli", {"layer": "open"})).fit(cells_of(mdata, slice(N_TRAINING)))
    imputed = np.asarray(model.impute(cells_of(mdata, slice(N_TRAINING, None)), source="protein", to="rna").X)
    observed = mdata["rna"].layers["open"]
    of_training = observed[:N_TRAINING].mean(0)
    assert imputed.min() >= 0
    assert imputed.max() <= 1
    surprise = [-np.mean(np.log(np.where(observed[N_TRAINING:] > 0, p, 1 - p))) for p in (imputed, of_training)]
    assert surprise[0] < 0.95 * surprise[1]


def test_counts_are_refused_where_the_target_is_preprocessed(simulated):
    spec = settings("negative_binomial", None)
    with pytest.raises(
        jamie.DataError, match=r"target is changed by log_normalize, standardize, pca\n.*target to \{\}"
    ):
        jamie.JAMIE(spec).fit(simulated[0])


def test_a_cycle_is_refused_where_counts_cannot_be_encoded():
    spec = settings("poisson", {})
    spec["losses"]["cycle"] = 1
    with pytest.raises(SpecError, match=r"cycle encodes what was decoded, and rna has a target that its encoder"):
        jamie.JAMIE(spec)
