"""The data stage as a real spec asks for it."""

import numpy as np
import pytest

from jamie.commands.inputs import input_files
from jamie.core.context import Context
from jamie.core.data import Split
from jamie.core.errors import DataError
from jamie.data import load_dataset
from jamie.preprocess.prepare import prepare
from jamie.spec import load_spec


def test_a_spec_of_tables_with_pairs_in_a_file(tmp_path):
    generator = np.random.default_rng(0)
    np.save(tmp_path / "rna.npy", generator.normal(size=(5, 4)))
    np.save(tmp_path / "ephys.npy", generator.normal(size=(4, 3)))
    (tmp_path / "pairs.csv").write_text("rna,ephys\nrna_0,ephys_3\nrna_4,ephys_1\n")
    spec = load_spec(
        {
            "data": {"table": {"paths": {"rna": "rna.npy", "ephys": "ephys.npy"}}},
            "correspondence": {"known": {"table": {"path": "pairs.csv"}}},
            "labels": [],
        },
        base=tmp_path,
    )
    truth = load_dataset(spec, Context()).dataset.truth.between("rna", "ephys")
    assert [list(one) for one in truth.pairs()] == [[0, 4], [3, 1]]


def test_an_absent_layer_is_placed_in_the_spec(tmp_path):
    (tmp_path / "spec.yaml").write_text(
        "data: {simulate_branch: {n_cells: 20, n_features: [5, 6]}}\n"
        "modalities:\n  modality1: {layer: counts}\n  modality2: {}\n"
    )
    with pytest.raises(DataError, match=r"spec.yaml:3:\d+  modalities.modality1.layer: expected layer 'counts'"):
        load_dataset(load_spec(tmp_path / "spec.yaml"), Context())


def test_a_table_of_linked_features_lies_beside_the_spec_and_is_a_source(tmp_path):
    generator = np.random.default_rng(0)
    for name, n_features in (("rna", 4), ("protein", 3)):
        np.save(tmp_path / f"{name}.npy", generator.normal(size=(5, n_features)))
    (tmp_path / "links.csv").write_text("feature_a,feature_b\nprotein_2,rna_1\n")
    (tmp_path / "spec.yaml").write_text(
        "data: {table: {paths: {rna: rna.npy, protein: protein.npy}}}\n"
        "correspondence: {known: none, infer: unioncom, links: links.csv}\n"
        "labels: []\n"
    )
    spec = load_spec(tmp_path / "spec.yaml")
    assert tmp_path / "links.csv" in input_files(spec)
    dataset = load_dataset(spec, Context()).dataset
    view = prepare(dataset, everyone(dataset), spec, Context()).view("rna")
    np.testing.assert_array_equal(view.links["protein"].toarray(), np.eye(3)[[0, 2, 1, 1]] * [[0], [1], [0], [0]])


def test_features_that_are_not_there_are_placed_in_the_spec(tmp_path):
    (tmp_path / "links.csv").write_text("feature_a,feature_b\nfeature_1,gene_3\n")
    (tmp_path / "spec.yaml").write_text(
        "data: {simulate_branch: {n_cells: 20, n_features: [5, 6]}}\ncorrespondence: {links: links.csv}\n"
    )
    with pytest.raises(DataError, match=r"(?s)spec.yaml:2:\d+  correspondence.links, .*column 'feature_b'.*'gene_3'"):
        load_dataset(load_spec(tmp_path / "spec.yaml"), Context())


def everyone(dataset):
    return Split({name: np.ones(n, bool) for name, n in dataset.sizes.items()})
