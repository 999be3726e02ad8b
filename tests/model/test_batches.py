"""Networks that are told cells' batches: what they make of known and unknown ones, and that it is worth it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from anndata import AnnData

import jamie
from jamie.core.batch import Batch, PairBlocks
from jamie.core.context import Context
from jamie.data.assemble import assemble
from jamie.methods.jamie import Jamie
from jamie.model.build import build_model
from jamie.spec import load_spec
from jamie.testing import toy

SPEC = {
    "preset": "paper",
    "modalities": {
        "*": {"preprocess": ["standardize"], "encoder": {"mlp": {"widths": [16]}}, "decoder": {"mlp": {"widths": [16]}}}
    },
    "model": {"latent_dim": 3},
    "correspondence": {"infer": None},
    "losses": {"kl": 1, "combination": 10, "reconstruction": 31, "alignment": None},
    "training": {
        "min_epochs": 60,
        "max_epochs": 60,
        "batch_size": 128,
        "learning_rate": 5e-3,
        "device": "cpu",
    },
    "evaluate": {"metrics": [], "holdout": {"fraction": 0}},
}
N_CELLS = 240


def two_donors(n_cells=N_CELLS):
    """Cells on a plane, seen by two modalities; all features of the second donor's cells are shifted."""
    generator = np.random.default_rng(0)
    position, second = generator.normal(size=(n_cells, 2)), generator.random(n_cells) < 0.5
    modalities = {}
    for name, width in (("rna", 14), ("protein", 9)):
        slopes, shift = generator.normal(size=(2, width)), 3 * generator.normal(size=width)
        X = position @ slopes + second[:, None] * shift + 0.3 * generator.normal(size=(n_cells, width))
        adata = AnnData(X.astype(np.float32))
        adata.obs_names = [f"cell{i}" for i in range(n_cells)]
        adata.var_names = [f"{name}{j}" for j in range(width)]
        modalities[name] = adata
    mdata = assemble(modalities)
    mdata.obs["donor"] = np.where(second, "d2", "d1")[mdata.obs_names.str[4:].astype(int)]
    return mdata


@pytest.fixture(scope="module")
def mdata():
    return two_donors()


@pytest.fixture(scope="module")
def fitted(mdata):
    return jamie.JAMIE(SPEC, batch_key="donor").fit(mdata)


def between(z, donors):
    """Part of the variance of latents that lies between the donors' means."""
    z = z - z.mean(axis=0)
    means = [(donors == d).mean() * (z[donors == d].mean(axis=0) ** 2).sum() for d in ("d1", "d2")]
    return sum(means) / (z**2).sum(axis=1).mean()


def test_latents_differ_less_between_batches_where_the_networks_are_told_them(mdata, fitted):
    blind = jamie.JAMIE(SPEC).fit(mdata)
    for m in ("rna", "protein"):
        donors = mdata.obs["donor"].reindex(mdata[m].obs_names).to_numpy()
        told, untold = (between(model._fitted.latents[m], donors) for model in (fitted, blind))
        assert untold > 0.3
        assert told < untold / 3


def test_cells_are_imputed_as_in_their_own_batch(mdata, fitted):
    imputed = fitted.impute(mdata, "rna", "protein").X
    donors = mdata.obs["donor"].reindex(mdata["rna"].obs_names).to_numpy()
    truth = mdata["protein"][mdata["rna"].obs_names].X
    shift, found = (X[donors == "d2"].mean(axis=0) - X[donors == "d1"].mean(axis=0) for X in (truth, imputed))
    assert np.corrcoef(shift, found)[0, 1] > 0.95
    assert 0.8 < np.polyfit(shift, found, 1)[0] < 1.2


