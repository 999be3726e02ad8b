"""The optimal-transport inferers' parts against POT, and what only some of the inferers do."""

import logging

import numpy as np
import ot
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist, correlation

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.core.errors import DataError
from jamie.correspondence.couplings.plans import (
    TAIL,
    best_entries,
    exp_with_tail,
    inferred_from_plan,
    plan_from_factors,
    with_tail,
)
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.distances.scores import Euclidean
from jamie.correspondence.fused_gromov_wasserstein import (
    FusedGromovWasserstein,
    anchor_cost,
    correlation_distances,
    with_free_pairs,
)
from jamie.correspondence.graphs.landmarks import farthest_points, landmark_mds
from jamie.correspondence.gromov.distortion import GromovProblem, Iterate
from jamie.correspondence.gromov.entropic_solver import AnnealingSchedule, anneal, balanced_transport, pot_warnings
from jamie.correspondence.lowrank_gromov_wasserstein import LowrankGromovWasserstein
from jamie.correspondence.partial_gromov_wasserstein import PartialGromovWasserstein, partial_transport
from jamie.correspondence.quality.assess import assess
from jamie.correspondence.quantized_gromov_wasserstein import QuantizedGromovWasserstein
from jamie.correspondence.shared_space.linked_features import linked_values
from jamie.correspondence.unbalanced_gromov_wasserstein import UnbalancedGromovWasserstein


@pytest.fixture
def distances(isometric_copy):
    """Distances of 12 and 15 cells, of mean 1."""
    copy = isometric_copy(12, 15)
    K_x, K_y = (cdist(view.scores, view.scores) for view in (copy.a, copy.b))
    return K_x / K_x.mean(), K_y / K_y.mean()


def uniform(n):
    return torch.full((n,), 1 / n, dtype=torch.float64)


def test_gradient_and_objective_equal_pots(distances):
    K_x, K_y = distances
    p, q = np.full(12, 1 / 12), np.full(15, 1 / 15)
    plan = ot.sinkhorn(p, q, np.random.default_rng(0).random((12, 15)), 0.5, stopThr=1e-12)
    const, h_x, h_y = ot.gromov.init_matrix(K_x, K_y, p, q, "square_loss")
    problem, tensor = GromovProblem.of(K_x, K_y, "cpu", left_out=0), torch.tensor(plan)
    np.testing.assert_allclose(problem.gradient(tensor), ot.gromov.gwggrad(const, h_x, h_y, plan), atol=1e-9)
    scale = (K_y**2).mean()
    expected = np.sqrt(ot.gromov.gwloss(const, h_x, h_y, plan) / scale)
    assert problem.objective(tensor) == pytest.approx(expected, rel=1e-6)


def test_solution_equals_pots_where_pots_does_not_underflow(distances):
    K_x, K_y = distances
    expected = ot.gromov.entropic_gromov_wasserstein(K_x, K_y, epsilon=0.1, symmetric=True, tol=1e-12)
    p, q = uniform(12), uniform(15)
    problem = GromovProblem.of(K_x, K_y, "cpu", left_out=0)
    stage = anneal(problem, balanced_transport(p, q), torch.outer(p, q), AnnealingSchedule(0.1, 500, 1e-7), Context())
    assert stage.converged
    np.testing.assert_allclose(stage.log_plan.exp(), expected, atol=1e-4)


def test_transport_holds_marginals_where_plain_sinkhorn_underflows():
    rng = np.random.default_rng(0)
    cost = cdist(rng.normal(size=(30, 2)), rng.normal(size=(40, 2)), "sqeuclidean") + 50 * rng.random((30, 1))
    found = balanced_transport(uniform(30), uniform(40))(torch.tensor(cost), 1e-2, None, 5000)
    assert np.exp(-cost / 1e-2).max(axis=1).min() == 0  # what a plain kernel would start from
    assert found.residual <= 1e-2
    exact = ot.emd2(np.full(30, 1 / 30), np.full(40, 1 / 40), cost)
    assert (found.log_plan.exp().numpy() * cost).sum() == pytest.approx(exact, rel=1e-2)


