"""The sparse correspondence of two modalities, and of any number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.errors import DataError

MATRIX = np.array([[0, 0.5, 0, 1], [0, 0, 0, 0], [0.25, 0, 0, 0.75]], dtype=np.float32)


@pytest.fixture
def found():
    return Correspondence(MATRIX)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array, sparse.csc_matrix])
def test_any_matrix_is_taken_and_copied(form):
    given = form(MATRIX)
    correspondence = Correspondence(given)
    np.testing.assert_array_equal(correspondence.matrix.toarray(), MATRIX)
    correspondence.matrix.data[:] = 0
    np.testing.assert_array_equal(given.toarray() if sparse.issparse(given) else given, MATRIX)


@pytest.mark.parametrize(("entry", "shown"), [(-0.5, "-0.5"), (1.5, "1.5"), (np.nan, "nan"), (np.inf, "inf")])
def test_entries_outside_0_to_1_are_refused(entry, shown):
    matrix = MATRIX.copy()
    matrix[1, 2] = matrix[2, 1] = entry
    words = rf"expected entries from 0 to 1, found 2 outside; the first is {shown} at row 1, column 2\n  give"
    with pytest.raises(DataError, match=words):
        Correspondence(matrix)


def test_rounding_above_1_is_cut_off():
    assert Correspondence(np.array([[1 + 5e-7]])).matrix.toarray().item() == 1.0


def test_zeros_are_not_pairs_and_repeats_are_summed():
    assert Correspondence.from_pairs([0, 1, 1], [0, 1, 2], (2, 3), [1.0, 0.0, 0.5]).n_pairs == 2
    assert Correspondence.from_pairs([0, 0], [1, 1], (1, 2), [0.25, 0.5]).matrix[0, 1] == 0.75
    assert Correspondence.empty((2, 3)).n_pairs == 0


def test_cells_of_one_name_are_one_cell():
    names = pd.Index(["p", "q", "r"]), pd.Index(["r", "x", "p", "y"])
    assert Correspondence.from_names(*names).matrix.toarray().tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_shape_pairs_and_transpose(found):
    assert (found.shape, found.T.shape, found.n_pairs) == ((3, 4), (4, 3), 4)
    rows, columns = found.pairs()
    assert (rows.tolist(), columns.tolist()) == ([0, 0, 2, 2], [1, 3, 0, 3])
    np.testing.assert_array_equal(found.T.matrix.toarray(), MATRIX.T)


def test_partner_is_the_best_one_or_none(found):
    assert found.best_partner().tolist() == [3, -1, 3]
    assert found.T.best_partner().tolist() == [2, 0, -1, 0]


def test_mutual_best_keeps_the_pairs_in_which_neither_cell_has_a_better_partner():
    soft = Correspondence(np.array([[0.9, 0.2, 0], [0.8, 0.3, 0], [0, 0.5, 0.5], [0, 0, 0.5]]))
    expected = [[0.9, 0, 0], [0, 0, 0], [0, 0.5, 0.5], [0, 0, 0.5]]  # ties stay
    np.testing.assert_allclose(soft.mutual_best().matrix.toarray(), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        soft.mutual_best().mutual_best().matrix.toarray(), soft.mutual_best().matrix.toarray()
    )
    assert Correspondence.empty((2, 3)).mutual_best().n_pairs == 0
    both = Correspondences({"a": 4, "b": 3}, {("b", "a"): soft.T}).mutual_best()
    np.testing.assert_allclose(both.between("a", "b").matrix.toarray(), expected, rtol=1e-6)


def test_partner_is_the_first_of_equal_ones_and_that_of_scipy_where_rows_are_full():
    values = np.random.default_rng(0).integers(1, 4, (30, 7)) / 4
    np.testing.assert_array_equal(Correspondence(values).best_partner(), values.argmax(axis=1))


def test_certain_pairs_have_confidence_1_and_no_rival():
    matrix = np.array([[1, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 1, 0.1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(Correspondence(matrix).one_to_one().pairs(), [[0], [0]])


def test_overruled_entries_of_the_same_cells_are_gone():
    own = Correspondence(np.full((3, 3), 0.5))
    other = Correspondence.from_pairs([0], [2], (3, 3), [0.25])
    expected = [[0, 0, 0.25], [0.5, 0.5, 0], [0.5, 0.5, 0]]
    np.testing.assert_array_equal(own.updated_with(other).matrix.toarray(), expected)


def test_subset_takes_indices_in_their_order_and_masks(found):
    np.testing.assert_array_equal(found.subset([2, 0], [3, 1]).matrix.toarray(), MATRIX[[2, 0]][:, [3, 1]])
    mask = np.array([True, False, True])
    np.testing.assert_array_equal(found.subset(mask, np.arange(4)).matrix.toarray(), MATRIX[mask])


def test_permuted_is_the_subset_of_all_cells_in_that_order():
    rng = np.random.default_rng(0)
    found = Correspondence(np.where(rng.random((7, 9)) < 0.5, rng.random((7, 9)), 0))
    before, rows, columns = found.matrix.toarray(), rng.permutation(7), rng.permutation(9)
    permuted = found.permute(rows, columns)
    np.testing.assert_array_equal(permuted.matrix.toarray(), before[rows][:, columns])
    assert permuted.matrix.has_canonical_format
    np.testing.assert_array_equal(found.matrix.toarray(), before)


def test_keep_and_without_split_the_pairs(found):
    mask = np.array([True, False, False, True])
    kept, rest = found.keep(mask), found.without(found.keep(mask))
    assert (kept.n_pairs, rest.n_pairs) == (2, 2)
    np.testing.assert_array_equal(kept.matrix.toarray() + rest.matrix.toarray(), MATRIX)


def test_state_restores_it(found):
    again = Correspondence.from_state(*found.state())
    np.testing.assert_array_equal(again.matrix.toarray(), MATRIX)
    assert again.shape == found.shape


SIZES = {"a": 3, "b": 4, "c": 2}


def test_between_turns_a_pair_round_and_is_empty_where_nothing_is_given(found):
    all_pairs = Correspondences(SIZES, {("b", "a"): found.T})
    np.testing.assert_array_equal(all_pairs.between("a", "b").matrix.toarray(), MATRIX)
    np.testing.assert_array_equal(all_pairs.between("b", "a").matrix.toarray(), MATRIX.T)
    assert all_pairs.between("c", "b").shape == (2, 4)
    assert all_pairs.n_pairs == 4
    assert all_pairs.modalities == ("a", "b", "c")


def test_items_are_all_pairs_in_order(found):
    pairs = dict(Correspondences(SIZES, {("b", "a"): found.T}).items())
    assert list(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [c.n_pairs for c in pairs.values()] == [4, 0, 0]


def test_a_shape_that_does_not_fit_is_refused(found):
    words = r"correspondence of b and a: expected a correspondence of 4 x 3 cells, found 3 x 4\n  give one row"
    with pytest.raises(DataError, match=words):
        Correspondences(SIZES, {("b", "a"): found})


def test_both_orders_of_two_modalities_are_refused(found):
    words = r"correspondence of a and b: expected one correspondence of two modalities, found a--b and b--a\n  keep one"
    with pytest.raises(DataError, match=words):
        Correspondences(SIZES, {("a", "b"): found, ("b", "a"): Correspondence.empty((4, 3))})


def test_subset_and_spread_of_all_modalities(found):
    all_pairs = Correspondences(SIZES, {("a", "b"): found})
    cells = {"a": np.array([2, 0]), "b": np.array([3, 0, 1]), "c": np.array([1])}
    some = all_pairs.subset(cells)
    assert dict(some.sizes) == {"a": 2, "b": 3, "c": 1}
    np.testing.assert_array_equal(some.between("a", "b").matrix.toarray(), MATRIX[[2, 0]][:, [3, 0, 1]])
    back = some.scatter(cells, SIZES).between("a", "b").matrix.toarray()
    np.testing.assert_array_equal(back, MATRIX)


def test_cells_that_are_one_cell_of_a_third_modality_are_a_pair():
    sizes = {"a": 3, "b": 4, "c": 5}
    ab = Correspondence.from_pairs([0, 1], [0, 2], (3, 4))
    bc = Correspondence.from_pairs([0, 2, 3], [4, 1, 0], (4, 5), [1, 0.5, 1])
    told = Correspondence.from_pairs([2], [3], (3, 5), [0.5])
    through = Correspondences(sizes, {("a", "b"): ab, ("b", "c"): bc, ("a", "c"): told}).with_indirect_pairs("a", "c")
    rows, columns = through.pairs()
    assert list(zip(rows, columns, through.matrix.data, strict=True)) == [(0, 4, 1), (2, 3, 0.5)]


def test_what_is_known_of_the_pair_itself_comes_first():
    sizes = {"a": 2, "b": 2, "c": 2}
    one = Correspondence(np.eye(2))
    turned = Correspondence(np.eye(2)[::-1])
    known = Correspondences(sizes, {("a", "b"): one, ("b", "c"): one, ("a", "c"): turned})
    np.testing.assert_array_equal(known.with_indirect_pairs("a", "c").matrix.toarray(), np.eye(2)[::-1])


def test_modalities_are_tied_by_a_chain_of_pairs():
    one = Correspondence(np.eye(2))
    known = Correspondences(dict.fromkeys("abcd", 2), {("a", "b"): one, ("c", "b"): one})
    assert known.connected("a", "c")
    assert not known.connected("a", "d")
