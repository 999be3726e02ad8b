import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg

from jamie.core.context import Context
from jamie.core.errors import DataError, MemoryLimitError
from jamie.methods.joint_graph import joint_graph
from jamie.methods.lma import LMA
from jamie.testing import toy


def problem_of(cells, problem="standard"):
    """X^T L X and X^T X (or X^T D X), with the centred scores of all modalities in X."""
    graph = joint_graph(cells, 5, 0.9, "lma")
    X = linalg.block_diag(*(x - x.mean(axis=0, dtype=float) for x in cells.scores.values()))
    D = np.diag(graph.degrees) if problem == "generalized" else np.eye(len(X))
    return X, X.T @ graph.laplacian @ X, X.T @ D @ X


def maps_of(method, cells):
    """P, from the latents."""
    z = method.fit(cells, Context(seed=1)).embed(cells.scores)
    return linalg.lstsq(problem_of(cells)[0], np.vstack([z[m] for m in cells.modalities]))[0]


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("problem", ["standard", "generalized"])
def test_maps_solve_the_eigenproblem(n_modalities, problem):
    cells = toy.cells(n_modalities)
    P = maps_of(LMA(n_components=5, problem=problem, scale="variance"), cells)
    _, A, B = problem_of(cells, problem)
    np.testing.assert_allclose(P.T @ B @ P, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(np.diag(P.T @ A @ P), linalg.eigh(A, B, eigvals_only=True)[:5], atol=1e-6)
    np.testing.assert_allclose(A @ P, B @ P * np.diag(P.T @ A @ P), atol=1e-4)


def test_weights_have_norm_1():
    cells = toy.cells()
    P = maps_of(LMA(n_components=5), cells)
    expected = maps_of(LMA(n_components=5, scale="variance"), cells)
    np.testing.assert_allclose(P, expected / np.linalg.norm(expected, axis=0), atol=1e-6)


def test_features_that_repeat_each_other_span_less(caplog):
    cells = toy.cells()
    rna = cells.views["rna"]
    cells = replace(cells, views={**cells.views, "rna": replace(rna, scores=np.hstack([rna.scores, rna.scores]))})
    with caplog.at_level(logging.INFO):
        z = LMA().fit(cells).embed(cells.scores)
    assert z["rna"].shape == (41, 18)
    assert "lma: 18 components instead of 32, as many as the features span" in caplog.text


def test_fewer_cells_than_components():
    with pytest.raises(DataError, match=r"method 'lma': expected more cells of rna than components \(60\), found 41"):
        LMA(n_components=60).fit(toy.cells())


def test_no_pairs():
    with pytest.raises(DataError, match="method 'lma': expected known pairs, found none"):
        LMA().fit(toy.cells(known=False))


def test_memory_is_asked_for():
    with pytest.raises(MemoryLimitError, match="the eigenproblem of all features would need"):
        LMA().fit(toy.cells(), Context(memory_limit=1000))
