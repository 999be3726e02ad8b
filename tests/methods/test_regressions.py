"""Methods that are tuned regressions: what they impute is what the regression of the same pairs predicts."""

from dataclasses import replace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.errors import DataError
from jamie.methods.forest import Forest
from jamie.methods.kernel_ridge import KernelRidge
from jamie.methods.knn import KNN
from jamie.methods.pls import PLS
from jamie.methods.reduced_rank import ReducedRank
from jamie.methods.ridge import Ridge
from jamie.methods.stack import Stack
from jamie.regression.pairs import TrainingPairs
from jamie.regression.ridge import RidgeRegression
from jamie.regression.stack import REGRESSIONS, RegressionStack
from jamie.testing import toy

METHODS = {
    "ridge": Ridge(),
    "kernel_ridge": KernelRidge(),
    "knn": KNN(),
    "pls": PLS(),
    "reduced_rank": ReducedRank(),
    "forest": Forest(),
    "stack": Stack(members=["ridge", "pls"]),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_imputes_what_its_regression_predicts_of_the_known_pairs(name, monkeypatch):
    from jamie.methods import regressions

    cells, method, seen = toy.cells(), METHODS[name], []
    of = TrainingPairs.of

    def recorded(x, y, generator):
        seen.append((x, y, of(x, y, generator)))
        return seen[-1][2]

    monkeypatch.setattr(regressions.TrainingPairs, "of", recorded)
    fitted = method.fit(cells, Context())
    regression = RegressionStack(members=["ridge", "pls"]) if name == "stack" else REGRESSIONS[name]()
    rows, columns = cells.pairs("rna", "atac")
    for (a, b), (x, y, pairs) in zip((("rna", "atac"), ("atac", "rna")), seen, strict=True):
        index = {"rna": rows, "atac": columns}
        assert sorted(map(tuple, x)) == sorted(map(tuple, cells.scores[a][index[a]]))
        assert sorted(map(tuple, y)) == sorted(map(tuple, cells.targets[b][index[b]]))
        expected = regression.fit(pairs)
        np.testing.assert_allclose(fitted.impute(cells.scores[a], a, b).mean, expected.predict(cells.scores[a]))
        assert fitted.tuning[f"{a} to {b}"] == expected.tuning


@pytest.mark.parametrize("name", METHODS)
def test_a_single_target_is_a_column(name):
    cells = toy.cells()
    one = replace(cells, targets={**cells.targets, "atac": cells.targets["atac"][:, :1]})
    assert METHODS[name].fit(one, Context()).impute(one.scores["rna"], "rna", "atac").mean.shape == (41, 1)


@pytest.mark.parametrize("name", ["ridge", "kernel_ridge", "pls", "reduced_rank"])
def test_units_of_the_scores_mean_nothing(name):
    cells = toy.cells()
    larger = {m: replace(v, scores=1000 * v.scores) for m, v in cells.views.items()}
    imputed = [
        METHODS[name].fit(c, Context()).impute(c.scores["rna"], "rna", "atac").mean
        for c in (cells, replace(cells, views=larger))
    ]
    np.testing.assert_allclose(*imputed, rtol=1e-3, atol=1e-3)


def test_shared_penalties():
    cells = toy.cells()
    found = Ridge(penalty="shared").fit(cells, Context()).tuning["rna to atac"]["chosen"]["penalty"]
    assert found["min"] == found["max"]
    found = Ridge().fit(cells, Context()).tuning["rna to atac"]["chosen"]["penalty"]
    assert found["min"] < found["max"]
    assert RidgeRegression().penalty == Ridge().penalty == "per_target"


@pytest.mark.parametrize("name", METHODS)
def test_five_pairs_are_too_few(name):
    cells = toy.cells()
    five = Correspondence.from_pairs(np.arange(5), np.arange(2, 7), (41, 53))
    few = replace(cells, known=Correspondences({"rna": 41, "atac": 53}, {("rna", "atac"): five}))
    with pytest.raises(
        DataError, match=rf"method '{name}': expected at least 6 known pairs of rna and atac .* found 5"
    ):
        METHODS[name].fit(few, Context())
