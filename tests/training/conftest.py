"""A small simulated data set, prepared once."""

import pytest

from jamie.core.context import Context
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.preprocess.prepare import prepare
from jamie.spec import load_spec

SPEC = {
    "preset": "paper",
    "data": {"simulate_branch": {"n_cells": 60, "n_features": [20, 30]}},
    "labels": ["cell_type"],
    "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 8}}]}},
    "model": {"latent_dim": 4},
    "training": {"min_epochs": 10, "max_epochs": 30, "patience": 10, "batch_size": 25, "checkpoint_seconds": 0},
}


@pytest.fixture(scope="session")
def spec():
    return load_spec(SPEC)


@pytest.fixture(scope="session")
def prepared(spec):
    context = Context()
    dataset = load_dataset(spec, context).dataset
    return prepare(dataset, split_cells(dataset, spec.evaluate.holdout, context), spec, context)
