"""The differentiable function is the very one that imputes and embeds."""

import numpy as np
import pytest
import torch

from jamie.core.errors import DataError
from jamie.core.matrix import to_dense

CHAINS = {
    "default": {},
    "whitened components": {
        "modalities.*.preprocess": ["standardize", {"pca": {"n_components": 5, "whitening": 1}}],
    },
    "counts": {"modalities.*.preprocess": ["log_normalize", "standardize"]},
    "components of counts": {
        "modalities.rna.preprocess": ["log_normalize", {"select_features": {"n_features": 9}}, "pca"],
        "modalities.adt.preprocess": ["clr", "standardize"],
    },
    "regions": {"modalities.rna.preprocess": ["tfidf", {"pca": {"n_components": 4}}]},
    "missing values": {"modalities.rna.preprocess": ["fill_missing", "standardize"]},
    "nothing": {"modalities.*.preprocess": []},
    "batches": {"batch_key": "batch"},
    "negative binomial": {
        "modalities.adt.decoder": "negative_binomial",
        "modalities.adt.target": {"layer": "counts", "preprocess": []},
        "modalities.adt.preprocess": ["log_normalize"],
    },
    "paper": {
        "modalities.*.encoder": "mlp",
        "modalities.*.decoder": "mlp",
        "modalities.*.preprocess": ["standardize", {"pca": {"n_components": 6}}],
    },
}


@pytest.mark.parametrize("chains", CHAINS.values(), ids=CHAINS.keys())
def test_it_is_what_imputes_and_embeds(chains, cells, train):
    modalities = cells()
    if "fill_missing" in str(chains):
        modalities["rna"].X[3, 2] = modalities["rna"].X[50, 0] = np.nan
    subject = train(modalities, **chains)
    for source, target in (("rna", "adt"), ("adt", "rna")):
        scores, x = subject.scores(source), torch.as_tensor(to_dense(subject.dataset.modalities[source].input.X))
        batches = subject.covariates(source)
        covariates = None if batches is None else torch.as_tensor(batches)
        few = [f"{target}{j}" for j in (5, 4, 0)]
        for features in (None, few):
            expected = subject.impute(source, target, scores, features=features)
            for given, preprocessed in ((x, False), (torch.as_tensor(scores), True)):
                found = subject.module(source, target, features, preprocessed=preprocessed)(given, covariates)
                np.testing.assert_allclose(found.detach(), expected, rtol=1e-4, atol=1e-4)
        found = subject.module(source)(x, covariates).detach()
        np.testing.assert_allclose(found, subject.embed(source, scores), rtol=1e-4, atol=1e-4)


def test_its_gradient_is_the_slope_of_what_is_imputed(subject):
    X = to_dense(subject.dataset.modalities["rna"].input.X).astype(np.float32)
    x = torch.as_tensor(X).requires_grad_()
    out = subject.module("rna", "adt", ["adt5"])(x)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    step = 0.05

    def imputed(shift):
        moved = X.copy()
        moved[:, 3] += shift
        return subject.impute("rna", "adt", subject.preprocess("rna", moved), features=["adt5"])[:, 0]

    slope = (imputed(step) - imputed(-step)) / (2 * step)
    close = np.isclose(gradient[:, 3], slope, rtol=0.05, atol=2e-3)
    assert close.mean() > 0.9  # not of cells at the end of the range that regressions clip to: the slope jumps there
    assert not gradient[:, 4].any()  # constant over the training cells, so dropped


def test_networks_are_left_as_they_were(subject):
    before = [{k: v.clone() for k, v in network.state_dict().items()} for network in subject.model.networks]
    module = subject.module("rna", "adt")
    assert not module.training
    x = torch.as_tensor(subject.dataset.modalities["rna"].input.X).requires_grad_()
    torch.autograd.grad(module(x).sum(), x)
    for network, weights in zip(subject.model.networks, before, strict=True):
        assert network.state_dict().keys() == weights.keys()
        assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())


def test_a_step_without_gradient_is_named(subject, monkeypatch):
    monkeypatch.setattr("jamie.preprocess.pca.PCA.inverse_as_module", lambda step: None)
    message = r"adt, preprocessor 'pca': expected an inverse that can be differentiated.*\n.*algorithm: permutation"
    with pytest.raises(DataError, match=message):
        subject.module("rna", "adt")
