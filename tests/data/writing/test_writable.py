"""Annotations of all sorts, in a form that the installed anndata writes and reads back."""

import logging
from datetime import date

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from jamie.data.writing.names import stored_name, writable_name, writable_names
from jamie.data.writing.values import writable_column, writable_element
from jamie.data.writing.writable import MAX_LISTED, Adjustments, writable_copy, writable_frame, writable_mapping

MISSING = pd.array(["a", None, "b"], dtype="string")


def stored(adata, tmp_path):
    """Write and read again."""
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return anndata.read_h5ad(tmp_path / "cells.h5ad")


def cells(**obs):
    names = [f"cell{i}" for i in range(3)]
    return AnnData(np.ones((3, 2), np.float32), pd.DataFrame(obs, index=names), pd.DataFrame(index=["g", "h"]))


def copied(adata):
    adjustments = Adjustments()
    return writable_copy(adata, "rna", adjustments), adjustments


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (MISSING, ["a", None, "b"]),
        (pd.array(["a", "b", "c"], dtype="string"), ["a", "b", "c"]),
        (pd.array([1, None, 3], dtype="Int64"), [1, None, 3]),
        (pd.array([True, None, False], dtype="boolean"), [True, None, False]),
        (np.array([True, np.nan, False], object), [True, None, False]),
        (np.array([1, None, 3], object), [1, None, 3]),
        (pd.array([1.5, None, 3], dtype="Float64"), [1.5, None, 3]),
        (np.array([None, None, None], object), [None, None, None]),
        (pd.arrays.SparseArray([0, 1, 0]), [0, 1, 0]),
        (pd.Categorical(pd.array(["x", "y", None], dtype="string")), ["x", "y", None]),
    ],
)
def test_values_are_kept_and_missing_ones_stay_missing(values, expected, tmp_path):
    adata = cells()
    adata.obs["column"] = values
    result, adjustments = copied(adata)
    found = stored(result, tmp_path).obs["column"]
    assert [None if pd.isna(one) else one for one in found] == expected
    assert adjustments == Adjustments()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1, "a", None], dtype=object), ["1", "a", None]),
        (pd.Series(pd.to_datetime(["2020-01-01", None, None])), ["2020-01-01 00:00:00", None, None]),
        (pd.Series([date(2020, 1, 1)] * 3), ["2020-01-01"] * 3),
        (pd.Series([2**70, 1, 2], dtype=object), [str(2**70), "1", "2"]),
        (pd.Series(pd.period_range("2020-01", periods=3, freq="M")), ["2020-01", "2020-02", "2020-03"]),
    ],
)  # fmt: skip
def test_what_files_know_no_type_of_becomes_text(values, expected):
    written = writable_column(values)
    assert written.as_text
    assert [None if pd.isna(one) else one for one in written.value] == expected


def test_categories_that_are_intervals_become_text_in_their_order():
    written = writable_column(pd.Series(pd.cut([1, 5, 9], [0, 3, 6, 10])))
    assert written.value.cat.categories.tolist() == ["(0, 3]", "(3, 6]", "(6, 10]"]
    assert written.value.cat.ordered


@pytest.mark.parametrize("values", [[object()] * 3, [len, None, len]])
def test_objects_without_a_text_are_left_out(values):
    assert writable_column(pd.Series(values, dtype=object)) is None


def test_names_are_written_without_slashes_each_once():
    assert writable_names(["CD4/CD8", "CD4|CD8", "plain", 3, "_index", ""]) == [
        *("CD4|CD8-1", "CD4|CD8", "plain", "3", "_index_", "_")
    ]
    assert writable_names(["a", "a"]) == ["a", "a-1"]
    assert stored_name("a/b", ["a|b"]) == "a|b" == writable_name("a/b")
    assert stored_name("a/b", ["a/b", "a|b"]) == "a/b"
    assert stored_name("c/d", ["a|b"]) == "c/d"


