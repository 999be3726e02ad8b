import logging
from types import SimpleNamespace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data import dataset_from, load_dataset
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_branch import SimulateBranch


def test_loads_cells_by_name_with_their_labels_and_pairs(mdata, make):
    loaded = dataset_from(mdata, make.spec(labels=["cell_type", "donor"]), Context())
    data = loaded.dataset
    assert list(data.modalities) == ["rna", "atac"]
    rows, columns = data.truth.between("rna", "atac").pairs()
    rna, atac = data.modalities["rna"], data.modalities["atac"]
    assert list(rna.cells[rows]) == list(atac.cells[columns]) == ["c2", "c3", "c4", "c5"]
    assert list(atac.obs["donor"]) == [f"d_{name}" for name in atac.cells]
    assert list(rna.obs["cell_type"]) == list("aabbab")
    assert "cell_type" not in atac.obs
    assert rna.target is rna.input
    assert loaded.pairing_table.pairs[0].shared_a == 4


def test_spec_orders_and_chooses_modalities_layers_and_targets(mdata, make):
    target = SimpleNamespace(layer="counts", obsm=None, preprocess=[])
    spec = make.spec(modalities={"*": {}, "atac": {}, "rna": {"target": target}})
    data = dataset_from(mdata, spec, Context()).dataset
    assert list(data.modalities) == ["atac", "rna"]
    assert data.modalities["rna"].target.origin == "layer 'counts'"
    np.testing.assert_array_equal(data.modalities["rna"].target.X, np.ones((6, 4)))
    np.testing.assert_array_equal(data.modalities["rna"].input.X, mdata["rna"].X)


def test_callers_data_are_not_modified(mdata, make):
    mdata["rna"].var_names = ["g", "g", "h", "i"]
    before = mdata["rna"].X.copy()
    data = dataset_from(mdata, make.spec(labels=["donor"]), Context()).dataset
    assert list(data.modalities["rna"].input.features) == ["g", "g-1", "h", "i"]
    assert list(mdata["rna"].var_names) == ["g", "g", "h", "i"]
    assert "donor" not in mdata["rna"].obs
    np.testing.assert_array_equal(mdata["rna"].X, before)


def test_pairing_table_is_logged(mdata, make, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        dataset_from(mdata, make.spec(), Context())
    assert "rna + atac       4      4           2            3" in caplog.text


def test_nan_is_refused_with_its_place(mdata, make):
    mdata["rna"].X[2, 1] = np.nan
    mdata["rna"].X[3, 0] = np.inf
    with pytest.raises(
        DataError, match=r"(?s)modalities.rna: expected finite values, found 2 \(8.3 %\) .*'c2'.*'g1'.*fill_"
    ):
        dataset_from(mdata, make.spec(), Context())


def test_nan_is_accepted_where_it_will_be_filled_but_infinity_is_not(mdata, make):
    fill = SimpleNamespace(cls=SimpleNamespace(accepts_nan=True))
    spec = make.spec(modalities={"*": {}, "rna": {"preprocess": [fill]}, "atac": {}})
    mdata["rna"].X[2, 1] = np.nan
    assert np.isnan(dataset_from(mdata, spec, Context()).dataset.modalities["rna"].input.X[2, 1])
    mdata["rna"].X[2, 1] = -np.inf
    with pytest.raises(DataError, match=r"found 1 that are infinite in X; the first is cell 'c2', feature 'g1'"):
        dataset_from(mdata, spec, Context())


def test_absent_label_names_the_nearest(mdata, make):
    with pytest.raises(DataError, match=r"(?s)labels: expected a column 'cel_type'.*did you mean 'cell_type'"):
        dataset_from(mdata, make.spec(labels=["cel_type"]), Context())


def test_absent_modality_names_the_nearest(mdata, make):
    with pytest.raises(DataError, match=r"(?s)modalities: expected modality 'rma'.*did you mean 'rna'.*rna, atac"):
        dataset_from(mdata, make.spec(modalities={"rma": {}, "atac": {}}), Context())


def test_one_modality_is_refused(mdata, make):
    with pytest.raises(DataError, match="expected at least two modalities, found rna"):
        dataset_from(mdata, make.spec(modalities={"rna": {}}), Context())


def test_fewer_than_three_cells_are_refused(make):
    mdata = make.mdata({"rna": make.adata("abc", 2), "atac": make.adata("ab", 2)})
    with pytest.raises(DataError, match="modality 'atac': expected at least 3 cells, found 2"):
        dataset_from(mdata, make.spec(), Context())


def test_duplicate_cells_are_refused(mdata, make):
    mdata["rna"].obs_names = ["a", "b", "a", "d", "e", "f"]
    with pytest.raises(DataError, match=r"modality 'rna': expected each cell .* found 1 that repeat .* 'a'"):
        dataset_from(mdata, make.spec(), Context())


def test_simulated_cells_load(make):
    reader = SimulateBranch(n_cells=20, n_features=(5, 6), overlap=0.5)
    loaded = load_dataset(make.spec(reader, labels=["cell_type"], known_fraction=0.5), Context())
    assert loaded.dataset.truth.n_pairs == 10
    assert loaded.dataset.known.n_pairs == 5
    assert loaded.pairing_table.pairs[0].known_a == 5


def test_real_data_load(jamie_data, make):
    reader = MuDataReader(path=jamie_data / "scgem.h5mu")
    data = load_dataset(make.spec(reader, labels=["cell_type"]), Context()).dataset
    assert data.sizes == {"rna": 177, "methyl": 177}
    assert data.truth.between("rna", "methyl").n_pairs == 177
    assert data.modalities["rna"].input.X.dtype == np.float32
