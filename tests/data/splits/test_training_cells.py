import numpy as np
import pytest

import jamie
from jamie.core.context import Context
from jamie.core.data import Dataset, Split
from jamie.core.errors import DataError
from jamie.data.splits.training_cells import draw_training_cells


@pytest.fixture
def halves(make):
    """Cells x00 to x29 in a, x10 to x39 in b, all of these matched; every third is held out."""
    names = {"a": [f"x{i:02d}" for i in range(30)], "b": [f"x{i:02d}" for i in range(39, 9, -1)]}
    modalities = {m: make.modality(m, cells) for m, cells in names.items()}
    pairs = make.pairs(modalities)
    train = {m: np.array([int(name[1:]) % 3 > 0 for name in cells]) for m, cells in names.items()}
    return Dataset(modalities, pairs, pairs), Split(train)


def names_of(dataset, split, *, trained):
    return {m: set(d.cells[split.train[m] == trained]) for m, d in dataset.modalities.items()}


def draw(halves, n, draw="", seed=0):
    drawn = draw_training_cells(*halves, n, draw, Context(seed=seed))
    return names_of(*drawn, trained=True), names_of(*drawn, trained=False)


def test_as_many_training_cells_are_kept_in_all_their_modalities_and_all_held_out_ones(halves):
    kept, held_out = draw(halves, 16)
    assert len(kept["a"] | kept["b"]) == 16
    matched = {f"x{i}" for i in range(10, 30)}
    assert kept["a"] & matched == kept["b"] & matched
    assert held_out == names_of(*halves, trained=False)
    dataset, _ = draw_training_cells(*halves, 16, "", Context())
    rows, columns = dataset.known.between("a", "b").pairs()
    assert list(dataset.modalities["a"].cells[rows]) == list(dataset.modalities["b"].cells[columns])
    assert len(rows) == len((kept["a"] | held_out["a"]) & matched)


def test_more_cells_hold_the_fewer(halves):
    few, more = draw(halves, 12)[0], draw(halves, 20)[0]
    assert all(few[m] < more[m] for m in few)


def test_seed_and_split_decide_and_the_order_of_the_file_does_not(halves, make):
    dataset, split = halves
    assert draw(halves, 14) == draw(halves, 14)
    assert draw(halves, 14) != draw(halves, 14, seed=1)
    assert draw(halves, 14) != draw(halves, 14, draw="order_1")
    order = {m: np.random.default_rng(0).permutation(30) for m in dataset.modalities}
    other = dataset.subset(order), Split({m: mask[order[m]] for m, mask in split.train.items()})
    assert draw(other, 14) == draw(halves, 14)


def test_more_than_there_are_and_too_few_of_a_modality(halves):
    with pytest.raises(DataError, match=r"training_cells: expected at least 27 training cells, found 26\n.*at most 26"):
        draw(halves, 27)
    with pytest.raises(DataError, match=r"training_cells, modality '[ab]': expected at least \d+ cells to train on"):
        draw(halves, 1)


def test_a_run_is_without_the_others(place):
    few = {"holdout": {"fraction": 0.2}, "training_cells": 12, "compare": ["ridge"], "metrics": ["pearson"]}
    place.works(place.run(evaluate=few))
    run = jamie.Run(place.out)
    assert run.mdata["rna"].obs["jamie_split"].value_counts().to_dict() == {"train": 12, "held_out": 6}
    place.works(place.call("evaluate", place.out, "--set", "evaluate.metrics=[mse]"))
    assert {(record["metric"], record["scope"]) for record in place.records()} == {("mse", "held_out_cells")}
