"""Metrics of cells at the mean of their inferred partners, against evaluations written out and random matchings."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

from jamie.core.errors import DataError
from jamie.core.evaluation import MatchedPair
from jamie.correspondence.couplings.barycentric import mean_of_partners
from jamie.metrics.barycentric_foscttm import BarycentricFOSCTTM
from jamie.metrics.barycentric_label_transfer_accuracy import BarycentricLabelTransferAccuracy
from jamie.metrics.matching import Matching

N, LABELS = 40, np.array(["x", "y", "z"], dtype=object)
METRICS = (BarycentricFOSCTTM, BarycentricLabelTransferAccuracy, Matching)


def make_pair(n_source=N, n_target=N, seed=0):
    """Scores and labels without relation, random confidences; the first cells of either modality are partners."""
    rng = np.random.default_rng(seed)
    F = np.where(rng.random((n_source, n_target)) < 0.3, rng.random((n_source, n_target)), 0)
    labels = LABELS[rng.choice(3, n_source, p=[0.5, 0.3, 0.2])], LABELS[rng.choice(3, n_target, p=[0.2, 0.3, 0.5])]
    scores = rng.normal(size=(n_source, 3)).astype(np.float32), rng.normal(size=(n_target, 2)).astype(np.float32)
    return MatchedPair("rna", "atac", sparse.csr_array(F), truth_of(n_source, n_target), *labels, *scores)


def truth_of(n_source, n_target):
    n = np.arange(min(n_source, n_target))
    return sparse.csr_array((np.ones(len(n)), (n, n)), shape=(n_source, n_target))


def random_matchings(shape, count):
    for seed in range(count):
        rng, n = np.random.default_rng(seed), min(shape)
        rows, columns = (rng.permutation(size)[:n] for size in shape)
        yield sparse.csr_array((np.ones(n), (rows, columns)), shape=shape)


def plain_foscttm(placed, x, partners):
    """Written out: placed cells among cells x, both directions, ties one half."""
    D = np.linalg.norm(placed[:, None] - x[None], axis=2)
    values = []
    for M, pairs in ((D, partners), (D.T, [(j, i) for i, j in partners])):
        closer, tied = ([(sign(M[i], M[i, j])).mean() for i, j in pairs] for sign in (np.less, np.equal))
        values.append(np.mean(closer) + np.mean(np.where(np.array(tied) > 1 / M.shape[1], tied, 0)) / 2)
    return values


@pytest.mark.parametrize("shape", [(N, N), (30, 45)])
def test_foscttm_is_that_of_both_projections(shape):
    pair = make_pair(*shape)
    F, x, y = pair.inferred.toarray(), *(np.asarray(s, float) for s in (pair.scores_source, pair.scores_target))
    in_y, in_x = F @ y / F.sum(1, keepdims=True), F.T @ x / F.sum(0)[:, None]
    partners = [(i, i) for i in range(min(shape))]
    expected = plain_foscttm(in_y, y, partners) + plain_foscttm(in_x, x, partners)
    assert BarycentricFOSCTTM().score(pair).value == pytest.approx(np.mean(expected), abs=1e-6)


def test_labels_are_those_of_the_nearest_cells_as_in_scikit_learn():
    pair = make_pair(30, 45)
    pair.labels_source[::7] = None
    pair.labels_target[::5] = None
    F, x = pair.inferred.toarray(), np.asarray(pair.scores_source, float)
    placed = F.T @ x / F.sum(0)[:, None]
    voters = np.array([label is not None for label in pair.labels_source])
    scored = [j for j in range(30) if pair.labels_target[j] is not None]  # the others have no partner
    classifier = KNeighborsClassifier(5).fit(x[voters], list(pair.labels_source[voters]))
    expected = np.mean(classifier.predict(placed[scored]) == pair.labels_target[scored].astype(str))
    assert BarycentricLabelTransferAccuracy().score(pair).value == pytest.approx(expected)


def test_who_knows_the_truth_is_perfect_and_its_own_reference():
    pair = replace(make_pair(), inferred=truth_of(N, N))
    scores = [metric().score(pair) for metric in METRICS]
    foscttm, labels, matching = scores
    assert (foscttm.value, matching.value, matching.parts["top_1"], matching.parts["quantile"]) == (0, 1, 1, 0)
    for score, truth in ((foscttm, "truth"), (labels, "truth"), (matching, "mass_truth")):
        assert score.value == score.parts[truth]


def test_a_confidence_below_one_places_a_cell_exactly_on_its_only_partner():
    pair = make_pair()
    doubtful = replace(pair, inferred=pair.truth * np.float32(0.3))
    assert BarycentricFOSCTTM().score(doubtful).value == 0


@pytest.mark.parametrize("shape", [(N, N), (30, 45), (45, 30)])
@pytest.mark.parametrize("metric", METRICS)
def test_chance_is_the_mean_of_random_matchings(metric, shape):
    pair = make_pair(*shape)
    found = [metric().score(replace(pair, inferred=matching)) for matching in random_matchings(shape, 225)]
    exact = shape[0] == shape[1] or metric is BarycentricLabelTransferAccuracy
    part = "mass_chance" if metric is Matching else "chance"
    values = np.array([score.value for score in found])
    error = values.std() / np.sqrt(len(values))
    tolerance = 4 * error if exact else 3 * values.std()  # else it is the value of one random matching
    if metric is not Matching or exact:
        assert found[0].parts[part] == pytest.approx(values.mean(), abs=tolerance)
    assert len({score.parts[part] for score in found}) == 1  # the same beside every inferer
    if metric is Matching and exact:
        for name in ("top_1", "top_10", "quantile", "type_accuracy"):
            values = np.array([score.parts[name] for score in found])
            assert found[0].parts[f"{name}_chance"] == pytest.approx(values.mean(), abs=4 * values.std() / 15), name


def test_foscttm_at_chance_has_a_closed_form():
    assert BarycentricFOSCTTM().score(make_pair()).parts["chance"] == (1 - 1 / N) / 2


def test_who_tells_no_cell_from_another_is_at_chance():
    pair = replace(make_pair(), inferred=sparse.csr_array((N, N)))
    uniform = replace(pair, inferred=sparse.csr_array(np.full((N, N), 0.5)))
    for one in (pair, uniform):
        assert BarycentricFOSCTTM().score(one).value == pytest.approx(0.5, abs=0.05)


def test_cells_without_partners_are_at_the_mean():
    matching = sparse.csr_array(([0.5, 0.5, 0.0], ([0, 0, 1], [0, 2, 1])), shape=(3, 3))
    scores = np.array([[0.0, 0], [9, 3], [2, 4]])
    np.testing.assert_allclose(mean_of_partners(matching, scores), [[1, 2], scores.mean(0), scores.mean(0)])
    assert matching.nnz == 3


@pytest.mark.parametrize("metric", METRICS[:2])
def test_wrong_inputs_are_named(metric):
    pair, name = make_pair(), metric.name
    with pytest.raises(DataError, match=rf"{name}' of rna and atac: expected the preprocessed scores .*, found none"):
        metric().score(replace(pair, scores_source=None))
    with pytest.raises(DataError, match=r"expected scores of the 40 and 40 cells that are .*, found those of 7 and 40"):
        metric().score(replace(pair, scores_source=pair.scores_source[:7]))
    with pytest.raises(DataError, match=rf"{name}' of rna and atac: expected true pairs .* did not know, found none"):
        metric().score(replace(pair, truth=sparse.csr_array((N, N))))


def test_labels_of_cells_without_partner_are_not_scored():
    pair = make_pair()
    pair.labels_target[:] = None
    with pytest.raises(DataError, match="expected labels, found none for the cells of atac"):
        BarycentricLabelTransferAccuracy().score(pair)
    pair.labels_target[0] = "x"
    alone = replace(pair, truth=sparse.csr_array((np.ones(1), ([1], [1])), shape=(N, N)))
    with pytest.raises(DataError, match="expected true pairs that the inferer did not know, found none"):
        BarycentricLabelTransferAccuracy().score(alone)
