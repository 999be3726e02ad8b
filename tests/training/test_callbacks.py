"""Callbacks watch training, and change nothing but its end."""

import logging
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from jamie.core.context import Context
from jamie.core.interfaces import Callback
from jamie.core.interfaces.callback import Epoch
from jamie.spec import Ref, load_spec
from jamie.training.checkpoint import CheckpointFiles
from jamie.training.stop_at import StopAt
from jamie.training.train import train

from .conftest import SPEC
from .test_training import KilledError, kill_at, latents

SHORT = {  # two members side by side
    "modalities.*.encoder": "linear",
    "modalities.*.decoder": "linear",
    "training.validation": 0.2,
    "training.ensemble": 2,
    "training.max_epochs": 8,
    "training.min_epochs": 2,
}


class Watches(Callback):
    """Keeps what it sees, draws random numbers, and spoils its copies."""

    name = "watches"
    seen: ClassVar[list] = []

    def _after_epoch(self, epoch):
        torch.rand(3)
        network = epoch.network(len(epoch.losses) - 1)
        weights = torch.cat([p.detach().flatten() for p in network.parameters()])
        self.seen.append((epoch.number, epoch.first, epoch.losses, weights.clone()))
        for parameter in network.parameters():
            parameter.data.zero_()


class Fails(Callback):
    """Divides by nothing after the third epoch."""

    name = "fails"

    def _after_epoch(self, epoch):
        return epoch.number > 2 and 1 / 0 > 0


class StopsAt5(Callback):
    """Stops after epoch 5."""

    name = "stops_at_5"

    def _after_epoch(self, epoch):
        return epoch.number == 5


def fit(prepared, *callbacks, overrides=(), checkpoints=None, context=None):
    spec = load_spec(SPEC, SHORT | dict(overrides))
    refs = [Ref("callback", cls.name, cls) for cls in callbacks]
    spec = replace(spec, training=replace(spec.training, callbacks=refs))
    cells = prepared.subset(prepared.split.train).cells()
    return train(cells, None, spec, context or Context(), checkpoints)


@pytest.mark.parametrize("overrides", [{}, {"training.optimizer": "adafactor"}, {"training.ensemble": 1}])
def test_callbacks_see_every_epoch_and_leave_the_numbers_alone(prepared, caplog, overrides):
    caplog.set_level(logging.WARNING)
    Watches.seen = []
    alone = fit(prepared, overrides=overrides)
    watched = fit(prepared, Watches, Fails, overrides=overrides)
    assert [h.epochs for h in watched.histories] == [h.epochs for h in alone.histories]
    for one, two in zip(alone.networks, watched.networks, strict=True):
        for m, z in latents(one, prepared).items():
            np.testing.assert_array_equal(latents(two, prepared)[m], z)
    groups = [0, 1] if "training.optimizer" in overrides else [0]  # trained one after the other
    assert [(number, first) for number, first, *_ in Watches.seen] == [(e, k) for k in groups for e in range(8)]
    assert [losses[0]["loss"] for _, first, losses, _ in Watches.seen if first == 0] == [
        epoch[0] for epoch in alone.histories[0].epochs
    ]
    first, last = Watches.seen[0][3], Watches.seen[-1][3]
    assert first.shape == last.shape
    assert not torch.equal(first, last)
    words = "callback 'fails' failed after epoch 3 and is left out: ZeroDivisionError: division by zero"
    assert [record.message for record in caplog.records] == [words] * len(groups)


def test_a_callback_stops_training_also_of_a_resumed_run(prepared, tmp_path):
    found = fit(prepared, StopsAt5)
    assert {(h.stopped, len(h.epochs)) for h in found.histories} == {("callback stops_at_5", 6)}
    checkpoints = CheckpointFiles(tmp_path / "training.safetensors")
    settings = {"training.checkpoint_seconds": 0}
    with pytest.raises(KilledError):
        fit(prepared, StopsAt5, overrides=settings, checkpoints=checkpoints, context=Context(progress=kill_at(4)))
    resumed = fit(prepared, StopsAt5, checkpoints=checkpoints)
    assert [h.epochs for h in resumed.histories] == [h.epochs for h in found.histories]
    again = fit(prepared, checkpoints=checkpoints)  # what has stopped does not go on
    assert [len(h.epochs) for h in again.histories] == [6, 6]


def test_stop_at_a_loss_or_a_time(monkeypatch):
    def answers(callback, key="loss"):
        losses = ({"loss": 9.0, key: 1 / (1 + n)} for n in range(4))
        return [callback.after_epoch(Epoch(n, 10, (values,))) for n, values in enumerate(losses)]

    assert answers(StopAt()) == [False] * 4
    assert answers(StopAt(loss=0.5)) == [False, True, True, True]
    assert answers(StopAt(loss=0.5), "validation") == [False, True, True, True]
    clock = iter([100.0, 100.0, 129.0, 130.5, 200.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    assert answers(StopAt(minutes=0.5)) == [False, False, True, True]