def test_partial_transport_equals_pots():
    rng = np.random.default_rng(0)
    cost = 1 + cdist(rng.normal(size=(20, 2)), rng.normal(size=(25, 2)), "sqeuclidean")
    p, q = uniform(20), torch.full((25,), 1 / 20, dtype=torch.float64)
    plan = partial_transport(p, q, 0.7)(torch.tensor(cost), 5e-3, None, 20000).log_plan.exp().numpy()
    exact = ot.partial.partial_wasserstein(p.numpy(), q.numpy(), cost, m=0.7)
    assert plan.sum() == pytest.approx(0.7, abs=1e-3)
    assert plan.sum(axis=1).max() <= 1 / 20 + 1e-4
    assert (plan * cost).sum() == pytest.approx((exact * cost).sum(), rel=1e-2)


def test_a_step_that_would_not_descend_is_shortened(distances):
    K_x, K_y = distances
    problem = GromovProblem.of(K_x, K_y, "cpu", left_out=0)
    uniform_plan = torch.full((12, 15), 1 / 180, dtype=torch.float64)
    at = Iterate.of(problem, uniform_plan, 1.0)
    spike = torch.zeros_like(uniform_plan)
    spike[:, 0] = 1 / 12
    found = at.step_towards(spike, problem, 1.0)
    assert found.energy < Iterate.of(problem, spike, 1.0).energy
    np.testing.assert_allclose(found.plan, torch.lerp(uniform_plan, spike, 0.125))


def test_epsilons_fall_by_halves_to_the_last():
    assert AnnealingSchedule(0.02, 1, 1).epsilons() == [0.1, 0.05, 0.025, 0.02]
    assert AnnealingSchedule(0.5, 1, 1).epsilons() == [0.5]


def test_each_warning_of_a_solver_is_logged_once(recwarn, caplog):
    import warnings

    with caplog.at_level(logging.INFO, "jamie"), pot_warnings(Context(stage="s")):
        for _ in range(2):
            warnings.warn("did not converge", stacklevel=1)
    assert caplog.messages == ["s: POT: did not converge"]
    assert not recwarn


def test_no_entry_underflows_and_order_is_kept():
    log_plan = torch.linspace(-5000, 0, 1000, dtype=torch.float64)
    found = exp_with_tail(log_plan)
    assert (found > 0).all()
    assert (found.diff() > 0).all()
    large = log_plan > np.log(TAIL)
    torch.testing.assert_close(found[large], log_plan[large].exp())


def test_above_the_limit_the_best_of_each_row_and_column_are_kept(monkeypatch):
    monkeypatch.setattr("jamie.correspondence.couplings.plans.ALL_PAIRS", 100)
    monkeypatch.setattr("jamie.correspondence.couplings.plans.BEST", 3)
    log_plan = torch.tensor(np.random.default_rng(0).normal(size=(20, 30)))
    kept = best_entries(log_plan).toarray() > 0
    ranks = [log_plan.argsort(dim=dim, descending=True).argsort(dim=dim).numpy() < 3 for dim in (0, 1)]
    np.testing.assert_array_equal(kept, ranks[0] | ranks[1])


def test_factors_give_the_same_plan_above_the_limit_where_they_keep_an_entry(monkeypatch):
    rng = np.random.default_rng(0)
    q, r, g = rng.dirichlet(np.ones(4), 20), rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4))
    full = plan_from_factors(q, r, g, 0).toarray()
    np.testing.assert_allclose(full, (q / g) @ r.T / 30, rtol=1e-5)
    monkeypatch.setattr("jamie.correspondence.couplings.plans.ALL_PAIRS", 100)
    monkeypatch.setattr("jamie.correspondence.couplings.plans.BEST", 5)
    few = plan_from_factors(q, r, g, 0).toarray()
    assert (few > 0).sum(axis=1).min() >= 5
    np.testing.assert_allclose(few[few > 0], full[few > 0], rtol=1e-5)


