import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import gmean

from jamie.core.errors import DataError
from jamie.preprocess.clr import CLR


def test_clr_is_the_logarithm_of_the_ratio_to_the_geometric_mean(counts, csr, cells):
    expected = np.log((counts + 1) / gmean(counts + 1, axis=1)[:, None])
    for X in (counts, csr):
        found = CLR().fit(X, cells(40)).transform(X, cells(40))
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_clr_inverse_has_the_mean_of_a_typical_training_cell(counts, cells):
    full = counts + 40  # so far from zero that no cell is lifted
    typical = np.log1p(full[:25]).mean()
    step = CLR().fit(full[:25], cells(25))
    back = step.inverse_transform(step.transform(full, cells(40)))
    logs = np.log1p(full)
    np.testing.assert_allclose(back, np.expm1(logs - logs.mean(axis=1, keepdims=True) + typical), rtol=1e-4)


def test_clr_inverse_is_exact_for_deeper_cells_that_lack_a_feature(counts, cells):
    shallow = np.ones((20, 12), np.float32)
    deep = counts[counts.any(axis=1)] * 10
    deep = deep[np.log1p(deep).mean(axis=1) > np.log(2)]
    assert len(deep) > 5
    assert (deep == 0).any(axis=1).all()
    step = CLR().fit(shallow, cells(20))
    back = step.inverse_transform(step.transform(deep, cells(len(deep))))
    np.testing.assert_allclose(back, deep, rtol=1e-4, atol=1e-4)


def test_clr_inverse_is_never_negative(counts, cells):
    imputed = np.random.default_rng(0).normal(scale=5, size=(9, 12)).astype(np.float32)
    assert CLR().fit(counts, cells(40)).inverse_transform(imputed).min() >= -1e-5


def test_clr_module_equals_transform(counts, cells):
    step = CLR().fit(counts, cells(40))
    out = step.as_module()(torch.as_tensor(counts))
    np.testing.assert_allclose(out, step.transform(counts, cells(40)), rtol=1e-4, atol=1e-6)
    assert step.affine() is None


def test_clr_refuses_negative_values(counts, cells):
    with pytest.raises(DataError, match="preprocessor 'clr': expected counts, found 480 negative values"):
        CLR().fit(-1 - counts, cells(40))


def test_clr_gives_the_values_that_come_with_citeseq():
    if not (Path(os.environ.get("JAMIE_DATA", "")) / "citeseq_pbmc.h5mu").is_file() or "JAMIE_DATA" not in os.environ:
        pytest.skip("JAMIE_DATA does not name a folder with citeseq_pbmc.h5mu")
    import mudata

    protein = mudata.read_h5mu(Path(os.environ["JAMIE_DATA"]) / "citeseq_pbmc.h5mu")["protein"]
    counts = np.asarray(protein.layers["counts"], np.float32)
    found = CLR().fit(counts, protein.obs).transform(counts, protein.obs)
    np.testing.assert_allclose(found, protein.X, atol=1e-4)
