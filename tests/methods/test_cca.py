import logging

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError, MemoryLimitError
from jamie.methods.cca import CCA


def cells_of(x, y, n_paired=None):
    """Cells of two modalities, the first of them paired in reverse order."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    n = len(x) if n_paired is None else n_paired
    known = Correspondence.from_pairs(np.arange(n), n - 1 - np.arange(n), (len(x), len(y)))
    views = {m: View(m, Block(v, pd.RangeIndex(v.shape[1])), v) for m, v in {"a": x, "b": y}.items()}
    sizes = {"a": len(x), "b": len(y)}
    return Cells(views, {m: v.scores for m, v in views.items()}, Correspondences(sizes, {("a", "b"): known}))


def correlated(n=80, n_extra=0, p=6, q=4):
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n + n_extra, 3))
    x = latent @ generator.normal(size=(3, p)) + generator.normal(size=(n + n_extra, p)) + 2
    y = latent @ generator.normal(size=(3, q)) + generator.normal(size=(n + n_extra, q)) - 1
    y[:n] = y[:n][::-1]
    return cells_of(x, y, n)


def covariances(cells, g=0.0):
    """Of the paired cells, shrunk by g."""
    rows, columns = cells.pairs("a", "b")
    x, y = (cells.scores[m][i].astype(float) for m, i in (("a", rows), ("b", columns)))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    shrunk = [(1 - g) * s + g * np.trace(s) / len(s) * np.eye(len(s)) for s in (x.T @ x / len(x), y.T @ y / len(y))]
    return x, y, *shrunk, x.T @ y / len(x)


def embedded_pairs(method, cells):
    z = method.fit(cells).embed(cells.scores)
    rows, columns = cells.pairs("a", "b")
    return z["a"][rows], z["b"][columns]


def test_correlations_are_the_singular_values():
    cells = correlated(n_extra=15)
    _, _, s_x, s_y, s_xy = covariances(cells)
    inverse_root = [np.real(linalg.inv(linalg.sqrtm(s))) for s in (s_x, s_y)]
    expected = linalg.svdvals(inverse_root[0] @ s_xy @ inverse_root[1])
    z_a, z_b = embedded_pairs(CCA(), cells)
    found = [np.corrcoef(z_a[:, i], z_b[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_variates_are_those_of_scikit_learn():
    from sklearn import cross_decomposition

    cells = correlated()
    rows, columns = cells.pairs("a", "b")
    x, y = cells.scores["a"][rows], cells.scores["b"][columns]
    expected = cross_decomposition.CCA(3, max_iter=5000, tol=1e-12).fit(x, y).transform(x, y)
    for mine, theirs in zip(embedded_pairs(CCA(n_components=3), cells), expected, strict=True):
        correlation = np.corrcoef(mine.T, theirs.T)[:3, 3:]
        np.testing.assert_allclose(np.abs(np.diag(correlation)), 1, atol=1e-4)


def test_regularised_weights_solve_the_shrunk_eigenproblem():
    cells, g = correlated(), 0.3
    x, _, s_x, s_y, s_xy = covariances(cells, g)
    z_a, _ = embedded_pairs(CCA(regularization=g, scale="variance"), cells)
    A = np.linalg.lstsq(x, z_a, rcond=None)[0]
    squares = np.diag(A.T @ s_xy @ np.linalg.solve(s_y, s_xy.T @ A))
    np.testing.assert_allclose(s_xy @ np.linalg.solve(s_y, s_xy.T @ A), s_x @ A * squares, atol=1e-5)
    np.testing.assert_allclose(A.T @ s_x @ A, np.eye(4), atol=1e-5)
    assert (np.diff(squares) < 0).all()


def test_scale_of_the_columns():
    cells = correlated()
    x, _, s_x, _, _ = covariances(cells)
    z_a, z_b = embedded_pairs(CCA(scale="variance"), cells)
    np.testing.assert_allclose([z_a.var(axis=0), z_b.var(axis=0)], 1, atol=1e-5)
    z_a, _ = embedded_pairs(CCA(scale="weights"), cells)
    standardised = np.linalg.lstsq(x / np.sqrt(np.diag(s_x)), z_a, rcond=None)[0]
    np.testing.assert_allclose(np.linalg.norm(standardised, axis=0), 1, atol=1e-5)


def test_perfect_correlations_are_told_and_do_not_depend_on_the_order(caplog):
    generator = np.random.default_rng(1)
    cells = cells_of(generator.normal(size=(12, 30)), generator.normal(size=(12, 3)))
    with caplog.at_level(logging.WARNING):
        z_a, z_b = embedded_pairs(CCA(n_components=3, scale="variance"), cells)
    assert "3 of 3 canonical correlations are 1, since 12 pairs are too few for the 11 and 3 dim" in caplog.text
    np.testing.assert_allclose(z_a, z_b, atol=1e-4)
    order = {m: generator.permutation(12) for m in ("a", "b")}
    other = cells.subset(order)
    z = CCA(n_components=3).fit(cells).embed(cells.scores)
    found = CCA(n_components=3).fit(other, Context(seed=4)).embed(other.scores)
    np.testing.assert_allclose(np.abs(found["b"]), np.abs(z["b"][order["b"]]), atol=1e-4)


def test_features_in_both_modalities_are_not_taken_for_too_few_pairs(caplog):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(200, 6)), generator.normal(size=(200, 3))
    CCA(n_components=3).fit(cells_of(x, y))
    assert not caplog.text
    y[:, :2] = x[::-1, 2:4]
    CCA(n_components=3).fit(cells_of(x, y))
    assert "2 of 3 canonical correlations are 1, though 200 pairs are enough for the 6 and 3 dim" in caplog.text
    assert "leave a feature that both modalities have out of one of them" in caplog.text


@pytest.mark.parametrize(("q", "n_perfect"), [(5, 0), (6, 1)])
def test_correlations_are_1_from_as_many_dimensions_as_centred_pairs(q, n_perfect, caplog):
    generator = np.random.default_rng(1)
    CCA(n_components=3).fit(cells_of(generator.normal(size=(12, 6)), generator.normal(size=(12, q))))
    message = f"{n_perfect} of 6 canonical correlations are 1, since 12 pairs are too few for the 6 and 6 dim"
    assert (message in caplog.text) == bool(n_perfect) == bool(caplog.text)


def test_fewer_features_than_components_are_taken_with_a_notice(caplog):
    with caplog.at_level(logging.INFO):
        z_a, _ = embedded_pairs(CCA(), correlated())
    assert z_a.shape[1] == 4
    assert "cca: 4 components instead of 32, as many as the features span" in caplog.text


def test_too_few_pairs():
    message = r"method 'cca': expected more known pairs than components \(4\), found 3\n.*n_components to at most 2"
    with pytest.raises(DataError, match=message):
        CCA().fit(correlated(3, n_extra=20))


def test_no_pairs():
    with pytest.raises(DataError, match="method 'cca': expected known pairs, found none"):
        CCA().fit(correlated(0, n_extra=20))


def test_memory_is_asked_for():
    with pytest.raises(MemoryLimitError, match="the decomposition of all features would need"):
        CCA().fit(correlated(), Context(memory_limit=1000))
