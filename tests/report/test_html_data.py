"""What the page carries: bytes that come back as the values, samples that keep partners together."""

import base64
import gzip
import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.report.html.comparison_page import differing
from jamie.report.html.embedding_view import sample_cells
from jamie.report.html.features import feature_tables
from jamie.report.html.pack import as_bytes, coordinates, packed


def unpacked(one):
    kinds = {"u8": np.uint8, "u16": np.uint16, "i32": np.int32}
    return np.frombuffer(base64.b64decode(one["data"]), kinds[one["type"]])


def test_packed_values_are_letters_and_come_back():
    value = {"</script><script>alert(1)": [1.5, None, "µ"]}
    text = packed(value)
    assert text.isascii()
    assert not set("<>&\"'") & set(text)
    assert json.loads(gzip.decompress(base64.b64decode(text))) == value


def test_bytes_are_within_half_a_step():
    values = np.random.default_rng(0).normal(size=2000)
    values[7] = np.nan
    packed_values = as_bytes(values)
    codes = unpacked(packed_values["values"])
    assert codes[7] == 255
    assert [packed_values["low"], packed_values["high"]] == pytest.approx(np.nanpercentile(values, [1, 99]).tolist())
    shown = packed_values["low"] + codes / 254 * (packed_values["high"] - packed_values["low"])
    inside = (values >= packed_values["low"]) & (values <= packed_values["high"])
    assert np.abs(shown - values)[inside].max() <= (packed_values["high"] - packed_values["low"]) / 254 / 2 * 1.0001


@pytest.mark.parametrize("values", [[3.0, 3.0], [np.nan, np.nan], [], [0.0] * 999 + [5.0]])
def test_bytes_of_values_that_hardly_differ(values):
    packed_values = as_bytes(np.array(values))
    codes = unpacked(packed_values["values"])
    assert [code == 255 for code in codes] == [np.isnan(value) for value in values]
    if values and values[-1] == 5.0:
        assert (packed_values["low"], packed_values["high"], codes[-1]) == (0.0, 5.0, 254)


def test_coordinates_have_one_scale():
    layout = np.array([[0.0, 0.0], [4.0, 2.0], [np.nan, 1.0]])
    packed_values = coordinates(layout)
    x, y = unpacked(packed_values["x"]), unpacked(packed_values["y"])
    assert x.tolist() == [0, 65534, 65535]
    assert y.tolist() == [0, 32767, 65535]


def test_a_sample_keeps_partners_together_and_shares_alike():
    pairs = {("rna", "protein", False): Correspondence(sparse.eye_array(200, 100, format="csr"))}
    placed = {"rna": np.ones(200, bool), "protein": np.ones(100, bool)}
    shown = sample_cells(placed, pairs, 150, np.random.default_rng(0))
    assert {m: len(rows) for m, rows in shown.rows.items()} == {"rna": 100, "protein": 50}
    assert shown.total == 300
    partners = set(shown.rows["rna"][shown.rows["rna"] < 100])
    common = partners & set(shown.rows["protein"])
    assert len(common) == min(len(partners), 50)  # those of the modality with fewer are all there


def test_a_sample_holds_no_cell_without_a_place():
    placed = {"rna": np.arange(10) % 2 == 0}
    assert sorted(sample_cells(placed, {}, 100, np.random.default_rng(0)).rows["rna"]) == [0, 2, 4, 6, 8]
    assert sample_cells(placed, {}, 100, np.random.default_rng(0)).total == 10


def test_features_stand_in_the_most_honest_scope():
    rows = [
        ("jamie", "rna", "adt", scope, feature, value)
        for scope, shift in (("all", 0.5), ("held_out_cells", 0.0))
        for feature, value in (("a", 0.1 + shift), ("b", np.nan))
    ]
    table = pd.DataFrame(rows, columns=["method", "source", "target", "scope", "feature", "pearson"])
    packed_values = {("rna", "adt"): pd.Series({"b": 0.4, "a": 0.3})}
    (found,) = feature_tables(table, [{"metric": "pearson", "higher_is_better": True}], packed_values)
    assert (found["scope"], found["features"], found["imputability"]) == ("held out cells", ["a", "b"], [0.3, 0.4])
    assert found["metrics"] == [
        {"title": "Pearson correlation", "name": "pearson", "higher": True, "values": {"jamie": [0.1, None]}}
    ]


def test_settings_that_differ():
    specs = {"one": {"a": 1, "b": {"c": [1, 2]}, "d": {}}, "two": {"a": 1, "b": {"c": [1, 3]}, "d": {"e": None}}}
    assert differing(specs) == [("b.c", ["[1, 2]", "[1, 3]"]), ("d", ["{}", ""]), ("d.e", ["", "null"])]
