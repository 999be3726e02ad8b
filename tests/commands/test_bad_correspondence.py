"""Correspondences that do not fit the cells, or the machine: exit code 2 and a message that says what to do."""

import numpy as np
import pandas as pd
import pytest

import jamie.core.context

MATRIX = "{folder}/pairs.npy: expected entries from 0 to 1, found 1 outside; the first is {value} at row 2, column 3\n"


@pytest.mark.parametrize("value", [-0.5, 1.5, float("nan")])
def test_entries_out_of_range(place, value):
    matrix = np.eye(30)
    matrix[2, 3] = value
    fix = "  give confidences, not distances or counts: divide by the largest entry, or set entries to 0 or 1"
    place.refused(run(place, matrix), MATRIX.replace("{value}", f"{value:g}") + fix)


def test_wrong_shape(place):
    place.refused(
        run(place, np.eye(5, 30)),
        "{folder}/pairs.npy: expected 30 x 30 values (cells of 'rna' x cells of 'protein'), found 5 x 30\n"
        "  if its rows are cells of 'protein', call it 'protein--rna'",
    )


def test_names_of_other_cells(place):
    rows, columns = ([f"{prefix}{i}" for i in range(30)] for prefix in ("AAAC", "cell"))
    pd.DataFrame(np.eye(30), rows, columns).to_csv(place.folder / "pairs.csv")
    place.refused(
        place.run(correspondence={"known": {"matrix": {"paths": {"rna--protein": "pairs.csv"}}}}),
        "{folder}/pairs.csv: expected the names of the cells of 'rna', found 30 of them missing; the first is "
        "'cell0' (the file has 'AAAC0')\n  leave the names out if rows and columns are in the order of the data",
    )


def test_other_modalities(place):
    place.refused(
        run(place, np.eye(30), "rna--atac"),
        "pairing 'matrix', paths: expected two modalities joined by --, found 'rna--atac'\n"
        "  available: rna--protein, protein--rna",
    )


def test_a_table_with_unknown_cells(place):
    (place.folder / "pairs.csv").write_text("rna,protein\ncell1,cell1\nAAAC,cell2\n")
    place.refused(
        place.run(correspondence={"known": {"table": {"path": "pairs.csv"}}}),
        "{folder}/pairs.csv, column 'rna': expected names of cells, found 1 of 2 that modality 'rna' does not "
        "have; the first is 'AAAC' (its own look like 'cell0')\n"
        "  leave out pairs of cells that are not in the data",
    )


@pytest.mark.parametrize("name", ["unioncom", "gromov_wasserstein"])
def test_a_dense_array_that_would_not_fit(place, monkeypatch, name):
    monkeypatch.setattr(jamie.core.context, "physical_memory", lambda: 2**27)
    done = place.run(
        data={"simulate_branch": {"n_cells": 4000, "n_features": [4, 5]}},
        correspondence={"infer": name, "rho": 0.5},
        evaluate={"known_pairs": {"fraction": 0.1}},
    )
    place.refused(done, f"correspondence modality1--modality2: {name} on 3200 and 3200 cells would need ")
    place.refused(done, "GiB, more than the limit of 0.1 GiB\n  use ")
    place.refused(done, f"hierarchical: {{inner: {name}}}, which matches groups of cells\n")


def run(place, matrix, pair="rna--protein"):
    np.save(place.folder / "pairs.npy", matrix)
    return place.run(correspondence={"known": {"matrix": {"paths": {pair: "pairs.npy"}}}})
