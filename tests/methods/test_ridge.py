from dataclasses import replace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.errors import DataError
from jamie.methods.ridge import PENALTIES, Ridge
from jamie.testing import toy


def solve(x, y, penalty):
    """Intercept and coefficients by the normal equations."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    centered = x - mean_x
    coefficients = np.linalg.solve(centered.T @ centered + penalty * np.eye(x.shape[1]), centered.T @ (y - mean_y))
    return mean_y - mean_x @ coefficients, coefficients


def left_out_errors(x, y, penalty):
    """(n, t) squared errors of each pair by the regression on the others."""
    errors = np.empty_like(y)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        intercept, coefficients = solve(x[others], y[others], penalty)
        errors[i] = (y[i] - intercept - x[i] @ coefficients) ** 2
    return errors


@pytest.mark.parametrize("penalty", ["per_target", "shared"])
def test_ridge_solves_the_normal_equations_with_the_penalty_of_least_left_out_error(penalty):
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    x, y = (v.astype(np.float64) for v in (cells.scores["rna"][rows], cells.targets["atac"][columns]))
    penalties = PENALTIES * len(x) * x.var(axis=0).mean()
    errors = np.stack([left_out_errors(x, y, a).mean(axis=0) for a in penalties])
    if penalty == "shared":
        errors = np.repeat(errors.mean(axis=1, keepdims=True), y.shape[1], axis=1)
    best = penalties[errors.argmin(axis=0)]
    query = cells.scores["rna"].astype(np.float64)
    expected = np.empty((len(query), y.shape[1]))
    for j, a in enumerate(best):
        intercept, coefficients = solve(x, y[:, [j]], a)
        expected[:, [j]] = intercept + query @ coefficients
    found = Ridge(penalty=penalty).fit(cells, Context()).impute(cells.scores["rna"], "rna", "atac")
    np.testing.assert_allclose(found.mean, expected, rtol=1e-4, atol=1e-4)
    assert len(set(best)) > 1 or penalty == "shared"


def test_ridge_does_not_depend_on_the_units_of_the_scores():
    cells = toy.cells()
    larger = {m: replace(v, scores=1000 * v.scores) for m, v in cells.views.items()}
    imputed = [
        Ridge().fit(c, Context()).impute(c.scores["rna"], "rna", "atac").mean
        for c in (cells, replace(cells, views=larger))
    ]
    np.testing.assert_allclose(*imputed, rtol=1e-3, atol=1e-3)


def test_ridge_gives_a_single_target_as_a_column():
    cells = toy.cells()
    one = replace(cells, targets={**cells.targets, "atac": cells.targets["atac"][:, :1]})
    found = Ridge().fit(one, Context()).impute(one.scores["rna"], "rna", "atac").mean
    assert found.shape == (41, 1)


def test_two_pairs_are_too_few():
    cells = toy.cells()
    two = Correspondence.from_pairs([0, 1], [2, 3], (41, 53))
    few = replace(cells, known=Correspondences({"rna": 41, "atac": 53}, {("rna", "atac"): two}))
    with pytest.raises(DataError, match=r"method 'ridge': expected at least 3 known pairs of rna and atac .* found 2"):
        Ridge().fit(few, Context())
