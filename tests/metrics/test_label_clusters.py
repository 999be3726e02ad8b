"""Silhouette and Davies-Bouldin index of labels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import davies_bouldin_score, silhouette_score

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.metrics.davies_bouldin import DaviesBouldin
from jamie.metrics.silhouette import Silhouette

METRICS = {Silhouette: silhouette_score, DaviesBouldin: davies_bouldin_score}


@pytest.fixture
def pair():
    """Three overlapping types in two modalities of different sizes; some cells have no label."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 70)
    z = rng.normal(size=(70, 4)) + codes[:, None]
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[[3, 50]] = None, np.nan
    return EmbeddedPair("rna", "atac", z[:40], z[40:], sparse.csr_array((40, 30)), labels[:40], labels[40:])


@pytest.mark.parametrize("scale", [1, 1e-12])
@pytest.mark.parametrize("metric", METRICS)
def test_value_is_that_of_scikit_learn_over_both_modalities(metric, scale, pair):
    kept = ~np.isin(np.arange(70), [3, 50])
    z, labels = np.vstack([pair.z_source, pair.z_target])[kept], np.hstack([pair.labels_source, pair.labels_target])
    expected = METRICS[metric](z, labels[kept].astype(str))
    scaled = replace(pair, z_source=scale * pair.z_source, z_target=scale * pair.z_target)
    assert metric().score(scaled).value == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("metric", METRICS)
def test_modalities_that_lie_apart_are_worse(metric, pair):
    apart = replace(pair, z_target=pair.z_target + 20)
    values = [metric().score(p).value for p in (pair, apart)]
    assert (values[0] > values[1]) is metric.higher_is_better


@pytest.mark.parametrize("place", [0.0, 0.1, 1e6])
@pytest.mark.parametrize(("metric", "worst"), [(Silhouette, 0.0), (DaviesBouldin, np.inf)])
def test_a_collapsed_embedding_is_not_a_good_one(metric, worst, place, pair):
    flat = replace(pair, z_source=np.full((40, 4), place), z_target=np.full((30, 4), place))
    assert metric().score(flat).value == worst


def test_davies_bouldin_of_centroids_that_coincide_is_infinite(pair):
    z = np.array([[-1.0], [1.0], [-2.0], [2.0], [7.0], [9.0]])
    labels = np.array(list("aabbcc"), dtype=object)
    crossed = EmbeddedPair("rna", "atac", z, z, sparse.csr_array((6, 6)), labels, labels)
    assert DaviesBouldin().score(crossed).value == np.inf


@pytest.mark.parametrize("metric", METRICS)
def test_labels_that_make_no_groups_are_refused(metric, pair):
    one = replace(pair, labels_source=np.full(40, "a", object), labels_target=np.full(30, "a", object))
    with pytest.raises(DataError, match=r"of rna and atac: expected at least 2 labels .*, found 1 among 70 cells"):
        metric().score(one)
    own = np.arange(70).astype(str).astype(object)
    with pytest.raises(DataError, match="fewer than cells, found 70 among 70 cells"):
        metric().score(replace(pair, labels_source=own[:40], labels_target=own[40:]))
    with pytest.raises(DataError, match=f"metric '{metric.name}': expected labels, found none for the cells of atac"):
        metric().score(replace(pair, labels_target=np.full(30, None)))
