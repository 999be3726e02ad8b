import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from jamie.core.correspondence import Correspondence
from jamie.core.data import Block, View
from jamie.core.elements import Elements
from jamie.core.errors import DataError
from jamie.correspondence.distances.scores import Euclidean
from jamie.correspondence.distances.spatial import Spatial
from jamie.correspondence.gromov_wasserstein import GromovWasserstein
from jamie.correspondence.hierarchical import Hierarchical


def view(X, places, name="rna"):
    X = np.asarray(X, np.float32)
    block = Block(X, pd.Index([str(i) for i in range(X.shape[1])]))
    return View(name, block, X, elements=Elements(name, {"obsm:spatial": places}))


@pytest.fixture
def cells():
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 4)), generator.uniform(size=(60, 2)) * [300, 100]


def test_it_is_a_weighted_sum_of_scaled_distances(cells):
    X, places = cells
    parts = [D / D.mean() for D in (cdist(places, places), cdist(X, X))]  # 60 cells are all of its reference
    found = Spatial(weight=0.3, inner=Euclidean()).pairwise(view(X, places))
    np.testing.assert_allclose(found, 0.3 * parts[0] + 0.7 * parts[1], rtol=1e-5)
    alone = Spatial(weight=1.0).pairwise(view(X, places))
    np.testing.assert_allclose(alone, parts[0], rtol=1e-6)


def test_places_may_be_a_table_and_must_be_known(cells):
    X, places = cells
    table = pd.DataFrame(places, columns=["x", "y"])
    expected = Spatial(inner=Euclidean()).pairwise(view(X, places))
    np.testing.assert_allclose(Spatial(inner=Euclidean()).pairwise(view(X, table)), expected)
    table.iloc[3, 1] = np.nan
    with pytest.raises(DataError, match="coordinates in obsm 'spatial' for every cell, found 1 cells without"):
        Spatial().pairwise(view(X, table))


def test_a_turned_slice_is_matched_by_its_shape(cells):
    """Values are noise: only the places, here turned and scaled, say which cell is which."""
    generator = np.random.default_rng(1)
    places, order = cells[1], generator.permutation(60)
    turned = 0.1 * places @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    a = view(generator.normal(size=(60, 4)), places)
    b = view(generator.normal(size=(60, 4)), turned[order], "atac")
    inferer = GromovWasserstein(distance=Spatial(weight=1.0), epsilon=1e-3)
    assert inferer.required() == ("obsm:spatial",)
    found = inferer.infer(a, b).correspondence.best_partner()
    expected = np.argsort(order)
    assert np.linalg.norm(turned[order][found] - turned[order][expected], axis=1).mean() < 0.2 * turned.std()


def test_metacells_lie_at_the_mean_of_their_cells(cells):
    X, places = cells
    hierarchical = Hierarchical(inner=GromovWasserstein(distance=Spatial(weight=1.0)), n_metacells=12)
    assert hierarchical.required() == ("obsm:spatial",)
    known = Correspondence.from_pairs(range(10), range(10), (60, 60))
    found = hierarchical.infer(view(X, places), view(X, places, "atac"), known)
    assert found.correspondence.n_pairs > 10
