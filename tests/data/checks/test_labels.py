"""What labels, batches and held-out groups of two modalities mean is compared before anything is fitted."""

import logging

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data import dataset_from
from jamie.data.splits.holdout import split_cells
from jamie.spec.evaluate_section import HoldoutSection

TYPES = np.repeat(["T cell", "B cell", "NK"], [4, 4, 2])


@pytest.fixture
def loaded(make, caplog):
    """Load ten cells of rna and protein with a column of obs in each; the messages are in `caplog`."""

    def load(rna, protein, column="cell_type", names=None, **settings):
        cells = [f"c{i}" for i in range(10)]
        first = make.adata(cells, 3, **{column: rna})
        second = make.adata(names or cells, 3, seed=1, **{column: protein})
        with caplog.at_level(logging.INFO, "jamie"):
            settings = settings or {"labels": [column]}
            return dataset_from(make.mdata({"rna": first, "protein": second}), make.spec(**settings), Context()).dataset

    return load


def told(caplog):
    return [message for message in caplog.messages if not message.startswith("pairing")]


@pytest.mark.parametrize("other", [TYPES, pd.Categorical(TYPES)])
def test_labels_that_agree_are_not_spoken_of(loaded, other, caplog):
    loaded(TYPES, other)
    assert not told(caplog)


def test_labels_of_another_type_are_the_same(loaded, caplog):
    clusters = np.arange(10) % 3
    loaded(clusters, pd.Categorical(clusters.astype(float)))
    assert not told(caplog)


def test_clusters_that_were_numbered_apart_are_noticed(loaded, caplog):
    loaded(np.repeat(["0", "1", "2"], [4, 4, 2]), np.repeat([1, 2, 0], [4, 4, 2]))
    assert told(caplog) == [
        "labels: of 10 matched cells only 0 % carry the same 'cell_type' in rna and in protein (32 % would by chance): "
        "'0' in rna is '1' in protein (4 cells), '1' in rna is '2' in protein (4 cells), '2' in rna is '0' in protein "
        "(2 cells); give both modalities the same column, or rename the values of one so that equal names mean the same"
    ]
    assert caplog.records[0].levelname == "WARNING"


def test_finer_types_in_one_modality_are_told(loaded, caplog):
    finer = TYPES.astype(object)
    finer[:2] = "CD4 T"
    loaded(TYPES, finer)
    assert told(caplog) == [
        "labels: of 10 matched cells only 80 % carry the same 'cell_type' in rna and in protein (28 % would by "
        "chance): 'T cell' in rna is 'CD4 T' in protein (2 cells)"
    ]


def test_spellings_are_told_with_the_mapping_that_unites_them(loaded, caplog):
    loaded(TYPES, [{"T cell": "T Cell ", "B cell": "b_cell"}.get(one, one) for one in TYPES])
    assert told(caplog)[0] == (
        "labels: spelled in several ways in obs 'cell_type', and counted as different: 'T cell' "
        "(4 cells of rna), 'T Cell ' (4 cells of protein), and 1 more; unite them: in protein, "
        "obs['cell_type'].astype(object).replace({'T Cell ': 'T cell', 'b_cell': 'B cell'})"
    )
    assert "matched cells" not in caplog.text


def test_a_measurement_is_no_label(loaded, make):
    cells = [f"c{i}" for i in range(30)]
    mdata = make.mdata({m: make.adata(cells, 3, pseudotime=np.linspace(0, 1, 30)) for m in ("rna", "protein")})
    message = (
        r"labels: expected classes, such as cell types or donors, in obs 'pseudotime' of rna, found 30 different "
        r"numbers from 0 to 1, as of a measurement\n  name another column; or cut it into classes, "
        r"obs\['pseudotime_class'\] = pd.cut\(obs\['pseudotime'\], 5\).astype\(str\); or, where the numbers are names"
    )
    with pytest.raises(DataError, match=message):
        dataset_from(mdata, make.spec(labels=["pseudotime"]), Context())


def test_types_of_one_cell_and_categories_of_none_are_told(loaded, caplog):
    types = pd.Categorical(["T"] * 8 + ["a", "b"], categories=["T", "a", "b", "mast"])
    loaded(types, list(types))
    assert told(caplog) == [
        "labels: 2 of 3 values of obs 'cell_type' in rna have a single cell, which no other can be predicted from: "
        "'a', 'b'",
        "labels: categories of obs 'cell_type' in rna without a cell are ignored (1): 'mast'",
        "labels: 2 of 3 values of obs 'cell_type' in protein have a single cell, which no other can be predicted from: "
        "'a', 'b'",
    ]


def test_batches_that_disagree_are_noticed(loaded, caplog):
    loaded(list("aabbaabbab"), list("bbbbaabbab"), "batch", batch_key="batch")
    assert told(caplog) == [
        "batch_key: of 10 matched cells only 80 % carry the same 'batch' in rna and in protein (50 % would by chance): "
        "'a' in rna is 'b' in protein (2 cells)"
    ]


@pytest.mark.parametrize(
    "protein",
    [np.arange(10) % 5 * 1.0, (np.arange(10) % 5).astype(str), pd.Categorical([f"{i % 5}.0" for i in range(10)])],
)
def test_no_cell_of_a_held_out_donor_is_trained_on(loaded, protein):
    names = [f"c{i}" if i < 5 else f"d{i}" for i in range(10)]
    donors = np.arange(10) % 5
    data = loaded(donors, protein, "donor", names, group="donor")
    split = split_cells(data, HoldoutSection(group="donor"), Context())
    (held_out,) = set(donors[split.held_out["rna"]])
    np.testing.assert_array_equal(split.held_out["protein"], donors == held_out)


def test_a_cell_of_two_donors_cannot_be_held_out_with_either(loaded):
    message = (
        r"evaluate.holdout.group: of 10 matched cells only 90 % carry the same 'donor' in rna and in protein .*: "
        r"'1' in rna is '2' in protein \(1 cells\)\n  give both modalities the same column"
    )
    with pytest.raises(DataError, match=message):
        loaded([1] * 5 + [2] * 5, [1] * 4 + [2] * 6, "donor", group="donor")


def test_one_donor_of_two_names_cannot_be_held_out(loaded):
    message = (
        r"holdout.group: spelled in several ways in obs 'donor', .*: 'd1' \(5 cells of rna\), 'D1' \(5 cells of "
        r"protein\)\n  unite them: in protein, obs\['donor'\].astype\(object\).replace\({'D1': 'd1'}\)"
    )
    with pytest.raises(DataError, match=message):
        loaded(["d1"] * 5 + ["d2"] * 5, ["D1"] * 5 + ["d2"] * 5, "donor", group="donor")
