import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.methods.knn import KNN
from jamie.testing import toy


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_knn_is_the_mean_of_the_partners_of_the_nearest_matched_cells(distance):
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    nearest = np.argsort(cdist(cells.scores["rna"], cells.scores["rna"][rows], distance), axis=1)[:, :3]
    expected = cells.targets["atac"][columns][nearest].mean(axis=1)
    found = KNN(k=3, distance=distance).fit(cells, Context()).impute(cells.scores["rna"], "rna", "atac")
    np.testing.assert_allclose(found.mean, expected, rtol=1e-5)


def test_distances_may_be_of_the_leading_scores():
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    leading = cells.scores["rna"][:, :2]
    nearest = np.argsort(cdist(leading, leading[rows]), axis=1)[:, :3]
    found = KNN(k=3, n_components=2).fit(cells, Context()).impute(cells.scores["rna"], "rna", "atac")
    np.testing.assert_allclose(found.mean, cells.targets["atac"][columns][nearest].mean(axis=1), rtol=1e-5)


def test_one_neighbor_of_a_matched_cell_is_its_partner():
    cells = toy.cells()
    rows, columns = cells.pairs("atac", "rna")
    found = KNN(k=1).fit(cells, Context()).impute(cells.scores["atac"][rows], "atac", "rna")
    np.testing.assert_array_equal(found.mean, cells.targets["rna"][columns])


def test_more_neighbors_than_pairs_are_refused():
    cells = toy.cells(3)
    message = (
        r"method 'knn': expected at least 12 known pairs of rna and protein among the training cells, found 8\n"
        r"  let it use more pairs \(evaluate.known_pairs.fraction\)"
    )
    with pytest.raises(DataError, match=message):
        KNN(k=12).fit(cells, Context())
