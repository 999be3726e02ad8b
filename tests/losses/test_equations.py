"""Each loss and aggregator against a plain numpy evaluation of its equation."""

from itertools import combinations

import numpy as np
import pytest

from jamie.core.batch import PairBlocks
from jamie.losses.latents import KL, Alignment, Combination
from jamie.losses.reconstruction import Reconstruction
from jamie.losses.schedules import Constant, Linear, Sigmoid
from jamie.testing import toy

SIZES = [2, 3]


def numpy_of(tensors):
    return {m: t.detach().double().numpy() for m, t in tensors.items()}


@pytest.fixture(params=SIZES)
def case(request):
    batch = toy.batch(request.param)
    return batch, toy.Model()(batch)


def test_kl_is_equations_4_and_5(case):
    batch, output = case
    expected = 0.0
    for posterior in output.posterior.values():
        mean, sd = posterior.mean.detach().double().numpy(), np.exp(posterior.logvar.detach().double().numpy() / 2)
        n, g = mean.shape
        d = [
            -sum(1 + 2 * np.log(sd[i, k]) - mean[i, k] ** 2 - sd[i, k] ** 2 for i in range(n)) / (2 * n)
            for k in range(g)
        ]
        expected += sum(d) / g
    assert KL()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_combination_is_equation_6(case):
    batch, output = case
    z, m = numpy_of(output.z), numpy_of(output.aggregated)
    expected = sum(np.linalg.norm(z[a] - m[a], "fro") ** 2 / z[a].size for a in z)
    assert expected > 0
    assert Combination()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_reconstruction_is_equation_7(case):
    batch, output = case
    x = numpy_of(batch.target)
    decoded = numpy_of({m: output.reconstruct(m).mean for m in x})
    expected = sum(np.linalg.norm(x[m] - decoded[m], "fro") ** 2 / x[m].size for m in x)
    assert Reconstruction()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_alignment_is_equation_9_over_rows_with_mass(case):
    batch, output = case
    m = numpy_of(output.aggregated)
    inferred = {}
    expected = 0.0
    for a, b in combinations(m, 2):
        block = batch.inferred.between(a, b).clone()
        block[1] = 0  # a cell that has no inferred partner
        block[2] *= 0.2  # a cell most of whose mass lies outside the minibatch
        inferred[a, b] = block
        f = block.double().numpy()
        rows = [i for i in range(len(f)) if f[i].sum() > 0]
        squares = [np.sum((m[a][i] - f[i] / f[i].sum() @ m[b]) ** 2) / m[a].shape[1] for i in rows]
        expected += sum(squares) / len(rows)
    batch = type(batch)(**{**vars(batch), "inferred": PairBlocks(inferred)})
    assert Alignment()(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_alignment_with_the_papers_normalisation_divides_columns(case):
    batch, output = case
    m = numpy_of(output.aggregated)
    expected = 0.0
    for a, b in combinations(m, 2):
        f = batch.inferred.between(a, b).double().numpy()
        expected += np.linalg.norm(m[a] - f / f.sum(0) @ m[b], "fro") ** 2 / m[a].size
    assert Alignment(normalize="paper")(batch, output).item() == pytest.approx(expected, rel=1e-5)


def test_alignment_is_zero_without_an_inferred_correspondence():
    batch = toy.batch(2, inferred=False)
    assert Alignment()(batch, toy.Model()(batch)).item() == 0


def test_schedules():
    horizon = 2500
    for step in (0, 600, 1250, 2500, 9000):
        expected = 1 / (1 + np.exp(-5 * (step - 0.5 * horizon) / (0.5 * horizon)))
        assert Sigmoid()(step, horizon) == pytest.approx(expected)
    assert [Linear()(step, 100) for step in (0, 50, 100, 200)] == [0, 0.5, 1, 1]
    assert Constant()(0, 100) == Constant()(50, 100) == 1


@pytest.mark.parametrize("schedule", [Sigmoid(), Linear(), Constant()])
def test_schedules_bear_a_horizon_of_zero(schedule):
    assert schedule(1000, 0) == pytest.approx(1)
