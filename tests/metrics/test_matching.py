from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData
from jamie.core.errors import DataError
from jamie.core.evaluation import MatchedPair
from jamie.metrics.barycentric_foscttm import BarycentricFOSCTTM
from jamie.metrics.barycentric_label_transfer_accuracy import BarycentricLabelTransferAccuracy
from jamie.metrics.matching import Matching
from jamie.metrics.matching_scores import score_matching

N_A, N_B = 30, 23
PAIRS = [(0, 3), (4, 4), (7, 14), (11, 0), (29, 22)]


@pytest.fixture
def pair():
    """Half of the entries are filled, in steps, so that many tie."""
    rng = np.random.default_rng(0)
    F = np.where(rng.random((N_A, N_B)) < 0.5, rng.random((N_A, N_B)).round(1), 0)
    truth = np.zeros((N_A, N_B))
    truth[tuple(zip(*PAIRS, strict=True))] = 1
    labels = np.array(["x", "y", "z"], dtype=object)
    return MatchedPair(
        "rna",
        "atac",
        sparse.csr_array(F),
        sparse.csr_array(truth),
        labels[np.arange(N_A) % 3],
        labels[np.arange(N_B) % 3],
    )


def test_matching_equals_a_plain_evaluation(pair):
    F = pair.inferred.toarray()
    mass, quantile, top = [], [], {1: [], 10: []}
    for M, cells in ((F, PAIRS), (F.T, [(j, i) for i, j in PAIRS])):
        for i, j in cells:
            others = np.delete(M[i], j)
            above, ties = (others > M[i, j]).sum(), (others == M[i, j]).sum()
            mass.append(M[i, j] / M[i].sum())
            quantile.append((above + ties / 2) / len(others))
            for n, found in top.items():
                # of all places that the partner may take among those it ties with, those that are in the top n
                found.append(np.mean([place < n for place in range(above, above + ties + 1)]))
    score = Matching().score(pair)
    assert score.value == pytest.approx(np.mean(mass), abs=1e-8)
    expected = {"quantile": quantile, "top_1": top[1], "top_10": top[10]}
    for name, values in expected.items():
        assert score.parts[name] == pytest.approx(np.mean(values), abs=1e-8), name
    assert score.parts["top_1_chance"] == score.parts["mass_chance"] == pytest.approx((1 / N_A + 1 / N_B) / 2)
    assert score.parts["top_10_chance"] == pytest.approx((10 / N_A + 10 / N_B) / 2)
    truth = {name: value for name, value in score.parts.items() if name.endswith("_truth")}
    assert [truth[f"{name}_truth"] for name in ("mass", "top_1", "top_10", "quantile")] == [1, 1, 1, 0]


def test_type_accuracy_is_that_of_the_best_matches(pair):
    order = np.arange(N_B)
    F = sparse.csr_array((np.ones(N_B), (order, np.roll(order, 1))), (N_A, N_B))
    codes_a, codes_b = np.arange(N_A) % 3, order % 3
    rows = np.where(np.arange(N_A) < N_B, codes_b[np.roll(order, 1)][np.arange(N_A) % N_B] == codes_a, np.nan)
    share = np.bincount(codes_b) / N_B
    forward = np.where(np.isnan(rows), share[codes_a], rows).mean()
    backward = (codes_a[np.roll(order, -1)] == codes_b).mean()
    parts = Matching().score(replace(pair, inferred=F)).parts
    assert parts["type_accuracy"] == pytest.approx((forward + backward) / 2, abs=1e-8)
    assert parts["type_accuracy_chance"] == pytest.approx((np.bincount(codes_a) / N_A) @ share)


def test_cells_without_a_label_do_not_count_for_type_accuracy(pair):
    few = replace(pair, labels_source=pair.labels_source.copy())
    few.labels_source[10:] = None
    among = replace(pair, inferred=pair.inferred[:10], truth=pair.truth[:10], labels_source=pair.labels_source[:10])
    assert Matching().score(few).parts["type_accuracy"] == Matching().score(among).parts["type_accuracy"]
    assert "type_accuracy" not in Matching().score(replace(pair, labels_source=None)).parts


def test_a_stored_zero_is_no_match(pair):
    stored = pair.inferred.copy()
    stored.data[::3] = 0
    dropped = stored.copy()
    dropped.eliminate_zeros()
    assert Matching().score(replace(pair, inferred=stored)) == Matching().score(replace(pair, inferred=dropped))


def test_without_true_pairs_there_is_nothing_to_match(pair):
    with pytest.raises(DataError, match=r"'matching' of rna and atac: expected true pairs .* did not know, found none"):
        Matching().score(replace(pair, truth=sparse.csr_array((N_A, N_B))))


def test_each_two_modalities_are_scored_in_the_scope_of_their_own_pairs():
    n, block = 12, Block(np.zeros((12, 1), np.float32), pd.Index(["f"]))
    obs = pd.DataFrame(index=[f"c{i}" for i in range(n)])
    same = Correspondence.from_pairs(range(n), range(n), (n, n))
    half = Correspondence.from_pairs(range(6), range(6), (n, n))
    sizes, first, second = dict.fromkeys("abc", n), ("a", "b"), ("b", "c")
    dataset = Dataset(
        {m: ModalityData(m, obs, block, block) for m in sizes},
        truth=Correspondences(sizes, {first: same, second: same}),
        known=Correspondences(sizes, {first: half}),
    )
    inferred = Correspondences(sizes, {first: same, second: same})
    found = score_matching("inferer", inferred, dataset, [Matching()], uses_known=True, scope="training_cells")
    scopes = {(record.source, record.target): (record.scope, record.n_cells) for record in found}
    assert scopes == {first: ("held_out_pairs", 6), second: ("held_out_pairs", n)}


