"""What the networks are told of a cell beside its features, from training cells alone."""

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.model.decoders.real import LinearDecoder
from jamie.preprocess.covariates import size_factors
from jamie.preprocess.prepare import prepare


class CountDecoder(LinearDecoder):
    """Reads size factors."""

    uses_size_factor = True


def modality(name, X, batches):
    obs = pd.DataFrame({"run": batches}, index=[f"{name}{i}" for i in range(len(X))])
    block = Block(X, pd.Index([f"{name}_f{j}" for j in range(X.shape[1])]))
    return ModalityData(name, obs, block, block)


def prepared(batches, train, decoder=LinearDecoder):
    n = len(batches)
    X = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    modalities = {m: modality(m, X, batches) for m in ("rna", "atac")}
    empty = Correspondences(dict.fromkeys(modalities, n))
    dataset = Dataset(modalities, empty, empty, batch_key="run")
    settings = SimpleNamespace(preprocess=[], target=None, decoder=SimpleNamespace(cls=decoder))
    spec = SimpleNamespace(modality=lambda name: settings, model=SimpleNamespace(stack=None))
    return prepare(dataset, Split(dict.fromkeys(modalities, np.asarray(train))), spec, Context())


def test_covariates_follow_their_cells_into_every_part(caplog):
    found = prepared([2, 1, 2, 1], [True] * 4)
    assert found.batches.categories == ("1", "2")
    np.testing.assert_array_equal(found.covariates["rna"], [[0, 1], [1, 0], [0, 1], [1, 0]])
    kept = found.subset({"rna": np.array([3, 0]), "atac": np.array([1])})
    np.testing.assert_array_equal(kept.covariates["rna"], [[1, 0], [0, 1]])
    cells = found.cells().subset({"rna": [0, 0, 1], "atac": [2]})
    np.testing.assert_array_equal(cells.covariates["rna"], [[0, 1], [0, 1], [1, 0]])
    np.testing.assert_array_equal(cells.covariates["atac"], [[0, 1]])
    assert not caplog.messages


def test_a_batch_of_held_out_cells_alone_is_unknown(caplog):
    found = prepared(["x", "y", "z", "x"], [True, True, False, False])
    assert found.batches.categories == ("x", "y")
    np.testing.assert_array_equal(found.covariates["atac"], [[1, 0], [0, 1], [0, 0], [1, 0]])
    assert "modality 'atac': 1 of 4 cells have a batch (obs 'run') that no training cell has: 'z'" in caplog.text


def test_a_single_batch_is_noticed_and_left_out(caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        found = prepared(["x", "x", "x", "y"], [True, True, True, False])
    assert found.batches is None
    assert found.covariates == {}
    assert (
        "batch_key: all training cells are of one batch (obs 'run' is 'x'), so there are no batch covariates"
        in caplog.messages
    )


def test_only_decoders_that_read_size_factors_get_them():
    assert prepared([1, 2, 1, 2], [True] * 4).size_factor == {}
    found = prepared([1, 2, 1, 2], [True] * 4, CountDecoder)
    np.testing.assert_allclose(found.size_factor["rna"].ravel(), np.array([3, 12, 21, 30]) / 16.5, rtol=1e-6)
    np.testing.assert_array_equal(
        found.cells().subset({"rna": [2], "atac": [0]}).size_factor["rna"], found.size_factor["rna"][2:3]
    )
    kept = found.subset({"rna": [3, 0], "atac": [1]}).size_factor
    np.testing.assert_array_equal(kept["rna"], found.size_factor["rna"][[3, 0]])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_size_factors_are_totals_over_the_median_of_training_cells(convert, caplog):
    counts = np.array([[1, 1], [2, 2], [3, 3], [0, 0], [50, 50]], np.float32)
    block = Block(convert(counts), pd.Index(["f", "g"]), "layer 'counts'")
    train = np.array([True, True, True, False, False])
    found = size_factors(block, train, "modality 'rna'")
    np.testing.assert_allclose(found, [[0.5], [1], [1.5], [0.25], [25]])
    assert found.dtype == np.float32
    assert caplog.messages == [
        "modality 'rna': 1 of 5 cells have no counts in layer 'counts'; their size factor is that of a cell with one"
    ]


def test_size_factors_need_cells_with_counts():
    block = Block(np.array([[0, 0], [0, 0], [3, 1]], np.float32), pd.Index(["f", "g"]), "layer 'counts'")
    words = (
        r"modality 'rna': expected counts in most cells, found none in 67 % of the training cells in layer 'counts'"
        r"\n  leave the empty cells out"
    )
    with pytest.raises(DataError, match=words):
        size_factors(block, np.ones(3, bool), "modality 'rna'")
