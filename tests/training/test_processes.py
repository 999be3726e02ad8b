"""Training on several processes: the same numbers as on one, and an error where one is lost."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal

import jamie
from jamie.core.context import Context
from jamie.core.errors import DataError, OutputError, TrainingError
from jamie.data.load import load_dataset
from jamie.data.splits.holdout import split_cells
from jamie.model.build import build_model
from jamie.model.decoders.distributions import ZeroInflatedNegativeBinomial, negative_binomial
from jamie.model.shares import Share
from jamie.preprocess.prepare import prepare
from jamie.spec import load_spec
from jamie.training import processes
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.processes import count_processes, make_teams
from jamie.training.train import train

SPEC = {  # dropout, validation cells, a loss of each form, one of which reads labels
    "data": {"simulate_branch": {"n_cells": 90, "n_features": [20, 30]}},
    "modalities": {"*": {"preprocess": ["standardize", {"pca": {"n_components": 8}}]}},
    "correspondence": {"infer": None},
    "train_labels": ["cell_type"],
    "losses": {"latent_mmd": {"weight": 0.1}, "cycle": {"weight": 0.1}, "label_prototypes": {"weight": 0.1}},
    "model": {"latent_dim": 4},
    "training": {"max_epochs": 5, "batch_size": 33, "device": "cpu", "checkpoint_seconds": 0},
}
KILLED = r"training: process 2 of 2 ended by signal 9, often for lack of memory\n  go on with --resume"


def fit(overrides=None, checkpoints=None, **context):
    spec, context = load_spec(SPEC, overrides or {}), Context(**context)
    dataset = load_dataset(spec, context).dataset
    prepared = prepare(dataset, split_cells(dataset, spec.evaluate.holdout, context), spec, context)
    return train(prepared.subset(prepared.split.train).cells(), None, spec, context, checkpoints)


def assert_same(found, expected, tolerance):
    for one, two in zip(found.histories, expected.histories, strict=True):
        np.testing.assert_allclose(one.epochs, two.epochs, rtol=tolerance, atol=tolerance)
        assert (one.best_epoch, one.stopped, one.steps) == (two.best_epoch, two.stopped, two.steps)
    for one, two in zip(found.networks, expected.networks, strict=True):
        assert not one.training
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, two.state_dict()[name], rtol=1e2 * tolerance, atol=1e2 * tolerance)


def kill(started):
    def progress(stage, done, total, values):
        os.kill(started[0].pid, signal.SIGKILL)
        started[0].wait()

    return progress


@pytest.fixture
def worker(monkeypatch):
    """The processes that are started."""
    started, start = [], processes._start

    def noting(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(processes, "_start", noting)
    return started


def test_processes_that_share_minibatches_find_the_losses_of_one():
    one_member = {"training.ensemble": 1}
    shared = fit({**one_member, "training.devices": 2})
    assert shared.processes == 2
    assert_same(shared, fit(one_member), 1e-5)


def test_members_that_are_dealt_out_become_what_they_become_together(worker, tmp_path):
    checkpoints, ensemble = CheckpointFiles(tmp_path / "training.safetensors"), {"training.ensemble": 3}
    with pytest.raises(TrainingError, match=KILLED):
        fit({**ensemble, "training.devices": 2}, checkpoints, progress=kill(worker))
    assert len(checkpoints.load(0).plain["lapses"]) == 2
    resumed = fit({**ensemble, "training.devices": 2}, checkpoints)
    assert_same(resumed, fit(ensemble), 1e-5)
    assert len(checkpoints.load(2).plain["lapses"]) == 1


def test_a_process_that_is_killed_ends_those_that_share_its_minibatches(worker):
    with pytest.raises(TrainingError, match=KILLED):
        fit({"training.ensemble": 1, "training.devices": 2, "training.max_epochs": 10_000}, progress=kill(worker))
    assert worker[0].returncode == -signal.SIGKILL


def test_the_error_of_another_process_is_told(worker, tmp_path):
    (tmp_path / "training.1.safetensors").write_text("no checkpoint")
    overrides = {"training.ensemble": 2, "training.devices": 2}
    with pytest.raises(OutputError, match=r"training\.1\.safetensors: expected a checkpoint, found a file that cannot"):
        fit(overrides, CheckpointFiles(tmp_path / "training.safetensors"))
    assert worker[0].returncode is not None


@pytest.mark.parametrize(
    ("n_processes", "n_members", "expected"),
    [
        (2, 5, [((0,), (0, 1, 2)), ((1,), (3, 4))]),
        (3, 3, [((0,), (0,)), ((1,), (1,)), ((2,), (2,))]),
        (4, 1, [((0, 1, 2, 3), (0,))]),
        (5, 2, [((0, 1), (0,)), ((2, 3), (1,))]),
    ],
)
def test_members_are_dealt_out_before_minibatches(n_processes, n_members, expected):
    assert [(team.ranks, team.members) for team in make_teams(n_processes, n_members)] == expected


class FourCells(Share):
    """Two processes that have the same two cells."""

    def __init__(self):
        super().__init__(0, 2, None)
        self.n_cells = 4

    def gather(self, part, axis=-2):
        return torch.cat([part, part], dim=axis)


@pytest.mark.parametrize("shape", [(2, 3), (5, 2, 3)])
@pytest.mark.parametrize(
    "make",
    [
        lambda a, b: Normal(a, 1.0),
        lambda a, b: Normal(a, b.exp()),
        lambda a, b: Bernoulli(logits=a),
        lambda a, b: negative_binomial(a.exp(), b.exp()),
        lambda a, b: negative_binomial(a.exp(), b[..., :1, :].exp()),
        lambda a, b: ZeroInflatedNegativeBinomial(a.exp(), b.exp(), a),
        lambda a, b: MixtureSameFamily(
            Categorical(logits=torch.stack([a, b], -1)), Normal(torch.stack([a, b], -1), torch.ones(2))
        ),
    ],
)
def test_a_distribution_is_gathered_whatever_its_parameters(make, shape):
    a, b = torch.randn(shape), torch.randn(shape)
    values = torch.ones((*shape[:-2], 4, 3))
    part, share = make(a, b), FourCells()
    whole = share.gather_distribution(part)
    assert whole.batch_shape == (*shape[:-2], 4, 3)
    torch.testing.assert_close(whole.mean, share.gather(part.mean))
    torch.testing.assert_close(whole.log_prob(values), share.gather(part.log_prob(values[..., :2, :])))


def test_a_network_that_normalizes_over_cells_gets_all_of_them():
    modalities = {"a": {"encoder": "mlp"}, "b": {}}
    model = build_model(load_spec({"modalities": modalities}, reads_data=False), {"a": 3, "b": 3}, {"a": 3, "b": 3})
    model.set_share(FourCells())
    x = torch.randn(4, 3)
    assert [model.encode(m, x).mean.shape for m in "ab"] == [(4, 2 * 16)] * 2


def test_shares_are_all_cells_once():
    share = Share(1, 3, None)
    for n_cells in range(8):
        share.n_cells = n_cells
        rows = [i for rank in range(3) for i in range(*share.bounds(rank))]
        assert rows == list(range(n_cells))


class TestCounted:
    def section(self, **settings):
        return replace(load_spec({"training": settings}, reads_data=False).training)

    @pytest.mark.parametrize(
        ("devices", "device", "n_gpus", "expected"),
        [(1, "cpu", 0, 1), (3, "cpu", 0, 3), ("auto", "cpu", 4, 1), ("auto", "cuda", 4, 4), (2, "cuda", 4, 2)],
    )
    def test_of_the_devices(self, monkeypatch, devices, device, n_gpus, expected):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        assert count_processes(self.section(devices=devices), device) == expected

    @pytest.mark.parametrize(
        ("devices", "device", "message"),
        [
            (3, "cuda", "expected at most 1, as many GPUs as there are here, found 3\n  give training.devices: 1 or "),
            (2, "mps", "expected one device 'mps', found 2\n  give training.device: cpu or cuda"),
            (2, "cuda:1", "expected one device 'cuda:1', found 2\n"),
        ],
    )
    def test_more_than_there_are(self, monkeypatch, devices, device, message):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(DataError) as error:
            count_processes(self.section(devices=devices), device)
        assert str(error.value).startswith(f"training.devices: {message}")

    def test_more_than_torch_can_have(self, monkeypatch):
        monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
        assert count_processes(self.section(), "cpu") == 1
        with pytest.raises(DataError, match="expected 1, as this torch has no torch"):
            count_processes(self.section(devices=2), "cpu")

    def test_of_torchrun(self, monkeypatch):
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("WORLD_SIZE", "4")
        for devices in (1, 4, "auto"):
            assert count_processes(self.section(devices=devices), "cpu") == 4
        with pytest.raises(DataError, match="expected 4, as many as torchrun has started, found 2"):
            count_processes(self.section(devices=2), "cpu")


class TestOtherProcessOfTorchrun:
    """One that is not the first."""

    @pytest.fixture(autouse=True)
    def other(self, monkeypatch):
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")

    def test_a_run_only_trains_there(self, monkeypatch, tmp_path):
        served = []
        monkeypatch.setattr("jamie.commands.run.serve", lambda device: served.append(device) or 3)
        with pytest.raises(SystemExit) as stop:
            jamie.run(SPEC, out=tmp_path / "run")
        assert (stop.value.code, served) == (3, ["cpu"])
        assert not (tmp_path / "run").exists()

    def test_a_sweep_is_refused(self, tmp_path):
        swept = {**SPEC, "sweep": {"seed": [0, 1]}}
        with pytest.raises(OutputError, match="torchrun: expected one run for the 2 processes of torchrun"):
            jamie.sweep(swept, out=tmp_path / "sweep")

    def test_a_fit_is_refused(self):
        with pytest.raises(DataError, match="torchrun: expected one process, found another one of torchrun's"):
            fit()


def test_a_process_group_of_others_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with pytest.raises(DataError, match=r"training\.devices: found a process group of torch"):
        fit({"training.devices": 2})
