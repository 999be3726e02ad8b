"""Under which other names the features of a model stand in the data."""

import numpy as np
import pandas as pd
import pytest

from jamie.core.errors import DataError
from jamie.data.align import find_features, other_naming

MODEL = pd.Index(["ENSG01", "ENSG02", "ENSG03", "ENSG04"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            ["ensg04", "ensg02", "ensg03", "x"],
            "the names differ in case: 'ensg02' in the data is 'ENSG02' in the model",
        ),
        (
            ["ENSG01.12", "ENSG02.1", "ENSG03.7", "ENSG04.3"],
            "the names differ by version suffixes: 'ENSG01.12' in the data is 'ENSG01' in the model; rename them",
        ),
        ([" ENSG01", "ENSG02 ", "ENSG03 ", "ENSG04"], "the names differ by spaces: ' ENSG01' in the data"),
        (["Actb", "Gapdh", "Cd3e", "Cd4"], ""),
    ],
)
def test_names_that_differ_a_little(given, words):
    assert other_naming(pd.Index(given), MODEL).startswith(words)
    assert bool(other_naming(pd.Index(given), MODEL)) == bool(words)


def test_names_that_stand_in_another_column():
    var = pd.DataFrame({"length": [1, 2, 3], "gene_ids": pd.Categorical(["ENSG02", "ENSG01", "ENSG03"])})
    assert other_naming(pd.Index(["Actb", "Gapdh", "Cd4"]), MODEL, var) == (
        "var column 'gene_ids' holds the model's names: set adata.var_names = adata.var['gene_ids']"
    )


def test_missing_features_are_told_with_what_they_carry(caplog):
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    given = pd.Index(["ENSG04", "ENSG01", "other"])
    found = find_features(given, MODEL, np.zeros(4), "rna", 0.5, shares)
    np.testing.assert_array_equal(found.source, [1, -1, -1, 0])
    assert "2 of 4 features (50 %) are missing: 'ENSG02', 'ENSG03'; they carry 50 % of the variance" in caplog.text
    words = (
        r"2 of 4 features \(50 %\) are missing: .*carry 50 % of the variance that the model reads\n  add the missing"
    )
    with pytest.raises(DataError, match=words):
        find_features(given, MODEL, np.zeros(4), "rna", 0.2, shares)