def test_a_tail_ranks_pairs_without_mass_by_their_distance(monkeypatch):
    rng = np.random.default_rng(0)
    of_x, of_y = rng.normal(size=(10, 2)), rng.normal(size=(12, 2))
    plan = sparse.csr_array(([1.0], ([0], [3])), shape=(10, 12))
    full = with_tail(plan, of_x, of_y, 0).toarray()
    assert full[0, 3] == pytest.approx(1)
    np.testing.assert_array_equal(full[1].argsort()[::-1], cdist(of_x, of_y)[1].argsort())
    monkeypatch.setattr("jamie.correspondence.couplings.plans.ALL_PAIRS", 100)
    monkeypatch.setattr("jamie.correspondence.couplings.plans.BEST", 2)
    few = with_tail(plan, of_x, of_y, 0).toarray()
    assert few[0, 3] == pytest.approx(1)
    assert 20 <= (few > 0).sum() <= 45


def test_a_plan_is_brought_within_its_constraints():
    matrix = sparse.csr_array(np.array([[2.0, 0, 0], [0.5, 0.6, 0]]))
    found = inferred_from_plan(matrix, True, {"converged": True}, full=False)
    assert found.correspondence.shape == (3, 2)
    dense = found.correspondence.matrix.toarray()
    assert dense.sum(axis=0).max() <= 1 + 1e-6
    assert dense.sum(axis=1).max() <= 1 + 1e-6
    assert found.confidence_a[2] == 0


def test_landmarks_cover_and_do_not_depend_on_order():
    X = np.random.default_rng(0).normal(size=(50, 3))
    order = np.random.default_rng(1).permutation(50)
    chosen = farthest_points(X, 10)
    np.testing.assert_array_equal(X[chosen], X[order][farthest_points(X[order], 10)])
    for number in range(2, 10):
        gaps = cdist(X, X[chosen[:number]]).min(axis=1)
        assert gaps.argmax() == chosen[number]


def test_embedding_keeps_straight_distances(isometric_copy):
    view = isometric_copy(40, 40).b
    placed = landmark_mds(Euclidean(), view, 20, 10)
    expected = cdist(view.scores, view.scores)
    found = cdist(placed, placed)
    np.testing.assert_allclose(found / found.mean(), expected / expected.mean(), atol=1e-4)


def test_cells_far_from_others_only_in_scale_have_like_distances_to_known_pairs(isometric_copy):
    copy = isometric_copy(20, 30)
    K_x, K_y = (cdist(view.scores, view.scores) for view in (copy.a, copy.b))
    anchors = (np.arange(8), copy.partner[:8])
    cost = anchor_cost(K_x, 7 * K_y[:, :], anchors)
    assert (cost[np.arange(20), copy.partner].max(), cost.min()) == pytest.approx((0, 0), abs=0.2)
    fixed = with_free_pairs(cost.copy(), anchors)
    np.testing.assert_array_equal(fixed[anchors], 0)
    assert fixed[0, copy.partner[5]] == cost.max()


def linked(view, other, weights):
    return View(view.modality, view.block, view.scores, {other: sparse.csr_array(weights)})


def test_linked_features_are_compared_by_the_correlation_of_standardised_values(isometric_copy):
    copy = isometric_copy(15, 20)
    pairs = np.zeros((5, 5))
    pairs[[0, 1, 2, 4], [1, 1, 3, 0]] = [1, 1, 1, 4]
    cost = correlation_distances(*linked_values(linked(copy.a, "b", pairs), copy.b))
    of_a, of_b = ((v.scores - v.scores.mean(0)) / v.scores.std(0) for v in (copy.a, copy.b))
    weights = np.array([1, 1, 1, 2])
    expected = correlation(of_a[3, [0, 1, 2, 4]] * weights, of_b[7, [1, 1, 3, 0]] * weights)
    assert cost[3, 7] == pytest.approx(expected, abs=1e-5)


def test_linked_features_help_where_distances_say_nothing(view_of):
    # points on a circle match under every rotation; features that are linked leave one
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.c_[np.cos(angle), np.sin(angle), 0.5 * np.cos(angle + 1)]
    order = np.random.default_rng(0).permutation(40)
    a, b = view_of("a", circle), view_of("b", circle[order])
    truth = Correspondence.from_pairs(np.arange(40), np.argsort(order), (40, 40))
    fused = FusedGromovWasserstein(distance=Euclidean(), epsilon=0.02)
    found = fused.infer(linked(a, "b", np.eye(3)), linked(b, "a", np.eye(3)))
    assert assess(found.correspondence, truth).mean_quantile <= 0.03
    with pytest.raises(DataError, match="expected known pairs or linked features of a and b, found neither"):
        fused.infer(a, b)


