"""What a trained model does block by block is what it would do at once."""

import numpy as np
import pytest
import torch

from jamie.core.batch import PairBlocks
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.model import prediction
from jamie.model.aggregators import CorrelationAggregator
from jamie.model.joint_vae import JointVAE
from jamie.model.trained import TrainedModel
from jamie.spec import load_spec

SIZES = {"a": 23, "b": 31, "c": 17}


@pytest.fixture
def correspondences():
    generator = np.random.default_rng(0)

    def some(n, m):
        return Correspondence(np.where(generator.random((n, m)) < 0.15, generator.random((n, m)), 0))

    pairs = {("a", "b"): some(23, 31), ("c", "a"): some(17, 23), ("b", "c"): some(31, 17)}
    return Correspondences(SIZES, pairs)


@pytest.mark.parametrize("normalize", ["rows", "paper"])
@pytest.mark.parametrize("rows", [4, 1000])
def test_aggregation_in_blocks_is_aggregation_at_once(correspondences, normalize, rows, monkeypatch):
    monkeypatch.setattr(prediction, "CHUNK_CELLS", rows)
    aggregator = CorrelationAggregator(list(SIZES), 3, normalize=normalize)
    aggregator.log_weight.data = torch.tensor([0.4, -0.3, 0.8])
    identity = dict.fromkeys(SIZES, torch.nn.Linear(1, 1))
    network = JointVAE(identity, identity, aggregator, 3, dict.fromkeys(SIZES, 1))
    model = TrainedModel(load_spec("default", reads_data=False), identity, (network,))
    generator = np.random.default_rng(1)
    latents = {m: generator.standard_normal((n, 3)).astype(np.float32) for m, n in SIZES.items()}
    blocks = PairBlocks({pair: torch.as_tensor(c.matrix.toarray()) for pair, c in correspondences.items()})
    expected = aggregator({m: torch.as_tensor(z) for m, z in latents.items()}, blocks)
    found = model.aggregate(latents, correspondences)
    for m in SIZES:
        np.testing.assert_allclose(found[m], expected[m].detach(), atol=1e-6)
