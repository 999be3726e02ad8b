import logging
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError
from jamie.methods.mofa import MOFA, Loadings, Turned
from jamie.testing import toy

QUICK = {"n_factors": 5, "max_iterations": 200}


def factor_cells(n=120, n_paired=80):
    """Cells of two modalities that follow from three factors, with little noise; one feature is constant."""
    generator = np.random.default_rng(0)
    z = generator.normal(size=(n, 3))
    values = {
        m: z @ generator.normal(size=(3, p)) + 0.1 * generator.normal(size=(n, p)) for m, p in (("a", 20), ("b", 9))
    }
    values["b"][:, 4] = 7
    views = {m: View(m, Block(x, pd.RangeIndex(x.shape[1])), x.astype(np.float32)) for m, x in values.items()}
    known = Correspondence.from_pairs(np.arange(n_paired), np.arange(n_paired), (n, n))
    return Cells(views, {m: v.scores for m, v in views.items()}, Correspondences({"a": n, "b": n}, {("a", "b"): known}))


def test_factors_are_the_posterior_mean_given_a_view():
    generator = np.random.default_rng(0)
    W, tau, x = generator.normal(size=(6, 2)), generator.uniform(1, 2, size=6), generator.normal(size=(4, 6))
    expected = [np.linalg.inv(np.eye(2) + W.T @ np.diag(tau) @ W) @ W.T @ np.diag(tau) @ row for row in x]
    np.testing.assert_allclose(Loadings(W, tau).factors(x), expected)


def test_turning_keeps_distances_and_is_inverted():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 5)) * [1, 2, 3, 0, 4] + 6
    turned = Turned.of(x, generator)
    np.testing.assert_allclose(pdist(turned(x)) * turned.scale, pdist(x))
    np.testing.assert_allclose(turned(x).var(axis=0).mean(), 1)
    np.testing.assert_allclose(turned.inverse(turned(x)), x)
    assert turned(x).shape == (30, 4)


def test_principal_components_are_not_shrunk_to_nothing():
    pytest.importorskip("mofapy2")
    cells = factor_cells()
    scores = {}
    for m, x in cells.scores.items():
        centered = x - x.mean(axis=0)
        scores[m] = (centered @ np.linalg.svd(centered, full_matrices=False)[2].T).astype(np.float32)
    views = {m: View(m, Block(x, pd.RangeIndex(x.shape[1])), x) for m, x in scores.items()}
    imputed = MOFA(**QUICK).fit(Cells(views, scores, cells.known)).impute(scores["a"], "a", "b").mean
    assert (imputed - scores["b"]).std() < 0.2 * scores["b"].std()


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mofapy2", None)
    monkeypatch.setitem(sys.modules, "mofapy2.run.entry_point", None)
    message = r'method \'mofa\': expected the package mofapy2, found none\n  pip install "jamie-toolkit\[mofa\]"'
    with pytest.raises(DataError, match=message):
        MOFA().fit(toy.cells(), Context())


def test_partners_and_missing_modalities_are_found():
    pytest.importorskip("mofapy2")
    cells = factor_cells()
    method = MOFA(**QUICK).fit(cells)
    z = method.embed(cells.scores)
    unpaired = slice(80, None)
    np.testing.assert_allclose(z["a"][unpaired], z["b"][unpaired], atol=0.5)
    imputed = method.impute(cells.scores["a"], "a", "b").mean
    residual = cells.scores["b"] - imputed
    assert residual[unpaired].std() < 0.1 * np.delete(cells.scores["b"], 4, axis=1)[unpaired].std()
    np.testing.assert_allclose(imputed[:, 4], 7)


def test_a_target_of_its_own_is_imputed():
    pytest.importorskip("mofapy2")
    cells = factor_cells()
    target = cells.scores["b"][:, :3] * 5 + 2
    other = replace(cells, targets={**cells.targets, "b": target})
    imputed = MOFA(**QUICK).fit(other).impute(cells.scores["a"], "a", "b").mean
    assert (imputed - target).std() < 0.15 * target.std()


def test_neither_numpy_nor_the_terminal_notice(capsys, caplog):
    pytest.importorskip("mofapy2")
    before = np.random.get_state()[1]  # noqa: NPY002
    with caplog.at_level(logging.INFO):
        MOFA(n_factors=2, max_iterations=3).fit(factor_cells())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert capsys.readouterr().out == ""
