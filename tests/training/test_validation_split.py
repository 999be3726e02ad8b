"""Training, validation and calibration cells of the members of an ensemble."""

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.training.validation_split import split_training_cells


def known(n_pairs=60, n_a=100, n_b=80):
    """The first cells of a and b are paired, in opposite order."""
    rows = np.arange(n_pairs)
    pairs = Correspondence.from_pairs(rows, n_pairs - 1 - rows, (n_a, n_b))
    return Correspondences({"a": n_a, "b": n_b}, {("a", "b"): pairs})


def splits(n_members=1, validation=0.1, calibration=0.2):
    return split_training_cells(known(), validation, calibration, Context(seed=3), n_members)


def test_every_cell_is_in_one_part_and_partners_are_in_the_same():
    (split,) = splits()
    for m, n in (("a", 100), ("b", 80)):
        together = np.concatenate([part[m] for part in (split.training, split.validation, split.calibration)])
        assert sorted(together) == list(range(n))
    for part in (split.training, split.validation, split.calibration):
        paired_a = part["a"][part["a"] < 60]
        assert sorted(59 - paired_a) == part["b"][part["b"] < 60].tolist()


def test_matched_and_unmatched_cells_are_divided_in_the_same_proportions():
    (split,) = splits()
    assert [(split.calibration["a"] < 60).sum(), (split.calibration["a"] >= 60).sum()] == [12, 8]
    assert [(split.validation["a"] < 60).sum(), (split.validation["a"] >= 60).sum()] == [6, 4]


def test_members_have_different_validation_cells_while_there_are_enough():
    held_out = np.concatenate([np.concatenate([one.validation["a"], one.calibration["a"]]) for one in splits(3)])
    assert len(np.unique(held_out)) == len(held_out) == 90
    eight = splits(8)
    for split in eight:
        assert len(split.calibration["a"]) == 20
        assert not set(split.calibration["a"]) & set(split.validation["a"])
    assert set(np.concatenate([split.calibration["a"] for split in eight])) == set(range(100))


@pytest.mark.parametrize("fractions", [{"validation": 0.0, "calibration": 0.0}, {"validation": 0.02}])
def test_a_part_that_would_have_too_few_cells_is_empty(fractions):
    (split,) = splits(**fractions)
    assert len(split.validation["a"]) == 0
    assert len(split.training["a"]) == 100 - len(split.calibration["a"])
