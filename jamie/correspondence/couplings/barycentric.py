"""Cells at the mean of their inferred partners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.correspondence.arrays import Floats


def mean_of_partners(inferred: sparse.csr_array, scores: Floats) -> NDArray[np.float64]:
    """Mean of the scores of a cell's inferred partners, weighted by confidence (barycentric projection).

    A cell without partners is at the mean of all cells, and one with a single partner exactly where that is.

    Parameters
    ----------
    inferred : (n_a, n_b)
        Confidences.
    scores : (n_b, d)
        Of the other modality's cells.
    """
    weights = sparse.csr_array(inferred, dtype=np.float64, copy=True)
    weights.eliminate_zeros()
    total = weights.sum(axis=1)
    weights.data /= np.repeat(total, np.diff(weights.indptr))
    values = np.asarray(scores, np.float64)
    projected = np.asarray(weights @ values)
    projected[total == 0] = values.mean(axis=0)
    return projected
