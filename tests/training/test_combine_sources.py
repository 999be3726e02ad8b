"""Weights of several sources, fitted on cells that each network was trained without."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
from jamie.core import lazy_matrix
from jamie.core.sources import JointSources, all_others, weighed_sources
from jamie.data.assemble import mudata_conventions
from jamie.model.prediction import regress
from jamie.report.html.tables import stack_tables
from jamie.trust.source_weights import SourceWeights

N = 100
SETTINGS = {"modalities.*.preprocess": ["standardize"], "training.calibration": 0.3, "evaluate.metrics": []}


def model(names):
    """A model of modalities that share two latents, but for the first, which is noise."""
    generator = np.random.default_rng(0)
    latent, modalities = generator.normal(size=(N, 2)), {}
    for i, name in enumerate(names):
        X = generator.normal(size=(N, 6)) + (latent @ generator.normal(size=(2, 6)) * 2 if i else 0)
        adata = AnnData(X.astype(np.float32), obs=pd.DataFrame(index=[f"cell{j}" for j in range(N)]))
        adata.var_names = [f"{name}{j}" for j in range(6)]
        modalities[name] = adata
    with mudata_conventions():
        fitted = jamie.JAMIE("fast", SETTINGS, latent_dim=3, max_epochs=20).fit(MuData(modalities))
    return fitted.model


@pytest.fixture(scope="module")
def three():
    return model(["noise", "rna", "atac"])


def test_noise_gets_no_weight(three):
    combinations = three.uncertainty.combinations
    assert set(combinations) == set(all_others(["noise", "rna", "atac"]))
    noise, rna = combinations[JointSources(("noise", "rna"), "atac")].weights
    assert noise < 0.2 < 0.8 < rna


def test_intervals_are_those_of_the_combined_values(three):
    combined = three.calibration(JointSources(("noise", "rna"), "atac"))
    alone = three.uncertainty.calibrations["rna", "atac"]
    assert combined.n.tolist() == alone.n.tolist() == [24] * 6
    width, of_one = ((c.upper - c.lower) * c.scale for c in (combined, alone))
    np.testing.assert_allclose(width.mean(), of_one.mean(), rtol=0.3)


def test_intervals_of_very_many_values_are_calibrated_while_these_are_made(three, monkeypatch):
    monkeypatch.setattr(lazy_matrix, "PANEL_VALUES", 2 * 24)  # of two features of the calibration cells
    of_parts = model(["noise", "rna", "atac"]).uncertainty.combinations
    for joint, whole in three.uncertainty.combinations.items():
        for name, values in whole.calibration.state().items():
            found = of_parts[joint].calibration.state()[name]
            np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-4, err_msg=name)


def confounded(n, seed):
    """Left measures two latents added up, right the second, and target the first."""
    generator, maps = np.random.default_rng(seed), np.random.default_rng(1)
    first, second = generator.normal(size=(2, n, 2))
    modalities = {}
    for name, latent in (("left", first + second), ("right", second), ("target", first)):
        X = latent @ maps.normal(size=(2, 8)) + 0.5 * generator.normal(size=(n, 8))
        modalities[name] = AnnData(X.astype(np.float32))
        modalities[name].obs_names, modalities[name].var_names = [f"cell{i}" for i in range(n)], list("abcdefgh")
    with mudata_conventions():
        return MuData(modalities)


@pytest.fixture(scope="module")
def with_stack():
    stack = {"model.stack": {"members": ["ridge", "kernel_ridge"]}, "training.ensemble": 3}
    settings = {**SETTINGS, **stack, "evaluate.holdout.fraction": 0}
    return jamie.JAMIE("fast", settings, latent_dim=3, max_epochs=10).fit(confounded(N, 0))


LEFT_RIGHT = JointSources(("left", "right"), "target")


def correlation(imputed, measured):
    return np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(imputed.T, measured.T, strict=True)])


def test_regressions_of_all_sources_see_what_no_weighted_sum_does(with_stack):
    from sklearn.linear_model import RidgeCV

    cells, new = confounded(N, 0), confounded(300, 5)
    x, new_x = (np.hstack([m["left"].X, m["right"].X]) for m in (cells, new))
    ridge = RidgeCV(np.logspace(-2, 4, 20)).fit(x, cells["target"].X).predict(new_x)
    found = with_stack.impute(new, sources=["left", "right"], to="target")
    best = max(correlation(with_stack.impute(new, m, "target").X, new["target"].X) for m in ("left", "right"))
    of_both = correlation(found.X, new["target"].X)
    assert of_both > best + 0.1
    assert of_both > correlation(ridge, new["target"].X) - 0.05
    inside = (found.layers["lower"] <= new["target"].X) & (found.layers["upper"] >= new["target"].X)
    assert 0.83 < inside.mean() < 0.97  # of a nominal 0.9


def test_imputed_from_several_is_the_weighted_mean_of_both(with_stack):
    model, prepared = with_stack.model, with_stack._fitted.prepared
    inputs = [prepared.inputs(m) for m in LEFT_RIGHT.sources]
    stack = model.stacks["left+right", "target"]
    alone = model.combination(LEFT_RIGHT).combine(
        [model.impute_scores(m, "target", *given) for m, given in zip(LEFT_RIGHT.sources, inputs, strict=True)]
    )
    together = regress(stack, np.hstack([scores for scores, _ in inputs]))
    w = float(stack.weight)
    np.testing.assert_allclose(model.joint_scores(LEFT_RIGHT, inputs), w * together + (1 - w) * alone, atol=1e-5)
    assert np.abs(together - alone).max() > 0.1


def test_every_weight_is_recorded(with_stack):
    decision = with_stack._fitted.stack["left+right", "target"]
    assert decision["weight"] == pytest.approx(float(with_stack.model.stacks["left+right", "target"].weight))
    assert decision["weight"] > 0
    assert decision["pairs"] == N
    assert decision["sources"]["right"] < 0.2 < decision["sources"]["left"]
    single, joint = stack_tables([{"source": s, "target": t, **d} for (s, t), d in with_stack._fitted.stack.items()])
    assert [len(table["rows"]) for table in (single, joint)] == [6, 3]
    assert joint["rows"][0][0][0] == "right+target → left"
    assert [name for name, _ in joint["columns"]][1:4] == ["each alone", "ridge", "kernel ridge"]


def test_a_saved_model_keeps_regressions_of_several_sources(with_stack, tmp_path):
    with_stack.save(tmp_path / "model")
    again, new = jamie.load(tmp_path / "model"), confounded(20, 6)
    expected, found = (m.impute(new, sources=["left", "right"], to="target") for m in (with_stack, again))
    np.testing.assert_array_equal(found.X, expected.X)
    np.testing.assert_array_equal(found.layers["upper"], expected.layers["upper"])


def test_without_a_stack_there_are_none(three):
    assert not three.stacks


def test_counts_stay_within_their_sources():
    counts = {"modalities": {"rna": {}, "protein": {}, "atac": {"decoder": "negative_binomial", "preprocess": []}}}
    generator = np.random.default_rng(0)
    latent, modalities = generator.normal(size=(N, 2)), {}
    for name in ("rna", "protein", "atac"):
        rates = np.exp(latent @ generator.normal(size=(2, 6)) * 0.5 + 1)
        adata = AnnData((generator.poisson(rates) if name == "atac" else np.log(rates)).astype(np.float32))
        adata.obs_names, adata.var_names = [f"cell{j}" for j in range(N)], [f"{name}{j}" for j in range(6)]
        modalities[name] = adata
    with mudata_conventions():
        mdata = MuData(modalities)
        fitted = jamie.JAMIE("fast", SETTINGS | counts, latent_dim=3, max_epochs=5).fit(mdata)
    weights = fitted.model.uncertainty.combinations[JointSources(("rna", "protein"), "atac")].weights
    assert weights.sum() <= 1 + 1e-9
    assert (fitted.impute(mdata, sources=["rna", "protein"], to="atac").X >= 0).all()


def test_sources_that_no_cell_has_together_get_none(caplog):
    generator = np.random.default_rng(0)
    modalities = {}
    for name, rows in (("rna", slice(None)), ("protein", slice(0, 50)), ("atac", slice(50, None))):
        adata = AnnData(generator.normal(size=(N, 6)).astype(np.float32))
        adata.obs_names, adata.var_names = [f"cell{j}" for j in range(N)], [f"{name}{j}" for j in range(6)]
        modalities[name] = adata[rows].copy()
    with mudata_conventions(), caplog.at_level("INFO", "jamie"):
        fitted = jamie.JAMIE("fast", SETTINGS, latent_dim=3, max_epochs=2).fit(MuData(modalities))
    assert not fitted.model.uncertainty.combinations
    assert "protein+atac to rna: too few calibration cells have all of these for weights" in caplog.text
    assert fitted.model.combination(JointSources(("rna", "protein"), "atac")).weights.tolist() == [0.5, 0.5]


def test_every_two_sources_and_all_together():
    assert not list(weighed_sources(["a", "b"]))
    of_e = [joint.name for joint in weighed_sources(list("abcde")) if joint.target == "e"]
    assert of_e == ["a+b", "a+c", "a+d", "b+c", "b+d", "c+d", "a+b+c+d"]


def test_all_of_five_modalities_are_kept_by_a_saved_model():
    fitted = model(list("abcde"))
    restored = fitted.uncertainty.from_state(fitted.uncertainty.state(list("abcde")), list("abcde"))
    assert list(restored.combinations) == list(fitted.uncertainty.combinations)
    assert len(restored.combinations) == 5 * 7
    assert isinstance(restored.combinations[JointSources(("a", "b"), "e")], SourceWeights)