@pytest.fixture
def three():
    """Three modalities of 20 cells, which are the same cells in other orders; the pairs of 8 of them are known."""
    rng, n = np.random.default_rng(0), 20
    order = {m: rng.permutation(n) for m in "abc"}
    kinds = np.array(["x", "y"], dtype=object)[np.arange(n) % 2]
    scores = {m: rng.normal(size=(n, d))[cells] for (m, cells), d in zip(order.items(), (2, 3, 4), strict=True)}
    sizes, truth, known = dict.fromkeys("abc", n), {}, {}
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        matrix = sparse.csr_array((order[a][:, None] == order[b][None]).astype(float))
        truth[a, b] = Correspondence(matrix)
        known[a, b] = truth[a, b].keep(order[a][truth[a, b].pairs()[0]] < 8)
    data = {}
    for m, cells in order.items():
        obs = pd.DataFrame({"kind": kinds[cells]}, index=[f"c{i}" for i in cells])
        block = Block(scores[m].astype(np.float32), pd.Index([f"{m}{i}" for i in range(scores[m].shape[1])]))
        data[m] = ModalityData(m, obs, block, block)
    return Dataset(data, Correspondences(sizes, truth), Correspondences(sizes, known), ("kind",)), scores


METRICS = (Matching, BarycentricFOSCTTM, BarycentricLabelTransferAccuracy)


def rows_of(dataset, inferred, uses_known, scores, **settings):
    metrics = [metric() for metric in METRICS]
    records = score_matching("x", inferred, dataset, metrics, uses_known=uses_known, scores=scores, **settings)
    return {(r.metric, r.part, r.source, r.target): r for r in records}


def test_inferers_are_scored_on_the_same_cells_whether_they_use_known_pairs_or_not(three):
    dataset, scores = three
    rng = np.random.default_rng(1)
    random = {pair: Correspondence(rng.random((20, 20))) for pair in dataset.truth.by_pair}
    knowing = rows_of(dataset, dataset.truth, True, scores)
    guessing = rows_of(dataset, Correspondences(dataset.sizes, random), False, scores)
    assert knowing.keys() == guessing.keys()
    assert {source + target for _, _, source, target in knowing} == {"ab", "ac", "bc", "ba", "ca", "cb"}
    for row, record in knowing.items():
        assert (record.scope, record.n_cells) == (guessing[row].scope, guessing[row].n_cells) == ("held_out_pairs", 12)
        if record.part.endswith(("chance", "truth")):
            assert record.value == guessing[row].value, row
    for pair in dataset.truth.by_pair:
        assert knowing["matching", "", *pair].value == 1
        assert knowing["barycentric_foscttm", "", *pair].value == 0
        assert guessing["barycentric_foscttm", "", *pair].value > 0.2


def test_known_pairs_are_in_nobodys_score(three):
    dataset, scores = three
    for uses_known in (True, False):
        # right about the known pairs only
        found = rows_of(dataset, dataset.known, uses_known, scores)
        nothing = rows_of(dataset, Correspondences(dataset.sizes, {}), uses_known, scores)
        assert {row: record.value for row, record in found.items()} == {row: r.value for row, r in nothing.items()}
        assert found["matching", "", "a", "b"].value == 0


def test_without_a_hidden_pair_only_those_that_use_none_are_scored_and_said_to_be_on_training_cells(three):
    dataset, scores = three
    told = replace(dataset, known=dataset.truth)
    assert not rows_of(told, dataset.truth, True, scores, scope="training_cells")
    found = rows_of(told, dataset.truth, False, scores, scope="training_cells")
    assert {(record.scope, record.n_cells) for record in found.values()} == {("training_cells", 20)}


def test_labels_to_the_first_modality_are_the_headline(three):
    dataset, scores = three
    found = rows_of(dataset, dataset.truth, True, scores)
    headlines = {
        (source, target) for (metric, _, source, target), r in found.items() if r.headline and "label" in metric
    }
    assert headlines == {("b", "a"), ("c", "a"), ("c", "b")}


def test_metrics_whose_labels_or_scores_are_missing_are_left_out(three, caplog):
    dataset, scores = three
    assert {row[0] for row in rows_of(replace(dataset, labels=()), dataset.truth, True, scores)} == {
        "matching",
        "barycentric_foscttm",
    }
    assert not caplog.text
    assert {row[0] for row in rows_of(dataset, dataset.truth, True, None)} == {"matching"}
    assert "barycentric_foscttm is left out: expected the preprocessed scores of both modalities" in caplog.text


def test_the_first_metric_of_a_name_is_the_headline_even_if_it_fails(caplog):
    class Broken(Matching):
        def _score(self, pair):
            raise RuntimeError("broken")

    n, block = 4, Block(np.zeros((4, 1), np.float32), pd.Index(["f"]))
    obs = pd.DataFrame(index=[f"c{i}" for i in range(n)])
    pairs = Correspondences(dict.fromkeys("ab", n), {("a", "b"): Correspondence.from_pairs(range(n), range(n), (n, n))})
    dataset = Dataset(
        {m: ModalityData(m, obs, block, block) for m in "ab"}, truth=pairs, known=Correspondences(pairs.sizes, {})
    )
    headlines = [
        [r.part for r in score_matching("inferer", pairs, dataset, metrics, uses_known=False) if r.headline]
        for metrics in ([Matching(), Matching()], [Broken(), Matching()])
    ]
    assert headlines == [[""], []]
    assert "matching is left out: it failed: RuntimeError: broken" in caplog.text
