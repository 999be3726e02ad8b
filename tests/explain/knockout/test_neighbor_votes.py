"""Exact votes of cells that move a little, against the metric."""

import numpy as np
import pytest
from scipy import sparse

from jamie.core.evaluation import EmbeddedPair
from jamie.explain.knockout.neighbor_votes import NeighborVotes
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy

N_SOURCE, N_TARGET = 150, 90


def cells(seed, n_labels=4):
    """Latents of overlapping types, and a label that no source has."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(n_labels, 6))
    sides = []
    for n in (N_SOURCE, N_TARGET):
        codes = generator.integers(n_labels, size=n)
        sides.append((centres[codes] + 1.3 * generator.normal(size=(n, 6)), np.array([f"t{i}" for i in codes], object)))
    (source, labels), (target, expected) = sides
    expected[:3] = "unseen"
    return source.astype(np.float32), target.astype(np.float32), labels, expected


def scored(source, target, labels, expected, k):
    truth = sparse.csr_array((len(source), len(target)), dtype=np.float32)
    pair = EmbeddedPair("a", "b", source, target, truth, labels, expected)
    return LabelTransferAccuracy(k=k).score(pair).value


@pytest.mark.parametrize("k", [1, 2, 5, 26, N_SOURCE])
@pytest.mark.parametrize("moving", ["source", "target"])
def test_accuracy_is_that_of_the_metric_however_far_cells_move(k, moving):
    source, target, labels, expected = cells(k)
    votes = NeighborVotes(source, target, labels.astype(str), expected.astype(str), k, moving)
    assert votes.accuracy == scored(source, target, labels, expected, k)
    generator = np.random.default_rng(1)
    seen = set()
    for far in (1e-4, 0.01, 0.1, 0.3, 1, 10):
        z = source if moving == "source" else target
        # a few cells move much further than the others
        step = far * generator.normal(size=z.shape) * np.where(generator.random((len(z), 1)) < 0.05, 10, 1)
        moved = (z + step).astype(np.float32)
        ends = (moved, target) if moving == "source" else (source, moved)
        expected_value = scored(*ends, labels, expected, k)
        assert votes.accuracy_at(moved) == expected_value
        seen.add(expected_value)
    assert len(seen) > 1 or k == N_SOURCE


def test_one_label_wins_every_vote():
    source, target, _, _ = cells(0)
    labels = np.full(N_SOURCE, "only")
    votes = NeighborVotes(source, target, labels, np.full(N_TARGET, "only"), 5, "source")
    assert votes.accuracy_at(source + 5) == 1
