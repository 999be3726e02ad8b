import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from jamie.core import matrix
from jamie.core.errors import ContractError, DataError
from jamie.preprocess.pca import PCA


def svd_scores(X, n_components):
    centred = X.astype(np.float64) - X.astype(np.float64).mean(axis=0)
    U, S, _ = np.linalg.svd(centred, full_matrices=False)
    return (U * S)[:, :n_components]


@pytest.mark.parametrize("scale", ["common", "none"])
def test_pca_scores_are_those_of_the_svd_over_one_factor(dense, cells, scale):
    found = PCA(n_components=5, scale=scale).fit(dense, cells(40)).transform(dense, cells(40))
    expected = svd_scores(dense, 5)
    if scale == "common":
        expected /= np.sqrt((expected**2).mean())
        assert np.mean(np.var(found, axis=0)) == pytest.approx(1, abs=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 12), (9, 12), (12, 12), (5, 30)])
@pytest.mark.parametrize("n_components", [3, 512])
def test_pca_of_sparse_equals_pca_of_dense(shape, n_components, cells):
    X = sparse.random_array(shape, density=0.5, rng=np.random.default_rng(2), dtype=np.float32, format="csr")
    few = cells(shape[0])
    a = PCA(n_components=n_components).fit(X, few)
    b = PCA(n_components=n_components).fit(X.toarray(), few)
    np.testing.assert_allclose(a.transform(X, few), b.transform(X.toarray(), few), atol=1e-4)
    assert len(a.components) == min(n_components, shape[0] - 1, shape[1])


def test_pca_with_all_components_is_inverted(dense, csr, cells):
    for X in (dense, csr):
        step = PCA(n_components=12).fit(X, cells(40))
        back = step.inverse_transform(step.transform(X, cells(40)))
        np.testing.assert_allclose(back, X.toarray() if sparse.issparse(X) else X, atol=1e-3)


def test_pca_squared_error_of_scores_is_that_of_the_features(dense, cells):
    step = PCA(n_components=12).fit(dense, cells(40))
    Z = step.transform(dense, cells(40))
    moved = Z + np.random.default_rng(3).normal(size=Z.shape).astype(np.float32)
    of_features = np.sum((step.inverse_transform(moved).astype(np.float64) - dense) ** 2)
    assert of_features == pytest.approx(np.sum((moved - Z) ** 2) * step.factor**2, rel=1e-3)


