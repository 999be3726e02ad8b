import logging
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence
from jamie.core.errors import DataError
from jamie.correspondence.anchor_distance import AnchorDistance
from jamie.correspondence.quality.partner_ranks import partner_ranks
from jamie.correspondence.seeded import Seeded

INFERERS = [Seeded(), AnchorDistance()]
each_inferer = pytest.mark.parametrize("inferer", INFERERS, ids=lambda i: i.name)


def first_pairs(partner, k, shape):
    return Correspondence.from_pairs(np.arange(k), partner[:k], shape)


def unknown_quantile(found, rows, columns):
    """Mean quantile of the partners among the cells without a known partner."""
    inner = found.correspondence.subset(rows, columns)
    return partner_ranks(inner.matrix, np.arange(len(rows)), np.arange(len(rows))).quantile.mean()


def types(view_of, n_a, n_b, seed=0):
    """Cells of three types far apart in a shared space of 6, seen in 12 and 15 noisy features; n of each type."""
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(3, 6))
    z, labels = [], []
    for n in (n_a, n_b):
        label = np.repeat(np.arange(3), n)
        labels.append(label)
        z.append(centres[label] + rng.normal(size=(len(label), 6)))
    n_pairs = 10
    for t in range(3):  # the first cells of each type are the same in both
        rows, columns = (np.flatnonzero(label == t)[:n_pairs] for label in labels)
        k = min(len(rows), len(columns))
        z[1][columns[:k]] = z[0][rows[:k]]
    views = [
        view_of(name, one @ rng.normal(size=(6, p)) + 0.3 * rng.normal(size=(len(one), p)))
        for name, one, p in (("a", z[0], 12), ("b", z[1], 15))
    ]
    return *views, *labels


@each_inferer
@pytest.mark.parametrize(("n_a", "n_b"), [(120, 120), (90, 120), (120, 90)])
def test_isometric_copy_is_recovered(inferer, n_a, n_b, isometric_copy):
    copy = isometric_copy(min(n_a, n_b), max(n_a, n_b))
    known = first_pairs(copy.partner, 15, (copy.a.n_cells, copy.b.n_cells))
    rows, columns = np.arange(15, len(copy.partner)), copy.partner[15:]
    if n_a <= n_b:
        found = inferer.infer(copy.a, copy.b, known)
    else:
        found = inferer.infer(copy.b, copy.a, known.T)
        rows, columns = columns, rows
    matrix = found.correspondence.matrix
    assert unknown_quantile(found, rows, columns) <= 0.03
    assert matrix.sum(axis=0).max() <= 1 + 1e-4
    assert matrix.sum(axis=1).max() <= 1 + 1e-4
    # every candidate has a rank
    assert matrix.nnz == (n_a - 15) * (n_b - 15) + 15


@each_inferer
def test_permuting_cells_permutes_the_result(inferer, isometric_copy):
    copy = isometric_copy(60, 70)
    known = first_pairs(copy.partner, 20, (60, 70))
    order_a, order_b = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(70)
    found = inferer.infer(copy.a, copy.b, known)
    permuted = inferer.infer(copy.a.subset(order_a), copy.b.subset(order_b), known.subset(order_a, order_b))
    expected = found.correspondence.subset(order_a, order_b).matrix.toarray()
    # folds are drawn anew, and the analyses so weighed a little differently
    np.testing.assert_allclose(permuted.correspondence.matrix.toarray(), expected, atol=0.05)
    np.testing.assert_allclose(permuted.confidence_a, found.confidence_a[order_a], atol=0.05)


@each_inferer
def test_transposing_transposes_the_result(inferer, isometric_copy):
    copy = isometric_copy(60, 70)
    known = first_pairs(copy.partner, 20, (60, 70))
    there, back = inferer.infer(copy.a, copy.b, known), inferer.infer(copy.b, copy.a, known.T)
    np.testing.assert_allclose(there.correspondence.matrix.toarray(), back.correspondence.T.matrix.toarray(), atol=0.05)


