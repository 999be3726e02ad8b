"""Encoders and decoders with tied weights and shared submodules are trained, checkpointed, saved and loaded."""

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.model.members import join_members
from jamie.model.store import load_model, save_model
from jamie.model.trained import TrainedModel
from jamie.preprocess.prepare import prepare
from jamie.spec import load_spec
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.train import train

PLUGIN = '''
import torch
from torch import nn

from jamie import Decoder, Encoder, Posterior


class SharedEncoder(Encoder):
    """Two heads, one submodule in two places, and a weight that is tied to another one."""

    name = "shared_parts"

    def __init__(self, n_features: int, n_latent: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(n_features, 8)
        self.block, self.again = (block := nn.Linear(8, 8)), block
        self.second = nn.Linear(8, 8)
        self.second.weight = self.block.weight
        self.mean = nn.Linear(8, n_latent)

    def forward(self, x, covariates=None):
        return Posterior(self.mean(self.second(self.again(self.block(self.first(x)).relu()).relu()).relu()))


class TiedDecoder(Decoder):
    """Its second layer is the first one transposed."""

    name = "tied"

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(n_latent, n_latent) / 4)
        self.same = self.inner
        self.out = nn.Linear(n_latent, n_features)

    def forward(self, z, covariates=None, size_factor=None):
        return torch.distributions.Normal(self.out((z @ self.inner).relu() @ self.same.T), 1.0)
'''


@pytest.fixture
def spec(tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    settings = {
        "data": {"simulate_branch": {"n_cells": 60, "n_features": [20, 30]}},
        "plugins": [str(plugin)],
        "modalities": {
            "*": {
                "preprocess": ["standardize", {"pca": {"n_components": 6}}],
                "encoder": "shared_parts",
                "decoder": "tied",
            }
        },
        "correspondence": {"infer": None},
        "model": {"latent_dim": 4, "stack": None},
        "training": {"ensemble": 2, "max_epochs": 4, "batch_size": 16, "device": "cpu", "checkpoint_seconds": 0},
    }
    return load_spec(settings)


def test_tied_weights_are_saved_and_loaded(spec, tmp_path):
    context = Context()
    dataset = load_dataset(spec, context).dataset
    prepared = prepare(dataset, split_cells(dataset, spec.evaluate.holdout, context), spec, context)
    cells = prepared.subset(prepared.split.train).cells()
    checkpoints = CheckpointFiles(tmp_path / "training.safetensors")
    ensemble = train(cells, None, spec, context, checkpoints)
    again = train(cells, None, spec, context, checkpoints)  # continues at the end of the first
    model = TrainedModel.of(prepared, ensemble.spec, ensemble.networks)
    (tmp_path / "model").mkdir()
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for m, x in prepared.scores.items():
        expected = model.encode(m, x)
        np.testing.assert_array_equal(TrainedModel.of(prepared, again.spec, again.networks).encode(m, x), expected)
        np.testing.assert_array_equal(loaded.encode(m, x), expected)
    a, b = prepared.scores
    np.testing.assert_array_equal(
        loaded.impute_scores(a, b, prepared.scores[a]), model.impute_scores(a, b, prepared.scores[a])
    )
    for network in (*ensemble.networks, *loaded.networks):
        encoder = network.encoders[0]
        assert encoder.again is encoder.block
        assert encoder.second.weight is encoder.block.weight
        assert network.decoders[0].same is network.decoders[0].inner


def test_joined_members_stay_tied(spec):
    encoder, decoder = spec.modality("*").encoder, spec.modality("*").decoder
    joined = join_members([encoder.build(5, 2) for _ in range(3)])
    assert joined.second.weight is joined.block.weight
    assert joined.again is joined.block
    assert tuple(joined.block.weight.shape) == (3, 8, 8)
    joined = join_members([decoder.build(3, 4) for _ in range(2)])
    assert joined.same is joined.inner