def test_saved_and_loaded_it_knows_the_same_batches(mdata, fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = jamie.load(tmp_path / "model", device="cpu")
    assert loaded.model.batches == fitted.model.batches
    assert loaded.model.batches.categories == ("d1", "d2")
    embedded = [model.embed(mdata, copy=True)["rna"].obsm["X_jamie"] for model in (fitted, loaded)]
    np.testing.assert_array_equal(*embedded)
    np.testing.assert_allclose(embedded[0], fitted._fitted.latents["rna"], atol=1e-5)
    np.testing.assert_array_equal(*(model.impute(mdata, "rna", "protein").X for model in (fitted, loaded)))


def test_an_unknown_batch_and_none_at_all_count_as_the_training_cells_mixture(mdata, fitted, caplog):
    new = mdata["rna"][:5].copy()
    absent = fitted.impute(new, "rna", "protein").X
    assert caplog.messages == [
        "modality 'rna': obs has no column 'donor' (batch_key); the cells are treated as a mixture of the training "
        "cells' batches"
    ]
    caplog.clear()
    new.obs["donor"] = "d7"
    np.testing.assert_array_equal(fitted.impute(new, "rna", "protein").X, absent)
    assert "5 of 5 cells have a batch (obs 'donor') that no training cell has: 'd7'" in caplog.text
    scores = fitted._fitted.prepared.scores["rna"][:5]
    frequencies = np.tile(fitted._fitted.prepared.covariates["rna"].mean(axis=0), (5, 1))
    np.testing.assert_allclose(
        fitted.model.encode("rna", scores, frequencies), fitted.model.encode("rna", scores), atol=1e-6
    )


def test_a_batch_that_a_modality_has_not_seen_counts_as_its_own_mixture():
    frequencies = {"a": [0.25, 0.75, 0.0], "b": [0.0, 0.5, 0.5]}
    network = build_model(load_spec(SPEC, reads_data=False), {"a": 4, "b": 5}, {"a": 4, "b": 5}, frequencies)
    one_hot = torch.eye(3)
    found = network.known_covariates("a", torch.cat([one_hot, torch.zeros(1, 3)]), 4)
    usual = torch.tensor(frequencies["a"])
    torch.testing.assert_close(found, torch.stack([one_hot[0], one_hot[1], usual, usual]))
    torch.testing.assert_close(network.known_covariates("a", None, 2), torch.stack([usual, usual]))
    torch.testing.assert_close(network.known_covariates("b", one_hot[:1], 1), torch.tensor([[0.0, 0.5, 0.5]]))


def test_decoding_one_modality_from_another_uses_the_batch_of_the_source():
    frequencies = {"a": [0.5, 0.5], "b": [0.5, 0.5]}
    network = build_model(load_spec(SPEC, reads_data=False), {"a": 4, "b": 5}, {"a": 4, "b": 5}, frequencies).eval()
    generator = torch.Generator().manual_seed(0)
    x = {m: torch.randn(3, n, generator=generator) for m, n in (("a", 4), ("b", 5))}
    covariates = {"a": torch.eye(2)[[0, 1, 1]], "b": torch.eye(2)[[1, 0, 0]]}
    output = network(Batch(x, x, PairBlocks(), covariates=covariates))
    expected = network.decode("b", network.encode("a", x["a"], covariates["a"]).mean, covariates["a"]).mean
    torch.testing.assert_close(output.decode("a", "b").mean, expected)
    other = network.decode("b", network.encode("a", x["a"], covariates["a"]).mean, covariates["b"]).mean
    assert not torch.allclose(expected, other)


def test_counts_of_another_modality_are_decoded_at_the_depth_of_the_partner():
    spec = load_spec(SPEC, {"modalities.*.decoder": "poisson"}, reads_data=False)
    network = build_model(spec, {"a": 4, "b": 5}, {"a": 4, "b": 5}).eval()
    x = {"a": torch.ones(3, 4), "b": torch.ones(2, 5)}
    depth = {"a": torch.tensor([[1.0], [2.0], [3.0]]), "b": torch.tensor([[4.0], [0.5]])}
    partners = PairBlocks({("a", "b"): torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])})
    output = network(Batch(x, x, partners, size_factor=depth))
    at_median = network.decode("b", output.z["a"]).mean
    torch.testing.assert_close(output.decode("a", "b").mean, at_median * torch.tensor([[4.0], [1.0], [0.5]]))
    own = network.decode("a", output.aggregated["a"]).mean
    torch.testing.assert_close(output.reconstruct("a").mean, own * depth["a"])


def test_the_method_jamie_is_told_the_batches_as_well():
    cells = toy.cells()
    one_hot = {m: np.eye(2, dtype=np.float32)[np.arange(v.n_cells) % 2] for m, v in cells.views.items()}
    method = Jamie(settings={**Jamie.test_params()["settings"], "correspondence.infer": None})
    method.fit(replace(cells, covariates=one_hot), Context())
    swapped = {m: c[:, ::-1].copy() for m, c in one_hot.items()}
    own, others, unknown = (method.embed(cells.scores, given)["rna"] for given in (one_hot, swapped, None))
    assert not np.allclose(own, others)
    assert not np.allclose(own, unknown)
    imputed = [method.impute(cells.scores["rna"], "rna", "atac", covariates=c).mean for c in (one_hot["rna"], None)]
    assert not np.allclose(*imputed)
