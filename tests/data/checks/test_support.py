"""Targets that a decoder's distribution cannot have given are refused before training."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Block
from jamie.core.errors import DataError
from jamie.data import dataset_from
from jamie.data.checks.support import require_support
from jamie.model.decoders.counts import PoissonDecoder
from jamie.spec import load_spec

COUNTS = np.random.default_rng(0).poisson(1.0, size=(6, 4)).astype(np.float32)


@pytest.fixture
def loaded(mdata, tmp_path):
    """Load `mdata` with some settings of rna; other values of its X and its layer `counts` can be given."""

    def load(settings, X=None, counts=COUNTS):
        if X is not None:
            mdata["rna"].X = X
        mdata["rna"].layers["counts"] = counts
        path = tmp_path / "spec.yaml"
        path.write_text(
            f"preset: null\ndata: simulate_branch\nlosses: {{kl: 1}}\nmodalities:\n  rna: {settings}\n  atac: {{}}\n"
        )
        return dataset_from(mdata, load_spec(path), Context()).dataset

    return load


@pytest.mark.parametrize("decoder", ["negative_binomial", "zero_inflated_negative_binomial", "poisson"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_counts_pass(loaded, decoder, form):
    settings = f"{{preprocess: [standardize], target: {{layer: counts}}, decoder: {decoder}}}"
    assert loaded(settings, counts=form(COUNTS)).modalities["rna"].target.origin == "layer 'counts'"


def test_selected_features_are_still_counts(loaded):
    steps = "target: {layer: counts, preprocess: [{select_features: {n_features: 2}}]}"
    assert loaded(f"{{{steps}, decoder: poisson}}").modalities["rna"].target.origin == "layer 'counts'"


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_values_that_are_no_counts_are_counted_and_layers_that_are_named(loaded, form):
    X = COUNTS.copy()
    X[0, :3] = [0.5, 1.25, -2]
    message = (
        r"spec.yaml:5:\d+  modalities.rna.decoder: expected counts in X, found 8.3 % that are not whole numbers and "
        r"4.2 % that are negative; the first is 0.5 in cell 'c0', feature 'g0'\n  the decoder negative_binomial "
        r"needs a target that is not preprocessed: set modalities.rna.target to \{layer: counts\}$"
    )
    with pytest.raises(DataError, match=message):
        loaded("{decoder: negative_binomial}", X=form(X))


def test_counts_that_are_preprocessed_are_refused(loaded):
    message = (
        r"modalities.rna.decoder: expected counts as they were measured, found that the target is changed by "
        r"log_normalize, pca\n.* set modalities.rna.target to \{layer: counts\} \(also there: X\)"
    )
    with pytest.raises(DataError, match=message):
        loaded("{decoder: poisson, preprocess: [log_normalize, pca]}", X=COUNTS)
    with pytest.raises(DataError, match=message):
        loaded("{decoder: poisson, target: {layer: counts, preprocess: [log_normalize, pca]}}", X=COUNTS)


def test_x_is_named_where_it_alone_holds_counts(loaded):
    settings = "{decoder: poisson, preprocess: [standardize]}"
    with pytest.raises(DataError, match=r"changed by standardize\n.*set modalities.rna.target to \{\}$"):
        loaded(settings, X=COUNTS, counts=COUNTS + 0.5)


def test_data_without_counts_say_so(loaded):
    message = (
        r"found 100 % that are not whole numbers; the first is 1.5 in cell 'c0', feature 'g0'\n  no layer holds "
        r"counts: if they are expected counts, as of RSEM or Salmon, round them, adata.layers\['counts'\] = "
        r"np.rint\(adata.layers\['counts'\]\), and set modalities.rna.target to \{layer: counts\}, or choose a decoder"
    )
    with pytest.raises(DataError, match=message):
        loaded("{decoder: poisson, target: {layer: counts}}", counts=COUNTS + 0.5)


def test_rounding_is_not_advised_where_it_brings_no_counts_back(loaded):
    message = r"no layer holds counts: add one to the data \(these are logarithms of counts, which rounding does not"
    counts = COUNTS + np.arange(4)
    logs = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    with pytest.raises(DataError, match=message):
        loaded("{decoder: negative_binomial}", X=logs, counts=logs)


def test_a_few_negative_counts_are_slips(mdata):
    few = np.ones((6, 200), np.float32)
    few[1, 7] = -1
    target = Block(few, pd.Index([f"g{j}" for j in range(200)]))
    adata = AnnData(few, obs=mdata["rna"].obs)
    with pytest.raises(DataError, match="no layer holds counts: correct these values, or leave those cells out, or"):
        require_support(target, adata.obs_names, [], PoissonDecoder, adata, "modalities.rna", "decoder")


def test_bernoulli_needs_zeros_and_ones(loaded):
    open_peaks = (COUNTS > 0).astype(np.float32)
    settings = "{decoder: bernoulli, target: {layer: counts}}"
    assert loaded(settings, counts=open_peaks).modalities["rna"].target.origin == "layer 'counts'"
    neither = np.mean(COUNTS > 1)
    message = rf"expected values of 0 and 1 in layer 'counts', found {100 * neither:.0f} % that are neither"
    with pytest.raises(DataError, match=message):
        loaded(settings)


def test_missing_values_are_no_counts(loaded):
    counts = COUNTS.copy()
    counts[0, 0] = np.nan
    with pytest.raises(DataError, match=r"found 1 .4.2 %. that are NaN or infinite in layer .counts."):
        loaded("{decoder: poisson, target: {layer: counts}}", counts=counts)
