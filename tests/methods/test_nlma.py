import logging

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import ContractError, DataError
from jamie.methods.joint_graph import joint_graph
from jamie.methods.nlma import NLMA
from jamie.testing import toy


def fitted(method, cells):
    """The Laplacian and degrees of all cells, and their latents."""
    graph = joint_graph(cells, method.n_neighbors, method.mu, "nlma")
    z = method.fit(cells, Context(seed=1)).embed(cells.scores)
    return graph.laplacian.toarray(), graph.degrees, np.vstack([z[m] for m in cells.modalities])


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("problem", ["standard", "generalized"])
def test_latents_solve_the_eigenproblem(n_modalities, problem):
    L, degrees, F = fitted(NLMA(n_components=5, problem=problem), toy.cells(n_modalities))
    D = np.diag(degrees) if problem == "generalized" else np.eye(len(L))
    values = np.diag(F.T @ L @ F)
    np.testing.assert_allclose(L @ F, D @ F * values, atol=1e-8)
    np.testing.assert_allclose(F.T @ D @ F, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(D.sum(axis=0) @ F, 0, atol=1e-8)
    assert (values > 1e-3).all()
    assert (np.diff(values) > 0).all()


def test_heavy_pairs_coincide():
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    largest = {}
    for mu in (0.1, 1e4):
        z = NLMA(n_components=4, mu=mu).fit(cells).embed(cells.scores)
        largest[mu] = np.abs(z["rna"][rows] - z["atac"][columns]).max() / np.abs(z["rna"]).max()
    assert largest[1e4] < 1e-3 < largest[0.1]


def two_clusters():
    generator = np.random.default_rng(0)
    scores = {m: (100 * (np.arange(16) < 7)[:, None] + generator.normal(size=(16, 3))) for m in ("a", "b")}
    views = {m: View(m, Block(v, pd.RangeIndex(3)), v.astype(np.float32)) for m, v in scores.items()}
    known = Correspondence.from_pairs(np.arange(16), np.arange(16), (16, 16))
    return Cells(views, scores, Correspondences({"a": 16, "b": 16}, {("a", "b"): known}))


@pytest.mark.parametrize("problem", ["standard", "generalized"])
def test_parts_that_nothing_joins_take_a_dimension(caplog, problem):
    cells = two_clusters()
    with caplog.at_level(logging.WARNING):
        L, degrees, F = fitted(NLMA(n_components=3, n_neighbors=3, problem=problem), cells)
    assert "has 2 connected components" in caplog.text
    inside = np.tile(np.arange(16) < 7, 2)
    assert np.ptp(F[inside, 0]) < 1e-10
    assert np.ptp(F[~inside, 0]) < 1e-10
    assert abs(F[inside, 0].mean() - F[~inside, 0].mean()) > 0.01
    D = np.diag(degrees) if problem == "generalized" else np.eye(len(L))
    np.testing.assert_allclose(F.T @ D @ F, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(L @ F, D @ F * np.diag(F.T @ L @ F), atol=1e-8)


def test_one_dimension_may_go_to_the_parts_alone():
    z = NLMA(n_components=1, n_neighbors=3).fit(two_clusters()).embed(two_clusters().scores)
    assert len(np.unique(z["a"].round(9))) == 2


def test_other_cells_are_refused():
    cells = toy.cells()
    method = NLMA(n_components=4).fit(cells)
    with pytest.raises(ContractError, match="method 'nlma': expected one row for each cell"):
        method.embed({m: x[:5] for m, x in cells.scores.items()})


def test_fewer_cells_than_components():
    with pytest.raises(DataError, match=r"method 'nlma': expected more cells of rna than components \(60\), found 41"):
        NLMA(n_components=60).fit(toy.cells())


def test_no_pairs():
    with pytest.raises(DataError, match="method 'nlma': expected known pairs, found none"):
        NLMA().fit(toy.cells(known=False))
