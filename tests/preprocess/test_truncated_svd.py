import logging
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import read_elem
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.lazy_rows import LazyRows
from jamie.preprocess import chain as chains
from jamie.preprocess import pca as principal
from jamie.preprocess import truncated_svd as truncated
from jamie.preprocess.chain import Chain
from jamie.preprocess.log_normalize import LogNormalize
from jamie.preprocess.pca import PCA
from jamie.preprocess.select_features import SelectFeatures
from jamie.preprocess.standardize import Standardize
from jamie.preprocess.tfidf import TFIDF
from jamie.preprocess.truncated_svd import truncated_svd


def angle(A, B):
    """Sine of the largest angle between the spans of orthonormal rows."""
    return np.linalg.norm(A.T - B.T @ (B @ A.T), 2)


def exact(X):
    values = X.toarray().astype(np.float64)
    values -= values.mean(axis=0)
    if values.shape[0] < values.shape[1]:
        squares, left = np.linalg.eigh(values @ values.T)
        components = (left[:, ::-1].T @ values)[:60]
    else:
        squares, right = np.linalg.eigh(values.T @ values)
        components = right[:, ::-1].T[:60]
    return np.sqrt(np.maximum(squares[::-1][:60], 0)), components / np.linalg.norm(components, axis=1, keepdims=True)


def decomposed(X, k):
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
    return truncated_svd(LazyRows(X, pd.DataFrame(index=range(X.shape[0]))), mean, k)


