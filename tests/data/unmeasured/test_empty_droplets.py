"""Barcodes of an unfiltered matrix beside filtered cells: left out where they surely hold no cell, else told of."""

import logging

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data import dataset_from

N_CELLS, N_DROPLETS = 40, 60
PROFILE = np.array([100, 400, 20, 60, 20, 200])


def counts(n, depth, seed=0):
    """Counts (n, 6) of cells whose totals are near 800 times `depth`."""
    generator = np.random.default_rng(seed)
    return generator.poisson(depth * PROFILE * generator.uniform(0.8, 1.2, (n, 1))).astype(np.float32)


@pytest.fixture
def loaded(make, caplog):
    """Load 40 cells of rna and protein beside further barcodes of protein, the rows of `others`."""

    def load(others, setting="auto", values=lambda X: X, layer=None, donor=None):
        rna = make.adata([f"c{i}" for i in range(N_CELLS)], 5)
        names = [f"c{i}" for i in range(N_CELLS)] + [f"e{i}" for i in range(len(others))]
        protein = make.adata(names, 6, seed=1)
        X = np.vstack([counts(N_CELLS, 1.0, seed=1), others])
        protein.X = values(X)
        if layer:
            protein.layers[layer] = X
        if donor:
            rna.obs["donor"], protein.obs["donor"] = donor, [donor] * N_CELLS + [None] * len(others)
        mdata = make.mdata({"rna": rna, "protein": protein})
        spec = make.spec(modalities={"protein": {"empty_droplets": setting}, "rna": {}}, batch_key=donor and "donor")
        with caplog.at_level(logging.INFO, "jamie"):
            return dataset_from(mdata, spec, Context()).dataset

    return load


def told(caplog):
    return [one for one in caplog.messages if "in no other modality" in one or "empty droplets" in one]


def test_empty_droplets_are_left_out_and_counted(loaded, caplog):
    empty = counts(N_DROPLETS, 0.02)
    data = loaded(empty)
    assert data.sizes == {"protein": N_CELLS, "rna": N_CELLS}
    assert data.truth.n_pairs == data.known.n_pairs == N_CELLS
    cells = np.median(counts(N_CELLS, 1.0, seed=1).sum(axis=1))
    assert told(caplog) == [
        "modality 'protein': 60 of 100 cells are in no other modality; these hold a median total of "
        f"{np.median(empty.sum(axis=1)):.4g}, those in others {cells:.4g}: 60 are regarded as empty droplets and left "
        "out (modalities.protein.empty_droplets: keep uses them)"
    ]


def test_cells_of_the_usual_depth_stay_among_them(loaded):
    data = loaded(np.vstack([counts(N_DROPLETS, 0.02), counts(15, 0.9, seed=2)]))
    assert list(data.modalities["protein"].cells[N_CELLS:]) == [f"e{i}" for i in range(N_DROPLETS, N_DROPLETS + 15)]


def test_droplets_are_told_by_a_layer_of_counts(loaded):
    assert loaded(counts(N_DROPLETS, 0.02), values=lambda X: np.log1p(X) - 3, layer="counts").sizes["protein"] == 40


def test_droplets_need_no_batch(loaded):
    assert loaded(counts(N_DROPLETS, 0.02), donor="d1").sizes["protein"] == 40


@pytest.mark.parametrize(
    "others",
    [
        counts(N_DROPLETS, 1.0),  # cells of one modality alone
        counts(N_DROPLETS, 0.6),
        counts(10, 0.02),  # few
        counts(N_DROPLETS, 0.05) * (np.arange(6) == 0),  # another panel
    ],
    ids=["usual", "less deep", "few", "panel"],
)
def test_other_cells_are_never_left_out(loaded, others):
    assert loaded(others).sizes["protein"] == N_CELLS + len(others)


def test_where_in_doubt_all_are_kept_and_the_setting_is_named(loaded, caplog):
    others = counts(N_DROPLETS, 0.25)
    assert loaded(others).sizes["protein"] == 100
    (message,) = told(caplog)
    assert message.startswith("modality 'protein': 60 of 100 cells are in no other modality; these hold a median")
    assert message.endswith(
        ": if they are empty droplets, set modalities.protein.empty_droplets: drop; if they are cells, keep"
    )


def test_droplets_among_values_that_are_no_counts_are_kept_with_a_warning(loaded, caplog):
    assert loaded(counts(N_DROPLETS, 0.02), values=lambda X: X / 7).sizes["protein"] == 100
    assert "set modalities.protein.empty_droplets: drop" in caplog.text


def test_what_the_user_sets_is_done(loaded, caplog):
    assert loaded(counts(N_DROPLETS, 0.02), "keep").sizes["protein"] == 100
    assert not told(caplog)
    assert loaded(counts(N_DROPLETS, 0.25), "drop").sizes["protein"] == N_CELLS
    assert "modalities.protein.empty_droplets: 60 cells are left out as empty droplets (of less than " in caplog.text


def test_nothing_to_tell_droplets_by_is_an_error(loaded):
    message = (
        r"modalities.protein.empty_droplets: expected counts of at least 20 cells that are in another modality and 20 "
        r"that are in none, .*\n  give raw counts in X or in a layer 'counts'"
    )
    with pytest.raises(DataError, match=message):
        loaded(counts(N_DROPLETS, 0.02), "drop", values=lambda X: X - 3)
