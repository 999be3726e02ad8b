"""Training as Algorithm 1, and continued after a kill with the same numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from jamie.core.batch import Batch, Output
from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.errors import ContractError, OutputError, TrainingError
from jamie.core.interfaces import Loss
from jamie.model.prediction import encode, impute
from jamie.spec import Ref, load_spec
from jamie.spec.sections import LossTerm
from jamie.training.checkpoint import Checkpoint, CheckpointFiles
from jamie.training.minibatches import Minibatches, mix
from jamie.training.train import train as train_network

from .conftest import SPEC


class KilledError(Exception):
    """Stands for a kill at some epoch."""


def kill_at(epoch):
    def progress(stage, done, total, values):
        if done == epoch:
            raise KilledError

    return progress


def train(prepared, inferred, spec, context, checkpoints=None):
    """Train on the training cells, which are all that the training stage is given; return the first network."""
    found = train_network(prepared.subset(prepared.split.train).cells(), inferred, spec, context, checkpoints)
    return found.networks[0], found.histories[0]


def latents(network, prepared):
    return {m: encode(network, m, scores) for m, scores in prepared.scores.items()}


def test_training_lowers_every_loss_and_keeps_the_best_state(prepared, spec):
    model, history = train(prepared, None, spec, Context())
    totals = [epoch[0] for epoch in history.epochs]
    assert history.names == ("kl", "combination", "reconstruction")
    assert totals[history.best_epoch] == min(totals[10:])
    assert all(later < earlier for earlier, later in zip(history.epochs[0][2:], history.epochs[-1][2:], strict=True))
    assert not model.training


def test_training_stops_when_it_no_longer_improves(prepared):
    spec = load_spec(SPEC, {"training.min_epochs": 3, "training.patience": 4, "training.min_change": 1e9})
    _, history = train(prepared, None, spec, Context())
    assert (history.stopped, history.best_epoch, len(history.epochs)) == ("patience", 3, 8)


def test_the_best_state_is_sought_in_the_last_fifth_where_no_least_number_is_given(prepared):
    _, history = train(
        prepared, None, load_spec(SPEC, {"training.min_epochs": None, "training.max_epochs": 5}), Context()
    )
    assert (len(history.epochs), history.best_epoch) == (5, 4)


def test_same_seed_same_numbers_and_another_seed_others(prepared, spec):
    one, two, other = (latents(train(prepared, None, spec, Context(seed=s))[0], prepared) for s in (0, 0, 1))
    for m in one:
        np.testing.assert_array_equal(one[m], two[m])
        assert not np.allclose(one[m], other[m])


def test_the_callers_random_numbers_are_left_alone(prepared, spec):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(prepared, None, spec, Context())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("epoch", [1, 13, 22])
def test_resumed_training_ends_in_the_same_numbers(prepared, spec, tmp_path, epoch):
    undisturbed, expected = train(prepared, None, spec, Context())
    checkpoints = CheckpointFiles(tmp_path / "training.safetensors")
    with pytest.raises(KilledError):
        train(prepared, None, spec, Context(progress=kill_at(epoch)), checkpoints)
    resumed, history = train(prepared, None, spec, Context(), checkpoints)
    assert history.epochs == expected.epochs
    one, two = latents(undisturbed, prepared), latents(resumed, prepared)
    for m in one:
        np.testing.assert_array_equal(one[m], two[m])


def test_held_out_cells_do_not_touch_the_model(prepared, spec):
    scores = {m: x.copy() for m, x in prepared.scores.items()}
    for m, held_out in prepared.split.held_out.items():
        assert held_out.any()
        scores[m][held_out] += 100
    changed = replace(prepared, scores=scores, targets=scores)
    one = latents(train(prepared, None, spec, Context())[0], prepared)
    two = latents(train(changed, None, spec, Context())[0], prepared)
    for m in one:
        np.testing.assert_array_equal(one[m], two[m])


class Exploding(Loss):
    """NaN from the third call on."""

    name = "exploding"

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, batch: Batch, output: Output) -> torch.Tensor:
        self.calls += 1
        return output.z["modality1"].mean() * (1 if self.calls < 3 else float("nan"))


class Vector(Loss):
    """Not a scalar."""

    name = "vector"

    def forward(self, batch: Batch, output: Output) -> torch.Tensor:
        return output.z["modality1"]


def with_loss(spec, cls):
    term = LossTerm(weight=1.0, schedule=spec.losses["combination"].schedule, component=Ref("loss", cls.name, cls))
    return replace(spec, losses={**spec.losses, cls.name: term})


def test_a_loss_that_is_not_finite_stops_at_once_and_is_named(prepared, spec):
    with pytest.raises(TrainingError, match=r"training, step 3: loss 'exploding' is not finite \(no single modality"):
        train(prepared, None, with_loss(spec, Exploding), Context())


def test_a_modality_that_is_not_finite_is_named(prepared, spec):
    scores = {m: x.copy() for m, x in prepared.scores.items()}
    scores["modality2"][:] = 1e38
    with pytest.raises(TrainingError, match=r"step 1: loss 'kl' is not finite \(modality 'modality2'\)"):
        train(replace(prepared, scores=scores, targets=scores), None, spec, Context())


def test_a_loss_that_is_no_scalar_is_named(prepared, spec):
    with pytest.raises(ContractError, match=r"loss 'vector': expected forward to return a scalar tensor, found shape"):
        train(prepared, None, with_loss(spec, Vector), Context())


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "training.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(OutputError, match=r"expected a checkpoint, found a file that cannot be read"):
        Checkpoint.load(path)


def test_a_checkpoint_of_an_earlier_version_is_named(tmp_path):
    path = tmp_path / "training.safetensors"
    save_file({"trained.weight": torch.ones(2)}, path, metadata={"plain": "{}"})
    with pytest.raises(OutputError, match=r"its format is that of an earlier version") as error:
        Checkpoint.load(path)
    assert error.value.fix == "delete it to train from the start"


def minibatches(x, known, **more):
    views = {m: View(m, Block(scores, pd.Index(range(3))), scores) for m, scores in x.items()}
    return Minibatches(Cells(views, x, known, **more), None)


@pytest.mark.parametrize("density", [0.01, 0.9])
def test_blocks_are_cut_out_of_any_correspondence(density):
    generator = np.random.default_rng(0)
    matrix = np.where(generator.random((40, 50)) < density, generator.random((40, 50)), 0).astype(np.float32)
    sizes = {"a": 40, "b": 50}
    known = Correspondences(sizes, {("a", "b"): Correspondence(matrix)})
    x = {m: generator.random((n, 3), dtype=np.float32) for m, n in sizes.items()}
    cells = {"a": np.array([3, 0, 39]), "b": np.array([49, 7])}
    batch = minibatches(x, known).make([cells])
    np.testing.assert_array_equal(batch.blocks.between("a", "b"), matrix[[3, 0, 39]][:, [49, 7]])
    np.testing.assert_array_equal(batch.blocks.between("b", "a"), matrix.T[[49, 7]][:, [3, 0, 39]])
    np.testing.assert_array_equal(batch.x["a"], x["a"][cells["a"]])
    assert batch.target["a"] is batch.x["a"]


def test_minibatches_carry_covariates_and_size_factors_of_their_cells():
    generator = np.random.default_rng(0)
    x = {m: generator.random((6, 3), dtype=np.float32) for m in ("a", "b")}
    one_hot = {m: np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 1, 0]] for m in x}
    sizes = {"b": np.arange(1, 7, dtype=np.float32)[:, None]}
    known = Correspondences({"a": 6, "b": 6})
    batch = minibatches(x, known, covariates=one_hot, size_factor=sizes).make(
        [{"a": np.array([5, 1]), "b": np.array([2, 0, 3])}]
    )
    np.testing.assert_array_equal(batch.covariates["a"], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(batch.covariates["b"], [[0, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(batch.size_factor["b"], [[3], [1], [4]])
    assert "a" not in batch.size_factor


def test_mixing_gives_inferred_partners_to_cells_without_a_known_one():
    sizes = {"a": 3, "b": 3}
    known = Correspondences(sizes, {("a", "b"): Correspondence(np.diag([1, 0, 0]))})
    found = np.array([[0.2, 0.8, 0], [0.6, 0.2, 0.2], [0, 0.4, 0.6]])
    inferred = Correspondences(sizes, {("b", "a"): Correspondence(found.T)})
    mixed = mix(known, inferred, 0.75).between("a", "b").matrix.toarray()
    np.testing.assert_allclose(mixed, [[1, 0, 0], [0, 0.05, 0.05], [0, 0.1, 0.15]], rtol=1e-6)
    assert mix(known, inferred, 1.0) is known


SPLIT = {"training.validation": 0.2, "training.calibration": 0.2, "training.ensemble": 2}


def ensemble(prepared, overrides, checkpoints=None, progress=None):
    context = Context(progress=progress) if progress else Context()
    cells = prepared.subset(prepared.split.train).cells()
    return train_network(cells, None, load_spec(SPEC, overrides), context, checkpoints)


def test_validation_cells_decide_which_state_is_kept(prepared):
    history = ensemble(prepared, {**SPLIT, "training.rate_schedule": "one_cycle"}).histories[0]
    assert history.names[-1] == "validation"
    validation = [epoch[-1] for epoch in history.epochs]
    assert validation[history.best_epoch] == min(validation[10:])


def test_calibration_cells_do_not_change_the_weights(prepared):
    found = ensemble(prepared, {**SPLIT, "training.min_epochs": 30})
    calibration = found.splits[1].calibration
    train_cells = {m: np.flatnonzero(mask) for m, mask in prepared.split.train.items()}
    scores = {m: x.copy() for m, x in prepared.scores.items()}
    for m, index in calibration.items():
        scores[m][train_cells[m][index]] += 100
    changed = ensemble(replace(prepared, scores=scores, targets=scores), {**SPLIT, "training.min_epochs": 30})
    one, two = (latents(members.networks[1], prepared) for members in (found, changed))
    for m in one:
        np.testing.assert_array_equal(one[m], two[m])


def test_members_differ_and_imputing_is_their_mean(prepared):
    networks = ensemble(prepared, SPLIT).networks
    a, b = prepared.scores
    alone = [impute([network], a, b, prepared.scores[a]) for network in networks]
    assert not np.allclose(*alone, atol=1e-3)
    np.testing.assert_allclose(impute(networks, a, b, prepared.scores[a]), (alone[0] + alone[1]) / 2, atol=1e-6)


def test_an_ensemble_that_was_killed_ends_in_the_same_numbers(prepared, tmp_path):
    expected = ensemble(prepared, SPLIT)
    checkpoints = CheckpointFiles(tmp_path / "training.safetensors")
    with pytest.raises(KilledError):
        ensemble(prepared, SPLIT, checkpoints, kill_at(30 + 12))
    resumed = ensemble(prepared, SPLIT, checkpoints)
    assert [one.epochs for one in resumed.histories] == [one.epochs for one in expected.histories]
    for one, two in zip(expected.networks, resumed.networks, strict=True):
        for m, z in latents(one, prepared).items():
            np.testing.assert_array_equal(z, latents(two, prepared)[m])


def test_weight_decay_shrinks_matrices_only(prepared):
    plain, decayed = (
        ensemble(prepared, {"training.optimizer": "adamw", "training.weight_decay": decay}).networks[0]
        for decay in (0, 30.0)
    )

    def norm(network, matrices):
        chosen = (p.detach() for p in network.parameters() if (p.ndim > 1) is matrices)
        return sum(float(p.square().sum()) for p in chosen)

    assert norm(decayed, True) < 0.3 * norm(plain, True)
    assert norm(decayed, False) > 0.5 * norm(plain, False)


def test_bfloat16_trains_to_nearly_the_same_loss(prepared):
    full, half = (
        ensemble(prepared, {"training.precision": precision}).histories[0].epochs[-1][0]
        for precision in ("float32", "bfloat16")
    )
    assert half != full
    assert half == pytest.approx(full, rel=0.2)