def sparse_cells(n, p, rank, seed=0):
    """Counts of cells whose expected values have a few strong directions."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) * 0.5)
    return sparse.csr_array(rng.poisson(0.3 * rates / rates.mean()).astype(np.float32))


@pytest.mark.parametrize("shape", [(300, 1000), (1000, 300)])
@pytest.mark.parametrize("most", [4e9, 0])
def test_components_are_exact_or_where_that_costs_too_much_those_that_stand_out_are(shape, most, monkeypatch, caplog):
    monkeypatch.setattr(truncated, "MOST_PRODUCTS", most)
    X = sparse_cells(*shape, rank=4)
    values, components = exact(X)
    with caplog.at_level(logging.INFO, "jamie"):
        found, roots = decomposed(X, 20)
    assert ("mixtures" in caplog.text) == (most == 0)
    n_exact = 20 if most else int(np.argmax(values[:-1] / values[1:] > 1.3) + 1)
    assert angle(components[:n_exact], found[:n_exact]) < 1e-3
    np.testing.assert_allclose(roots[:n_exact], values[:n_exact], rtol=1e-5)
    np.testing.assert_allclose(roots, values[:20], rtol=0.01)
    np.testing.assert_allclose(found @ found.T, np.eye(20), atol=1e-5)
    assert (found[np.arange(20), np.abs(found).argmax(axis=1)] > 0).all()
    np.testing.assert_array_equal(found, decomposed(X, 20)[0])


def test_a_matrix_of_low_rank_is_decomposed():
    rng = np.random.default_rng(0)
    X = sparse.csr_array((rng.random((400, 3)) @ rng.random((3, 500))).astype(np.float32))
    values, components = exact(X)
    found, roots = decomposed(X, 3)
    assert angle(components[:3], found) < 1e-3
    np.testing.assert_allclose(roots, values[:3], rtol=1e-3)


@pytest.mark.parametrize(
    ("file", "modality", "steps"),
    [("snareseq_cortex", "atac", []), ("citeseq_pbmc", "rna", []), ("snareseq_cortex", "rna", [Standardize])],
)
def test_components_of_real_cells_are_exact(file, modality, steps):
    path = Path(os.environ.get("JAMIE_DATA", "missing")) / f"{file}.h5mu"
    if not path.is_file():
        pytest.skip(f"JAMIE_DATA does not name a folder with {file}.h5mu")
    with h5py.File(path) as stored:
        adata = read_elem(stored["mod"][modality])
    X = sparse.csr_array(np.asarray(adata.X, np.float32))
    for step in steps:
        X = step().fit(X, adata.obs).transform(X, adata.obs)
    values, components = exact(X)
    found, roots = decomposed(X, 50)
    assert angle(components[:50], found) < 1e-3
    np.testing.assert_allclose(roots, values[:50], rtol=1e-5)


@pytest.fixture
def always_lazy(monkeypatch):
    monkeypatch.setattr(chains, "LAZY_FROM", 0)
    monkeypatch.setattr(principal, "_MOST_OPERATIONS", 0)


CHAINS = [
    lambda: [LogNormalize(), Standardize(), PCA(n_components=4)],
    lambda: [TFIDF(), PCA(n_components=4, whitening=0.5)],
    lambda: [LogNormalize(), SelectFeatures(n_features=40), PCA(n_components=4)],
    lambda: [LogNormalize(), Standardize()],
    lambda: [TFIDF(), SelectFeatures(n_features=30)],
]


@pytest.mark.parametrize("steps", CHAINS)
def test_cells_preprocessed_lazily_are_those_preprocessed_whole(steps, request):
    X = sparse_cells(200, 90, rank=4)
    X = sparse.csr_array(sparse.hstack([X[:, :50], sparse.csr_array((200, 3), dtype=np.float32), X[:, 50:]]))
    cells, features, new = pd.DataFrame(index=range(200)), pd.Index(range(93)), sparse_cells(50, 93, rank=4, seed=1)
    whole = Chain(steps(), "rna").fit(X, cells, features)
    request.getfixturevalue("always_lazy")
    lazy = Chain(steps(), "rna").fit(X, cells, features)
    np.testing.assert_array_equal(lazy.kept, whole.kept)
    np.testing.assert_allclose(lazy.shares, whole.shares, rtol=1e-4)
    for values in (X, new):  # new cells have counts of a feature that was dropped
        some = cells.iloc[: values.shape[0]]
        a, b = (chain.transform(values, some) for chain in (lazy, whole))
        a, b = (Z.toarray() if sparse.issparse(Z) else Z for Z in (a, b))
        signs = np.sign((a * b).sum(axis=0))
        np.testing.assert_allclose(a, b * signs, rtol=2e-3, atol=2e-3)


@pytest.mark.usefixtures("always_lazy")
def test_negative_counts_read_lazily_are_refused_by_name():
    X = sparse_cells(30, 20, rank=2)
    X.data[5] = -1
    with pytest.raises(DataError, match=r"rna, preprocessor 'tfidf': expected counts, found 1 negative"):
        Chain([TFIDF(), PCA(n_components=2)], "rna").fit(X, pd.DataFrame(index=range(30)), pd.Index(range(20)))


@pytest.mark.usefixtures("always_lazy")
def test_fractions_read_lazily_are_warned_of(caplog):
    X = sparse_cells(30, 20, rank=2) * np.float32(0.5)
    with caplog.at_level(logging.WARNING, "jamie"):
        Chain([LogNormalize()], "rna").fit(X, pd.DataFrame(index=range(30)), pd.Index(range(20)))
    assert "values are not whole numbers" in caplog.text


@pytest.mark.parametrize("shape", [(60, 300), (90, 70), (300, 60)])
def test_few_cells_or_features_are_decomposed_exactly(shape):
    X = sparse_cells(*shape, rank=3)
    values, components = exact(X)
    found, roots = decomposed(X, 30)
    assert angle(components[:30], found) < 1e-3
    np.testing.assert_allclose(roots, values[:30], rtol=1e-4)


def test_more_components_than_the_cells_span_have_singular_value_0():
    rng = np.random.default_rng(0)
    X = sparse.csr_array((rng.random((300, 4)) @ rng.random((4, 400))).astype(np.float32))
    found, roots = decomposed(X, 12)
    np.testing.assert_allclose(roots[:4], exact(X)[0][:4], rtol=1e-3)
    assert (roots[4:] < 1e-4 * roots[0]).all()
    np.testing.assert_allclose(found @ found.T, np.eye(12), atol=1e-5)
