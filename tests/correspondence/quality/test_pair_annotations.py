import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData
from jamie.correspondence.quality.pair_annotations import PairColumn, cramers_v, sample_column

SOME = np.random.default_rng(0)


def dataset(cells, batch_key=None, **columns):
    block = Block(np.zeros((len(cells), 1), np.float32), pd.Index(["g"]))
    modalities = {m: ModalityData(m, pd.DataFrame(columns, index=pd.Index(cells)), block, block) for m in "ab"}
    none = Correspondences({m: len(cells) for m in "ab"})
    return Dataset(modalities, none, none, batch_key=batch_key)


def samples_of(data):
    at = np.arange(data.sizes["a"])
    return sample_column(data, "a", "b", (at, at))


def column(a, b):
    return PairColumn("type", np.array(a, dtype=object), np.array(b, dtype=object))


def test_association_is_that_of_scipy():
    a, b = SOME.integers(0, 4, 90), SOME.integers(0, 3, 90)
    table = np.array([[np.sum((a == i) & (b == j)) for j in range(3)] for i in range(4)])
    assert cramers_v(a, b) == pytest.approx(association(table, method="cramer"))


def test_labels_of_random_partners_are_independent_and_those_of_true_ones_are_not():
    types = np.array(["T", "B"])[SOME.integers(0, 2, 200)]
    every = np.ones(200, dtype=bool)
    random = column(types, np.random.default_rng(1).permutation(types)).independence(every, np.random.default_rng(0))
    assert random.startswith("the type of partners agrees in ")
    assert random.endswith(" %, as in random pairs")
    # other words for the same
    clusters = np.where(types == "T", "0", "1")
    assert column(types, clusters).independence(every, np.random.default_rng(0)) == ""


@pytest.mark.parametrize("n", [12, 40])
def test_few_labels_tell_nothing(n):
    types = np.array(["T", "B", "NK", "Mono"])[np.arange(n) % 4]
    random = column(types, np.random.default_rng(1).permutation(types))
    assert random.independence(np.ones(n, dtype=bool), np.random.default_rng(0)) == ""


def test_labels_that_are_missing_or_all_equal_are_no_evidence():
    every = np.ones(60, dtype=bool)
    assert column(["T"] * 60, ["T", "B"] * 30).independence(every, SOME) == ""
    assert column([None] * 60, ["T", "B"] * 30).independence(every, SOME) == ""


def test_samples_that_differ_in_nearly_all_pairs_are_said():
    one = column(["S1"] * 10, ["S2"] * 9 + [None])
    assert one.disagreement(np.ones(10, dtype=bool)) == "the type of partners differs in 9 of 9, such as 'S1' and 'S2'"
    assert column(["S1"] * 10, ["S2"] * 8 + ["S1"] * 2).disagreement(np.ones(10, dtype=bool)) == ""


def test_samples_are_the_batch_key_or_a_column_called_so_or_the_end_of_names():
    cells = [f"c{i}-{i % 2}" for i in range(8)]
    lanes, donors = list("xyxyxyxy"), list("ppppqqqq")
    assert samples_of(dataset(cells, "lane", lane=lanes, Donor=donors)).name == "lane"
    assert samples_of(dataset(cells, Donor=donors, lane=lanes)).values == ["p", "q"]
    assert samples_of(dataset(cells, lane=lanes)).values == ["-0", "-1"]
    assert samples_of(dataset([f"c{i}" for i in range(8)], lane=lanes)) is None


def test_a_column_that_tells_cells_apart_is_no_sample():
    cells = [f"c{i}" for i in range(60)]
    assert samples_of(dataset(cells, sample=cells)) is None
