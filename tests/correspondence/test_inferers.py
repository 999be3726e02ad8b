import logging

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.errors import DataError, MemoryLimitError
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.distances.scores import Euclidean
from jamie.correspondence.gromov_wasserstein import GromovWasserstein
from jamie.correspondence.lowrank_gromov_wasserstein import LowrankGromovWasserstein
from jamie.correspondence.partial_gromov_wasserstein import PartialGromovWasserstein
from jamie.correspondence.quality.assess import assess
from jamie.correspondence.quantized_gromov_wasserstein import QuantizedGromovWasserstein
from jamie.correspondence.unbalanced_gromov_wasserstein import UnbalancedGromovWasserstein
from jamie.correspondence.unioncom import UnionCom

FULL = [UnionCom(), GromovWasserstein(epsilon=0.01)]  # a cell of the smaller modality has a sum of 1
INFERERS = [
    *FULL,
    PartialGromovWasserstein(mass=0.95, epsilon=0.01),
    UnbalancedGromovWasserstein(marginal_weight=1, epsilon=0.01),
    QuantizedGromovWasserstein(n_parts=100),
    LowrankGromovWasserstein(rank=40, max_iterations=400, n_starts=1),
]
SIZES = [(200, 200), (150, 200), (200, 150)]
each_inferer = pytest.mark.parametrize("inferer", INFERERS, ids=lambda i: i.name)
RECOVERED = {"lowrank_gromov_wasserstein": 0.15}  # it separates groups of cells


def sides(isometric_copy, n_a, n_b, seed=0):
    """Two views of n_a and n_b cells and their true pairs."""
    copy = isometric_copy(min(n_a, n_b), max(n_a, n_b), seed)
    truth = Correspondence.from_pairs(np.arange(len(copy.partner)), copy.partner, (copy.a.n_cells, copy.b.n_cells))
    return (copy.a, copy.b, truth) if n_a <= n_b else (copy.b, copy.a, truth.T)


@each_inferer
@pytest.mark.parametrize(("n_a", "n_b"), SIZES)
def test_isometric_copy_is_recovered_within_the_constraints(inferer, n_a, n_b, isometric_copy):
    a, b, truth = sides(isometric_copy, n_a, n_b)
    found = inferer.infer(a, b)
    matrix = found.correspondence.matrix
    smaller, larger = (matrix, matrix.T) if n_a <= n_b else (matrix.T, matrix)
    assert assess(found.correspondence, truth).mean_quantile <= RECOVERED.get(inferer.name, 0.02)
    assert max(smaller.sum(axis=1).max(), larger.sum(axis=1).max()) <= 1 + 1e-5
    if inferer.name != "unioncom":
        assert matrix.nnz == n_a * n_b  # all candidates are ranked, in long tails too
    assert matrix.data.min() > 0
    assert matrix.data.max() <= 1
    if inferer in FULL:
        assert found.diagnostics["converged"]
        assert np.abs(smaller.sum(axis=1) - 1).max() <= 1e-2
        assert found.diagnostics["residual"] == pytest.approx(np.abs(smaller.sum(axis=1) - 1).max(), abs=1e-5)


@each_inferer
def test_permuting_cells_permutes_the_result(inferer, isometric_copy):
    a, b, _ = sides(isometric_copy, 60, 70)
    order_a, order_b = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(70)
    found = inferer.infer(a, b)
    permuted = inferer.infer(a.subset(order_a), b.subset(order_b))
    expected = found.correspondence.subset(order_a, order_b).matrix.toarray()
    np.testing.assert_allclose(permuted.correspondence.matrix.toarray(), expected, atol=0.05)
    np.testing.assert_allclose(permuted.confidence_a, found.confidence_a[order_a], atol=0.05)


@each_inferer
def test_transposing_transposes_the_result(inferer, isometric_copy):
    a, b, _ = sides(isometric_copy, 60, 70)
    there, back = inferer.infer(a, b), inferer.infer(b, a)
    np.testing.assert_allclose(there.correspondence.matrix.toarray(), back.correspondence.T.matrix.toarray(), atol=0.05)
    np.testing.assert_allclose(there.confidence_b, back.confidence_a, atol=0.05)


@each_inferer
def test_confidence_is_high_for_matched_cells_and_low_for_cells_without_partner(inferer, isometric_copy):
    copy = isometric_copy(60, 60)
    unmatched = np.arange(60) >= 55
    found = inferer.infer(copy.a.subset(np.flatnonzero(~unmatched[np.arange(60)])), copy.b)
    assert ((found.confidence_a >= 0) & (found.confidence_a <= 1)).all()
    assert ((found.confidence_b >= 0) & (found.confidence_b <= 1)).all()
    partners = np.isin(np.arange(60), copy.partner[~unmatched])
    assert found.confidence_b[partners].mean() > found.confidence_b[~partners].mean()


