"""Matched cells meet, every cell is drawn, and the sampler continues where it was."""

import numpy as np
import pytest

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.interfaces.sampler import CellPool
from jamie.training.pair_sampler import PairSampler, matched_units


def first(n, n_a, n_b, values=None):
    return Correspondence.from_pairs(range(n), range(n), (n_a, n_b), values)


def sampler_of(known, inferred=None, batch_size=16):
    return PairSampler().start(CellPool(known, inferred, batch_size, np.random.default_rng(0)))


CASES = {
    "all matched": Correspondences({"a": 90, "b": 90}, {("a", "b"): first(90, 90, 90)}),
    "some matched": Correspondences({"a": 90, "b": 200}, {("a", "b"): first(40, 90, 200)}),
    "none matched": Correspondences({"a": 30, "b": 70}),
    "three modalities": Correspondences(
        {"a": 50, "b": 80, "c": 60}, {("a", "b"): first(25, 50, 80), ("b", "c"): first(35, 80, 60)}
    ),
    "fewer cells than a minibatch": Correspondences({"a": 7, "b": 9}, {("a", "b"): first(5, 7, 9)}),
}


@pytest.mark.parametrize("known", CASES.values(), ids=CASES.keys())
def test_a_pass_sees_every_cell(known):
    sampler = sampler_of(known)
    seen = {m: set() for m in known.modalities}
    for _ in range(sampler.steps_per_pass):
        for m, cells in sampler.draw().items():
            seen[m].update(cells.tolist())
    assert {m: len(cells) for m, cells in seen.items()} == dict(known.sizes)


@pytest.mark.parametrize("known", CASES.values(), ids=CASES.keys())
def test_minibatches_have_the_batch_size_and_no_repeats(known):
    sampler = sampler_of(known)
    for _ in range(10):
        for m, cells in sampler.draw().items():
            assert len(set(cells.tolist())) == len(cells) <= 24
            assert len(cells) >= min(known.sizes[m], 3)


def test_matched_cells_meet():
    sampler = sampler_of(CASES["some matched"])
    for _ in range(20):
        cells = sampler.draw()
        assert {i for i in cells["a"] if i < 40} == {j for j in cells["b"] if j < 40}


@pytest.mark.parametrize(
    ("n_a", "n_b", "n_matched"), [(50, 5000, 50), (10_000, 600, 600), (10_000, 600, 500), (1000, 3000, 500)]
)
def test_neither_matched_nor_unmatched_cells_are_crowded_out(n_a, n_b, n_matched):
    known = Correspondences({"a": n_a, "b": n_b}, {("a", "b"): first(n_matched, n_a, n_b)})
    sampler = sampler_of(known, batch_size=512)
    matched = len([i for i in sampler.draw()["a"] if i < n_matched])
    fair = 512 * n_matched / max(n_a, n_b)
    assert fair < matched < 512
    # a pass of the largest modality takes few more minibatches than it would alone
    assert sampler.steps_per_pass <= 2 * max(n_a, n_b) / 512 + 1


def test_a_pass_of_mosaic_data_takes_few_minibatches():
    known = Correspondences(
        {"a": 10_000, "b": 400, "c": 400},
        {
            ("a", "b"): first(400, 10_000, 400),
            ("a", "c"): Correspondence.from_pairs(np.arange(400) + 400, range(400), (10_000, 400)),
        },
    )
    sampler = sampler_of(known, batch_size=512)
    assert sampler.steps_per_pass <= 2 * 10_000 / 512
    assert all(30 < len(cells) <= 520 for cells in sampler.draw().values())


def test_inferred_partners_meet_in_proportion_to_their_confidence():
    matrix = np.zeros((200, 300))
    matrix[np.arange(200), np.arange(200)] = 0.75
    matrix[np.arange(200), np.arange(200) + 100] = 0.25
    inferred = Correspondences({"a": 200, "b": 300}, {("a", "b"): Correspondence(matrix)})
    sampler = sampler_of(Correspondences({"a": 200, "b": 300}), inferred, batch_size=20)
    met = drawn = 0
    for _ in range(100):
        cells = sampler.draw()
        drawn += len(cells["a"])
        met += len(np.intersect1d(cells["a"], cells["b"]))
    assert met / drawn > 0.4  # by chance 20 of 300 would meet


def test_a_fractional_known_partner_is_drawn_with_the_cell():
    known = Correspondences({"a": 60, "b": 60}, {("a", "b"): first(60, 60, 60, np.full(60, 0.4))})
    assert len(matched_units(known)) == 120
    cells = sampler_of(known).draw()
    assert len(np.intersect1d(cells["a"], cells["b"])) > 10


def test_contradicting_pairs_of_three_modalities_are_dissolved():
    ab, ac = first(1, 3, 3), first(1, 3, 3)
    bc = Correspondence.from_pairs([0], [2], (3, 3))
    units = matched_units(Correspondences({"a": 3, "b": 3, "c": 3}, {("a", "b"): ab, ("a", "c"): ac, ("b", "c"): bc}))
    for column in units.T:
        assert sorted(column[column >= 0].tolist()) == [0, 1, 2]


def test_a_restored_state_continues_with_the_same_cells():
    known = CASES["some matched"]
    one, two = sampler_of(known), sampler_of(known)
    for _ in range(7):
        one.draw()
    arrays, plain = one.state()
    arrays = {name: array.copy() for name, array in arrays.items()}
    expected = [one.draw() for _ in range(20)]
    two.set_state(arrays, plain)
    for cells in expected:
        for m, indices in two.draw().items():
            np.testing.assert_array_equal(indices, cells[m])
