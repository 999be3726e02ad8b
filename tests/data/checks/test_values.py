"""Values that are not what they are called are told of before anything is fitted, with the setting to change."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.data import dataset_from
from jamie.preprocess.clr import CLR
from jamie.preprocess.fill_missing import FillMissing
from jamie.preprocess.log_normalize import LogNormalize
from jamie.preprocess.pca import PCA
from jamie.preprocess.standardize import Standardize

GENERATOR = np.random.default_rng(0)
COUNTS = GENERATOR.poisson(GENERATOR.gamma(0.5, 30.0, 30) * GENERATOR.uniform(0.5, 2, (40, 1))).astype(np.float32)
LOGS = np.log1p(1e4 * COUNTS / COUNTS.sum(axis=1, keepdims=True))
CELLS = [f"c{i}" for i in range(40)]


@pytest.fixture
def loaded(make, caplog):
    """Load 40 cells whose modality rna holds X, preprocessed by `steps`."""

    def load(X, *steps, protein=None, names=CELLS, **layers):
        rna, other = make.adata(CELLS, X.shape[1]), make.adata(names, 30 if protein is None else protein.shape[1], 1)
        rna.X = X
        rna.layers.update(layers)
        if protein is not None:
            other.X = protein
        chosen = [SimpleNamespace(cls=step) for step in steps]
        spec = make.spec(modalities={"rna": {"preprocess": chosen}, "protein": {}})
        with caplog.at_level(logging.WARNING, "jamie"):
            return dataset_from(make.mdata({"rna": rna, "protein": other}), spec, Context()).dataset

    return load


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("scale", [1, np.float32(1.37)])
def test_counts_and_expected_counts_pass(loaded, form, scale, caplog):
    assert loaded(form(COUNTS * scale), LogNormalize, Standardize).sizes["rna"] == 40
    assert not caplog.messages


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_logarithms_are_not_taken_twice(loaded, form):
    message = (
        rf"modalities.rna: expected counts in X for log_normalize, found logarithms of counts, none above "
        rf"{LOGS.max():.4g}\n  no layer holds counts: set modalities.rna.preprocess to \[standardize, pca\], without "
        "log_normalize$"
    )
    with pytest.raises(DataError, match=message):
        loaded(form(LOGS), LogNormalize, Standardize, PCA)


def test_the_layer_that_holds_counts_is_named(loaded):
    message = (
        r"found logarithms of counts, .*\n  set modalities.rna.layer to raw, which holds counts; or "
        r"modalities.rna.preprocess to \[standardize\], without clr$"
    )
    with pytest.raises(DataError, match=message):
        loaded(LOGS, CLR, raw=COUNTS)


def test_scaled_values_are_no_counts(loaded):
    scaled = (LOGS - LOGS.mean(axis=0)) / (LOGS.std(axis=0) + 1e-6)
    message = (
        r"expected counts in X for log_normalize, found features scaled to mean 0 and standard deviation 1: \d+ "
        r"negative values \(\d+ %\); the first is -[\d.]+ in cell 'c0', feature 'g\d+'\n  no layer holds counts: set"
    )
    with pytest.raises(DataError, match=message):
        loaded(scaled, LogNormalize)


def test_log_ratios_are_no_counts(loaded):
    ratios = np.log1p(COUNTS) - np.log1p(COUNTS).mean(axis=1, keepdims=True)
    with pytest.raises(DataError, match=r"for clr, found values centred in each cell, as log-ratios \(CLR\) are: "):
        loaded(ratios, CLR, Standardize)


def test_a_negative_count_is_a_slip(loaded):
    X = COUNTS.copy()
    X[3, 4] = -2
    message = (
        r"expected counts in X for log_normalize, found 1 negative value \(0.083 %\); the first is -2 in cell 'c3', "
        r"feature 'g4'\n  a count cannot be negative: correct these values, or leave those cells out$"
    )
    with pytest.raises(DataError, match=message):
        loaded(X, LogNormalize)


def test_preprocessors_after_others_are_not_judged_by_the_raw_values(loaded):
    assert loaded(LOGS - 1, Standardize, LogNormalize).sizes["rna"] == 40


def test_missing_values_that_are_filled_are_no_reason_not_to_look(loaded):
    X = LOGS.copy()
    X[0, :4] = np.nan
    with pytest.raises(DataError, match="found logarithms of counts"):
        loaded(X, FillMissing, LogNormalize)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_a_value_beyond_all_others_is_refused(loaded, form):
    X = LOGS.copy()
    X[5, 7] = -1e30
    message = (
        r"modalities.rna: expected values of one scale in X, found 1 beyond 10,000 times nearly all others: -1e\+30 in "
        r"cell 'c5', feature 'g7'\n  it alone would decide the scaling: correct it, leave the cell out, or set it to "
        r"NaN and put fill_missing first in modalities.rna.preprocess$"
    )
    with pytest.raises(DataError, match=message):
        loaded(form(X), Standardize)


def test_features_may_have_scales_of_their_own(loaded):
    X = LOGS.copy()
    X[:, 7] = 1e8 * (1 + GENERATOR.random(40))  # such as an input resistance in ohm
    assert loaded(X, Standardize).sizes["rna"] == 40


def test_values_without_a_logarithm_are_noticed(loaded, caplog):
    X = (1e6 * COUNTS / COUNTS.sum(axis=1, keepdims=True)).astype(np.float32)
    loaded(X, Standardize)
    assert caplog.messages == [
        f"modality 'rna' looks like TPM, CPM or intensities without a logarithm (up to {X.max():.4g}), of which a few "
        "outweigh all others: put log_normalize first in modalities.rna.preprocess, or choose a layer of logarithms"
    ]


@pytest.mark.parametrize(
    ("protein", "found"),
    [
        (LOGS, "the same values"),
        (np.expm1(LOGS).astype(np.float32), "values that follow from those of the other"),
    ],
)
def test_a_modality_that_is_a_copy_is_noticed(loaded, protein, found, caplog):
    loaded(LOGS, Standardize, protein=protein)
    assert (
        f"modalities 'rna' and 'protein' hold {found}, cell by cell: to impute one from the other shows nothing; if "
        "that is not meant, choose another layer of one of them, or leave it out"
    ) in caplog.messages


@pytest.mark.parametrize(
    ("protein", "names"),
    [(LOGS[::-1], CELLS), (LOGS[:, :29], CELLS), (LOGS, [f"other{i}" for i in range(36)] + CELLS[:4])],
    ids=["other cells", "other features", "few shared"],
)
def test_other_modalities_are_no_copies(loaded, protein, names, caplog):
    loaded(LOGS, Standardize, protein=protein, names=names)
    assert "cell by cell" not in caplog.text
