import logging

import pytest

from jamie.core.errors import DataError
from jamie.data.pairings.by_name import ByName
from jamie.data.pairings.none import NoPairing


def test_a_shared_name_is_one_cell(make):
    modalities = {"a": make.modality("a", "pqrs"), "b": make.modality("b", "sxq"), "c": make.modality("c", "q")}
    pairs = ByName().pairs(modalities)
    assert pairs.between("a", "b").matrix.toarray().tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert pairs.between("c", "b").matrix.toarray().tolist() == [[0, 0, 1]]


def test_a_chance_overlap_is_refused_unless_asked_for(make):
    modalities = {
        "a": make.modality("a", [f"x{i}" for i in range(100)]),
        "b": make.modality("b", ["x7", *(f"y{i}" for i in range(49))]),
    }
    with pytest.raises(
        DataError, match=r"(?s)'a' and 'b'.*found 1 of 50 \(2 %\); the first is 'x7'.*lower min_overlap"
    ):
        ByName().pairs(modalities)
    assert ByName(min_overlap=0.02).pairs(modalities).n_pairs == 1


def test_no_shared_name_is_refused(make):
    modalities = {"a": make.modality("a", "pq"), "b": make.modality("b", "xyz")}
    with pytest.raises(DataError, match=r"(?s)occur in two of a, b, found none .they look like 'p', 'x'.*known: none"):
        ByName().pairs(modalities)
    modalities["c"] = make.modality("c", "zw")
    assert ByName().pairs(modalities).n_pairs == 1


def test_names_that_may_only_count_rows_are_noted(make, caplog):
    modalities = {"a": make.modality("a", "0123"), "b": make.modality("b", "012")}
    with caplog.at_level(logging.WARNING, "jamie"):
        assert ByName().pairs(modalities).n_pairs == 3
    assert "'a' and 'b': cells are named by numbers, such as '0', and equal numbers are taken for one" in caplog.text


def test_none_knows_nothing(make):
    assert NoPairing().pairs({"a": make.modality("a", "pq"), "b": make.modality("b", "pq")}).n_pairs == 0
