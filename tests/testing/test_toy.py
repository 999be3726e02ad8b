"""Toy data and controls are what they say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from jamie.testing import controls, toy


def test_all_sizes_differ():
    per_modality = (toy.N_FEATURES, toy.N_SCORES, toy.BATCH_SIZE, {m: len(c) for m, c in toy.CELLS.items()})
    sizes = [n for table in per_modality for n in table.values()] + [toy.N_LATENT, toy.N_COVARIATES]
    assert len(sizes) == len(set(sizes))


def test_cells_are_shared_by_two_by_three_and_by_none():
    names = [set(m.cells) for m in toy.modalities(3).values()]
    assert [len(a & b) for a, b in pairwise(names)] == [21, 43]
    assert len(set.intersection(*names)) == 11
    assert all(n - set.union(*(o for o in names if o is not n)) for n in (names[0], names[2]))


@pytest.mark.parametrize("modality", toy.MODALITIES)
def test_counts_have_no_constant_feature_and_no_empty_cell(modality):
    X = toy.counts(modality)
    assert (X.std(axis=0) > 0).all()
    assert (X.sum(axis=1) > 0).all()
    assert (X.round() == X).all()


def test_mudata_holds_the_same_cells():
    mdata = toy.mudata(3)
    assert list(mdata.mod) == list(toy.MODALITIES)
    np.testing.assert_array_equal(mdata["atac"].X, toy.counts("atac"))
    assert list(mdata["atac"].obs_names) == list(toy.modalities(3)["atac"].cells)


def test_some_cells_of_a_batch_are_matched_and_some_are_not():
    block = toy.batch(2).blocks.between("rna", "atac")
    assert int((block.sum(1) > 0).sum()) == 4
    assert float(block[block > 0].min()) == 0.5
    assert toy.batch(2, matched=False).blocks.between("rna", "atac").sum() == 0
    assert toy.batch(2, inferred=False).inferred is None


def test_a_batch_twice_has_no_pairs_between_the_copies():
    block = toy.duplicate_cells(toy.batch(2)).blocks.between("rna", "atac")
    assert block.shape == (2 * toy.BATCH_SIZE["rna"], 2 * toy.BATCH_SIZE["atac"])
    assert block[: toy.BATCH_SIZE["rna"], toy.BATCH_SIZE["atac"] :].sum() == 0


def test_the_toy_model_treats_cells_alike_in_any_order():
    given, order, model = toy.batch(3), toy.random_orders(3), toy.Model()
    moved, still = model(toy.reorder_cells(given, order)), model(given)
    for m in toy.MODALITIES:
        torch.testing.assert_close(moved.aggregated[m], still.aggregated[m][order[m]])


def test_the_isometric_copy_is_isometric_under_the_truth():
    control = controls.isometric_copy(n_cells=30, n_extra=7)
    partner = control.truth.best_partner()
    assert (control.a.scores.shape, control.b.scores.shape) == ((30, 2), (37, 5))
    np.testing.assert_allclose(pdist(control.a.scores), pdist(control.b.scores[partner]), atol=1e-5)
    assert control.known.n_pairs == 15
    assert not np.array_equal(partner, np.arange(30))


def test_partners_of_the_perfect_embedding_share_place_and_label():
    pair = controls.perfect_embedding()
    rows, columns = pair.truth.nonzero()
    assert len(rows) == 21
    np.testing.assert_array_equal(pair.z_source[rows], pair.z_target[columns])
    np.testing.assert_array_equal(pair.labels_source[rows], pair.labels_target[columns])


def test_collapsed_and_noisy_embeddings_differ_in_the_latents_alone():
    perfect = controls.perfect_embedding()
    for pair in (controls.collapsed_embedding(), controls.independent_noise()):
        np.testing.assert_array_equal(pair.labels_target, perfect.labels_target)
        assert (pair.truth != perfect.truth).nnz == 0
        assert not np.array_equal(pair.z_source, perfect.z_source)
    assert controls.collapsed_embedding().z_target.std() == 0


def test_cells_of_a_method_are_partly_paired_and_labelled():
    cells = toy.cells(3, labels=True)
    for a, b in (("rna", "atac"), ("atac", "protein"), ("protein", "rna")):
        rows, columns = cells.pairs(a, b)
        shared = len(set(toy.CELLS[a]) & set(toy.CELLS[b]))
        assert 0 < len(rows) < shared < min(cells.views[a].n_cells, cells.views[b].n_cells)
        assert list(toy.obs(a).index[rows]) == list(toy.obs(b).index[columns])
    for m, labels in cells.labels.items():
        assert [i for i, label in enumerate(labels) if label is None] == [4]
        assert len(labels) == cells.views[m].n_cells
    assert cells.targets["rna"] is cells.views["rna"].scores
    assert cells.targets["atac"].shape == (53, 14)
    bare = toy.cells(known=False)
    assert (bare.known.n_pairs, bare.labels) == (0, {})
