"""Metacells: groups of alike cells, which stand for them where all cells would be too many."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.core.data import View

CELLS_EACH = 20  # on average, but for few cells
SAMPLE_EACH = 50  # cells for each metacell from which the centres are learned
BLOCK = 65_536


@dataclass(frozen=True)
class Metacells:
    """Groups of the cells of one modality.

    Parameters
    ----------
    of : (n,)
        The metacell of each cell.
    view
        The metacells as cells: their mean scores and their mean values of the features.
    """

    of: NDArray[np.int64]
    view: View

    @property
    def n(self) -> int:
        """Number of metacells."""
        return self.view.n_cells

    @property
    def membership(self) -> sparse.csr_array:
        """(n, n_metacells) 1 where a cell belongs to a metacell."""
        n = len(self.of)
        return sparse.csr_array((np.ones(n, np.float32), self.of, np.arange(n + 1)), shape=(n, self.n))


def number_of_metacells(n_cells: int, most: int) -> int:
    """Metacells of so many cells: one for 20, four times the square root where cells are few, at most `most`."""
    return min(most, max(n_cells // CELLS_EACH, round(4 * np.sqrt(n_cells))), n_cells)


def metacells(view: View, n_metacells: int, generator: np.random.Generator) -> Metacells:
    """Group cells by k-means on their scores, in time that is linear in the number of cells.

    The centres are learned from a sample; there are fewer than `n_metacells` where cells coincide.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    size = min(view.n_cells, SAMPLE_EACH * n_metacells)
    sample = generator.choice(view.n_cells, size, replace=False)
    means = MiniBatchKMeans(
        n_metacells,
        batch_size=max(4096, 4 * n_metacells),
        n_init=1,
        init_size=min(size, 10 * n_metacells),
        random_state=int(generator.integers(2**31)),
    )
    with warnings.catch_warnings():
        # of cells that coincide; groups that stay empty are left out below
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        means.fit(view.scores[sample])
    blocks = (slice(start, start + BLOCK) for start in range(0, view.n_cells, BLOCK))
    found = np.concatenate([means.predict(view.scores[rows]) for rows in blocks])
    of = np.unique(found, return_inverse=True)[1].ravel().astype(np.int64)
    return Metacells(of, _averaged(view, of))


def between_metacells(pairs: Correspondence, a: Metacells, b: Metacells) -> Correspondence:
    """Fractions of the cells' pairs: of those of two metacells' cells, how many join these two.

    One more pair than there are is counted, so that few pairs are less certain than many, and none is certain.
    """
    joint = sparse.csr_array(a.membership.T @ pairs.matrix @ b.membership).tocoo()
    of_a, of_b = (np.asarray(joint.sum(axis=axis)).ravel() for axis in (1, 0))
    values = joint.data / (np.maximum(of_a[joint.row], of_b[joint.col]) + 1)
    return Correspondence.from_pairs(joint.row, joint.col, (a.n, b.n), values)


def _averaged(view: View, of: NDArray[np.int64]) -> View:
    """Return metacells as a view."""
    sizes = np.bincount(of).astype(np.float32)
    n = len(of)
    weights = sparse.csr_array((1 / sizes[of], of, np.arange(n + 1)), shape=(n, len(sizes))).T.tocsr()
    X = weights @ view.block.X
    scores = (weights @ view.scores).astype(np.float32)
    return replace(view, block=replace(view.block, X=X.astype(np.float32)), scores=scores)
