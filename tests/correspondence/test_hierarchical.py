import numpy as np
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.errors import DataError, MemoryLimitError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence import hierarchical
from jamie.correspondence.couplings.gaussian_kernel import kernel_of_candidates, leaves
from jamie.correspondence.graphs.metacells import Metacells, metacells, number_of_metacells, pairs_of_metacells
from jamie.correspondence.hierarchical import Hierarchical
from jamie.correspondence.quality.assess import assess
from jamie.correspondence.shared_space.projection import fit_projections
from jamie.correspondence.unioncom import UnionCom


class ByFirstScore(CorrespondenceInferer):
    """Matches cells in the order of their first score: a stand-in of known, poor quality."""

    name = "by_first_score"
    uses_known = False

    def _infer(self, a, b, known, context):
        ranks = [np.argsort(np.argsort(view.scores[:, 0])) / view.n_cells for view in (a, b)]
        F = np.exp(-np.abs(ranks[0][:, None] - ranks[1]) * 20)
        F /= np.maximum(F.sum(1).max(), F.sum(0).max())
        context.progress("correspondence", 1, 1, {})
        return Inferred(Correspondence(F), np.ones(a.n_cells), np.ones(b.n_cells), {"objective": 0.5})


class Nothing(ByFirstScore):
    """Finds nothing."""

    name = "nothing"

    def _infer(self, a, b, known, context):
        shape = (a.n_cells, b.n_cells)
        return Inferred(Correspondence.empty(shape), np.zeros(shape[0]), np.zeros(shape[1]), {})


@pytest.fixture
def cloud(view_of):
    """Views of n_a and n_b cells of a lopsided cloud, turned in a, and their true pairs."""

    def make(n_a, n_b, n_shared, seed=0):
        rng = np.random.default_rng(seed)
        n = n_a + n_b - n_shared
        points = rng.gamma(1.0, 1.0, size=(n, 4)) * [4, 2, 1, 0.5]
        rows, columns = rng.permutation(n_a), n_a - n_shared + rng.permutation(n_b)
        partner = np.argsort(columns)[np.maximum(rows - (n_a - n_shared), 0)]
        shared = np.flatnonzero(rows >= n_a - n_shared)
        turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        a = view_of("a", points[rows] @ turn + 0.01 * rng.normal(size=(n_a, 4)))
        b = view_of("b", points[columns] + 0.01 * rng.normal(size=(n_b, 4)))
        return a, b, Correspondence.from_pairs(shared, partner[shared], (n_a, n_b))

    return make


@pytest.fixture
def sparsely(monkeypatch):
    """Keep the nearest candidates only, as with many cells."""
    monkeypatch.setattr(hierarchical, "ALL_PAIRS", 0)


@pytest.mark.parametrize(("n_a", "n_b"), [(200, 200), (160, 200), (200, 160)])
def test_a_turned_copy_is_recovered_within_the_constraints(n_a, n_b, cloud):
    a, b, truth = cloud(n_a, n_b, min(n_a, n_b))
    found = Hierarchical().infer(a, b)
    matrix = found.correspondence.matrix
    assert assess(found.correspondence, truth).mean_quantile < 0.04
    assert matrix.nnz == n_a * n_b  # all candidates have a rank
    assert matrix.sum(axis=1).max() <= 1 + 1e-5
    assert matrix.sum(axis=0).max() <= 1 + 1e-5
    assert found.diagnostics["inner"] == "unioncom"
    assert found.diagnostics["objective"] < 0.2


@pytest.mark.parametrize(("n_a", "n_b"), [(200, 150), (150, 200)])
def test_many_cells_keep_their_nearest_candidates(n_a, n_b, cloud, sparsely):
    a, b, truth = cloud(n_a, n_b, 150)
    found = Hierarchical(n_partners=10).infer(a, b, truth.keep(np.arange(150) % 10 == 0))
    matrix = found.correspondence.matrix
    assert 9 * max(n_a, n_b) <= matrix.nnz <= 10 * (n_a + n_b)
    assert matrix.sum(axis=1).max() <= 1 + 1e-5
    rows, columns = truth.pairs()
    assert (np.asarray(matrix[rows, columns]).ravel() > 0).mean() > 0.9


