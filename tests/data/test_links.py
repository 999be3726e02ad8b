"""Linked features: by their names, or by a table."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from jamie.core.errors import DataError
from jamie.data.links import linked_features

RNA = pd.Index(["CD3E", "CD4", "ACTB", "PTPRC", "GATA1"])
PROTEIN = pd.Index(["CD4", "CD3", "CD45RA", "CD45RO"])
ATAC = pd.Index(["peak1:3-9", "ACTB", "GATA1"])
BOTH = {"rna": RNA, "protein": PROTEIN}
THREE = {**BOTH, "atac": ATAC}


@pytest.fixture
def table(tmp_path):
    def write(text, name="links.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def named(links, a, b, features):
    """{(feature of a, feature of b): weight}."""
    entries = links[a][b].tocoo()
    at = zip(entries.row, entries.col, entries.data, strict=True)
    return {(features[a][i], features[b][j]): float(weight) for i, j, weight in at}


def test_features_of_the_same_name_are_linked(caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        links = linked_features(THREE, None)
    assert named(links, "rna", "protein", THREE) == {("CD4", "CD4"): 1}
    assert named(links, "atac", "rna", THREE) == {("ACTB", "ACTB"): 1, ("GATA1", "GATA1"): 1}
    assert "atac" not in links["protein"]
    assert "rna--atac: 2 pairs of features are linked by their names" in caplog.messages


@pytest.mark.parametrize("names", [["0", "1", "2"], ["feature_1", "feature_2", "feature_3"], ["pc2", "pc0", "pc1"]])
def test_numbers_are_no_names(names):
    assert linked_features({"a": pd.Index(names), "b": pd.Index(names)}, None) == {"a": {}, "b": {}}


def test_names_that_happen_to_end_in_numbers_are_names():
    panel = pd.Index(["CD3", "CD4", "CD8"])
    links = linked_features({"a": panel, "b": panel[:2]}, None)
    np.testing.assert_array_equal(links["a"]["b"].toarray(), [[1, 0], [0, 1], [0, 0]])


def test_table_replaces_the_names(table):
    links = linked_features(BOTH, table("feature_a,feature_b\nCD3E,CD3\nPTPRC,CD45RA\nPTPRC,CD45RO\n"))
    expected = {("CD3E", "CD3"): 1, ("PTPRC", "CD45RA"): 1, ("PTPRC", "CD45RO"): 1}
    assert named(links, "rna", "protein", BOTH) == expected
    np.testing.assert_array_equal(links["protein"]["rna"].toarray(), links["rna"]["protein"].toarray().T)


def test_table_may_have_weights_tabs_and_the_other_order(table):
    text = "feature_a\tfeature_b\tweight\nCD3\tCD3E\t0.5\nCD4\tCD4\t2\nCD45RA\tPTPRC\t-1\n"
    links = linked_features(BOTH, table(text, "links.tsv"))
    assert named(links, "rna", "protein", BOTH) == {("CD3E", "CD3"): 0.5, ("CD4", "CD4"): 2, ("PTPRC", "CD45RA"): -1}


def test_names_that_both_have_are_read_in_the_order_of_most_rows(table):
    features = {"a": pd.Index(["x", "y", "only_a"]), "b": pd.Index(["x", "y", "only_b"])}
    forth = linked_features(features, table("feature_a,feature_b\nx,y\nonly_a,x\n"))
    assert named(forth, "a", "b", features) == {("x", "y"): 1, ("only_a", "x"): 1}
    back = linked_features(features, table("feature_a,feature_b\nx,y\nonly_b,x\n"))
    assert named(back, "a", "b", features) == {("y", "x"): 1, ("x", "only_b"): 1}


def test_row_of_many_modalities_holds_where_its_names_occur(table):
    links = linked_features(THREE, table("feature_a,feature_b\nCD3E,CD3\npeak1:3-9,GATA1\n"))
    assert named(links, "rna", "protein", THREE) == {("CD3E", "CD3"): 1}
    assert named(links, "rna", "atac", THREE) == {("GATA1", "peak1:3-9"): 1}


def test_columns_may_be_named_as_the_modalities(table):
    links = linked_features(THREE, table("rna,protein,atac\nACTB,CD4,ACTB\nGATA1,,GATA1\n"))
    assert named(links, "rna", "atac", THREE) == {("ACTB", "ACTB"): 1, ("GATA1", "GATA1"): 1}
    assert named(links, "protein", "atac", THREE) == {("CD4", "ACTB"): 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "gene,protein\nCD4,CD4\n",
            r"expected the columns feature_a, feature_b \(or names of modalities: rna, protein",
        ),
        ("feature_a,feature_b,source\nCD4,CD4,me\n", "found feature_a, feature_b, source"),
        ("feature_a,feature_b\nCD3e,CD3\nCD99,CD4\n", "found 2 that no modality has: 'CD3e', 'CD99'"),
        ("feature_a,feature_b\nCD3e,CD3\n", r"column 'feature_a'.*(\n.*)*for 'CD3e' did you mean 'CD3E'"),
        ("feature_a,feature_b\nCD4,\n", "found 1 that no modality has: ''"),
        ("rna,protein\nCD3,CD3\n", "found 1 that modality 'rna' does not have: 'CD3'"),
        ("feature_a,feature_b\nCD4,CD4\nCD3E,ACTB\n", "found 1 of 2 rows that do not; the first is 'CD3E' and 'ACTB'"),
        ("feature_a,feature_b\n", "expected each row to link features of two modalities, found 0 of 0 rows"),
        ("rna,protein\nCD4,\n", "found 1 of 1 rows that do not; the first is 'CD4' and ''"),
        ("feature_a,feature_b\nCD4,CD4\nCD4,CD4\n", "expected each link once, found 1 again; the first is 'CD4'"),
        ("feature_a,feature_b,weight\nCD4,CD4,much\n", "expected weights other than 0, found 'much' in row 1"),
        ("feature_a,feature_b,weight\nCD4,CD4,0\n", "expected weights other than 0, found '0' in row 1"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, text, problem):
    with pytest.raises(DataError, match=problem) as error:
        linked_features(BOTH, table(text))
    assert error.value.where.startswith("correspondence.links, ")
    assert error.value.fix