@each_inferer
def test_memory_is_refused_before_work(inferer, isometric_copy):
    a, b, _ = sides(isometric_copy, 60, 70)
    with pytest.raises(MemoryLimitError, match=rf"{inferer.name} on 60 and 70 cells would need .*\n.*use hierarchical"):
        inferer.infer(a, b, context=Context(memory_limit=1000))


@each_inferer
def test_cells_at_one_point_are_refused(inferer, view_of, isometric_copy):
    with pytest.raises(DataError, match="modality 'flat': expected cells that differ, found 20 cells at distance 0"):
        inferer.infer(view_of("flat", np.ones((20, 3))), isometric_copy(30, 30).b)


@each_inferer
def test_progress_ends_at_its_total(inferer, isometric_copy):
    copy, seen = isometric_copy(30, 40), []
    inferer.infer(copy.a, copy.b, context=Context(progress=lambda *event: seen.append(event)))
    done = [event[1] for event in seen]
    assert {event[0] for event in seen} == {"correspondence"}
    assert done == sorted(done)
    assert seen[-1][1] == seen[-1][2]


@pytest.mark.parametrize(
    "inferer",
    [
        UnionCom(max_iterations=3),
        GromovWasserstein(max_iterations=1),
        PartialGromovWasserstein(max_iterations=1),
        UnbalancedGromovWasserstein(max_iterations=1),
        LowrankGromovWasserstein(max_iterations=20),
    ],
    ids=lambda i: i.name,
)
def test_unconverged_is_said(inferer, isometric_copy, caplog):
    copy = isometric_copy(60, 80)
    with caplog.at_level(logging.WARNING, "jamie"):
        found = inferer.infer(copy.a, copy.b)
    assert not found.diagnostics["converged"]
    assert f"{inferer.name} has not converged" in caplog.text


def test_unioncom_keeps_known_pairs_as_fixed_entries(isometric_copy):
    copy = isometric_copy(60, 80)
    rows = np.array([2, 30, 47])
    wrong = np.roll(copy.partner[rows], 1)  # even wrong ones: what is known is not doubted
    known = Correspondence.from_pairs(rows, wrong, (60, 80))
    matrix = UnionCom().infer(copy.a, copy.b, known).correspondence.matrix.toarray()
    np.testing.assert_allclose(matrix[rows, wrong], 1, atol=1e-3)
    np.testing.assert_allclose(matrix[rows].sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(matrix[:, wrong].sum(axis=0), 1, atol=1e-3)


def test_known_pairs_break_a_symmetry(view_of):
    # points on a circle match under every rotation; two known pairs leave one
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    order = np.random.default_rng(0).permutation(60)
    known = Correspondence.from_pairs([0, 13], np.argsort(order)[[0, 13]], (60, 60))
    found = UnionCom(distance=Euclidean()).infer(view_of("a", circle), view_of("b", circle[order]), known)
    truth = Correspondence.from_pairs(np.arange(60), np.argsort(order), (60, 60)).without(known)
    assert assess(found.correspondence, truth).mean_quantile <= 0.02


@pytest.mark.parametrize("inferer", [GromovWasserstein(epsilon=0.05), UnionCom(use_known=False)])
def test_an_inferer_that_does_not_use_known_pairs_is_not_shown_any(inferer, isometric_copy):
    copy = isometric_copy(20, 25)
    wrong = Correspondence.from_pairs([0], [(copy.partner[0] + 1) % 25], (20, 25))
    assert not inferer.uses_known
    with_pairs, without = inferer.infer(copy.a, copy.b, wrong), inferer.infer(copy.a, copy.b)
    np.testing.assert_array_equal(with_pairs.correspondence.matrix.toarray(), without.correspondence.matrix.toarray())


def test_gromov_wasserstein_keeps_the_last_epsilon_that_holds(isometric_copy, caplog):
    copy = isometric_copy(40, 50)
    with caplog.at_level(logging.WARNING, "jamie"):
        found = GromovWasserstein(distance=Geodesic(k=5), epsilon=1e-5).infer(copy.a, copy.b)
    assert found.diagnostics["epsilon"] > 1e-5
    assert found.diagnostics["marginal_residual"] <= 1e-2
    assert "is too small for these distances" in caplog.text