@pytest.mark.parametrize("many", [False, True])
def test_permuting_cells_permutes_the_result_closely(many, cloud, monkeypatch):
    monkeypatch.setattr(hierarchical, "ALL_PAIRS", 0 if many else 2**24)
    a, b, truth = cloud(150, 160, 150)
    order_a, order_b = np.random.default_rng(1).permutation(150), np.random.default_rng(2).permutation(160)
    known = truth.keep(np.arange(150) % 10 == 0).subset(order_a, order_b)
    permuted = Hierarchical().infer(a.subset(order_a), b.subset(order_b), known)
    # another order is another sample for the metacells: not the same numbers, but as good ones
    quality = assess(permuted.correspondence, truth.subset(order_a, order_b).without(known))
    assert quality.mean_quantile < 0.06
    assert quality.top1 > 0.5


def test_known_pairs_help_a_poor_inner_inferer(cloud, monkeypatch):
    a, b, truth = cloud(300, 300, 300)
    known = truth.keep(np.arange(300) % 5 == 0)
    rest = truth.without(known)
    monkeypatch.setattr(ByFirstScore, "uses_known", True)
    quality = {
        name: assess(Hierarchical(inner=ByFirstScore()).infer(a, b, pairs).correspondence, rest).mean_quantile
        for name, pairs in (("with", known), ("without", None))
    }
    assert quality["with"] < 0.05
    assert quality["with"] < quality["without"] / 2


def test_it_uses_known_pairs_as_the_inner_inferer_does():
    assert Hierarchical().uses_known
    assert not Hierarchical(inner=UnionCom(use_known=False)).uses_known
    assert Hierarchical(inner=ByFirstScore()).needs == frozenset()


def test_cells_without_a_partner_have_less_mass_and_confidence(view_of):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 6)) * 6
    types = rng.integers(0, 3, 360)
    z = centres[types] + rng.normal(size=(360, 6))
    unmatched = centres[3] + rng.normal(size=(60, 6))  # a type that only a has
    a = view_of("a", np.concatenate([z, unmatched]) @ np.linalg.qr(rng.normal(size=(6, 6)))[0])
    b = view_of("b", z + 0.05 * rng.normal(size=z.shape))
    known = Correspondence.from_pairs(np.arange(0, 360, 6), np.arange(0, 360, 6), (420, 360))
    found = Hierarchical().infer(a, b, known)
    mass = np.asarray(found.correspondence.matrix.sum(axis=1)).ravel()
    unknown = np.setdiff1d(np.arange(360), np.arange(0, 360, 6))
    assert mass[360:].mean() < 0.3 * mass[unknown].mean()
    assert found.confidence_a[360:].mean() < 0.3 * found.confidence_a[unknown].mean()


def test_nothing_found_between_metacells_is_nothing_between_cells(cloud):
    a, b, _ = cloud(60, 70, 60)
    found = Hierarchical(inner=Nothing()).infer(a, b)
    assert found.correspondence.n_pairs == 0
    assert not found.confidence_a.any()


@pytest.mark.parametrize("many", [False, True])
def test_progress_grows_to_its_total(many, cloud, monkeypatch):
    monkeypatch.setattr(hierarchical, "ALL_PAIRS", 0 if many else 2**24)
    a, b, _ = cloud(60, 70, 60)
    seen = []
    Hierarchical(inner=ByFirstScore()).infer(a, b, context=Context(progress=lambda *event: seen.append(event)))
    done = [event[1] for event in seen]
    assert done == sorted(done)
    assert seen[-1][1] == seen[-1][2]


