import numpy as np
import pandas as pd
from anndata import AnnData

from jamie.core.package_versions import exact_floats, layer_names, set_pull_on_update


def test_names_of_layers_are_without_x():
    adata = AnnData(np.ones((2, 3)))
    assert layer_names(adata) == []
    adata.layers["counts"] = adata.X * 2
    assert layer_names(adata) == layer_names(adata[:1]) == ["counts"]


def test_an_option_of_mudata_is_put_back_with_what_setting_it_returned():
    before = set_pull_on_update(True)
    assert set_pull_on_update(False) is True
    assert set_pull_on_update(before) is False
    assert set_pull_on_update(before) is before


def test_numbers_that_are_read_equal_those_that_were_written(tmp_path):
    written = pd.Series(np.random.default_rng(0).normal(size=5000) * 1e-7, name="value")
    written.to_csv(tmp_path / "x.csv", index=False)
    read = pd.read_csv(tmp_path / "x.csv", **exact_floats())
    np.testing.assert_array_equal(read["value"], written)
