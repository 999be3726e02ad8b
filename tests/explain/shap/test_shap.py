"""Shapley values against closed forms, exhaustive sums and the shap package; what is chosen; what is refused."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from jamie.core.context import Context
from jamie.core.correspondence import Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError, MemoryLimitError
from jamie.core.explanation import Explainable
from jamie.explain.explained_model import ExplainedModel
from jamie.explain.shap.expected_gradients import expected_gradients
from jamie.explain.shap.explainer import Shap
from jamie.explain.shap.package import gradient_values
from jamie.explain.shap.selection import background_cells, explained_cells
from jamie.explain.shap.task import BackgroundCells, ExplainedOutputs, ShapTask, additivity_error
from jamie.testing import toy
from jamie.testing.toy_subject import ToySubject

P, N = 4, 30


class Formula(Explainable):
    """A function of four features of one modality, as a model that imputes another.

    Parameters
    ----------
    function
        (n, 4) -> (n, t), of tensors.
    scale
        Preprocessing multiplies by it; None for preprocessing that is not affine.
    """

    def __init__(self, function, scale=None):
        X = np.random.default_rng(0).normal(size=(N, P)).astype(np.float32)
        obs = pd.DataFrame(index=[f"c{i}" for i in range(N)])
        blocks = {m: Block(X, pd.Index([f"{m}{j}" for j in range(P)])) for m in ("a", "b")}
        pairs = Correspondences(dict.fromkeys(blocks, N), {})
        self.dataset = Dataset({m: ModalityData(m, obs, block, block) for m, block in blocks.items()}, pairs, pairs)
        self.split = Split({m: np.arange(N) >= 10 for m in blocks})
        self.function, self.scale = function, scale

    def scores(self, modality):
        return self.preprocess(modality, self.dataset.modalities[modality].input.X)

    def preprocess(self, modality, X, cells=None):
        return (X if self.scale is None else X * self.scale).astype(np.float32)

    def affine(self, modality):
        return None if self.scale is None else (self.scale * np.eye(P), np.zeros(P))

    def embed(self, modality, scores, cells=None):
        return scores

    def impute(self, source, target, scores, cells=None, features=None):
        with torch.no_grad():
            return self.module(source, target, features, preprocessed=True)(torch.as_tensor(scores)).numpy()

    def module(self, source, target=None, features=None, *, preprocessed=False):
        return Function(self.function, self.scale if preprocessed and self.scale else 1)

    def covariates(self, modality):
        return None


class Function(nn.Module):
    def __init__(self, function, scale):
        super().__init__()
        self.function, self.scale = function, scale

    def forward(self, x, covariates=None):
        return self.function(x / self.scale)


def task(function, n_outputs=1, scale=None, n_background=6, n_cells=3):
    subject = Formula(function, scale)
    X = subject.dataset.modalities["a"].input.X
    outputs = ExplainedOutputs("a", "b", tuple(f"b{i}" for i in range(n_outputs)))
    background = BackgroundCells(X[10 : 10 + n_background], np.full(n_background, 1 / n_background))
    return ShapTask(subject, outputs, np.arange(n_cells), X[:n_cells], background)


def shapley(function, x, background):
    """Exact values of one cell (p,) by summing over all sets of features."""
    p = len(x)

    def value(chosen):
        mixed = background.copy()
        mixed[:, list(chosen)] = x[list(chosen)]
        return function(torch.as_tensor(mixed)).numpy().mean()

    phi = np.zeros(p)
    for j in range(p):
        others = [i for i in range(p) if i != j]
        for size in range(p):
            weight = math.factorial(size) * math.factorial(p - size - 1) / math.factorial(p)
            for chosen in itertools.combinations(others, size):
                phi[j] += weight * (value((*chosen, j)) - value(chosen))
    return phi


def smooth(x):
    return torch.stack([torch.tanh(x @ torch.arange(1.0, P + 1)) + x[:, 0] * x[:, 1], torch.sin(x).sum(1)], dim=1)


class TestExpectedGradients:
    @pytest.mark.parametrize("scale", [None, 2.5])
    def test_of_a_linear_function_are_its_terms(self, scale):
        weight = torch.tensor([[1.0, -2], [0, 3], [0.5, 0], [4, 1]])
        given = task(lambda x: x @ weight, 2, scale)
        found = expected_gradients(given, 100, Context()).values
        away = given.X - given.background.X.mean(axis=0)
        np.testing.assert_allclose(found, away * weight.T.numpy()[:, None], rtol=1e-5, atol=1e-5)

    def test_of_sums_and_products_of_two_are_shapley_values(self):
        def function(x):
            return (x[:, 0] ** 2 + x[:, 1] * x[:, 2] - x[:, 3] ** 3)[:, None]

        given = task(function)
        found = expected_gradients(given, 400, Context()).values[0]
        for values, x in zip(found, given.X, strict=True):
            np.testing.assert_allclose(values, shapley(function, x, given.background.X), atol=1e-4)

    @pytest.mark.parametrize("scale", [None, 0.3])
    def test_are_what_gradient_explainer_tends_to(self, scale):
        given = task(smooth, 2, scale)
        found = expected_gradients(given, 800, Context()).values
        drawn = [gradient_values(given, 500, Context(seed=seed)).values for seed in range(3)]
        error = np.std(drawn, axis=0) / np.sqrt(3)
        assert np.abs(np.mean(drawn, axis=0) - found).max() < 5 * error.max()
        assert error.max() < 0.15 * np.abs(found).max()

    def test_take_as_many_nodes_as_it_takes(self):
        def steep(x):
            return torch.tanh(8 * x.sum(1, keepdim=True))

        easy, hard = (expected_gradients(task(f), 5000, Context()) for f in (lambda x: x**2 @ torch.ones(P, 1), steep))
        assert easy.settings == {"nodes": 2, "samples": 12}
        assert hard.settings["nodes"] > 8
        given = task(steep)
        missed = additivity_error(hard.values.sum(2).T, given.prediction - given.base, given.prediction.std(0))
        assert missed.max() < 0.01
        few = expected_gradients(task(steep), 20, Context())
        assert few.settings == {"nodes": 3, "samples": 18}

    def test_blocks_give_the_same(self, monkeypatch):
        whole = expected_gradients(task(smooth, 2), 60, Context()).values
        steps = []
        monkeypatch.setattr("jamie.explain.shap.expected_gradients.MAX_POINTS", 40)
        context = Context(progress=lambda stage, done, total, values: steps.append((stage, done, total)))
        np.testing.assert_allclose(expected_gradients(task(smooth, 2), 60, context).values, whole, atol=1e-6)
        assert len(steps) > 3
        assert steps[-1] == ("explain", 3, 3)

    def test_weights_of_the_background_count(self):
        given = task(smooth, 2, n_background=3)
        weighted = BackgroundCells(given.background.X, np.array([0.5, 0.25, 0.25]))
        twice = BackgroundCells(given.background.X[[0, 0, 1, 2]], np.full(4, 0.25))
        found = [
            expected_gradients(ShapTask(given.subject, given.outputs, given.cells, given.X, one), 64, Context()).values
            for one in (weighted, twice)
        ]
        np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["kernel", "permutation"])
def test_explainers_of_the_package_give_shapley_values(algorithm):
    subject = Formula(smooth)
    settings = {"target": "b", "features": ["b0", "b1"], "algorithm": algorithm, "cells": 3, "background": 5}
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    found = Shap(**settings).explain(subject, Context())
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])
    background = background_of_same_run(subject, settings)
    for i in range(2):
        expected = [shapley(lambda x, i=i: smooth(x)[:, i], x, background) for x in found.values.X]
        # kernel is exact where all sets of features are seen; permutation for interactions of two
        tolerance = 1e-4 if algorithm == "kernel" else 0.15
        np.testing.assert_allclose(found.values.layers[str(i)], expected, atol=tolerance)
    assert found.tables["additivity"]["error"].max() < 1e-4


def background_of_same_run(subject, settings):
    generator = Context().generator()
    explained_cells(subject, "a", settings["cells"], generator)
    return background_cells(subject, "a", settings["background"], "sample", generator).X


@pytest.fixture(scope="module")
def found(subject):
    return Shap(source="rna", features=3, cells=12, background=20).explain(subject, Context())


class TestOfATrainedModel:
    def test_values_add_up_to_what_is_imputed(self, found, subject):
        values, names = found.values, found.values.uns["targets"]
        rows = subject.dataset.modalities["rna"].cells.get_indexer(values.obs_names)
        imputed = subject.impute("rna", "adt", subject.scores("rna")[rows], rows, names)
        np.testing.assert_allclose(values.obsm["prediction"], imputed, rtol=1e-5)
        np.testing.assert_array_equal(values.X, subject.dataset.modalities["rna"].input.X[rows])
        for i in range(3):
            total = values.layers[str(i)].sum(1) + values.uns["base"][i]
            assert np.sqrt(np.mean((total - imputed[:, i]) ** 2)) < 0.01 * imputed[:, i].std()
        assert found.tables["additivity"]["error"].max() < 0.01
        assert found.notes == ()

    def test_tables(self, found):
        top = found.tables["top"]
        assert list(top.columns) == ["target", "rank", "feature", "mean_abs", "direction"]
        layer = pd.DataFrame(found.values.layers["1"], columns=found.values.var_names)
        one = top[top["target"] == found.values.uns["targets"][1]]
        expected = layer.abs().mean().sort_values(ascending=False)
        assert list(one["feature"])[:5] == list(expected.index[:5])
        np.testing.assert_allclose(one["mean_abs"][:5], expected[:5], rtol=1e-5)
        best = one["feature"].iloc[0]
        cells = pd.DataFrame(found.values.X, columns=found.values.var_names)
        assert one["direction"].iloc[0] == pytest.approx(np.corrcoef(cells[best], layer[best])[0, 1], abs=1e-4)

    def test_those_are_explained_that_are_imputed_best(self, found, subject):
        data, train = subject.dataset.modalities, subject.split.train["rna"]
        held_out = np.flatnonzero(~train)
        assert len(held_out) == 18  # fewer than it takes to choose by them alone
        imputed = subject.impute("rna", "adt", subject.scores("rna"))
        with np.errstate(invalid="ignore"):
            r = [np.corrcoef(imputed[:, j], data["adt"].input.X[:, j])[0, 1] for j in range(8)]
        assert found.values.uns["targets"] == [f"adt{j}" for j in np.argsort(-np.nan_to_num(r))[:3]]

    def test_held_out_cells_come_first(self, found, subject):
        assert (found.values.obs["jamie_split"] == "held_out").all()
        more = Shap(source="rna", features=["adt0"], cells=30, background=3).explain(subject, Context())
        assert more.values.obs["jamie_split"].value_counts().to_dict() == {"held_out": 18, "train": 12}
        assert more.settings["held_out"] == 18

    def test_latents(self, subject):
        found = Shap(source="adt", target="latent", features=[2, "latent_0"], cells=5, background=6).explain(
            subject, Context()
        )
        assert found.title == "latent_2, latent_0, from adt"
        rows = subject.dataset.modalities["adt"].cells.get_indexer(found.values.obs_names)
        z = subject.embed("adt", subject.scores("adt"))[rows][:, [2, 0]]
        np.testing.assert_allclose(found.values.obsm["prediction"], z, rtol=1e-5)
        assert found.tables["additivity"]["error"].max() < 0.01
        first = Shap(target="latent", features=[1], cells=2, background=2).explain(subject, Context())
        assert first.title == "latent_1, from rna"
        spread = subject.embed("adt", subject.scores("adt")).std(0)
        most = Shap(source="adt", target="latent", features=1, cells=2, background=2).explain(subject, Context())
        assert most.values.uns["targets"] == [f"latent_{spread.argmax()}"]

    def test_clusters_are_weighted_by_their_size(self, subject):
        found = background_cells(subject, "rna", 5, "kmeans", Context().generator())
        X = subject.dataset.modalities["rna"].input.X[subject.split.train["rna"]]
        assert found.X.shape == (5, 15)
        np.testing.assert_allclose(found.weights @ found.X, X.mean(0), rtol=1e-4)
        settings = {"features": ["adt0"], "background": 5, "background_by": "kmeans", "cells": 2}
        for algorithm in ("expected_gradients", "kernel"):
            done = Shap(**settings, algorithm=algorithm).explain(subject, Context())
            assert done.tables["additivity"]["error"].max() < 0.01
        with pytest.raises(DataError, match=r"expected background cells of equal weight for algorithm: gradient"):
            Shap(**settings, algorithm="gradient").explain(subject, Context())

    def test_credit_that_features_share_is_said(self, subject, monkeypatch):
        monkeypatch.setattr("jamie.explain.shap.explainer.SHARING", 5)
        found = Shap(source="rna", features=["adt0"], cells=2, background=2).explain(subject, Context())
        assert (
            "sees the 15 features of rna through 27 scores, and its networks these through 3 latents, so that"
            in found.notes[0]
        )

    def test_what_misses_the_sum_is_said(self, subject, caplog):
        settings = {"features": ["adt0"], "cells": 3, "background": 4}
        found = Shap(**settings, algorithm="gradient", samples=3).explain(subject, Context())
        assert "do not quite add up to its prediction: the error is" in found.notes[0]
        assert "shap: values miss the prediction by" in caplog.text


CHAINS = {
    "counts": {"modalities.rna.preprocess": ["log_normalize", {"pca": {"n_components": 4}}]},
    "batches": {"batch_key": "batch"},
    "scaled alone": {"modalities.*.preprocess": ["standardize"]},
}


@pytest.mark.parametrize("settings", CHAINS.values(), ids=CHAINS.keys())
def test_values_add_up_whatever_the_preprocessing(settings, cells, train):
    from scipy import sparse

    modalities = cells()
    modalities["rna"].X[7] = modalities["rna"].X[8]  # log_normalize jumps at the cell without counts
    if "batch_key" not in settings:
        modalities["rna"].X = sparse.csr_matrix(modalities["rna"].X)
    subject = train(modalities, **settings)
    found = Shap(source="rna", features=["adt0", "adt4"], cells=8, background=10).explain(subject, Context())
    values = found.values
    for i in range(2):
        total = values.layers[str(i)].sum(1) + values.obsm["base"][:, i]
        prediction = values.obsm["prediction"][:, i]
        assert np.abs(total - prediction).max() <= 0.05 * prediction.std()
    assert not values.layers["1"].any()  # adt4 is constant
    assert not values.layers["0"][:, 4].any()
    if "batch_key" in settings:
        assert "own batch" in found.notes[0]
        assert len(np.unique(values.obsm["base"][:, 0])) == 2
        slow = Shap(source="rna", features=["adt0"], cells=8, background=10, algorithm="permutation")
        exact = slow.explain(subject, Context())
        np.testing.assert_allclose(exact.values.obsm["base"][:, 0], values.obsm["base"][:, 0], rtol=1e-5)


def test_missing_values_count_as_what_they_are_filled_with(cells, train):
    modalities = cells()
    modalities["rna"].X[:20, 2] = np.nan
    settings = {"modalities.rna.preprocess": ["fill_missing", "standardize"]}
    subject = train(modalities, **settings)
    for algorithm in ("expected_gradients", "permutation"):
        shap = Shap(source="rna", features=["adt0"], cells=30, background=10, algorithm=algorithm)
        found = shap.explain(subject, Context())
        assert np.isnan(found.values.X[:, 2]).any()
        assert np.isfinite(found.values.layers["0"]).all()
        assert found.tables["additivity"]["error"].max() < 0.01
        assert np.isfinite(found.tables["top"]["direction"]).all()


def test_without_gradients_there_is_another_way(subject, monkeypatch):
    monkeypatch.setattr("jamie.preprocess.pca.PCA.inverse_as_module", lambda step: None)
    settings = {"source": "rna", "features": ["adt0"], "cells": 2, "background": 3}
    with pytest.raises(DataError, match="algorithm: permutation"):
        Shap(**settings).explain(subject, Context())
    found = Shap(**settings, algorithm="permutation").explain(subject, Context())
    assert found.tables["additivity"]["error"].max() < 1e-3


def test_labels_are_explained_in_proportion():
    subject = ToySubject()
    cells = explained_cells(subject, "atac", 9, np.random.default_rng(0))
    labels = subject.dataset.modalities["atac"].labels(toy.LABEL)
    held_out = ~subject.split.train["atac"]
    assert held_out[cells].all()
    share = pd.Series(labels[cells]).value_counts() / 9 - pd.Series(labels[held_out]).value_counts(normalize=True)
    assert share.abs().max() <= 1 / 9


class TestRefuses:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"source": "rn"}, r"source: expected a modality of the data, found 'rn'\n.*did you mean 'rna'"),
            ({"target": "atak"}, r"target: expected a modality of the data, .* found 'atak'\n.*did you mean 'atac'"),
            (
                {"target": "atac", "features": ["atac_02"]},
                r"expected features of the modality, found 'atac_02'\n.*did you mean 'atac_2'",
            ),
            (
                {"target": "latent", "source": "rna", "features": [7]},
                r"expected a latent of the model, found 'latent_7'",
            ),
            ({"features": []}, r"expected at least one feature, found an empty list"),
            (
                {"source": "rna", "target": "rna"},
                r"expected a target other than the source, found 'rna' as both\n  choose target: atac or latent",
            ),
        ],
    )
    def test_what_is_unknown(self, settings, message):
        with pytest.raises(DataError, match=message):
            Shap(**settings).explain(ToySubject(), Context())

    def test_several_modalities_to_choose_from(self):
        with pytest.raises(DataError, match=r"expected 'source', as it does not follow.*\n  give source: rna or atac"):
            Shap(target="protein").explain(ToySubject(3), Context())
        for source in (None, "rna"):
            with pytest.raises(DataError, match=r"expected 'target'.*\n  give target: atac or protein or latent"):
                Shap(source=source).explain(ToySubject(3), Context())
        found = Shap(source="atac", target="protein", features=1, cells=3, background=3)
        assert found.explain(ToySubject(3), Context()).settings["target"] == "protein"

    def test_a_target_that_is_neither_named_nor_there(self, subject):
        dataset = replace(subject.dataset, modalities={"rna": subject.dataset.modalities["rna"]})
        alone = ExplainedModel(subject.model, dataset, subject.split, Context())
        with pytest.raises(DataError, match=r"expected 'target', as it does not follow.*\n  give target: latent"):
            Shap().explain(alone, Context())
        with pytest.raises(DataError, match=r"target: expected a modality of the data, as no features are named"):
            Shap(target="adt").explain(alone, Context())
        with pytest.raises(DataError, match="expected features of the model, found 1 other; the first is 'adt9'"):
            Shap(target="adt", features=["adt9"]).explain(alone, Context())
        found = Shap(target="adt", features=["adt0"], cells=3, background=3).explain(alone, Context())
        assert found.tables["additivity"]["error"].max() < 0.01

    def test_to_guess_what_is_imputed_well(self):
        with pytest.raises(DataError, match=r"expected at least 3 matched cells.*found 0\n  name the features of atac"):
            Shap().explain(ToySubject(known=False), Context())

    def test_what_would_not_fit(self):
        with pytest.raises(MemoryLimitError, match=r"Shapley values of 2 targets for 3 cells x 19 features"):
            Shap(**Shap.test_params()).explain(ToySubject(), Context(memory_limit=1000))
        with pytest.raises(MemoryLimitError, match="the kernel explainer with 4 background cells, 2086 samples"):
            Shap(**Shap.test_params(), algorithm="kernel").explain(ToySubject(), Context(memory_limit=10_000))

    def test_too_few_cells_and_samples(self):
        subject = ToySubject()
        subject.split = Split({m: np.zeros_like(mask) for m, mask in subject.split.train.items()})
        with pytest.raises(DataError, match="expected at least 2 training cells for the background, found 0"):
            Shap().explain(subject, Context())
        with pytest.raises(DataError, match="expected at least 39 samples for 19 features, found 20"):
            Shap(**Shap.test_params(), algorithm="permutation", samples=20).explain(ToySubject(), Context())

    def test_many_features_without_a_word(self, monkeypatch, caplog):
        monkeypatch.setattr("jamie.explain.shap.package.MANY_FEATURES", 10)
        Shap(**Shap.test_params(), algorithm="permutation", samples=39).explain(ToySubject(), Context())
        assert (
            "shap: algorithm: permutation imputes 5e+02 times for 19 features of 3 cells, which is slow" in caplog.text
        )