def test_pca_caps_the_number_of_components_with_a_notice(dense, cells, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        step = PCA().fit(dense[:8], cells(8))
    assert step.transform(dense, cells(40)).shape == (40, 7)
    assert "7 components instead of 512, as many as 8 training cells with 12 features span" in caplog.text
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize("whitening", [0.5, 1.0])
def test_pca_whitens_scores_to_a_power_of_their_spread(dense, cells, whitening):
    plain = PCA(n_components=6, scale="none").fit(dense, cells(40)).transform(dense, cells(40))
    step = PCA(n_components=6, whitening=whitening).fit(dense, cells(40))
    scores = step.transform(dense, cells(40))
    sd = plain.std(axis=0) ** (1 - whitening)
    np.testing.assert_allclose(scores.std(axis=0), sd / np.sqrt(np.mean(sd**2)), rtol=1e-4)
    full = PCA(whitening=whitening).fit(dense, cells(40))
    np.testing.assert_allclose(full.inverse_transform(full.transform(dense, cells(40))), dense, atol=1e-3)


@pytest.mark.parametrize("scale", ["common", "none"])
def test_pca_says_what_undoes_its_whitening(dense, cells, scale):
    plain = PCA(n_components=6, scale=scale).fit(dense, cells(40))
    step = PCA(n_components=6, scale=scale, whitening=0.5).fit(dense, cells(40))
    assert plain.unwhitening is None
    back = step.transform(dense, cells(40)) * step.unwhitening
    np.testing.assert_allclose(back, plain.transform(dense, cells(40)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("limit", "expected"), [({"components_per_sqrt_cell": 1}, 6), ({"cells_per_component": 8}, 5)])
def test_pca_keeps_fewer_components_for_few_cells(dense, cells, caplog, limit, expected):
    with caplog.at_level(logging.INFO, "jamie"):
        step = PCA(n_components=8, **limit).fit(dense, cells(40))
    assert len(step.components) == expected
    assert f"pca: at most {expected} components for 40 training cells" in caplog.text


@pytest.mark.parametrize(
    ("n_cells", "expected"), [(5, 4), (30, 11), (60, 15), (142, 24), (700, 53), (1000, 63), (2437, 64)]
)
def test_pca_keeps_components_enough_to_learn_from(n_cells, expected):
    X = np.random.default_rng(0).normal(size=(n_cells, 70))
    step = PCA(n_components=64, components_per_sqrt_cell=2)
    assert len(step.fit(X.astype(np.float32), pd.DataFrame(index=range(n_cells))).components) == expected


def test_pca_finds_further_components(dense, cells):
    alone = PCA(n_components=3, whitening=0.5).fit(dense, cells(40))
    step = PCA(n_components=3, whitening=0.5)
    step.n_stored = 7
    step.fit(dense, cells(40))
    np.testing.assert_allclose(step.transform(dense, cells(40)), alone.transform(dense, cells(40)), atol=1e-5)
    expected = PCA(n_components=7).fit(dense, cells(40)).transform(dense, cells(40))
    np.testing.assert_allclose(step.with_all_components().transform(dense, cells(40)), expected, atol=1e-5)


def test_pca_without_further_components_has_no_others(dense, cells):
    with pytest.raises(ContractError, match="without further components"):
        PCA(n_components=3).fit(dense, cells(40)).with_all_components()


def test_pca_drops_directions_without_spread(cells, caplog):
    rng = np.random.default_rng(4)
    X = (rng.normal(size=(40, 3)) @ rng.normal(size=(3, 12))).astype(np.float32).round(1)
    X[:, 6:] = X[:, :6]
    step = PCA(n_components=12).fit(X, cells(40))
    assert len(step.components) == 6
    assert ("WARNING", "pca: 6 components instead of 12, as many as 40 training cells with 12 features span") in [
        (record.levelname, record.getMessage()) for record in caplog.records
    ]
    np.testing.assert_allclose(step.inverse_transform(step.transform(X, cells(40))), X, atol=1e-4)


def test_pca_gives_the_same_for_the_same_input(csr, cells):
    first, second = (PCA(n_components=4).fit(csr, cells(40)).transform(csr, cells(40)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pca_affine_and_module_equal_transform(dense, cells):
    step = PCA(n_components=4).fit(dense, cells(40))
    A, b = step.affine()
    expected = step.transform(dense, cells(40))
    np.testing.assert_allclose(dense @ A + b, expected, atol=1e-4)
    np.testing.assert_allclose(step.as_module()(torch.as_tensor(dense)), expected, atol=1e-3)


def test_pca_of_sparse_cells_is_the_same_in_blocks(csr, cells, monkeypatch):
    step = PCA(n_components=4).fit(csr, cells(40))
    A, b = step.affine()
    monkeypatch.setattr(matrix, "_BLOCK_VALUES", 12)  # 3 cells of 4 components
    found = step.transform(csr, cells(40))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, csr.toarray() @ A + b, atol=1e-5)


def test_pca_names_components(dense, cells):
    step = PCA(n_components=3).fit(dense, cells(40))
    assert list(step.feature_names_out(pd.Index(range(12)))) == ["PC1", "PC2", "PC3"]


def test_pca_needs_two_cells(dense, cells):
    with pytest.raises(DataError, match="preprocessor 'pca': expected at least 2 training cells, found 1"):
        PCA().fit(dense[:1], cells(1))
