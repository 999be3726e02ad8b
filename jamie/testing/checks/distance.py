"""Distances between the cells of one modality."""

from __future__ import annotations

import numpy as np

from jamie.core.data import View
from jamie.core.interfaces import Distance
from jamie.testing import toy
from jamie.testing.assertions import build, require_equal, unmodified

SUBSET = np.array([5, 0, 31, 12])


def check_is_symmetric(component: type[Distance]) -> None:
    """The distance from i to j is that from j to i."""
    distances = build(component).pairwise(_view(component))
    require_equal(component, "distances are symmetric", distances.T, distances)


def check_is_zero_to_itself(component: type[Distance]) -> None:
    """The distance of a cell to itself is zero."""
    distances = build(component).pairwise(_view(component))
    require_equal(component, "the diagonal is zero", np.diag(distances), np.zeros(len(distances)))


def check_subset_equals_columns(component: type[Distance]) -> None:
    """Distances to landmarks are the columns of all distances."""
    distance = build(component)
    found, expected = distance.pairwise(_view(component), SUBSET), distance.pairwise(_view(component))[:, SUBSET]
    require_equal(component, "distances to a subset are the columns of all", found, expected)


def check_follows_cells_in_another_order(component: type[Distance]) -> None:
    """The order of the cells means nothing."""
    view, distance = _view(component), build(component)
    order = np.random.default_rng(0).permutation(view.n_cells)
    expected = distance.pairwise(view)[np.ix_(order, order)]
    require_equal(component, "follows cells in another order", distance.pairwise(view.subset(order)), expected)


def check_leaves_inputs_alone(component: type[Distance]) -> None:
    """Scores, matrix and subset are not modified."""
    view, subset = _view(component), SUBSET.copy()
    with unmodified(component, view=view, to=subset):
        build(component).pairwise(view, subset)


def _view(component: type[Distance]) -> View:
    return toy.with_elements(toy.view(), build(component))