def test_known_pairs_break_a_symmetry(view_of):
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    order = np.random.default_rng(0).permutation(40)
    known = Correspondence.from_pairs([0, 9, 15], np.argsort(order)[[0, 9, 15]], (40, 40))
    found = FusedGromovWasserstein(distance=Euclidean()).infer(view_of("a", circle), view_of("b", circle[order]), known)
    truth = Correspondence.from_pairs(np.arange(40), np.argsort(order), (40, 40)).without(known)
    assert assess(found.correspondence, truth).mean_quantile <= 0.03


@pytest.mark.parametrize(
    "inferer",
    [PartialGromovWasserstein(mass=0.83, epsilon=0.01), UnbalancedGromovWasserstein(epsilon=0.01)],
    ids=lambda i: i.name,
)
def test_cells_without_partner_get_little_mass_and_confidence(inferer, isometric_copy, view_of):
    copy, rng = isometric_copy(60, 60), np.random.default_rng(1)
    scores = copy.a.scores.copy()
    scores[50:] = scores.mean(axis=0) + [0, 0, 0, 0, 60] + 2 * rng.normal(size=(10, 5))
    found = inferer.infer(view_of("a", scores), copy.b.subset(np.setdiff1d(np.arange(60), copy.partner[50:])))
    mass = np.asarray(found.correspondence.matrix.sum(axis=1)).ravel()
    assert mass[50:].mean() <= 0.4 * mass[:50].mean()
    assert found.confidence_a[50:].mean() <= 0.4 * found.confidence_a[:50].mean()
    assert found.diagnostics["mass"] == pytest.approx(mass.sum() / 50, abs=1e-5)


def test_unequal_proportions_of_types_are_left_unmatched(view_of):
    # four types; the first is twice as frequent in b, and the last more frequent in a: at most 0.85 can match their own
    sizes, generator = ((15, 10, 25, 50), (30, 10, 25, 35)), np.random.default_rng(0)
    types = [np.repeat(range(4), one) for one in sizes]
    places = np.array([[0, 0, 0], [10, 0, 0], [0, 25, 0], [40, 30, 0]])
    a, b = (view_of(name, places[one] + generator.normal(size=(100, 3))) for name, one in zip("ab", types, strict=True))
    for inferer in (
        PartialGromovWasserstein(distance=Euclidean(), mass=0.8, epsilon=0.01),
        UnbalancedGromovWasserstein(distance=Euclidean(), epsilon=0.01),
    ):
        found = inferer.infer(a, b)
        matrix = found.correspondence.matrix.toarray()
        assert matrix[types[0][:, None] == types[1]].sum() >= 0.95 * matrix.sum()
        assert matrix.sum() <= 90
        assert matrix[types[0] == 3].sum() <= 40  # of 50


def test_lowrank_with_representatives_stands_for_all_cells(isometric_copy):
    copy = isometric_copy(300, 300)
    truth = Correspondence.from_pairs(np.arange(300), copy.partner, (300, 300))
    inferer = LowrankGromovWasserstein(n_representatives=150, rank=20, max_iterations=300, n_starts=2)
    found = inferer.infer(copy.a, copy.b)
    assert found.diagnostics["representatives"] == 150
    assert assess(found.correspondence, truth).mean_quantile <= 0.2


def test_quantized_says_where_its_transport_had_not_converged(isometric_copy, caplog):
    copy = isometric_copy(60, 80)
    with caplog.at_level(logging.WARNING, "jamie"):
        found = QuantizedGromovWasserstein(distance=Geodesic(k=5), max_iterations=1).infer(copy.a, copy.b)
    assert not found.diagnostics["converged"]
    assert "quantized_gromov_wasserstein has not converged" in caplog.text
