import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from jamie.core.errors import DataError
from jamie.data.readers.simulate_branch import SimulateBranch


def test_same_seed_same_cells_another_seed_others():
    first, again, other = (SimulateBranch(n_cells=20, n_features=(5, 6), seed=s).read() for s in (3, 3, 4))
    np.testing.assert_array_equal(first["modality1"].X, again["modality1"].X)
    assert list(first["modality2"].obs_names) == list(again["modality2"].obs_names)
    assert not np.array_equal(first["modality1"].X, other["modality1"].X)


def test_three_modalities_share_a_fraction_of_their_cells():
    mdata = SimulateBranch(n_cells=20, n_features=(5, 6, 7), modalities=("x", "y", "z"), overlap=0.3).read()
    names = [set(mdata[m].obs_names) for m in "xyz"]
    assert [mdata[m].shape for m in "xyz"] == [(20, 5), (20, 6), (20, 7)]
    assert len(names[0] & names[1] & names[2]) == 6
    assert len(names[0] & names[1]) == len(names[0] & names[2]) == 6


def test_partners_are_the_same_place_but_not_the_same_row():
    mdata = SimulateBranch(n_cells=60, n_features=(5, 6)).read()
    a, b = mdata["modality1"], mdata["modality2"]
    order = b.obs_names.get_indexer(a.obs_names)
    np.testing.assert_array_equal(a.obsm["X_manifold"], b.obsm["X_manifold"][order])
    assert list(a.obs["cell_type"]) == list(b.obs["cell_type"].iloc[order])
    assert (order == np.arange(60)).mean() < 0.2


@pytest.mark.parametrize("modality", ["modality1", "modality2"])
def test_default_is_a_plane_curved_in_a_few_dimensions_where_types_can_be_told_apart(modality):
    adata = SimulateBranch().read()[modality]
    pca = PCA(20, random_state=0).fit(adata.X)
    share = pca.explained_variance_ratio_
    assert share[:2].sum() > 0.85
    assert 0.005 < share[2:6].sum() < 0.15
    assert share[6:].sum() < 0.01
    accuracy = cross_val_score(KNeighborsClassifier(10), pca.transform(adata.X), adata.obs["cell_type"], cv=5).mean()
    assert 0.94 < accuracy < 1


def test_unequal_branches_are_as_long_as_asked():
    adata = SimulateBranch(n_cells=300, n_features=(2, 2), lengths=(1, 0.5, 0.25)).read()["modality1"]
    reach = np.linalg.norm(adata.obsm["X_manifold"], axis=1)
    longest = [reach[adata.obs["cell_type"] == f"branch_{b}"].max() for b in range(3)]
    np.testing.assert_allclose(longest, [1, 0.5, 0.25], rtol=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_features": (5,)}, "expected a number of features for each of two or more modalities, found 1 for 1"),
        ({"modalities": ("a", "b", "c")}, "two or more modalities, found 2 for 3"),
        ({"modalities": ("a", "a")}, "expected different names of modalities, found a, a"),
        ({"n_cells": 2}, "n_cells: input should be greater than or equal to 3, found 2"),
        ({"overlap": 1.5}, "overlap: input should be less than or equal to 1, found 1.5"),
        ({"noise": -1.0}, "noise: input should be greater than or equal to 0, found -1"),
    ],
)
def test_impossible_parameters_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        SimulateBranch(**wrong).read()
