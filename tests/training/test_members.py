"""Members of an ensemble trained side by side become what they become one after the other."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.interfaces import Decoder
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.model.members import dropout_mask, join_members, normal_like, split_members
from jamie.preprocess.prepare import prepare
from jamie.spec import Ref, load_spec
from jamie.testing import toy
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.minibatches import Minibatches
from jamie.training.train import train

from .test_training import KilledError, kill_at, latents

SPEC = {  # of 80 training cells each member is fitted on 64, two minibatches
    "data": {"simulate_branch": {"n_cells": 100, "n_features": [20, 30]}},
    "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 8}}]}},
    "correspondence": {"infer": None},
    "losses": {"latent_mmd": {"weight": 0.1}, "cycle": {"weight": 0.1}},
    "model": {"latent_dim": 4},
    "training": {"ensemble": 3, "max_epochs": 6, "batch_size": 32, "device": "cpu", "checkpoint_seconds": 0},
}


def prepared_for(overrides=None):
    spec, context = load_spec(SPEC, overrides or {}), Context()
    dataset = load_dataset(spec, context).dataset
    return prepare(dataset, split_cells(dataset, spec.evaluate.holdout, context), spec, context), spec


def fit(overrides=None, change=lambda spec: spec, context=None, checkpoints=None):
    prepared, spec = prepared_for(overrides)
    cells = prepared.subset(prepared.split.train).cells()
    return train(cells, None, change(spec), context or Context(), checkpoints), prepared


class OwnDecoder(Decoder):
    """A linear map, written without members in mind."""

    name = "own"

    def __init__(self, n_latent: int, n_features: int, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.map = torch.nn.Linear(n_latent + n_covariates, n_features)

    def forward(self, z, covariates=None, size_factor=None):
        assert z.ndim == 2
        return torch.distributions.Normal(self.map(z), 1.0)


class OwnLinear(OwnDecoder):
    """The same with a member axis."""

    name = "own_linear"
    member_axis = True

    def forward(self, z, covariates=None, size_factor=None):
        weight = self.map.weight.mT
        mean = z @ weight + (self.map.bias if weight.ndim == 2 else self.map.bias.unsqueeze(1))
        return torch.distributions.Normal(mean, torch.ones(()))


def decoding_by(cls):
    def change(spec):
        every = spec.modality("*")
        return replace(spec, modalities={"*": replace(every, decoder=Ref("decoder", cls.name, cls))})

    return change


def side_by_side_and_one_after_the_other(monkeypatch, overrides=None, **more):
    joined, prepared = fit(overrides, **more)
    with monkeypatch.context() as patch:
        patch.setattr(
            "jamie.training.train._groups", lambda members, splits, optimizer: [[k] for k in range(len(members))]
        )
        separate, _ = fit(overrides, **more)
    return joined, separate, prepared


@pytest.mark.parametrize("overrides", [{}, {"modalities.*.encoder": "residual_mlp", "training.gradient_clip": 0.01}])
def test_members_become_what_they_become_alone(monkeypatch, overrides):
    joined, separate, prepared = side_by_side_and_one_after_the_other(monkeypatch, overrides)
    for one, two in zip(joined.histories, separate.histories, strict=True):
        np.testing.assert_allclose(one.epochs, two.epochs, rtol=1e-3)
        assert (one.best_epoch, one.stopped, one.steps) == (two.best_epoch, two.stopped, two.steps)
    for one, two in zip(joined.networks, separate.networks, strict=True):
        for m, z in latents(one, prepared).items():
            np.testing.assert_allclose(z, latents(two, prepared)[m], atol=1e-2)


def test_each_member_stops_by_itself_and_keeps_its_own_best_state(monkeypatch):
    overrides = {
        "training.max_epochs": 30,
        "training.min_epochs": 2,
        "training.patience": 2,
        "training.min_change": 0.03,
    }
    joined, separate, _ = side_by_side_and_one_after_the_other(monkeypatch, overrides)
    lengths = [len(history.epochs) for history in joined.histories]
    assert len(set(lengths)) > 1
    assert lengths == [len(history.epochs) for history in separate.histories]
    assert [h.best_epoch for h in joined.histories] == [h.best_epoch for h in separate.histories]
    assert all(history.stopped == "patience" for history in joined.histories)


def test_a_component_that_knows_nothing_of_members_is_trained_as_one_that_does(caplog):
    with caplog.at_level("INFO", logger="jamie"):
        plain, prepared = fit(change=decoding_by(OwnDecoder))
    assert "members one after the other, since there is no member axis in decoder 'own'" in caplog.text
    joined, _ = fit(change=decoding_by(OwnLinear))
    for one, two in zip(plain.histories, joined.histories, strict=True):
        np.testing.assert_allclose(one.epochs, two.epochs, rtol=1e-3)
    for one, two in zip(plain.networks, joined.networks, strict=True):
        for m, z in latents(one, prepared).items():
            np.testing.assert_allclose(z, latents(two, prepared)[m], atol=1e-2)


def test_a_member_axis_is_not_inherited():
    class Narrow(OwnLinear):
        """Computes something else."""

        name = "narrow"

    assert OwnLinear.has_member_axis()
    assert not Narrow.has_member_axis()


def test_members_side_by_side_are_reproduced_and_resumed_to_the_bit(tmp_path):
    expected, _ = fit()
    checkpoints = CheckpointFiles(tmp_path / "training.safetensors")
    with pytest.raises(KilledError):
        fit(checkpoints=checkpoints, context=Context(progress=kill_at(3 * 4)))
    resumed, _ = fit(checkpoints=checkpoints)
    again, _ = fit()
    for found in (resumed, again):
        assert [one.epochs for one in found.histories] == [one.epochs for one in expected.histories]
        for one, two in zip(found.networks, expected.networks, strict=True):
            for name, value in one.state_dict().items():
                assert torch.equal(value, two.state_dict()[name])


@pytest.mark.parametrize(("batch_size", "threads"), [(32, 1), (2**22, 2)])
def test_small_layers_are_trained_on_one_thread(batch_size, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found, _ = fit({"training.batch_size": batch_size, "training.max_epochs": 1, "training.ensemble": 1})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert found.threads == threads


def test_split_undoes_join():
    members = [torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)) for _ in range(3)]
    before = copy.deepcopy(members)
    for state, member in zip(split_members(join_members(members).state_dict(), 3), before, strict=True):
        for name, value in member.state_dict().items():
            assert torch.equal(state[name], value)
    assert join_members(members[:1]) is members[0]


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.999])
def test_every_column_is_dropped_at_the_given_rate(rate):
    generators = tuple(torch.Generator().manual_seed(k) for k in range(2))
    mask = dropout_mask(torch.empty(2, 40_000, 17), rate, generators)
    assert mask[mask > 0].unique().item() == pytest.approx(1 / (1 - rate), rel=1e-2)
    share = (mask == 0).double().mean(1)  # of each member and column
    assert (share - rate).abs().max() < 5 * (rate * (1 - rate) / 40_000) ** 0.5 + 2**-16
    assert mask.mean().item() == pytest.approx(1, abs=5 * (rate / (1 - rate) / mask.numel()) ** 0.5)
    assert not torch.equal(mask[0], mask[1])


def test_a_members_noise_does_not_depend_on_the_others():
    def generators(*seeds):
        return tuple(torch.Generator().manual_seed(seed) for seed in seeds)

    like = torch.empty(2, 5, 3)
    for draw in (normal_like, lambda like, generators: dropout_mask(like, 0.5, generators)):
        both = draw(like, generators(1, 2))
        assert torch.equal(both[1], draw(like[1], generators(2)))


@pytest.mark.parametrize("density", [0.01, 0.9])
def test_minibatches_of_members_are_those_of_each_filled_up_to_the_same_size(density):
    generator = np.random.default_rng(0)
    cells = toy.cells(2)
    sizes = cells.known.sizes
    matrix = np.where(generator.random((41, 53)) < density, generator.random((41, 53)), 0).astype(np.float32)
    minibatches = Minibatches(cells, Correspondences(sizes, {("rna", "atac"): Correspondence(matrix)}))
    drawn = [{m: generator.permutation(n)[: 5 + k] for m, n in sizes.items()} for k in (2, 0, 1)]
    joined = minibatches.make(drawn)
    for k, own in enumerate(drawn):
        alone, n = minibatches.make([own]), len(own["rna"])
        for m in sizes:
            assert torch.equal(joined.x[m][k, :n], alone.x[m])
            assert torch.equal(joined.target[m][k, :n], alone.target[m])
            assert joined.present[m][k].tolist() == [1.0] * n + [0.0] * (7 - n)
        for found, expected in ((joined.blocks, alone.blocks), (joined.inferred, alone.inferred)):
            block = found.between("rna", "atac")[k]
            assert torch.equal(block[:n, :n], expected.between("rna", "atac"))
            assert not block[n:].any()
            assert not block[:, n:].any()
