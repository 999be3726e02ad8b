"""One conversion of labels, batches and donors to text, whatever type a file gave them."""

import numpy as np
import pandas as pd
import pytest

from jamie.core.labels import as_labels, is_continuous, label_series

ONE_AND_TWO = {
    "int": pd.Series([1, None, 2], dtype=object),
    "float": pd.Series([1.0, np.nan, 2.0]),
    "float32": pd.Series([1.0, np.nan, 2.0], dtype="float32"),
    "nullable int": pd.Series([1, None, 2], dtype="Int64"),
    "nullable float": pd.Series([1, None, 2], dtype="Float64"),
    "text": pd.Series(["1", None, "2"]),
    "nullable text": pd.Series(["1", None, "2"], dtype="string"),
    "floats as text": pd.Series(["1.0", None, "2.00"]),
    "bytes": pd.Series([b"1", None, b"2"]),
    "categories of int": pd.Series(pd.Categorical([1, None, 2], categories=[3, 2, 1])),
    "categories of float": pd.Series(pd.Categorical([1.0, None, 2.0])),
    "categories of text": pd.Series(pd.Categorical(["1", None, "2"])),
    "mixed": pd.Series([1, None, "2.0"], dtype=object),
}


@pytest.mark.parametrize("column", ONE_AND_TWO.values(), ids=ONE_AND_TWO.keys())
def test_equal_labels_are_equal_text_whatever_type_a_file_gave_them(column):
    assert as_labels(column).tolist() == ["1", None, "2"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 2.0], ["0.5", "2"]),
        ([0.5], ["0.5"]),
        ([True, False], ["True", "False"]),
        (pd.array([True, None], dtype="boolean"), ["True", None]),
        (pd.Categorical([True, False]), ["True", "False"]),
        (["1.10", "01", "v1.0", "1e3"], ["1.10", "01", "v1.0", "1e3"]),
        (["-3.0", "T "], ["-3", "T "]),
        ([np.inf, 1e20], ["inf", "1" + "0" * 20]),
        ([None, np.nan], [None, None]),
    ],
)
def test_other_labels_keep_their_text(values, expected):
    assert as_labels(pd.Series(values)).tolist() == expected


def test_a_label_does_not_depend_on_the_others_in_its_column():
    column = pd.Series([1.0, 2.5, 3.0])
    assert as_labels(column[[0, 2]]).tolist() == as_labels(column)[[0, 2]].tolist()


def test_labels_keep_the_names_of_their_cells():
    found = label_series(pd.Series([2.0, None], index=["a", "b"], name="donor"))
    assert (found.name, found.to_dict()) == ("donor", {"a": "2", "b": None})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 30), True),
        (np.append(np.linspace(0, 1, 30), np.nan), True),
        (np.arange(30.0), False),  # clusters, read as floats
        (np.linspace(0, 1, 5), False),
        (np.arange(30), False),
        ([f"{i}.5" for i in range(30)], False),
        (pd.Categorical(np.linspace(0, 1, 30)), False),
    ],
)
def test_many_numbers_that_are_not_whole_are_measurements(values, expected):
    assert is_continuous(pd.Series(values)) is expected
