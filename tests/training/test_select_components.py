"""Components that the networks read: fewer where the others are noise to every other modality."""

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

from jamie import JAMIE, load

N_SIGNAL = 2


def make_mdata(n_cells=120, n_noise=30, noise=0.3, shared=N_SIGNAL):
    """Two modalities that share `shared` factors, beside factors of their own."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n_cells, shared))
    parts = {}
    for name, p in (("rna", 40), ("adt", 36)):
        own = rng.normal(size=(n_cells, n_noise)) @ rng.normal(size=(n_noise, p)) / n_noise**0.5
        values = z @ rng.normal(size=(shared, p)) + own + noise * rng.normal(size=(n_cells, p))
        parts[name] = AnnData(values.astype(np.float32))
        parts[name].obs_names = [f"cell{i}" for i in range(n_cells)]
        parts[name].var_names = [f"{name}{j}" for j in range(p)]
    return MuData(parts)


def fit(mdata, **overrides):
    settings = {
        "training.ensemble": 2,
        "training.min_epochs": 1,
        "training.max_epochs": 2,
        "evaluate.holdout.fraction": 0,
        "evaluate.metrics": [],
        "correspondence.infer": None,
        **overrides,
    }
    return JAMIE("default", settings).fit(mdata)


def n_read(model):
    return {m: known.n_scores for m, known in model.model.modalities.items()}


@pytest.fixture(scope="module")
def noisy():
    mdata = make_mdata()
    return mdata, fit(mdata)


def test_components_that_predict_nothing_are_not_read(noisy):
    _, model = noisy
    assert n_read(model) == {"rna": 11, "adt": 11}  # half of them, the fewest


def test_targets_and_regressions_keep_all_components(noisy):
    _, model = noisy
    prepared = model._fitted.prepared
    for m in ("rna", "adt"):
        assert prepared.targets[m].shape[1] == round(2 * 120**0.5)
        assert prepared.regression_scores[m].shape[1] > prepared.scores[m].shape[1]


def test_inputs_are_the_leading_components_with_mean_variance_one(noisy):
    mdata, model = noisy
    known, prepared = model.model.modalities["rna"], model._fitted.prepared
    scores = prepared.scores["rna"]
    assert (scores.var(axis=0)).mean() == pytest.approx(1, abs=1e-3)
    again = known.chain.transform(mdata["rna"].X, mdata["rna"].obs)
    np.testing.assert_allclose(again, scores, atol=1e-4)
    full = prepared.targets["rna"][:, : scores.shape[1]]
    np.testing.assert_allclose(scores / scores.std(axis=0), full / full.std(axis=0), atol=1e-4)
    unwhitened = scores * known.chain.unwhitening
    ratio = unwhitened.std(axis=0) / (full * prepared.target_chains["rna"].unwhitening[: full.shape[1]]).std(axis=0)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_a_saved_model_imputes_the_same(noisy, tmp_path):
    mdata, model = noisy
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert n_read(again) == n_read(model)
    for source, to in (("rna", "adt"), ("adt", "rna")):
        np.testing.assert_allclose(
            again.impute(mdata, source=source, to=to).X, model.impute(mdata, source=source, to=to).X, atol=1e-5
        )


def test_useful_components_are_all_read():
    model = fit(make_mdata(n_cells=100, n_noise=1, noise=0.05, shared=20))
    assert n_read(model) == {"rna": 20, "adt": 20}


def test_all_are_read_where_the_spec_says_so_or_too_few_pairs_are_known():
    plain = {"modalities.*.preprocess": ["standardize", {"pca": {"components_per_sqrt_cell": 2}}]}
    expected = round(2 * 120**0.5)
    assert set(n_read(fit(make_mdata(), **plain)).values()) == {expected}
    mdata = make_mdata()
    mdata["adt"].obs_names = [name if i < 40 else f"other{i}" for i, name in enumerate(mdata["adt"].obs_names)]
    mdata = MuData({m: mdata[m].copy() for m in mdata.mod})
    assert set(n_read(fit(mdata, **{"correspondence.verify": "none"})).values()) == {expected}


def test_the_choice_is_the_same_again(noisy):
    mdata, model = noisy
    assert n_read(fit(mdata)) == n_read(model)
