import logging

import numpy as np
import pytest
import torch
from scipy import sparse

from jamie.core.errors import DataError
from jamie.preprocess.pca import PCA
from jamie.preprocess.tfidf import TFIDF

BY_HAND = np.array([[2, 0, 2], [0, 0, 1], [0, 3, 1]], np.float32)


def plain(X):
    return X.toarray() if sparse.issparse(X) else X


def expected_of(counts, train, scale):
    totals = counts.sum(axis=1, keepdims=True)
    idf = np.log(1 + len(train) / (1 + (train > 0).sum(axis=0)))
    return np.log(1 + scale * counts / np.where(totals > 0, totals, 1) * idf)


def test_tfidf_by_hand(cells):
    found = TFIDF(scale=10).fit(BY_HAND, cells(3)).transform(BY_HAND, cells(3))
    rare, common = np.log(1 + 3 / 2), np.log(1 + 3 / 4)
    expected = np.log1p([[5 * rare, 0, 5 * common], [0, 0, 10 * common], [0, 7.5 * rare, 2.5 * common]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e4, 50.0])
def test_tfidf_equals_its_equation_with_the_idf_of_training_cells(counts, csr, cells, scale):
    for X in (counts, csr):
        found = TFIDF(scale=scale).fit(X[:25], cells(25)).transform(X, cells(40))
        assert sparse.issparse(found) == sparse.issparse(X)
        assert found.dtype == np.float32
        np.testing.assert_allclose(plain(found), expected_of(counts, counts[:25], scale), rtol=1e-5)
        assert not plain(found)[7].any()


def test_tfidf_inverse_is_in_counts_of_a_typical_cell(counts, csr, cells):
    totals = counts.sum(axis=1)
    median = np.median(totals[totals > 0])
    expected = counts / np.where(totals > 0, totals, 1)[:, None] * median
    for X in (counts, csr):
        step = TFIDF().fit(X, cells(40))
        back = step.inverse_transform(step.transform(X, cells(40)))
        assert sparse.issparse(back) == sparse.issparse(X)
        np.testing.assert_allclose(plain(back), expected, rtol=1e-4, atol=1e-5)


def test_tfidf_inverse_is_never_negative(counts, cells):
    assert TFIDF().fit(counts, cells(40)).inverse_transform(np.full((2, 12), -0.5, np.float32)).min() == 0


def test_a_feature_of_no_training_cell_stays_finite(counts, cells):
    train = counts[:20].copy()
    train[:, 3] = 0
    found = TFIDF().fit(train, cells(20)).transform(counts, cells(40))
    np.testing.assert_allclose(found, expected_of(counts, train, 1e4), rtol=1e-5)


def test_tfidf_and_pca_are_latent_semantic_indexing(counts, csr, cells):
    step = TFIDF()
    Z = step.fit(csr, cells(40)).transform(csr, cells(40))
    scores = PCA(n_components=3, scale="none").fit(Z, cells(40)).transform(Z, cells(40))
    centered = expected_of(counts, counts, 1e4)
    centered -= centered.mean(axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    np.testing.assert_allclose(np.abs(scores), np.abs(u[:, :3] * s[:3]), rtol=1e-3, atol=1e-3)


def test_tfidf_module_equals_transform(counts, cells):
    step = TFIDF().fit(counts, cells(40))
    out = step.as_module()(torch.as_tensor(counts))
    np.testing.assert_allclose(out, step.transform(counts, cells(40)), rtol=1e-5)


def test_tfidf_refuses_negative_values_and_notices_fractions(counts, cells, caplog):
    with pytest.raises(DataError, match="preprocessor 'tfidf': expected counts, found 480 negative values"):
        TFIDF().fit(-1 - counts, cells(40))
    with caplog.at_level(logging.WARNING, "jamie"):
        TFIDF().fit(counts, cells(40))
        assert caplog.text == ""
        TFIDF().fit(np.log1p(counts), cells(40))
    assert "of the values are not whole numbers; if they are normalised already" in caplog.text
