import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.methods.knn import KNN
from jamie.testing import toy


def inside(cells, rows):
    """Scores of rna, clipped to the range of the known pairs."""
    known = cells.scores["rna"][rows]
    return np.clip(cells.scores["rna"], known.min(axis=0), known.max(axis=0))


def impute(method, cells, query):
    return method.fit(cells, Context()).impute(query, "rna", "atac")


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_knn_is_the_mean_of_the_partners_of_the_nearest_matched_cells(distance):
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    query = inside(cells, rows)
    nearest = np.argsort(cdist(query, cells.scores["rna"][rows], distance), axis=1)[:, :3]
    expected = cells.targets["atac"][columns][nearest].mean(axis=1)
    found = impute(KNN(k=3, distance=distance, n_components="all"), cells, query)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-5)


def test_null_is_chosen():
    chosen = KNN(distance="cosine").fit(toy.cells(), Context()).tuning["rna to atac"]["chosen"]
    assert chosen["distance"] == "cosine"
    assert chosen["k"] in (1, 2, 3, 5, 8, 12, 20, 32, 50)


def test_distances_may_be_of_the_leading_scores():
    cells = toy.cells()
    rows, columns = cells.pairs("rna", "atac")
    query = inside(cells, rows)
    nearest = np.argsort(cdist(query[:, :2], cells.scores["rna"][rows, :2]), axis=1)[:, :3]
    found = impute(KNN(k=3, distance="euclidean", n_components=2), cells, query)
    np.testing.assert_allclose(found.mean, cells.targets["atac"][columns][nearest].mean(axis=1), rtol=1e-5)


def test_one_neighbor_of_a_matched_cell_is_its_partner():
    cells = toy.cells()
    rows, columns = cells.pairs("atac", "rna")
    one = KNN(k=1, distance="euclidean", n_components="all").fit(cells, Context())
    found = one.impute(cells.scores["atac"][rows], "atac", "rna")
    np.testing.assert_array_equal(found.mean, cells.targets["rna"][columns])


def test_more_neighbors_than_pairs_are_refused():
    cells = toy.cells(3)
    message = (
        r"method 'knn': expected at least 12 known pairs of rna and protein among the training cells, found 8\n"
        r"  let it use more pairs \(evaluate.known_pairs.fraction\)"
    )
    with pytest.raises(DataError, match=message):
        KNN(k=12).fit(cells, Context())