@each_inferer
def test_fewer_than_three_pairs_are_refused(inferer, isometric_copy):
    copy = isometric_copy(20, 25)
    with pytest.raises(
        DataError, match=rf"'{inferer.name}', a and b: expected at least 3 known pairs, found 2\n.*more"
    ):
        inferer.infer(copy.a, copy.b, first_pairs(copy.partner, 2, (20, 25)))
    assert inferer.infer(copy.a, copy.b, first_pairs(copy.partner, 3, (20, 25))).correspondence.n_pairs > 3


def test_cells_of_a_type_that_the_other_modality_lacks_get_little_mass_and_confidence(view_of):
    a, b, of_a, _ = types(view_of, [60, 50, 40], [60, 50, 0])
    rows = np.r_[0:10, 60:70]
    found = Seeded().infer(a, b, Correspondence.from_pairs(rows, rows, (a.n_cells, b.n_cells)))
    free = ~np.isin(np.arange(a.n_cells), rows)
    unmatched, matched = free & (of_a == 2), free & (of_a < 2)
    mass = found.correspondence.matrix.sum(axis=1)
    assert mass[unmatched].mean() < 0.5 * mass[matched].mean()
    assert found.confidence_a[unmatched].mean() < 0.5 * found.confidence_a[matched].mean()


def test_single_cells_far_from_all_others_get_little_mass(view_of):
    a, b, *_ = types(view_of, [60, 50, 40], [60, 50, 40])
    rows = np.r_[0:10, 60:70, 110:120]
    unmatched = [30, 90]
    scores = a.scores.copy()
    directions = np.random.default_rng(3).normal(size=(2, scores.shape[1]))
    radius = np.linalg.norm(scores, axis=1).max()
    scores[unmatched] = 3 * radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    found = Seeded().infer(replace(a, scores=scores), b, Correspondence.from_pairs(rows, rows, (150, 150)))
    mass = found.correspondence.matrix.sum(axis=1)
    others = np.setdiff1d(np.arange(150), np.r_[rows, unmatched])
    assert mass[unmatched].max() < 0.1 * np.median(mass[others])
    assert found.confidence_a[unmatched].max() < np.quantile(found.confidence_a[others], 0.1)


@each_inferer
def test_memory_covers_the_measured_peak(inferer, isometric_copy):
    copy = isometric_copy(300, 400)
    known = first_pairs(copy.partner, 30, (300, 400))
    inferer.infer(copy.a, copy.b, known)  # imports
    tracemalloc.start()
    inferer.infer(copy.a, copy.b, known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= inferer._memory(copy.a, copy.b) <= 4 * peak


def test_unequal_proportions_of_types_do_not_mix_them(view_of):
    a, b, of_a, of_b = types(view_of, [100, 40, 20], [20, 40, 100])
    rows, columns = np.r_[0:10, 100:110, 140:150], np.r_[0:10, 20:30, 60:70]
    found = Seeded().infer(a, b, Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells)))
    assert found.diagnostics["balance"] < 1
    matrix = found.correspondence.matrix
    best = found.correspondence.best_partner()
    assert (of_b[best] == of_a).mean() > 0.95
    entries = matrix.tocoo()
    assert matrix.data[of_a[entries.row] == of_b[entries.col]].sum() > 0.8 * matrix.sum()
    # ten free cells of b for ninety of a: these cannot all have a partner
    mass = matrix.sum(axis=1)
    assert mass[10:100].sum() < 0.5 * 90


def test_refinement_never_makes_held_out_pairs_clearly_harder_to_find(isometric_copy):
    for n_known in (5, 40):
        copy = isometric_copy(100, 110, seed=n_known)
        diagnostics = Seeded().infer(copy.a, copy.b, first_pairs(copy.partner, n_known, (100, 110))).diagnostics
        worse = diagnostics["held_out_quantile"] - diagnostics["held_out_quantile_unrefined"]
        assert worse <= 0.02
        assert (diagnostics["n_pseudo_pairs"] > 0) or worse == 0


def test_mass_is_balanced_where_every_cell_has_a_partner(isometric_copy):
    copy = isometric_copy(100, 100)
    found = Seeded().infer(copy.a, copy.b, first_pairs(copy.partner, 30, (100, 100)))
    assert found.diagnostics["balance"] == 1
    # cells far from all known ones may keep less
    assert np.median(found.correspondence.matrix[30:].sum(axis=1)) > 0.95


