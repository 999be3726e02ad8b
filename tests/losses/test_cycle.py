"""cycle against matrix products, and where it can be used."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from jamie.core.batch import Batch, PairBlocks
from jamie.core.errors import DataError, SpecError
from jamie.losses.reconstruction import Cycle
from jamie.model.aggregators import NoAggregator
from jamie.model.decoders.real import LinearDecoder
from jamie.model.encoders import LinearEncoder
from jamie.model.joint_vae import JointVAE
from jamie.spec import load_spec
from jamie.testing import toy


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_it_is_the_squared_error_of_what_comes_back(n_modalities):
    batch, model = toy.batch(n_modalities, shared=True), toy.Model(shared=True)
    output = model(batch)
    z = {m: v.detach().double().numpy() for m, v in output.z.items()}
    encode = {m: w.detach().double().numpy() for m, w in model.mean.items()}
    decode = {m: w.detach().double().numpy() for m, w in model.decoder.items()}
    expected = 0.0
    for a, b in permutations(z, 2):
        back = z[a] @ decode[b] @ encode[b] @ decode[a]
        expected += np.mean((back - batch.x[a].double().numpy()) ** 2)
    assert Cycle()(batch, output).item() == pytest.approx(expected, rel=1e-5)
    assert Cycle()(replace(batch, blocks=PairBlocks()), output).item() == pytest.approx(expected, rel=1e-5)


def test_the_way_there_and_back_is_in_the_cells_own_batch():
    torch.manual_seed(0)
    encoders = {m: LinearEncoder(4, 2, n_covariates=2) for m in "ab"}
    decoders = {m: LinearDecoder(2, 4, n_covariates=2) for m in "ab"}
    frequencies = {m: torch.tensor([0.5, 0.5]) for m in "ab"}
    model = JointVAE(encoders, decoders, NoAggregator("ab", 2), 2, dict.fromkeys("ab", 4), frequencies).eval()
    x = {"a": torch.randn(3, 4), "b": torch.randn(5, 4)}
    batches = {"a": torch.tensor([[1.0, 0.0]]).expand(3, 2), "b": torch.tensor([[0.0, 1.0]]).expand(5, 2)}
    batch = Batch(x, x, PairBlocks(), covariates=batches)
    expected = 0.0
    for a, b in ("ab", "ba"):
        decoded = decoders[b](encoders[a](x[a], batches[a]).mean, batches[a]).mean
        back = decoders[a](encoders[b](decoded, batches[a]).mean, batches[a]).mean
        expected += (back - x[a]).square().mean().item()
    assert Cycle()(batch, model(batch)).item() == pytest.approx(expected, rel=1e-5)


def test_another_target_is_refused():
    batch = toy.batch()
    message = (
        r"loss 'cycle': expected the decoder of modality 'atac' to predict what its encoder reads, found another "
        r"target, which cannot be encoded\n  leave modalities.atac.target out, or the loss, with "
        r"`losses: \{cycle: null\}`"
    )
    with pytest.raises(DataError, match=message):
        Cycle()(batch, toy.Model()(batch))


def test_another_target_is_told_before_data_are_read():
    spec = {"modalities": {"rna": {"target": {"layer": "counts"}}, "atac": {}}, "losses": {"cycle": 1}}
    message = r"losses.cycle: cycle encodes what was decoded, and rna has a target that its encoder does not read"
    with pytest.raises(SpecError, match=message):
        load_spec(spec, reads_data=False)
    assert "cycle" in load_spec({**spec, "modalities": {"rna": {}, "atac": {}}}, reads_data=False).losses
