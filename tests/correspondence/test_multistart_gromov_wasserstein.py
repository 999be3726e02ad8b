import numpy as np
import pytest
import torch
from scipy import sparse

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.correspondence.gromov.batched_solver import MarginalProblem
from jamie.correspondence.multistart_gromov_wasserstein import MultistartGromovWasserstein
from jamie.correspondence.quality.partner_ranks import partner_ranks

FEW = {"n_groupings": 4, "n_starts": 12}


def problem(seed=0, n=12, m=15):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    K, L = (np.linalg.norm(z[:, None] - z[None], axis=2) for z in (x, y))
    p, q = rng.uniform(1, 2, n), rng.uniform(1, 2, m)
    return MarginalProblem(*(torch.as_tensor(v) for v in (K / K.mean(), L / L.mean(), p / p.sum(), q / q.sum())))


def test_energy_is_the_sum_over_all_four_indices():
    given = problem(n=4, m=5)
    plan = given.uniform_plan() * torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for _ in range(2000):  # Sinkhorn's iteration
        plan = plan * (given.p / plan.sum(1))[:, None]
        plan = plan * (given.q / plan.sum(0))
    cost = (given.K[:, :, None, None] - given.L[None, None]).square()
    expected = torch.einsum("ijkl,ik,jl->", cost, plan, plan) + 0.1 * (plan * plan.log()).sum()
    assert float(given.energy(plan[None], 0.1)[0]) == pytest.approx(float(expected), rel=1e-9)


def test_each_plan_is_a_stationary_point_of_its_own():
    given = problem()
    rng = np.random.default_rng(1)
    starts = torch.as_tensor(rng.dirichlet(np.ones(12 * 15), size=5).reshape(5, 12, 15))
    plans = given.descend(starts, [0.1], 300, 1e-9)
    torch.testing.assert_close(plans.sum(dim=2), given.p.expand(5, -1), atol=1e-3, rtol=0)
    torch.testing.assert_close(plans.sum(dim=1), given.q.expand(5, -1), atol=1e-3, rtol=0)
    # log(plan) + gradient / epsilon is a sum of a function of the row and one of the column
    rest = plans.log() + 2 * given.distortion(plans) / 0.1
    rest = rest - rest.mean(dim=1, keepdim=True) - rest.mean(dim=2, keepdim=True) + rest.mean(dim=(1, 2), keepdim=True)
    assert float(rest.abs().max()) < 1e-2
    alone = given.descend(starts[3:4], [0.1], 300, 1e-9)
    torch.testing.assert_close(alone[0], plans[3], atol=1e-6, rtol=1e-3)


def three_types(view_of, sizes_a, sizes_b, seed=0):
    """Cells of types with unequal distances to each other, in two spaces of their own; types of the cells."""
    rng = np.random.default_rng(seed)
    centers = np.array([[6, 0, 0, 0], [5, 3, 0, 0], [0, 0, 6, 0], [0, -4, 0, 5], [-6, 1, -2, 0]], float)
    views, types = [], []
    for name, sizes in (("a", sizes_a), ("b", sizes_b)):
        kind = np.repeat(np.arange(len(centers)), sizes)
        rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        views.append(view_of(name, (centers[kind] + rng.normal(size=(len(kind), 4))) @ rotation))
        types.append(kind)
    return views, types


@pytest.mark.parametrize(
    "sizes", [([60, 50, 40, 30, 20], [60, 50, 40, 30, 20]), ([30, 25, 20, 15, 10], [60, 50, 40, 30, 20])]
)
def test_types_are_matched_by_their_distances_and_sizes(sizes, view_of):
    (a, b), (kind_a, kind_b) = three_types(view_of, *sizes)
    for x, y, of_x, of_y in ((a, b, kind_a, kind_b), (b, a, kind_b, kind_a)):
        found = MultistartGromovWasserstein(**FEW).infer(x, y)
        best = found.correspondence.matrix.toarray().argmax(axis=1)
        assert (of_y[best] == of_x).mean() > 0.9
        sums = found.correspondence.matrix.sum(axis=1 if x.n_cells <= y.n_cells else 0)
        np.testing.assert_allclose(sums, 1, atol=0.02)


def test_diagnostics_name_the_optima_that_were_compared(view_of):
    (a, b), _ = three_types(view_of, [60, 50, 40, 30, 20], [60, 50, 40, 30, 20])
    found = MultistartGromovWasserstein(**FEW).infer(a, b).diagnostics
    energies = [float(value) for value in found["optima"].split(", ")]
    weights = [float(value) for value in found["optima_weights"].split(", ")]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(found["objective"], abs=1e-4)
    assert weights == sorted(weights, reverse=True)
    assert found["candidates"] >= len(energies)
    assert 0.5 < found["agreement"] <= 1 + 1e-9


def test_optima_disagree_where_the_modalities_have_nothing_in_common(view_of):
    rng = np.random.default_rng(0)
    a, b = (view_of(name, rng.normal(size=(200, 10))) for name in "ab")
    assert MultistartGromovWasserstein(**FEW).infer(a, b).diagnostics["agreement"] < 0.5


def test_the_seed_reproduces_and_the_order_of_cells_tells_nothing(view_of):
    (a, b), (kind_a, kind_b) = three_types(view_of, [30, 25, 20, 15, 10], [30, 25, 20, 15, 10])
    first, again = (MultistartGromovWasserstein(**FEW).infer(a, b, context=Context(seed=3)) for _ in range(2))
    assert (first.correspondence.matrix != again.correspondence.matrix).nnz == 0
    # cells in the same row are of one type; of the cells within a type, none is known
    same = np.flatnonzero(kind_a == kind_b)
    ranks = partner_ranks(sparse.csr_array(first.correspondence.matrix), same, same)
    assert ranks.top_1.mean() < 0.2


def test_cells_that_are_all_equal_are_refused(view_of):
    a, b = view_of("a", np.ones((30, 3))), view_of("b", np.random.default_rng(0).normal(size=(30, 3)))
    with pytest.raises(DataError, match="expected cells that differ, found 30 cells at distance 0 from each other"):
        MultistartGromovWasserstein(**FEW).infer(a, b)


@pytest.mark.parametrize("n", [3, 4, 9])
def test_few_cells_are_enough(n, view_of):
    rng = np.random.default_rng(0)
    a, b = view_of("a", rng.normal(size=(n, 4))), view_of("b", rng.normal(size=(n + 1, 2)))
    found = MultistartGromovWasserstein(**FEW).infer(a, b)
    np.testing.assert_allclose(found.correspondence.matrix.sum(axis=1), 1, atol=0.05)
