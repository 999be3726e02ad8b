"""Distances that break their contract."""

import numpy as np
from scipy.spatial.distance import cdist

import jamie


class Sound(jamie.Distance):
    """Euclidean."""

    def _pairwise(self, view, to):
        return cdist(view.scores, view.scores[to])


class Lopsided(jamie.Distance):
    """Farther forth than back."""

    def _pairwise(self, view, to):
        return cdist(view.scores, 2 * view.scores[to])


class Offset(jamie.Distance):
    """A cell is far from itself."""

    def _pairwise(self, view, to):
        return 1 + cdist(view.scores, view.scores[to])


class FirstColumns(jamie.Distance):
    """Takes the first columns for the chosen ones."""

    def _pairwise(self, view, to):
        return cdist(view.scores, view.scores)[:, : len(to)]


class Wrong(jamie.Distance):
    """Ignores the chosen columns."""

    def _pairwise(self, view, to):
        return cdist(view.scores, view.scores)


class RowNumber(jamie.Distance):
    """Measures how far apart the rows are in the file."""

    def _pairwise(self, view, to):
        return np.abs(np.arange(view.n_cells)[:, None] - to[None, :]).astype(float)


class Peeks(jamie.Distance):
    """Reads coordinates without declaring them."""

    requires = ("index",)

    def _pairwise(self, view, to):
        places = view.elements.obsm("spatial")
        return cdist(places, places[to])


class Centres(Sound):
    """Centres the scores in place."""

    def _pairwise(self, view, to):
        view.scores[:] += 1
        return super()._pairwise(view, to)


BROKEN = {
    "check_is_symmetric": [
        (Lopsided, "distance 'lopsided': distances are symmetric, at"),
        (Peeks, r"reads obsm 'spatial' without declaring it\n  add \"obsm:spatial\" to its `requires`"),
    ],
    "check_is_zero_to_itself": [(Offset, "the diagonal is zero, at .* expected 0.0, found 1.0")],
    "check_subset_equals_columns": [
        (FirstColumns, "distances to a subset are the columns of all"),
        (Wrong, "distance 'wrong': expected 41 x 4 finite distances >= 0, found shape"),
    ],
    "check_follows_cells_in_another_order": [(RowNumber, "follows cells in another order")],
    "check_leaves_inputs_alone": [(Centres, r"inputs are never modified \(view\.scores\)")],
}
