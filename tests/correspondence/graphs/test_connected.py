"""Parts of a graph are joined by what a minimum spanning tree over all distances has between them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from jamie.correspondence.graphs import connected
from jamie.correspondence.graphs.connected import connected_graph
from jamie.correspondence.graphs.neighbors import neighbor_graph


def groups(n_groups, size, seed=0):
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(n_groups, 1, 3)) * 50 + rng.normal(size=(n_groups, size, 3))
    return rng.permutation(cells.reshape(-1, 3))


def joining(points, k):
    """Lengths of the edges that were added."""
    before, after = neighbor_graph(points, k), connected_graph(points, k, "rna")
    assert connected_components(before, directed=False)[0] > 1
    assert connected_components(after, directed=False)[0] == 1
    return np.sort((after - before).data)


@pytest.mark.parametrize("block", [2**24, 100])
def test_joining_edges_are_those_of_the_minimum_spanning_tree(block, monkeypatch):
    monkeypatch.setattr(connected, "_BLOCK", block)
    points = groups(9, 12)
    _, part = connected_components(neighbor_graph(points, 4), directed=False)
    tree = minimum_spanning_tree(cdist(points, points)).tocoo()
    lengths = np.sort(tree.data[part[tree.row] != part[tree.col]])
    assert len(lengths) == part.max()
    np.testing.assert_allclose(joining(points, 4), lengths, rtol=1e-9)


@pytest.mark.parametrize("compared", [40, 5])
def test_of_many_cells_some_of_each_part_are_compared(compared, monkeypatch):
    points = groups(9, 12)
    exact = joining(points, 4)
    monkeypatch.setattr(connected, "_COMPARED", compared)
    found = joining(points, 4)
    assert len(found) == len(exact)
    # within a part two cells are a few units apart, and parts some fifty
    assert (found >= exact - 1e-9).all()
    assert found.sum() < 1.3 * exact.sum()


def test_graph_in_one_piece_stays_as_it_is():
    points = np.random.default_rng(0).normal(size=(40, 2))
    assert (connected_graph(points, 10, "rna") != neighbor_graph(points, 10)).nnz == 0


def test_groups_of_equal_cells_are_joined_at_no_distance():
    twins = np.repeat([[0.0], [0.0], [5.0]], 8, axis=0)
    graph = connected_graph(twins, 2, "rna")
    assert connected_components(graph, directed=False)[0] == 1
    assert graph.max() == 5
