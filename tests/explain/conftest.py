"""Trained models with their cells, as explainers see them."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core.context import Context
from jamie.data.assemble import mudata_conventions
from jamie.explain.explained_model import ExplainedModel

N_CELLS = 60
SHORT = {"training.ensemble": 2, "model.latent_dim": 3, "training.min_epochs": 3, "training.max_epochs": 3}


def two_modalities():
    """Counts of 15 genes (one constant, one cell empty) and of 8 proteins; two batches, a cell type."""
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(N_CELLS, 2))
    obs = pd.DataFrame(
        {"cell_type": np.where(latent[:, 0] > 0, "T", "B"), "batch": np.where(np.arange(N_CELLS) % 3, "one", "two")},
        index=[f"cell{i}" for i in range(N_CELLS)],
    )
    modalities = {}
    for name, p in (("rna", 15), ("adt", 8)):
        rates = np.exp(1.2 + 0.5 * latent @ generator.normal(size=(2, p)))
        counts = generator.poisson(rates).astype(np.float32)
        counts[:, 4] = 3
        if name == "rna":
            counts[7] = 0
            counts[7, 4] = 3
        modalities[name] = AnnData(counts, obs.copy(), pd.DataFrame(index=[f"{name}{j}" for j in range(p)]))
        modalities[name].layers["counts"] = counts
    return modalities


def explained(modalities, **settings):
    """Train for a few epochs."""
    with mudata_conventions():
        mdata = MuData(modalities)
    overrides = {f"modalities.{name}": {} for name in modalities}
    overrides |= {**SHORT, "labels": ["cell_type"], "evaluate.holdout": {"fraction": 0.3}, **settings}
    model = jamie.JAMIE("default", overrides).fit(mdata)
    prepared = model._fitted.prepared
    return ExplainedModel(model.model, prepared.dataset, prepared.split, Context())


@pytest.fixture(scope="session")
def cells():
    """Function that gives the cells, afresh."""
    return two_modalities


@pytest.fixture(scope="session")
def train():
    """Function that trains on cells for a few epochs, with settings by their dotted key."""
    return explained


@pytest.fixture(scope="session")
def subject():
    """A model by default, whose preprocessing is affine."""
    return explained(two_modalities())
