from dataclasses import replace

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.infer import infer_all


class Draws(CorrespondenceInferer):
    """Records what it is given, and draws a number."""

    name = "draws"

    def _infer(self, a, b, known, context):
        shape = (a.n_cells, b.n_cells)
        drawn = {"n_known": known.n_pairs, "draw": context.generator().random(), "stage": context.stage}
        return Inferred(Correspondence.empty(shape), np.zeros(shape[0]), np.zeros(shape[1]), drawn)


def test_every_two_modalities_in_order_each_with_a_generator_of_its_own(view_of):
    rng = np.random.default_rng(0)
    views = {name: view_of(name, rng.normal(size=(n, 3))) for name, n in (("a", 5), ("b", 6), ("c", 7))}
    pairs = {("c", "a"): Correspondence.from_pairs([6, 0], [1, 2], (7, 5))}
    known = Correspondences({"a": 5, "b": 6, "c": 7}, pairs)
    inference = infer_all(views, known, Draws(), Context(seed=3))
    assert list(inference.inferred) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [one.diagnostics["n_known"] for one in inference.inferred.values()] == [0, 2, 0]
    assert len({one.diagnostics["draw"] for one in inference.inferred.values()}) == 3
    assert inference.correspondences.between("c", "b").shape == (7, 6)
    alone = infer_all({m: views[m] for m in ("b", "c")}, Correspondences({"b": 6, "c": 7}), Draws(), Context(seed=3))
    assert alone.inferred["b", "c"].diagnostics == inference.inferred["b", "c"].diagnostics


def test_modalities_that_share_no_cells_but_are_tied_through_another_are_left_to_it(view_of):
    rng = np.random.default_rng(0)
    sizes = {"a": 5, "b": 6, "c": 7}
    views = {name: view_of(name, rng.normal(size=(n, 3))) for name, n in sizes.items()}
    ab, bc = Correspondence.from_pairs([0], [0], (5, 6)), Correspondence.from_pairs([5], [6], (6, 7))
    inference = infer_all(views, Correspondences(sizes, {("a", "b"): ab, ("b", "c"): bc}), Draws(), Context())
    assert "n_known" in inference.inferred["a", "b"].diagnostics
    assert inference.inferred["a", "c"].diagnostics == {
        "picked": "nothing",
        "because": "they share no cells, and are connected through other modalities",
    }


class ByRank(CorrespondenceInferer):
    """Matches the cells by the rank of their largest score."""

    name = "by_rank"

    def _infer(self, a, b, known, context):
        rows, columns = (view.scores.max(axis=1).argsort() for view in (a, b))
        pairs = Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells))
        return Inferred(pairs, np.ones(a.n_cells), np.ones(b.n_cells))


@pytest.mark.parametrize("n_known", [0, 1])
def test_inferers_see_scores_that_are_not_whitened_where_pairs_are_known(view_of, n_known):
    rng = np.random.default_rng(0)
    a, b = (view_of(name, rng.normal(size=(20, 3))) for name in "ab")
    weights = np.array([5, 1, 0.1])
    scaled = replace(a, scores=a.scores * weights.astype(np.float32))
    pairs = Correspondence.from_pairs(range(n_known), range(n_known), (20, 20))
    known = Correspondences({"a": 20, "b": 20}, {("a", "b"): pairs})
    plain, as_it_is, undone = (
        infer_all({"a": view, "b": b}, known, ByRank(), Context()).correspondences.between("a", "b").matrix.toarray()
        for view in (scaled, a, replace(a, unwhitening=weights))
    )
    assert (plain != as_it_is).any()
    np.testing.assert_array_equal(undone, plain if n_known else as_it_is)
