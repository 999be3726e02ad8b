"""Layouts in two dimensions."""

import logging
import subprocess
import sys

import mudata
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jamie.core.context import Context
from jamie.core.names import DATA_LAYOUT, LATENT_LAYOUT
from jamie.data.assemble import mudata_conventions
from jamie.runs import umap_coordinates
from jamie.runs.umap_coordinates import compute_layouts, place_in_two_dimensions


@pytest.fixture(scope="module")
def groups():
    """Two groups far apart, in ten dimensions."""
    generator = np.random.default_rng(0)
    return (generator.normal(size=(60, 10)) + 20 * (np.arange(60) % 2)[:, None]).astype(np.float32)


def test_neighbours_stay_neighbours_and_the_seed_decides(groups):
    placed = place_in_two_dimensions(groups, Context(seed=3))
    nearest = NearestNeighbors(n_neighbors=6).fit(placed).kneighbors(return_distance=False)
    assert (nearest % 2 == np.arange(60)[:, None] % 2).mean() > 0.95
    np.testing.assert_array_equal(placed, place_in_two_dimensions(groups, Context(seed=3)))


def test_neither_layouts_nor_neighbours_compile_anything():
    code = (
        "import sys, numpy as np;"
        "from jamie.core.context import Context;"
        "from jamie.correspondence.graphs import neighbors;"
        "from jamie.runs.umap_coordinates import place_in_two_dimensions;"
        "neighbors.EXACT_PAIRS = 0; cells = np.random.default_rng(0).normal(size=(1500, 5)).astype(np.float32);"
        "placed = place_in_two_dimensions(cells, Context());"
        "print('PLACED', placed.shape, 'USED', 'faiss' in sys.modules, 'COMPILER', 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PLACED (1500, 2) USED True COMPILER False" in done.stdout, done.stderr


@pytest.mark.parametrize("d", [1, 2])
def test_few_dimensions_are_shown_as_they_are(groups, d):
    placed = place_in_two_dimensions(groups[:, :d], Context())
    np.testing.assert_array_equal(placed[:, :d], groups[:, :d])
    assert placed.shape == (60, 2)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 14, 20, 21])
def test_few_cells_have_a_place(groups, n):
    placed = place_in_two_dimensions(groups[:n], Context())
    assert placed.shape == (n, 2)
    assert np.isfinite(placed).all()


def test_groups_without_a_path_between_them_start_from_components(groups):
    """Their eigenvectors would say nothing of where the groups lie."""
    apart = np.concatenate([groups[::2] + step for step in (0, 100, 200)])
    placed = place_in_two_dimensions(apart, Context())
    centers = placed.reshape(3, 30, 2).mean(axis=1)
    np.testing.assert_allclose(np.linalg.norm(placed - centers.repeat(30, axis=0), axis=1), 0, atol=4)
    first, second, across = (np.linalg.norm(centers[i] - centers[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert across > max(first, second) > 5


def test_cells_that_are_all_alike_have_a_place():
    assert np.isfinite(place_in_two_dimensions(np.ones((30, 4), np.float32), Context())).all()


def test_cells_without_values_have_none(groups):
    groups = groups.copy()
    groups[5] = np.nan
    placed = place_in_two_dimensions(groups, Context())
    assert np.isnan(placed[5]).all()
    assert np.isfinite(np.delete(placed, 5, axis=0)).all()


def test_of_many_cells_a_sample_is_placed(groups, monkeypatch, caplog):
    monkeypatch.setattr(umap_coordinates, "MOST_CELLS", 40)
    with caplog.at_level(logging.INFO, "jamie"):
        placed = place_in_two_dimensions(groups, Context())
    assert np.isfinite(placed).all(axis=1).sum() == 40
    assert "UMAP of the values: of a sample of 40 of 60 cells" in caplog.text


def test_modalities_lie_apart_in_values_and_together_in_latents(groups):
    scores = {"a": groups[:40, :2], "b": groups[40:, :2]}
    latents = {"a": groups[:40, 2:4], "b": groups[40:, 2:4]}
    found = compute_layouts(scores, latents, Context())
    for m in ("a", "b"):
        np.testing.assert_array_equal(found[DATA_LAYOUT][m], scores[m])
        np.testing.assert_array_equal(found[LATENT_LAYOUT][m], latents[m])


def test_run_with_a_report_lays_its_cells_out_and_one_without_does_not(place, reports, monkeypatch):
    monkeypatch.setattr("jamie.commands.run.write_reports", lambda folder, spec, context: None)
    monkeypatch.setattr(umap_coordinates, "_umap", lambda values, seed: values[:, :2])
    for report, wanted in ((["html"], True), ([], False)):
        assert place.run(None, "--overwrite", report=report).exit_code == 0
        with mudata_conventions():
            result = mudata.read_h5mu(place.out / "result.h5mu")
        for m in ("rna", "protein"):
            assert (DATA_LAYOUT in result[m].obsm) is (LATENT_LAYOUT in result[m].obsm) is wanted
    with mudata_conventions():
        assert "X_jamie" in mudata.read_h5mu(place.out / "result.h5mu")["rna"].obsm
