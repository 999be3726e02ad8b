"""Cells set aside from a member's training."""

import numpy as np
import pytest

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.training.aside import set_aside


def known(n_pairs=60, n_a=100, n_b=80):
    """The first cells of a and b are paired, in opposite order."""
    rows = np.arange(n_pairs)
    pairs = Correspondence.from_pairs(rows, n_pairs - 1 - rows, (n_a, n_b))
    return Correspondences({"a": n_a, "b": n_b}, {("a", "b"): pairs})


def parts(member=0, n_members=1, validation=0.1, calibration=0.2, **sizes):
    generator = np.random.default_rng(3)
    return set_aside(known(**sizes), validation, calibration, generator, member, n_members)


def test_every_cell_is_in_one_part_and_partners_are_in_the_same():
    aside = parts()
    for m, n in (("a", 100), ("b", 80)):
        together = np.concatenate([part[m] for part in (aside.fitted, aside.validation, aside.calibration)])
        assert sorted(together) == list(range(n))
    for part in (aside.fitted, aside.validation, aside.calibration):
        paired_a = part["a"][part["a"] < 60]
        assert sorted(59 - paired_a) == part["b"][part["b"] < 60].tolist()


def test_matched_and_unmatched_cells_divide_alike():
    aside = parts()
    assert [(aside.calibration["a"] < 60).sum(), (aside.calibration["a"] >= 60).sum()] == [12, 8]
    assert [(aside.validation["a"] < 60).sum(), (aside.validation["a"] >= 60).sum()] == [6, 4]


def test_members_set_aside_different_cells_while_there_are_enough():
    three = [parts(member, 3) for member in range(3)]
    aside = np.concatenate([np.concatenate([one.validation["a"], one.calibration["a"]]) for one in three])
    assert len(np.unique(aside)) == len(aside) == 90
    for one in (parts(member, 8) for member in range(8)):
        assert len(one.calibration["a"]) == 20
        assert not set(one.calibration["a"]) & set(one.validation["a"])
    every = np.concatenate([parts(member, 8).calibration["a"] for member in range(8)])
    assert set(every) == set(range(100))


@pytest.mark.parametrize("fractions", [{"validation": 0.0, "calibration": 0.0}, {"validation": 0.02}])
def test_nothing_is_set_aside_where_it_would_be_too_few(fractions):
    assert len(parts(**fractions).validation["a"]) == 0