def test_memory_grows_with_the_cells_and_not_their_product(view_of):
    needed = {n: Hierarchical()._memory(*[view_of(m, np.zeros((n, 2))) for m in "ab"]) for n in (50_000, 100_000)}
    assert needed[100_000] <= 2 * needed[50_000]
    views = [view_of(m, np.random.default_rng(0).normal(size=(100, 2))) for m in "ab"]
    with pytest.raises(MemoryLimitError, match=r"hierarchical on 100 and 100 cells.*\n.*fewer n_metacells"):
        Hierarchical().infer(*views, context=Context(memory_limit=1000))


def test_cells_at_one_place_are_refused(view_of):
    views = view_of("flat", np.ones((50, 3))), view_of("b", np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(
        DataError, match="modality 'flat': expected cells that differ, found 50 cells with 1 different scores"
    ):
        Hierarchical().infer(*views)


def test_metacells_are_means_and_keep_links(view_of):
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    of = np.arange(80) % 4
    view = view_of("a", centres[of] + 0.1 * np.random.default_rng(0).normal(size=(80, 2)))
    found = metacells(view, 4, np.random.default_rng(0))
    assert found.n == 4
    for group in range(4):
        cells = found.labels == group
        assert len(set(of[cells])) == 1
        np.testing.assert_allclose(found.view.scores[group], view.scores[cells].mean(0), rtol=1e-5)
        np.testing.assert_allclose(found.view.block.X[group], view.block.X[cells].mean(0), rtol=1e-5)
    assert found.view.links is view.links


def test_number_of_metacells():
    assert [number_of_metacells(n, 1000) for n in (3, 100, 10_000, 10**6)] == [3, 40, 500, 1000]


def test_known_pairs_become_fractions(view_of):
    a = Metacells(np.array([0, 0, 0, 1, 1]), view_of("a", np.zeros((2, 2))))
    b = Metacells(np.array([0, 0, 1, 1, 2]), view_of("b", np.zeros((3, 2))))
    pairs = Correspondence.from_pairs([0, 1, 2, 3], [0, 1, 2, 4], (5, 5))
    # of the three pairs of metacell 0, two go to metacell 0 and one to metacell 1; metacell 1 has one
    expected = [[2 / 4, 1 / 4, 0], [0, 0, 1 / 2]]
    np.testing.assert_allclose(pairs_of_metacells(pairs, a, b).matrix.toarray(), expected)


def test_leaves_are_small_and_keep_to_their_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 1000)
    found = leaves(rng.normal(size=(1000, 2)), groups)
    assert max(map(len, found)) <= 128
    assert all(len(set(groups[leaf])) == 1 for leaf in found)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(1000))


def test_nearest_cells_are_found_in_matched_groups_only():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(60, 3))
    groups = np.arange(50) % 2, np.arange(60) % 2
    found = kernel_of_candidates(
        x, y, groups, np.array([[True, False], [True, True]]), 0.5, k=3, n_candidates=100, report=lambda part: None
    )
    squared = ((x[:, None] - y) ** 2).sum(axis=2)
    squared[::2, 1::2] = np.inf
    expected = np.sort(np.argsort(squared, axis=1)[:, :3], axis=1)
    np.testing.assert_array_equal(np.sort(found.indices.reshape(50, 3), axis=1), expected)
    row, column = 7, found.indices[found.indptr[7]]
    half = squared[row, column] / (2 * 0.5**2)
    assert found[row, column] == pytest.approx(np.exp(-half) + 1e-6 / (1 + half), rel=1e-5)


def test_a_shared_space_undoes_a_turn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3)) * [3, 2, 1]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    sides = fit_projections(x, x @ turn * 5 + 7, sparse.csr_array(np.eye(500)))
    u, v = sides[0].coordinates(x), sides[1].coordinates(x @ turn * 5 + 7)
    np.testing.assert_allclose(u, v, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(u[:, :3], axis=1), 1, rtol=1e-5)
    assert u[:, 3].std() == pytest.approx(0.3, rel=1e-3)  # lengths agree entirely
