import numpy as np
import pytest

from jamie.core.correspondence import Correspondence
from jamie.metrics.scopes import Scope


def scope(n_a, n_b, pairs):
    rows, columns = np.array(pairs).T
    truth = Correspondence.from_pairs(rows, columns, (n_a, n_b))
    return Scope("all", {"rna": np.arange(n_a) + 100, "atac": np.arange(n_b) + 200}, truth)


def test_a_sample_keeps_partners_together():
    order = np.random.default_rng(0).permutation(50)
    found = scope(50, 50, list(enumerate(order))).sample(20)
    assert [len(cells) for cells in found.cells.values()] == [20, 20]
    assert found.truth.n_pairs == 20
    rows, columns = found.truth.pairs()
    np.testing.assert_array_equal(found.cells["atac"][columns] - 200, order[found.cells["rna"][rows] - 100])


@pytest.mark.parametrize(("n_a", "n_b"), [(50, 12), (12, 50)])
def test_cells_without_a_partner_fill_the_sample(n_a, n_b):
    found = scope(n_a, n_b, [(0, 0), (5, 7)]).sample(20)
    assert {m: len(cells) for m, cells in found.cells.items()} == {"rna": min(n_a, 20), "atac": min(n_b, 20)}
    assert 200 in found.cells["atac"]
    for cells in found.cells.values():
        assert len(np.unique(cells)) == len(cells)


def test_few_cells_are_all_kept():
    whole = scope(20, 15, [(0, 1)])
    assert whole.sample(20) is whole
