import logging

import pytest

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data import dataset_from
from jamie.data.checks.labels import require_batches


def test_the_column_may_stand_in_a_modality_or_in_the_mudata(mdata, make):
    data = dataset_from(mdata, make.spec(batch_key="donor"), Context()).dataset
    assert data.batch_key == "donor"
    assert data.modalities["atac"].labels("donor")[0] == "d_c8"
    assert dataset_from(mdata, make.spec(), Context()).dataset.batch_key is None


def test_a_modality_without_the_column_is_named(mdata, make):
    words = (
        r"batch_key: expected a column 'cell_type' in obs of modality 'atac' or of the MuData, found it in neither"
        r"\n  rna has it: put it into obs of 'atac' too, or into the MuData's own obs"
    )
    with pytest.raises(DataError, match=words):
        dataset_from(mdata, make.spec(batch_key="cell_type"), Context())
    with pytest.raises(DataError, match=r"expected a column 'doner' in obs .*\n  did you mean 'donor'\?"):
        dataset_from(mdata, make.spec(batch_key="doner"), Context())


def test_cells_without_a_batch_are_counted(mdata, make):
    mdata.obs.loc[["c7", "c8"], "donor"] = None
    words = (
        r"batch_key: expected a batch for every cell, found 2 cells of modality 'atac' \(29 %\) without one in obs "
        r"'donor'\n  fill the gaps"
    )
    with pytest.raises(DataError, match=words):
        dataset_from(mdata, make.spec(batch_key="donor"), Context())


@pytest.mark.parametrize(("n_batches", "warned"), [(50, False), (51, True)])
def test_very_many_batches_are_warned_of(make, n_batches, warned, caplog):
    cells = [f"c{i}" for i in range(60)]
    modality = make.modality("rna", cells, donor=[f"d{i % n_batches}" for i in range(60)])
    with caplog.at_level(logging.INFO, "jamie"):
        require_batches("donor", {"rna": modality}, "batch_key")
    assert (f"batch_key: obs 'donor' has {n_batches} values; batches with few cells" in caplog.text) == warned
