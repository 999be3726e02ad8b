import logging

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Dataset
from jamie.core.errors import DataError
from jamie.data import hide_pairs, pairing_table, split_cells
from jamie.spec.sections import HoldoutSection, KnownPairsSection


def held(fraction):
    return HoldoutSection(fraction=fraction)


def told(fraction):
    return KnownPairsSection(fraction=fraction)


def dataset(make, names, order=0, labels=False):
    """Modalities of the given cell names, in a random order of rows; a cell's label is its name's first letter."""
    generator = np.random.default_rng(order)
    shuffled = {m: generator.permutation(np.array(cells, dtype=object)) for m, cells in names.items()}
    obs = {m: {"type": [name[0] for name in cells]} if labels else {} for m, cells in shuffled.items()}
    modalities = {m: make.modality(m, cells, **obs[m]) for m, cells in shuffled.items()}
    truth = make.pairs(modalities)
    return Dataset(modalities, truth, truth, ("type",) if labels else ())


def cells_of(data):
    return {name: m.cells for name, m in data.modalities.items()}


def kept_names(data, known):
    """Names of the cells whose pairs are kept; by name, so that they are the same in both modalities."""
    return {(a, b): sorted(data.modalities[a].cells[c.pairs()[0]]) for (a, b), c in known.items()}


def held_out_names(data, split):
    return {m: sorted(data.modalities[m].cells[mask]) for m, mask in split.held_out.items()}


CELLS = {
    "a": [f"x{i:02d}" for i in range(30)],
    "b": [f"x{i:02d}" for i in range(10, 45)],
    "c": [f"x{i:02d}" for i in range(20, 40)],
}


def test_a_cell_measured_three_times_is_hidden_or_kept_as_one(make):
    data = dataset(make, CELLS)
    known = hide_pairs(data.truth, cells_of(data), told(0.5), Context())
    kept = kept_names(data, known)
    assert set(kept["a", "c"]) <= set(kept["a", "b"])
    assert set(kept["a", "c"]) == set(kept["a", "b"]) & {f"x{i}" for i in range(20, 30)}
    assert set(kept["a", "b"]) & {f"x{i}" for i in range(20, 30)} == set(kept["b", "c"]) & set(CELLS["a"])
    assert len(set(kept["a", "b"]) | set(kept["b", "c"])) == 15  # of the 30 measured more than once


@pytest.mark.parametrize(("fraction", "n"), [(0, 0), (0.29, 29), (0.5, 50), (0.999, 99), (1, 100)])
def test_the_whole_part_of_the_fraction_is_kept(fraction, n, make):
    names = [f"x{i:03d}" for i in range(100)]
    data = dataset(make, {"a": names, "b": names})
    assert hide_pairs(data.truth, cells_of(data), told(fraction), Context()).n_pairs == n


def test_order_of_the_file_changes_neither_hidden_pairs_nor_held_out_cells(make):
    first, second = (dataset(make, CELLS, order=k, labels=True) for k in (1, 2))
    hidden = [kept_names(d, hide_pairs(d.truth, cells_of(d), told(0.4), Context(seed=5))) for d in (first, second)]
    assert hidden[0] == hidden[1]
    held_out = [held_out_names(d, split_cells(d, held(0.25), Context(seed=5))) for d in (first, second)]
    assert held_out[0] == held_out[1]


def test_another_seed_hides_and_holds_out_others(make):
    data = dataset(make, CELLS)
    hidden = [kept_names(data, hide_pairs(data.truth, cells_of(data), told(0.4), Context(seed=s))) for s in (0, 1)]
    held_out = [held_out_names(data, split_cells(data, held(0.25), Context(seed=s))) for s in (0, 1)]
    assert hidden[0] != hidden[1]
    assert held_out[0] != held_out[1]


def test_confidences_of_kept_pairs_stay():
    truth = Correspondences({"a": 3, "b": 3}, {("a", "b"): Correspondence(np.diag([0.25, 0.5, 0.75]))})
    cells = {"a": np.array(["p", "q", "r"]), "b": np.array(["s", "t", "u"])}
    known = hide_pairs(truth, cells, told(2 / 3), Context()).between("a", "b").matrix.toarray()
    assert np.count_nonzero(known) == 2
    np.testing.assert_array_equal(known[known > 0], np.diag([0.25, 0.5, 0.75])[known > 0])


