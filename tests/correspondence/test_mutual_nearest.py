"""Matching on linked features: noisy ones of cells whose partners are known to the test alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.data import Block, View
from jamie.core.errors import DataError, MemoryLimitError
from jamie.correspondence.mutual_nearest import MutualNearest
from jamie.correspondence.quality.partner_ranks import partner_ranks

N_LINKED = 5


@dataclass(frozen=True)
class Simulated:
    """Cell i of a is cell `partner[i]` of b; `kind` is the type of each cell of a, `kind_b` of b."""

    a: View
    b: View
    partner: np.ndarray
    kind: np.ndarray
    kind_b: np.ndarray


def simulate(n_a, n_b, seed=0, noise=1.0):
    """Three types in a latent space of six dimensions; linked features measure it noisily, the others well."""
    rng = np.random.default_rng(seed)
    n = max(n_a, n_b)
    kind = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    z = rng.normal(size=(3, 6))[kind] * 2 + rng.normal(size=(n, 6))
    linked = rng.normal(size=(6, N_LINKED))
    order = [rng.permutation(n)[:size] for size in (n_a, n_b)]
    made = []
    for name, cells, p in zip("ab", order, (20, 14), strict=True):
        own = z[cells] @ rng.normal(size=(6, p)) + 0.3 * rng.normal(size=(len(cells), p))
        values = z[cells] @ linked + noise * 3 * rng.normal(size=(len(cells), N_LINKED))
        X = np.hstack([values, own]).astype(np.float32)
        scores = ((own - own.mean(0)) / own.std()).astype(np.float32)
        made.append((name, Block(X, pd.Index([f"{name}{j}" for j in range(p + N_LINKED)])), scores))
    where = {cell: j for j, cell in enumerate(order[1])}
    weights = np.eye(20 + N_LINKED, 14 + N_LINKED) * (np.arange(14 + N_LINKED) < N_LINKED)
    W = sparse.csr_array(weights.astype(np.float32))
    a, b = View(*made[0], {"b": W}), View(*made[1], {"a": W.T.tocsr()})
    return Simulated(a, b, np.array([where.get(cell, -1) for cell in order[0]]), *(kind[one] for one in order))


def quantile(data, found):
    rows = np.flatnonzero(data.partner >= 0)
    return partner_ranks(found.correspondence.matrix, rows, data.partner[rows]).mean_quantile


def kinds_matched(data, found):
    return np.mean(data.kind_b[found.correspondence.matrix.argmax(axis=1)] == data.kind)


@pytest.mark.parametrize(("n_a", "n_b"), [(250, 400), (400, 250)])
def test_partners_rank_high_and_refinement_by_all_features_helps(n_a, n_b):
    data = simulate(n_a, n_b)
    found, unrefined = (MutualNearest(n_rounds=n).infer(data.a, data.b) for n in (4, 0))
    assert kinds_matched(data, found) > 0.9
    assert quantile(data, found) < 0.05
    assert quantile(data, found) < 0.6 * quantile(data, unrefined)


def test_smoothing_over_neighbours_takes_out_noise():
    data = simulate(300, 300)
    smoothed, single = (MutualNearest(n_rounds=0, smoothing=s).infer(data.a, data.b) for s in (0.7, 0.0))
    assert quantile(data, smoothed) < 0.8 * quantile(data, single)


def test_links_that_say_nothing_are_at_chance():
    data = simulate(300, 300)
    rng = np.random.default_rng(0)
    X = data.a.block.X.copy()
    X[:, :N_LINKED] = rng.normal(size=(300, N_LINKED))
    scores = rng.normal(size=data.a.scores.shape).astype(np.float32)
    lost = replace(data.a, block=replace(data.a.block, X=X), scores=scores)
    assert abs(quantile(data, MutualNearest().infer(lost, data.b)) - 0.5) < 0.1


def test_cells_in_another_order_have_the_same_partners():
    data = simulate(200, 240)
    order = np.random.default_rng(5).permutation(200)
    found, moved = (MutualNearest().infer(a, data.b) for a in (data.a, data.a.subset(order)))
    # batches and shuffling are drawn anew, so single confidences may move a little
    agree = found.correspondence.best_partner()[order] == moved.correspondence.best_partner()
    assert agree.mean() > 0.95


def test_cells_of_a_type_that_the_other_lacks_are_unsure_and_get_little():
    data = simulate(300, 300, seed=1, noise=0.3)
    absent = np.bincount(data.kind).argmin()
    found = MutualNearest().infer(data.a, data.b.subset(np.flatnonzero(data.kind_b != absent)))
    unmatched = data.kind == absent
    mass = found.correspondence.matrix.sum(axis=1)
    assert mass[unmatched].mean() < 0.2 * mass[~unmatched].mean()
    assert found.confidence_a[unmatched].mean() < 0.2 * found.confidence_a[~unmatched].mean()


def test_known_pairs_help():
    data = simulate(300, 300, noise=3)
    is_known = np.arange(300) < 60
    known = Correspondence.from_pairs(np.flatnonzero(is_known), data.partner[is_known], (300, 300))
    helped, alone = (MutualNearest().infer(data.a, data.b, one).correspondence for one in (known, None))
    others = np.flatnonzero(~is_known)
    ranks = [partner_ranks(one.matrix, others, data.partner[others]).mean_quantile for one in (helped, alone)]
    assert ranks[0] < ranks[1]


def test_progress_ends_at_its_total():
    data, seen = simulate(60, 70), []
    context = Context(stage="a--b", progress=lambda stage, done, total, values: seen.append((stage, done, total)))
    MutualNearest(n_rounds=2).infer(data.a, data.b, None, context)
    assert seen == [("correspondence", done, 4) for done in (1, 2, 3, 4)]


def test_memory_is_refused_before_work():
    data = simulate(100, 100)
    with pytest.raises(MemoryLimitError, match="mutual_nearest on 100 and 100 cells would need"):
        MutualNearest().infer(data.a, data.b, None, Context(memory_limit=100_000))


def test_links_are_needed():
    data = simulate(30, 30)
    with pytest.raises(DataError, match="expected features of a and b that are linked, found none"):
        MutualNearest().infer(replace(data.a, links={}), replace(data.b, links={}))


def test_links_between_constant_features_are_refused():
    data = simulate(30, 30)
    X = data.a.block.X.copy()
    X[:, :N_LINKED] = 3
    with pytest.raises(DataError, match="expected linked features that differ between cells, found that each pair"):
        MutualNearest().infer(replace(data.a, block=replace(data.a.block, X=X)), data.b)
