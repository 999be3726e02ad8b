import logging
from dataclasses import replace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.methods.mean_by_label import MeanByLabel
from jamie.testing import toy


def test_a_cell_is_given_the_mean_of_its_label_in_the_target():
    cells = toy.cells(labels=True)
    target, names = cells.targets["atac"], cells.labels["atac"]
    method = MeanByLabel().fit(cells, Context())
    found = method.impute(cells.scores["rna"], "rna", "atac", cells.labels["rna"]).mean
    for values, label in zip(found, cells.labels["rna"], strict=True):
        same = np.ones(len(names), bool) if label is None else names == label
        np.testing.assert_allclose(values, target[same].mean(axis=0), rtol=1e-5)


def test_a_label_that_no_training_cell_has_is_noticed_and_given_the_mean_of_all(caplog):
    cells = toy.cells(labels=True)
    method = MeanByLabel().fit(cells, Context())
    with caplog.at_level(logging.WARNING, "jamie"):
        found = method.impute(cells.scores["rna"][:2], "rna", "atac", np.array(["late", "latest"], object)).mean
    np.testing.assert_allclose(found[1], cells.targets["atac"].mean(axis=0), rtol=1e-5)
    assert "mean_by_label: no training cell of atac is latest; such cells get the mean of all" in caplog.text


def test_the_labels_of_the_query_must_be_told():
    cells = toy.cells(labels=True)
    method = MeanByLabel().fit(cells, Context())
    with pytest.raises(DataError, match="expected the label of each of the 41 cells of rna, found none"):
        method.impute(cells.scores["rna"], "rna", "atac")


def test_a_single_label_tells_nothing():
    cells = toy.cells(labels=True)
    one = replace(cells, labels={m: np.full(len(v), "late", object) for m, v in cells.labels.items()})
    message = "expected at least 2 labels among the 41 training cells of rna, found 1: late\n  name another column"
    with pytest.raises(DataError, match=message):
        MeanByLabel().fit(one, Context())
