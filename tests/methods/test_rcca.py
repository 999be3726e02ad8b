import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import DataError, MemoryLimitError
from jamie.core.evaluation import EmbeddedPair
from jamie.methods import rcca
from jamie.methods.cca import CCA
from jamie.methods.rcca import RCCA, foscttm
from jamie.metrics.foscttm import FOSCTTM


def correlated(n=80, p=6, q=4, signal=3):
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(n, signal))
    values = [latent @ generator.normal(size=(signal, k)) + generator.normal(size=(n, k)) + 2 for k in (p, q)]
    views = {
        m: View(m, Block(x, np.arange(x.shape[1])), x.astype(np.float32)) for m, x in zip("ab", values, strict=True)
    }
    known = Correspondence.from_pairs(np.arange(n), np.arange(n), (n, n))
    return Cells(views, {m: v.scores for m, v in views.items()}, Correspondences({"a": n, "b": n}, {("a", "b"): known}))


@pytest.mark.parametrize(("p", "q"), [(6, 4), (120, 4)])
def test_variates_are_those_of_cca_scaled_by_their_correlation_to_length_1(p, q, monkeypatch):
    monkeypatch.setattr(rcca, "AXES", ())
    cells, g = correlated(p=p, q=q), 0.3
    found = RCCA(n_components=3, regularization=g).fit(cells).embed(cells.scores)
    variates = CCA(n_components=3, regularization=g, scale="variance").fit(cells).embed(cells.scores)
    z = {m: v - v.mean(axis=0) for m, v in variates.items()}
    correlations = (z["a"] * z["b"]).mean(axis=0)  # of variates whose shrunk variance is 1
    for m, latents in found.items():
        expected = variates[m] * correlations
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        signs = np.sign((latents * expected).sum(axis=0))
        np.testing.assert_allclose(latents, expected * signs, atol=1e-4)


def test_settings_have_the_least_foscttm_of_pairs_left_out():
    cells = correlated()
    method = RCCA().fit(cells)
    candidates, chosen = method.tuning["candidates"], method.tuning["chosen"]
    assert candidates == {"n_axes": [6], "regularization": list(rcca.REGULARIZATIONS), "n_components": [4]}
    alone = {g: RCCA(regularization=g).fit(cells).tuning["foscttm"] for g in rcca.REGULARIZATIONS}
    assert alone[chosen["regularization"]] == method.tuning["foscttm"] == min(alone.values())


def test_leading_axes_are_tried_as_far_as_a_fold_spans_them():
    tuning = RCCA().fit(correlated(n=60, p=300, q=200, signal=5)).tuning
    assert tuning["candidates"]["n_axes"] == [32, 300]  # a fold of 48 pairs spans 47


def test_few_pairs_choose_settings():
    cells = correlated(n=8, p=30, q=3)
    z = RCCA().fit(cells).embed(cells.scores)
    assert np.isfinite(z["a"]).all()
    np.testing.assert_allclose(np.linalg.norm(z["b"], axis=1), 1, atol=1e-6)


def test_foscttm_is_that_of_the_metric():
    generator = np.random.default_rng(0)
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in generator.normal(size=(2, 30, 4)))
    y[4] = y[5]
    truth = Correspondence.from_pairs(np.arange(30), np.arange(30), (30, 30)).matrix
    expected = FOSCTTM().score(EmbeddedPair("a", "b", x, y, truth)).value
    assert foscttm(x, y) == pytest.approx(expected)
    assert foscttm(x, x) == 0
    assert foscttm(np.ones((4, 1)), np.ones((4, 1))) == 0.5


def test_few_pairs_and_memory():
    with pytest.raises(DataError, match=r"method 'rcca': expected at least 6 known pairs of a and b .* found 5"):
        RCCA().fit(correlated(5))
    with pytest.raises(MemoryLimitError, match=r"the decomposition of all features would need"):
        RCCA().fit(correlated(), Context(memory_limit=1000))
