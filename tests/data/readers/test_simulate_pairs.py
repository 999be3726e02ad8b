import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression

from jamie.core.errors import DataError
from jamie.data.links import linked_features
from jamie.data.readers import simulate_pairs
from jamie.data.readers.simulate_pairs import SimulatePairs


def test_partners_have_one_name_and_type_but_not_the_same_row():
    mdata = SimulatePairs(n_cells=400, n_features=(20, 30), overlap=0.75).read()
    a, b = mdata["modality1"], mdata["modality2"]
    assert (a.shape, b.shape) == ((400, 20), (400, 30))
    assert a.X.dtype == b.X.dtype == np.float32
    shared = a.obs_names.intersection(b.obs_names)
    assert len(shared) == 300
    assert list(a.obs.loc[shared, "cell_type"]) == list(b.obs.loc[shared, "cell_type"])
    assert (a.obs_names == b.obs_names).mean() < 0.05


def test_same_seed_same_cells_another_seed_others():
    first, again, other = (SimulatePairs(n_cells=30, seed=seed).read()["modality1"].X for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_distances_between_cells_nearly_agree_without_noise_and_less_with_it():
    agreement = {}
    for noise in (0.0, 1.0):
        mdata = SimulatePairs(n_cells=200, noise=noise).read()
        a = mdata["modality1"].X
        b = mdata["modality2"][mdata["modality1"].obs_names].X
        agreement[noise] = np.corrcoef(pdist(a), pdist(b))[0, 1]
    assert agreement[0.0] > 0.98
    assert agreement[1.0] < agreement[0.0] - 0.02


def test_noise_is_added_to_features_of_mean_variance_1():
    clean, noisy = (SimulatePairs(n_cells=4000, noise=noise).read()["modality2"].X for noise in (0.0, 0.5))
    assert clean.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    assert (noisy - clean).std() == pytest.approx(0.5, rel=0.01)


def test_types_differ_among_the_cells_of_one_modality_alone():
    mdata = SimulatePairs(n_cells=20_000, n_features=(2, 2), n_types=3, overlap=0.5, imbalance=1.0).read()
    weights = np.array([1, 0.8, 0.64])
    for modality, expected in (("modality1", weights), ("modality2", weights[::-1])):
        obs = mdata[modality].obs
        alone = obs[obs.index.str.startswith(modality)]["cell_type"].value_counts(normalize=True).sort_index()
        np.testing.assert_allclose(alone, expected / expected.sum(), atol=0.02)


def test_linked_features_have_one_name_and_measure_the_same():
    mdata = SimulatePairs(n_cells=300, n_features=(20, 30), n_linked=5, noise=0.1).read()
    a = mdata["modality1"]
    b = mdata["modality2"][a.obs_names]
    shared = a.var_names.intersection(b.var_names)
    assert len(shared) == 5
    for name in shared:
        assert np.corrcoef(a[:, name].X.ravel(), b[:, name].X.ravel())[0, 1] > 0.8


@pytest.mark.parametrize(("n_linked", "found"), [(0, 0), (8, 8), (12, 12)])
def test_links_are_found_by_their_names(n_linked, found):
    mdata = SimulatePairs(n_cells=20, n_features=(12, 12), n_linked=n_linked).read()
    links = linked_features({m: mdata[m].var_names for m in mdata.mod}, None)
    assert (links["modality1"]["modality2"].nnz if links["modality1"] else 0) == found


def counts(**changed):
    return SimulatePairs(**{"n_cells": 4000, "n_features": (60, 40), "mean_counts": (0.2, 2.0), **changed})


def test_counts_are_sparse_whole_numbers_of_the_given_means():
    mdata = counts().read()
    for modality, expected in (("modality1", 0.2), ("modality2", 2.0)):
        X = mdata[modality].X
        assert sparse.issparse(X)
        assert X.dtype == np.float32
        assert (X.data > 0).all()
        np.testing.assert_array_equal(X.data, np.round(X.data))
        assert X.mean() == pytest.approx(expected, rel=0.02)  # whatever the block that fixed the unit


def test_counts_of_partners_tell_of_the_same_type():
    mdata = counts(mean_counts=(5.0, 5.0), noise=0.0).read()
    a, b = mdata["modality1"], mdata["modality2"][mdata["modality1"].obs_names]
    types = np.asarray(a.obs["cell_type"])
    first, second = np.log1p(a.X.toarray()), np.log1p(b.X.toarray())
    fraction = LinearDiscriminantAnalysis().fit(first[:3000], types[:3000]).score(first[3000:], types[3000:])
    assert fraction > 0.8
    explained = LinearRegression().fit(first[:3000], second[:3000]).score(first[3000:], second[3000:])
    assert explained > 0.3


def test_counts_are_the_same_at_each_reading_and_for_each_seed(monkeypatch):
    monkeypatch.setattr(simulate_pairs, "COUNT_BLOCK", 13)
    sources = counts(n_cells=40).row_sources()
    again = counts(n_cells=40).read()
    other = counts(n_cells=40, seed=1).read()
    for name, source in sources.items():
        first, second = (sparse.vstack(list(source.blocks())).toarray() for _ in range(2))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, again[name].X.toarray())
        assert not np.array_equal(first, other[name].X.toarray())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modalities": ("a", "a")}, "modalities: expected different names of modalities, found a, a"),
        ({"n_linked": 9, "n_features": (8, 12)}, "expected at most as many linked features .* 8, found 9"),
        ({"imbalance": 0.5}, "expected cells that belong to one modality alone.*\n.*set overlap below 1"),
    ],
)
def test_impossible_parameters_are_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        SimulatePairs(n_cells=20, **wrong).read()