def test_without_refinement_no_cell_joins(isometric_copy, caplog):
    copy = isometric_copy(50, 50)
    with caplog.at_level(logging.INFO, "jamie"):
        found = Seeded(refine=False).infer(copy.a, copy.b, first_pairs(copy.partner, 20, (50, 50)))
    assert found.diagnostics["n_pseudo_pairs"] == 0
    assert found.diagnostics["rounds"] == 0
    assert "with 0 pseudo-pairs" in caplog.text


def test_uncertain_pairs_teach_but_are_matched_like_others(isometric_copy):
    copy = isometric_copy(60, 60)
    rows = np.arange(20)
    known = Correspondence.from_pairs(rows, copy.partner[:20], (60, 60), np.full(20, 0.5))
    found = Seeded().infer(copy.a, copy.b, known)
    assert found.diagnostics["n_known_pairs"] == 20
    assert (found.correspondence.matrix[rows].sum(axis=1) > 0).all()
    assert unknown_quantile(found, np.arange(60), copy.partner) <= 0.05


@each_inferer
def test_progress_ends_at_its_total(inferer, isometric_copy):
    copy, seen = isometric_copy(30, 40), []
    inferer.infer(copy.a, copy.b, first_pairs(copy.partner, 10, (30, 40)), Context(progress=lambda *e: seen.append(e)))
    assert {event[0] for event in seen} == {"correspondence"}
    assert seen[-1][1] == seen[-1][2]


def test_above_the_limit_only_the_nearest_cells_are_kept(isometric_copy, monkeypatch):
    for module in ("couplings.matching", "seeded"):
        monkeypatch.setattr(f"jamie.correspondence.{module}.ALL_PAIRS", 1000)
    monkeypatch.setattr("jamie.correspondence.couplings.matching.NEIGHBORS", 8)
    copy = isometric_copy(100, 120)
    found = Seeded().infer(copy.a, copy.b, first_pairs(copy.partner, 30, (100, 120)))
    assert found.correspondence.n_pairs <= 8 * 220 + 30
    matrix = found.correspondence.matrix
    assert (np.asarray(matrix[np.arange(100), copy.partner]).ravel() > 0).mean() > 0.9
    assert matrix.sum(axis=0).max() <= 1 + 1e-4


def test_scgem_is_no_worse_than_one_plain_analysis():
    """The first tries' figures at 50 % known pairs: a mean quantile of 0.181 over order_0 to order_2."""
    folder = Path(os.environ.get("JAMIE_DATA", ""))
    if "JAMIE_DATA" not in os.environ or not (folder / "scgem.h5mu").is_file():
        pytest.skip("JAMIE_DATA does not name a folder with scgem.h5mu")
    a, b, orders = scgem(folder)
    n = a.n_cells
    quantiles = []
    for k in range(3):
        shown = np.flatnonzero(orders[f"order_{k}"] < n // 2)
        hidden = np.setdiff1d(np.arange(n), shown)
        found = Seeded().infer(a, b, Correspondence.from_pairs(shown, shown, (n, n)))
        quantiles.append(unknown_quantile(found, hidden, hidden))
    assert np.mean(quantiles) <= 0.181


def scgem(folder):
    from jamie.core.data import Split
    from jamie.data.load import load_dataset
    from jamie.preprocess.prepare import prepare
    from jamie.spec import load_spec

    pca = {"pca": {"n_components": 512}}
    spec = load_spec(
        {"data": {"mudata": {"path": "scgem.h5mu"}}, "modalities": {"*": {"preprocess": ["standardize", pca]}}}
    )
    dataset = load_dataset(spec, Context()).dataset
    everyone = Split({name: modality.obs.index.notna() for name, modality in dataset.modalities.items()})
    prepared = prepare(dataset, everyone, spec, Context())
    orders = pd.read_csv(folder / "splits" / "scgem.csv", index_col=0)
    views = [prepared.view(m) for m in dataset.modalities]
    cells = dataset.modalities[views[0].modality].cells
    return views[0], views[1].subset(dataset.modalities[views[1].modality].cells.get_indexer(cells)), orders.loc[cells]
