"""Metacells: groups of similar cells that represent them if there are too many cells."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.core.data import View
from jamie.correspondence.arrays import Index
from jamie.correspondence.graphs.neighbors import csr_of_neighbors

CELLS_PER_METACELL = 20  # on average, unless there are few cells
SAMPLE_PER_METACELL = 50  # cells from which the centers are learned
BLOCK = 65_536


@dataclass(frozen=True)
class Metacells:
    """Groups of the cells of one modality.

    Parameters
    ----------
    labels : (n,)
        Metacell of each cell.
    view
        The metacells as cells: their mean scores and mean features.
    """

    labels: Index
    view: View

    @property
    def n(self) -> int:
        """Number of metacells."""
        return self.view.n_cells

    @property
    def membership(self) -> sparse.csr_array:
        """(n, n_metacells) 1 if a cell belongs to a metacell."""
        return csr_of_neighbors(self.labels[:, None], np.ones(len(self.labels), np.float32), self.n)


def number_of_metacells(n_cells: int, most: int) -> int:
    """Metacells of so many cells: one for 20, four times the square root if cells are few, at most `most`."""
    return min(most, max(n_cells // CELLS_PER_METACELL, round(4 * np.sqrt(n_cells))), n_cells)


def metacells(view: View, n_metacells: int, generator: np.random.Generator) -> Metacells:
    """Group cells by k-means on their scores, in time that is linear in the number of cells.

    The centers are learned from a sample; there are fewer than `n_metacells` if cells coincide.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    size = min(view.n_cells, SAMPLE_PER_METACELL * n_metacells)
    sample = generator.choice(view.n_cells, size, replace=False)
    means = MiniBatchKMeans(
        n_metacells,
        batch_size=max(4096, 4 * n_metacells),
        n_init=1,
        init_size=min(size, 10 * n_metacells),
        random_state=int(generator.integers(2**31)),
    )
    with warnings.catch_warnings():
        # sklearn warns if cells coincide; groups that stay empty are removed below
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        means.fit(view.scores[sample])
    blocks = [means.predict(view.scores[start : start + BLOCK]) for start in range(0, view.n_cells, BLOCK)]
    labels = np.unique(np.concatenate(blocks), return_inverse=True)[1].ravel().astype(np.int64)
    return Metacells(labels, _mean_view(view, labels))


def pairs_of_metacells(pairs: Correspondence, a: Metacells, b: Metacells) -> Correspondence:
    """Fractions of the pairs of two metacells' cells that join the two.

    One more pair is counted than there are, so that few pairs are less certain than many, and none is certain.
    """
    joint = sparse.csr_array(a.membership.T @ pairs.matrix @ b.membership).tocoo()
    total_a, total_b = (np.asarray(joint.sum(axis=axis)).ravel() for axis in (1, 0))
    values = joint.data / (np.maximum(total_a[joint.row], total_b[joint.col]) + 1)
    return Correspondence.from_pairs(joint.row, joint.col, (a.n, b.n), values)


def _mean_view(view: View, labels: Index) -> View:
    """View of the means of groups of cells."""
    sizes = np.bincount(labels).astype(np.float32)
    weights = csr_of_neighbors(labels[:, None], 1 / sizes[labels], len(sizes)).T.tocsr()
    X = weights @ view.block.X
    scores = (weights @ view.scores).astype(np.float32)
    elements = view.elements.grouped(weights)
    return replace(view, block=replace(view.block, X=X.astype(np.float32)), scores=scores, elements=elements)
