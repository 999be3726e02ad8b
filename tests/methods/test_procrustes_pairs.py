import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from jamie.core.correspondence import Correspondences
from jamie.core.data import Cells
from jamie.core.errors import DataError
from jamie.methods.procrustes_pairs import ProcrustesPairs
from jamie.testing import controls, toy


def cells_of(a, b, known):
    views = {"a": a, "b": b}
    sizes = {m: view.n_cells for m, view in views.items()}
    return Cells(views, {m: v.scores for m, v in views.items()}, Correspondences(sizes, {("a", "b"): known}))


def test_a_turned_enlarged_and_shifted_copy_is_brought_back():
    pair = controls.isometric_copy()
    moved = replace(pair.b, scores=3 * pair.b.scores - 7)
    cells = cells_of(pair.a, moved, pair.known)
    z = ProcrustesPairs(n_components=2).fit(cells).embed(cells.scores)
    rows, columns = pair.truth.pairs()
    np.testing.assert_allclose(z["a"][rows], z["b"][columns], atol=1e-5)
    distances = np.linalg.norm(pair.a.scores[1:] - pair.a.scores[0], axis=1)
    found = np.linalg.norm(z["a"][1:] - z["a"][0], axis=1)
    np.testing.assert_allclose(found / found[0], distances / distances[0], rtol=1e-5)


def test_no_turn_of_the_components_is_better():
    cells = toy.cells()
    z = ProcrustesPairs(n_components=4).fit(cells).embed(cells.scores)
    rows, columns = cells.pairs("rna", "atac")
    first, second = z["rna"][rows], z["atac"][columns]
    np.testing.assert_allclose([(x**2).sum() / len(rows) for x in (first, second)], 1, rtol=1e-6)
    np.testing.assert_allclose(orthogonal_procrustes(second, first)[0], np.eye(4), atol=1e-6)


def test_fewer_features_than_components_are_taken_with_a_notice(caplog):
    cells = toy.cells()
    with caplog.at_level(logging.INFO):
        z = ProcrustesPairs().fit(cells).embed(cells.scores)
    assert z["rna"].shape == (41, 8)
    assert "procrustes_pairs: 8 components instead of 32, as many as the features span" in caplog.text


def test_too_few_pairs():
    pair = controls.isometric_copy()
    few = pair.known.keep(np.arange(pair.known.n_pairs) < 2)
    with pytest.raises(DataError, match=r"expected more known pairs than components \(2\), found 2\n.*to at most 1"):
        ProcrustesPairs(n_components=2).fit(cells_of(pair.a, pair.b, few))


def test_no_pairs():
    with pytest.raises(DataError, match="method 'procrustes_pairs': expected known pairs, found none"):
        ProcrustesPairs().fit(toy.cells(known=False))
