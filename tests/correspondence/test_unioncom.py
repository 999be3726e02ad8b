"""`unioncom` against the plain dense iteration, and what it does where there are many cells."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from jamie.core.correspondence import Correspondence
from jamie.correspondence import unioncom
from jamie.correspondence.gromov.initialization import Subsample, subsample_cost
from jamie.correspondence.quality.assess import assess
from jamie.correspondence.unioncom import UnionCom

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from plain_unioncom import PlainUnionCom


@pytest.mark.parametrize("sizes", [(60, 60), (60, 45)])
def test_objective_and_constraints_are_no_worse_than_those_of_the_plain_dense_iteration(sizes, view_of):
    rng = np.random.default_rng(0)
    a, b = (view_of(name, rng.gamma(1, 1, size=(n, 4))) for name, n in zip("ab", sizes, strict=True))
    found, plain = (inferer.infer(a, b).diagnostics for inferer in (UnionCom(), PlainUnionCom(iterations=2000)))
    assert found["converged"]
    assert found["objective"] <= 1.01 * plain["objective"]
    assert found["row_residual"] <= max(plain["plain_row_residual"], 1e-3)
    assert found["column_residual"] <= max(plain["plain_column_residual"], 1e-6)


@pytest.mark.parametrize(("n_a", "n_b"), [(110, 130), (130, 110)])
def test_an_isometric_copy_is_recovered_from_a_part_of_its_cells(n_a, n_b, isometric_copy, monkeypatch):
    monkeypatch.setattr(unioncom, "SUBSAMPLE", 60)
    copy = isometric_copy(110, 130)
    truth = Correspondence.from_pairs(np.arange(110), copy.partner, (110, 130))
    a, b, truth = (copy.a, copy.b, truth) if n_a < n_b else (copy.b, copy.a, truth.T)
    assert assess(UnionCom().infer(a, b).correspondence, truth).mean_quantile <= 0.02


def test_a_part_has_known_pairs_and_cells_of_both_modalities_in_their_proportion():
    anchors = np.array([5, 90, 7, 60]), np.array([150, 2, 180, 9])
    part = Subsample.of((100, 200), anchors, 20)
    assert (len(part.rows), len(part.columns)) == (10, 20)
    assert (len(set(part.rows)), len(set(part.columns))) == (10, 20)
    np.testing.assert_array_equal(part.rows[part.anchors[0]], anchors[0])
    np.testing.assert_array_equal(part.columns[part.anchors[1]], anchors[1])
    assert not part.is_all
    assert Subsample.of((100, 200), anchors, 200).is_all


def test_lifted_cost_is_the_mean_squared_difference_of_distances_to_the_part():
    rng = np.random.default_rng(0)
    x, y, F = rng.normal(size=(9, 2)), rng.normal(size=(12, 3)), rng.dirichlet(np.ones(5), size=4)
    K_x, K_y, part = cdist(x, x), cdist(y, y), Subsample(np.arange(3, 7), np.arange(5), (np.arange(0), np.arange(0)))
    expected = cdist(1.5 * K_x[:, 3:7], K_y[:, :5] @ F.T, "sqeuclidean") / 4
    found = subsample_cost(*(torch.tensor(M) for M in (K_x, K_y)), part, torch.tensor(F), 1.5)
    np.testing.assert_allclose(found, expected, atol=1e-12)
