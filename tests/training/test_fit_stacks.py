"""Regressions beside the networks: what they predict, and how they are weighed."""

import json
from typing import get_args

import numpy as np
import pytest
import torch
from mudata import MuData

from jamie import JAMIE, load
from jamie.core.row_reader import RowReader
from jamie.model.prediction import regress
from jamie.regression import pairs as pairs_module
from jamie.regression.pairs import TrainingPairs
from jamie.regression.stack import RegressionStack
from jamie.spec.sections import StackMember
from jamie.training import fit_stacks
from jamie.training.fit_stacks import EQUAL, GRID

QUICK = {
    "training.ensemble": 3,
    "training.min_epochs": 3,
    "training.max_epochs": 5,
    "evaluate.holdout.fraction": 0,
    "evaluate.metrics": [],
    "correspondence.infer": None,
}


@pytest.fixture(scope="module")
def mdata():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(90, 3))
    from anndata import AnnData

    cells = [f"cell{i}" for i in range(90)]
    parts = {}
    for name, p in (("rna", 12), ("adt", 6)):
        X = np.tanh(z @ rng.normal(size=(3, p))) + 0.2 * rng.normal(size=(90, p))
        parts[name] = AnnData(X.astype(np.float32))
        parts[name].obs_names, parts[name].var_names = cells, [f"{name}{j}" for j in range(p)]
    return MuData(parts)


@pytest.fixture(scope="module")
def model(mdata):
    return JAMIE("default", QUICK).fit(mdata)


def test_every_direction_has_regressions_whose_weights_are_recorded(model):
    assert set(model.model.stacks) == {("rna", "adt"), ("adt", "rna")}
    for direction, decision in model._fitted.stack.items():
        assert decision["weight"] == pytest.approx(float(model.model.stacks[direction].weight))
        assert decision["pairs"] == 90
        assert set(decision["regressions"]["weights"]) == {"kernel_ridge", "kernel_ridge_cosine", "reduced_rank", "pls"}


def test_imputed_values_are_the_weighted_mean_of_both(model, mdata):
    trained, prepared = model.model, model._fitted.prepared
    inputs = prepared.inputs("rna")
    both = trained.impute_scores("rna", "adt", *inputs)
    networks = trained.impute_by_network("rna", "adt", *inputs)
    regressions = trained.impute_by_regressions("rna", "adt", *inputs)
    w = float(trained.stacks["rna", "adt"].weight)
    assert 0 < w < 1
    np.testing.assert_allclose(both, w * regressions + (1 - w) * networks, atol=1e-5)
    assert np.abs(networks - regressions).max() > 0.01


def test_a_saved_model_imputes_the_same(model, mdata, tmp_path):
    model.save(tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    expected = model.impute(mdata, source="rna", to="adt")
    found = again.impute(mdata, source="rna", to="adt")
    np.testing.assert_array_equal(found.X, expected.X)
    np.testing.assert_array_equal(found.layers["upper"], expected.layers["upper"])


def test_regressions_read_more_components_than_networks(mdata):
    steps = ["standardize", {"pca": {"n_components": 2, "whitening": 0.5}}]
    model = JAMIE("default", {**QUICK, "modalities.*.preprocess": steps}).fit(mdata).model
    assert model.modalities["rna"].n_scores == 2
    assert len(model.stacks["rna", "adt"].low) == 12
    chain = model.modalities["rna"].regression_chain
    X = mdata.mod["rna"].X
    scores = chain.transform(X, mdata.mod["rna"].obs)
    np.testing.assert_allclose(chain.inverse_transform(scores), X, atol=1e-4)


@pytest.mark.parametrize("member", get_args(StackMember))
def test_a_module_predicts_as_the_regression_that_it_was_made_of(member):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 70, 5))
    y[:, :3] += np.tanh(x[:, :3])
    fitted = RegressionStack(members=(member,)).fit(TrainingPairs.of(x, y, rng))
    new = (3 * rng.normal(size=(20, 5))).astype(np.float32)
    found = regress(fit_stacks._module(fitted, 0.5), new)
    np.testing.assert_allclose(found, fitted.predict(new), atol=1e-3)
    assert np.abs(found - found[:1]).max() > 0.01


def test_networks_alone_by_a_null_stack(mdata):
    model = JAMIE("default", {**QUICK, "model.stack": None}).fit(mdata)
    assert not model.model.stacks
    assert not model._fitted.stack
    inputs = model._fitted.prepared.inputs("rna")
    np.testing.assert_array_equal(
        model.model.impute_scores("rna", "adt", *inputs), model.model.impute_by_network("rna", "adt", *inputs)
    )


def test_outlying_cells_are_clipped_to_the_training_range(model):
    stack = model.model.stacks["rna", "adt"]
    far = stack.high[None] + 100
    torch.testing.assert_close(stack(far), stack(stack.high[None]))