def test_every_name_with_a_slash_is_written_under_another_and_told(tmp_path, caplog):
    adata = cells(**{"a/b": [1, 2, 3]})
    adata.var["v/w"] = [1, 2]
    adata.layers["l/m"] = np.ones((3, 2))
    adata.obsm["X/pca"] = np.ones((3, 2))
    adata.obsm["table"] = pd.DataFrame({"p/q": MISSING}, index=adata.obs_names)
    adata.obsp["d/e"] = sparse.eye(3, format="csr")
    adata.uns["deep"] = {"u/v": {"w/x": 1}}
    adata.raw = AnnData(np.ones((3, 1)), adata.obs[[]], pd.DataFrame({"r/s": ["t"]}, index=["raw"]))
    result, adjustments = copied(adata)
    with caplog.at_level(logging.INFO, "jamie"):
        adjustments.log()
    found = stored(result, tmp_path)
    assert (list(found.obs), list(found.var), list(found.obsm)) == (["a|b"], ["v|w"], ["X|pca", "table"])
    assert list(found.obsm["table"]) == ["p|q"]
    assert "l|m" in found.layers
    assert "d|e" in found.obsp
    assert found.uns["deep"] == {"u|v": {"w|x": 1}}
    assert list(found.raw.var) == ["r|s"]
    assert len(adjustments.renamed) == 9 > MAX_LISTED
    assert "written under another name, as files can hold it: rna, obs 'a/b' as 'a|b'; " in caplog.text
    assert caplog.text.strip().endswith("and 1 more")
    assert list(adata.obs) == ["a/b"]


def test_the_index_loses_its_name_where_a_column_of_other_values_has_it(tmp_path):
    adata = cells(barcode=["x", "y", "z"], cell=["cell0", "cell1", "cell2"])
    for name, expected in (("barcode", None), ("cell", "cell")):
        adata.obs.index.name = name
        result, adjustments = copied(adata)
        found = stored(result, tmp_path)
        assert found.obs.index.name == expected
        assert found.obs["barcode"].tolist() == ["x", "y", "z"]
        assert adjustments.unnamed == (["rna, obs 'barcode'"] if expected is None else [])


def test_names_of_cells_may_be_nullable_text(tmp_path):
    adata = cells(type=["a", "b", "c"])
    adata.obs.index = pd.Index(pd.array(list(adata.obs_names), dtype="string"))
    adata.obsm["table"] = pd.DataFrame({"n": [1, 2, 3]}, index=adata.obs_names)
    found = stored(copied(adata)[0], tmp_path)
    assert found.obs_names.tolist() == ["cell0", "cell1", "cell2"]
    assert found.obs["type"].tolist() == ["a", "b", "c"]


def test_unstructured_values_keep_what_they_say(tmp_path):
    adata = cells()
    adata.uns |= {
        "tuple": (1, 2),
        "set": {3},
        "text": MISSING,
        "series": pd.Series([1, 2], index=["u", "v"], name="q"),
        "pivot": pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([(1, "a")])),
        "mixed": [1, "a", None],
        "day": date(2020, 1, 1),
        "place": tmp_path,
        "coo": sparse.coo_matrix(np.eye(2)),
        "masked": np.ma.array([1, 2], mask=[False, True]),
        "function": len,
        "nested": {"function": len, 5: "five"},
    }
    result, adjustments = copied(adata)
    found = stored(result, tmp_path).uns
    assert found["tuple"].tolist() == [1, 2]
    assert found["set"].tolist() == [3]
    assert [None if pd.isna(one) else one for one in found["text"]] == ["a", None, "b"]
    assert found["series"]["q"].tolist() == [1, 2]
    assert found["pivot"].index.tolist() == ["(1, 'a')"]
    assert [None if pd.isna(one) else one for one in found["mixed"]] == ["1", "a", None]
    assert (found["day"], found["place"]) == ("2020-01-01", str(tmp_path))
    np.testing.assert_array_equal(found["coo"].toarray(), np.eye(2))
    np.testing.assert_array_equal(found["masked"], [1, np.nan])
    assert found["nested"] == {"5": "five"}
    assert adjustments.left_out == ["rna, uns 'function'", "rna, uns 'nested' 'function'"]


def test_what_is_left_out_is_a_warning(caplog):
    adjustments = Adjustments()
    assert writable_mapping({"print": print, "n": 1}, "uns", adjustments) == {"n": 1}
    with caplog.at_level(logging.WARNING, "jamie"):
        adjustments.log()
    assert "left out of what is written, as no file can hold it: uns 'print'" in caplog.text


def test_a_table_that_can_be_written_stays_as_it_is():
    frame, adjustments = pd.DataFrame({"n": [1, 2], "t": ["a", "b"]}, index=["x", "y"]), Adjustments()
    pd.testing.assert_frame_equal(writable_frame(frame, "obs", adjustments), frame)
    assert adjustments == Adjustments()


def test_values_of_no_known_form_are_not_kept():
    assert writable_element(object()) is None
    assert writable_element([{"a": 1}]) is None
