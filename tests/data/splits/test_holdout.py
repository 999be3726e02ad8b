import logging
from dataclasses import replace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Dataset
from jamie.core.errors import DataError
from jamie.data import hide_pairs, pairing_table, split_cells
from jamie.spec.evaluate_section import HoldoutSection, KnownPairsSection


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


def with_donors(make, donors):
    """Cells x00, x01, ... of the donors given, measured in both modalities; the donor is known of `a` only."""
    names = {m: [f"x{i:02d}" for i in range(len(donors))] for m in ("a", "b")}
    data = dataset(make, names)
    of = dict(zip(names["a"], donors, strict=True))
    data.modalities["a"].obs["donor"] = [of[name] for name in data.modalities["a"].cells]
    return data, of


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.6])
def test_whole_groups_are_held_out_as_near_to_the_fraction_as_they_allow(make, fraction):
    data, of = with_donors(make, ["p"] * 10 + ["q"] * 10 + ["r"] * 10)
    out = held_out_names(data, split_cells(data, HoldoutSection(fraction=fraction, group="donor"), Context()))
    assert out["a"] == out["b"]
    assert len(out["a"]) == {0.1: 10, 0.3: 10, 0.6: 20}[fraction]
    assert {of[name] for name in out["a"]}.isdisjoint({of[name] for name in set(of) - set(out["a"])})


def test_groups_that_cannot_be_held_out_are_refused(make):
    data, _ = with_donors(make, ["p"] * 9 + [None])
    with pytest.raises(DataError, match=r"found none for 1 of 10 cells\n  choose a column that every cell has"):
        split_cells(data, HoldoutSection(group="donor"), Context())
    data, _ = with_donors(make, ["p"] * 10)
    with pytest.raises(DataError, match=r"expected at least 2 groups in obs\['donor'\], found 1"):
        split_cells(data, HoldoutSection(group="donor"), Context())


@pytest.mark.parametrize("group", [None, "donor"])
def test_every_cell_is_held_out_by_one_of_the_folds(make, group):
    data, of = with_donors(make, ["p"] * 8 + ["q"] * 3 + ["r"] * 4 + ["s"] * 5)
    folds = [
        held_out_names(data, split_cells(data, HoldoutSection(folds=3, fold=k, group=group), Context()))["b"]
        for k in range(3)
    ]
    assert sorted(name for fold in folds for name in fold) == sorted(of)
    assert sorted(map(len, folds)) == ([6, 7, 7] if group is None else [5, 7, 8])


def test_more_folds_than_cells_are_refused(make):
    data, _ = with_donors(make, ["p"] * 10)
    with pytest.raises(DataError, match="expected at most as many folds as there are cells, 10, found 11"):
        split_cells(data, HoldoutSection(folds=11, fold=0), Context())


def test_folds_have_all_labels_alike(make):
    data = dataset(make, {m: [f"{'pq'[i % 2]}{i:02d}" for i in range(40)] for m in ("a", "b")}, labels=True)
    for k in range(4):
        out = held_out_names(data, split_cells(data, HoldoutSection(folds=4, fold=k), Context()))["a"]
        assert [sum(name[0] == letter for name in out) for letter in "pq"] == [5, 5]


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "split.csv").write_text(text)
        return tmp_path / "split.csv"

    return write


def test_a_file_holds_out_by_word_or_by_order(make, file):
    names = [f"x{i}" for i in range(6)]
    data = dataset(make, {"a": names, "b": names})
    orders = zip(names, (5, 0, 3, 1, 4, 2), ("train", "Test", "train", "held_out", "training", "train"), strict=True)
    path = file("cell,order_0,part\n" + "".join(f"{name},{i},{word}\n" for name, i, word in orders))
    by_order = HoldoutSection(fraction=0.34, file=path, column="order_0")
    assert held_out_names(data, split_cells(data, by_order, Context()))["a"] == ["x1", "x3"]
    by_word = HoldoutSection(file=path, column="part")
    assert held_out_names(data, split_cells(data, by_word, Context()))["b"] == ["x1", "x3"]
    known = hide_pairs(
        data.truth, cells_of(data), KnownPairsSection(fraction=0.5, file=path, column="order_0"), Context()
    )
    assert kept_names(data, known)["a", "b"] == ["x1", "x3", "x5"]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("cell,part\nx0,train\nx1,train\n", None, "expected every cell, found 4 of 6 absent"),
        ("cell,part\n" + "x0,train\n" * 2, None, "expected each cell once, found 'x0' again"),
        ("cell,p,q\nx0,1,2\n", None, "expected one of the columns p, q, found none given"),
        ("cell,p,q\nx0,1,2\n", "r", "expected one of the columns p, q, found 'r'"),
        ("cell,p\n" + "".join(f"x{i},maybe\n" for i in range(6)), None, "expected 'train' or 'test' .* found 'maybe'"),
    ],
)
def test_a_file_that_does_not_say_it_of_every_cell_is_refused(make, file, text, column, message):
    names = [f"x{i}" for i in range(6)]
    data = dataset(make, {"a": names, "b": names})
    with pytest.raises(DataError, match=message):
        split_cells(data, HoldoutSection(file=file(text), column=column), Context())


def test_a_file_may_name_a_matched_cell_by_either_name_but_say_one_thing(make, file):
    data = dataset(make, {"a": list("pqrst"), "b": list("pqrst")})
    renamed = {
        m: replace(one, obs=one.obs.set_axis([f"{m}{i}" for i in range(5)])) for m, one in data.modalities.items()
    }
    data = replace(data, modalities=renamed)
    pairs = Correspondence.from_pairs(range(5), range(5), (5, 5))
    truth = Correspondences({"a": 5, "b": 5}, {("a", "b"): pairs})
    data = replace(data, truth=truth)
    words = {str(name): "test" if i == 2 else "train" for i, name in enumerate(data.modalities["b"].cells)}
    text = "cell,part\n" + "".join(f"{name},{word}\n" for name, word in words.items())
    split = split_cells(data, HoldoutSection(file=file(text)), Context())
    assert [list(np.flatnonzero(split.held_out[m])) for m in "ab"] == [[2], [2]]
    partner = data.modalities["a"].cells[2]
    with pytest.raises(DataError, match="expected one value for a cell that was measured in two modalities"):
        split_cells(data, HoldoutSection(file=file(f"{text}{partner},train\n")), Context())


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