def test_spread_confidences_hide_the_cells_of_their_likeliest_pairs():
    soft = np.full((10, 10), 0.02) + 0.5 * np.eye(10)[::-1]
    truth = Correspondences({"a": 10, "b": 10}, {("a", "b"): Correspondence(soft)})
    cells = {m: np.array([f"{m}{i}" for i in range(10)]) for m in "ab"}
    known = hide_pairs(truth, cells, told(0.4), Context()).between("a", "b").matrix.toarray()
    kept = known.any(axis=1)
    assert kept.sum() == 4
    np.testing.assert_array_equal(known.any(axis=0), kept[::-1])
    np.testing.assert_allclose(known[kept][:, kept[::-1]], soft[kept][:, kept[::-1]], rtol=1e-6)


def test_without_kept_pairs_no_confidence_is_left():
    soft = Correspondence(np.array([[0.3, 0, 0], [0.5, 0.9, 0], [0, 0, 0]]))  # the first cells are nobody's best
    given = Correspondences({"a": 3, "b": 3}, {("a", "b"): soft})
    cells = {m: np.array([f"{m}{i}" for i in range(3)]) for m in "ab"}
    assert hide_pairs(given, cells, told(0), Context()).n_pairs == 0


def test_a_notice_where_the_fraction_leaves_no_pair(make, caplog):
    data = dataset(make, {"a": list("pqr"), "b": list("pqr")})
    with caplog.at_level(logging.WARNING, "jamie"):
        assert hide_pairs(data.truth, cells_of(data), told(0.2), Context()).n_pairs == 0
    assert "0 of 3 cells measured more than once keep their pairs" in caplog.text


def test_a_matched_cell_is_held_out_everywhere(make):
    data = dataset(make, CELLS)
    split = split_cells(data, held(0.3), Context())
    held_out = held_out_names(data, split)
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        shared = set(CELLS[a]) & set(CELLS[b])
        assert set(held_out[a]) & shared == set(held_out[b]) & shared
    assert len(set().union(*held_out.values())) == int(0.3 * 45)


def test_every_label_gives_its_share(make):
    names = [f"{letter}{i:02d}" for letter, n in (("p", 50), ("q", 20), ("r", 10)) for i in range(n)]
    data = dataset(make, {"a": names, "b": names}, labels=True)
    held_out = held_out_names(data, split_cells(data, held(0.2), Context()))["a"]
    assert [sum(name[0] == letter for name in held_out) for letter in "pqr"] == [10, 4, 2]


def test_nothing_is_held_out_by_default_and_a_notice_where_the_fraction_is_less_than_a_cell(make, caplog):
    data = dataset(make, {"a": list("pqr"), "b": list("pqr")})
    assert not split_cells(data, held(0), Context()).any_held_out
    assert not caplog.text
    with caplog.at_level(logging.WARNING, "jamie"):
        assert not split_cells(data, held(0.2), Context()).any_held_out
    assert "0.2 of 3 cells is less than one, so none is held out" in caplog.text


def test_impossible_fractions_are_refused(make):
    data = dataset(make, {"a": list("pqrs"), "b": list("pqrs")})
    with pytest.raises(DataError, match="expected at least 3 cells to train on, found 2 of 4"):
        split_cells(data, held(0.5), Context())
    with pytest.raises(DataError, match="expected a fraction from 0 to less than 1, found 1"):
        split_cells(data, held(1), Context())
    with pytest.raises(DataError, match=r"known_pairs.fraction: expected a fraction from 0 to 1, found 1\.5"):
        hide_pairs(data.truth, cells_of(data), told(1.5), Context())


def test_pairing_table_counts_shared_and_unmatched_cells(make):
    data = dataset(make, CELLS)
    table = pairing_table(data.truth, Correspondences(data.sizes))
    assert table.to_json() == {
        "cells": {"a": 30, "b": 35, "c": 20},
        "alone": {"a": 10, "b": 5, "c": 0},
        "in_all": 10,
        "pairs": [
            {"a": a, "b": b, "shared_a": n, "shared_b": n, "unmatched_a": u, "unmatched_b": v, "known_a": 0}
            for a, b, n, u, v in (("a", "b", 20, 10, 15), ("a", "c", 10, 20, 10), ("b", "c", 20, 15, 0))
        ],
    }
    assert table.to_text().splitlines() == [
        "modality  cells  alone",
        "a            30     10",
        "b            35      5",
        "c            20      0",
        "",
        "modalities  shared  known  only first  only second",
        "a + b           20      0          10           15",
        "a + c           10      0          20           10",
        "b + c           20      0          15            0",
        "in all 3 modalities: 10",
    ]
