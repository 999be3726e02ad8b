"""Aggregation against a plain numpy evaluation of eq. 3."""

import numpy as np
import pytest
import torch

from jamie.core.batch import PairBlocks
from jamie.model.aggregators import CorrelationAggregator, MeanAggregator, NoAggregator
from jamie.testing import toy


def blocks_and_latents(n_modalities):
    """Partly matched cells, one row whose sum exceeds 1, one lone confidence of 0.1."""
    batch = toy.batch(n_modalities)
    given = {pair: f.clone() for pair, f in batch.blocks.by_pair.items()}
    for f in given.values():
        f[0, 5:8] = 0.9
        f[1] = 0
        f[1, 4] = 0.1
    generator = torch.Generator().manual_seed(3)
    z = {m: torch.randn(len(x), 4, generator=generator) for m, x in batch.x.items()}
    return PairBlocks(given), z


def equation_3(z, blocks, w, rows_of=lambda f: f / np.maximum(f.sum(1, keepdims=True), 1)):
    expected = {}
    for a in z:
        total, mass = z[a].double().numpy().copy(), np.ones((len(z[a]), 1))
        for b in z:
            if b != a:
                delta = np.exp(w[b] - w[a])
                f = rows_of(blocks.between(a, b).double().numpy())
                total += delta * f @ z[b].double().numpy()
                mass += delta * f.sum(1, keepdims=True)
        expected[a] = total / mass
    return expected


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_correlation_is_equation_3(n_modalities):
    blocks, z = blocks_and_latents(n_modalities)
    aggregator = CorrelationAggregator(list(z), 4)
    w = dict(zip(z, [0.3, -0.4, 0.9], strict=False))
    aggregator.log_weight.data = torch.tensor(list(w.values()))
    found = aggregator(z, blocks)
    for m, expected in equation_3(z, blocks, w).items():
        np.testing.assert_allclose(found[m].detach(), expected, atol=1e-5)


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_mean_is_equation_3_with_equal_weights(n_modalities):
    blocks, z = blocks_and_latents(n_modalities)
    found = MeanAggregator(list(z), 4)(z, blocks)
    for m, expected in equation_3(z, blocks, dict.fromkeys(z, 0.0)).items():
        np.testing.assert_allclose(found[m], expected, atol=1e-5)


def test_none_keeps_every_cell():
    blocks, z = blocks_and_latents(3)
    found = NoAggregator(list(z), 4)(z, blocks)
    assert all(torch.equal(found[m], z[m]) for m in z)


def test_a_lone_confidence_stays_small_and_a_full_row_is_a_mean():
    z = {"a": torch.zeros(2, 1), "b": torch.ones(3, 1)}
    blocks = PairBlocks({("a", "b"): torch.tensor([[0.1, 0.0, 0.0], [1.0, 1.0, 0.0]])})
    found = MeanAggregator(["a", "b"], 1)(z, blocks)
    assert found["a"].ravel().tolist() == pytest.approx([0.1 / 1.1, 0.5])


def test_the_papers_normalisation_divides_the_columns_in_both_directions():
    z = {"a": torch.zeros(2, 1), "b": torch.ones(2, 1)}
    blocks = PairBlocks({("a", "b"): torch.tensor([[0.6, 0.0], [0.6, 1.0]])})
    found = CorrelationAggregator(["a", "b"], 1, normalize="paper")(z, blocks)
    assert found["a"].detach().ravel().tolist() == pytest.approx([0.5 / 1.5, 1.5 / 2.5])
    assert found["b"].detach().ravel().tolist() == pytest.approx([1 / 2, 1 / 2])


def test_a_cell_matched_in_all_modalities_has_one_joint_embedding():
    z = {m: torch.randn(1, 4) for m in ("a", "b", "c")}
    one = torch.ones(1, 1)
    aggregator = CorrelationAggregator(list(z), 4)
    aggregator.log_weight.data = torch.tensor([0.5, -1.0, 0.1])
    found = aggregator(z, PairBlocks({("a", "b"): one, ("a", "c"): one, ("b", "c"): one}))
    torch.testing.assert_close(found["a"], found["b"])
    torch.testing.assert_close(found["a"], found["c"])
