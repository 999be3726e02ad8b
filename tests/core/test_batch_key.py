"""Batches as covariates: one column for each value among the training cells, rows of zeros for all others."""

import numpy as np
import pytest
import torch

from jamie.core.batch import Batch, PairBlocks
from jamie.core.batch_key import BatchKey


def labels(*values):
    return np.array(values, dtype=object)


@pytest.fixture
def key():
    return BatchKey.of("donor", [labels("d2", "d10", "d2"), labels("d1")])


def test_categories_are_those_of_all_modalities_in_order(key):
    assert key == BatchKey("donor", ("d1", "d10", "d2"))


def test_covariates_are_one_hot_and_zero_where_the_batch_is_unknown(key, caplog):
    known = key.covariates(labels("d10", "d1", "d10"), "modality 'rna'")
    assert known.dtype == np.float32
    np.testing.assert_array_equal(known, [[0, 1, 0], [1, 0, 0], [0, 1, 0]])
    assert not caplog.messages
    np.testing.assert_array_equal(
        key.covariates(labels("d3", "d2", None), "modality 'rna'"), np.eye(3)[[2, 2, 2]] * [[0], [1], [0]]
    )
    np.testing.assert_array_equal(key.unknown(2), np.zeros((2, 3)))
    assert caplog.messages == [
        "modality 'rna': 2 of 3 cells have a batch (obs 'donor') that no training cell has: 'd3', none; they are "
        "treated as a mixture of the training cells' batches"
    ]


def test_of_many_unknown_batches_the_first_are_named(key, caplog):
    key.covariates(labels(*"edcbaa"), "modality 'rna'")
    assert "6 of 6 cells" in caplog.text
    assert "no training cell has: 'a', 'b', 'c' and 2 more;" in caplog.text


def test_size_factors_across_modalities_are_those_of_partners_as_far_as_there_are_any():
    own = torch.tensor([[2.0], [4.0]])
    given = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 0.0], [1.0, 1.0]])
    batch = Batch({}, {}, PairBlocks({("a", "b"): given}), size_factor={"b": own})
    assert batch.size_factor_for("b", "b") is own
    torch.testing.assert_close(batch.size_factor_for("a", "b"), torch.tensor([[2.0], [1.5], [1.0], [3.0]]))
    assert batch.size_factor_for("b", "a") is None
    assert Batch({}, {}, PairBlocks(), size_factor={"b": own}).size_factor_for("a", "b") is None
