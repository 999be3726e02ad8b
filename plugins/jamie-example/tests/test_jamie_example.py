"""The components of this distribution, by the contract checks of jamie and by numbers of their own."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch

import jamie
from jamie.builtins import load_registry
from jamie.testing import controls, parametrize_with_checks, toy

jamie_example = pytest.importorskip("jamie_example", reason="pip install ./plugins/jamie-example")

EXAMPLE = Path(__file__).parents[1] / "example.yaml"


@parametrize_with_checks(jamie_example.jamie_components())
def test_contract(component, check):
    check(component)


def test_the_distribution_is_found():
    registry = load_registry()
    assert registry.get("loss", "sparsity") is jamie_example.Sparsity
    assert registry.provider(jamie_example.RankMatching).name == "jamie-example"
    assert registry.provider(jamie_example.RankMatching).version == importlib.metadata.version("jamie-example")


def test_sparsity_is_the_mean_absolute_latent():
    mean = {"a": torch.tensor([[1.0, -3.0]]), "b": torch.tensor([[0.5, 0.5], [-1.0, 2.0]])}
    output = jamie.Output(
        {m: jamie.Posterior(v) for m, v in mean.items()}, mean, mean, lambda *_: None, lambda *_: None
    )
    assert jamie_example.Sparsity()(toy.batch(), output).item() == pytest.approx(2.0 + 1.0)


def test_rank_matching_follows_a_trajectory_backwards():
    t = np.linspace(0, 1, 20)[:, None].astype(np.float32)
    a, b = (jamie.View(m, jamie.Block(s, [m]), s) for m, s in (("a", t), ("b", 1 - t)))
    known = jamie.Correspondence.from_pairs([0, 19], [0, 19], (20, 20))
    partner = jamie_example.RankMatching().infer(a, b, known).correspondence.best_partner()
    np.testing.assert_array_equal(partner, np.arange(20))


def test_rank_matching_gives_every_cell_of_either_side_a_partner():
    control = controls.isometric_copy(n_cells=40, n_extra=13)
    found = jamie_example.RankMatching().infer(control.a, control.b, control.known).correspondence
    assert (found.best_partner() >= 0).all()
    assert (found.T.best_partner() >= 0).all()


def test_the_example_spec_runs(tmp_path):
    result = jamie.run(EXAMPLE, overrides=["training.min_epochs=2", "training.max_epochs=3"], out=tmp_path / "run")
    assert {"foscttm", "label_transfer_accuracy"} <= {record.metric for record in result.metrics.itertuples()}
    assert (tmp_path / "run" / "correspondence" / "modality1--modality2.npz").is_file()
    assert '"sparsity"' in (tmp_path / "run" / "events.jsonl").read_text()