def test_too_few_known_pairs_leave_the_networks_alone(mdata, caplog):
    names = {m: a.copy() for m, a in mdata.mod.items()}
    names["adt"].obs_names = [f"cell{i}" if i < 5 else f"other{i}" for i in range(90)]
    with caplog.at_level("INFO", "jamie"):
        model = JAMIE("default", QUICK).fit(MuData(names)).model
    assert not model.stacks
    message = "rna to adt: imputed by the networks alone, since regressions need 6 known pairs with the whole target "
    assert message + "measured, and there are 5" in caplog.text


def test_regressions_of_a_target_are_fitted_on_pairs_in_which_all_of_it_was_measured(mdata):
    names = {m: a.copy() for m, a in mdata.mod.items()}
    names["adt"].X[:30, 4:] = np.nan
    fitted = JAMIE("default", QUICK).fit(MuData(names))._fitted
    assert fitted.stack["rna", "adt"]["pairs"] == 60
    assert fitted.stack["adt", "rna"]["pairs"] == 90


def test_batches_are_read_by_regressions(mdata):
    given = MuData({m: a.copy() for m, a in mdata.mod.items()})
    batch = np.where(np.arange(90) % 2 > 0, "one", "two")
    for adata in given.mod.values():
        adata.obs["donor"] = batch
        adata.X = adata.X + 2 * (batch == "one")[:, None].astype(np.float32)
    model = JAMIE("default", {**QUICK, "batch_key": "donor"}).fit(given)
    stack = model.model.stacks["rna", "adt"]
    assert len(stack.low) == 12 + 2
    assert np.isfinite(model.impute(given, source="rna", to="adt").X).all()
    assert (model.impute(given[:3], source="rna", to="adt").X != 0).any()


def curves(*values):
    """Correlations of members that rise or fall linearly with the weight of the regressions."""
    return np.array([a + b * GRID for a, b in values])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (np.empty((0, len(GRID))), EQUAL),
        (curves((0.5, 0.1)), EQUAL),  # one member tells nothing about chance
        (curves((0.5, 0.1), (0.5, 0.1), (0.5, 0.1)), 1.0),
        (curves((0.5, -0.1), (0.5, -0.1), (0.5, -0.1)), 0.0),
        (curves((0.5, 0.3), (0.5, -0.3), (0.5, 0.05)), EQUAL),  # no more than chance
    ],
)
def test_equal_weights_are_kept_unless_cells_set_aside_tell_otherwise(found, expected):
    assert fit_stacks._choose_weight(found) == pytest.approx(expected)


def test_correlations_by_weight_are_those_of_the_mean(mdata):
    rng = np.random.default_rng(1)
    targets, other = rng.normal(size=(2, 40, 3)).astype(np.float32)
    predicted = (targets + other).astype(np.float32)
    found = fit_stacks._correlations(
        targets,
        predicted,
        [np.arange(20)],
        lambda member, at: other[at],
        lambda values: values.astype(np.float64),
    )
    for i in (0, 10, 40):
        mean = GRID[i] * predicted[:20] + (1 - GRID[i]) * other[:20]
        expected = np.mean([np.corrcoef(mean[:, j], targets[:20, j])[0, 1] for j in range(3)])
        assert found[0, i] == pytest.approx(expected)


def test_folds_are_the_cells_that_members_were_not_trained_on():
    rng = np.random.default_rng(0)
    folds = fit_stacks._folds(50, [np.arange(5), np.arange(10, 15)], rng)
    assert (folds[:5] == 0).all()
    assert (folds[10:15] == 1).all()
    assert set(folds) == {0, 1}
    alone = fit_stacks._folds(50, [np.empty(0, int)], rng)
    assert len(np.unique(alone)) == 5


def test_a_run_says_how_regressions_were_weighed(finished):
    decisions = json.loads((finished.out / "stack.json").read_text())
    assert [(d["source"], d["target"]) for d in decisions] == [("rna", "protein"), ("protein", "rna")]
    assert all(0 <= d["weight"] <= 1 and d["regressions"]["members"]["pls"]["error"] > 0 for d in decisions)


def test_pairs_that_settings_are_not_chosen_on_are_predicted_by_what_is_fitted_on_all(monkeypatch):
    monkeypatch.setattr(pairs_module, "MOST_PAIRS", 40)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 100, 3)).astype(np.float32)
    pairs = TrainingPairs.of(x, y, rng)
    fitted = RegressionStack(members=("ridge",)).fit(pairs)
    found = fit_stacks.OutOfFold(fitted, x, pairs.left_out)[np.arange(99, -1, -1)][::-1]
    expected = fitted.predict(x)
    expected[pairs.left_out] = fitted.out_of_fold
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert len(pairs.left_out) == 40


def test_regressions_of_rows_that_are_read_are_those_of_arrays():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 100, 3)).astype(np.float32)
    members = ("ridge", "kernel_ridge")
    of_arrays = RegressionStack(members=members).fit(TrainingPairs.of(x, y, np.random.default_rng(0)))
    rows = RowReader(100, lambda at: x[at]), RowReader(100, lambda at: y[at])
    of_rows = RegressionStack(members=members).fit(TrainingPairs.of(*rows, np.random.default_rng(0)))
    np.testing.assert_array_equal(of_rows.predict(x), of_arrays.predict(x))
