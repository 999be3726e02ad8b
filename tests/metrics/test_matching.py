from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData
from jamie.core.errors import DataError
from jamie.core.evaluation import MatchedPair
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
    assert scopes == {first: ("held_out_pairs", 6), second: ("training_cells", n)}


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
