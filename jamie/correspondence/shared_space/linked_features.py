"""What two modalities measure alike: the values of their linked features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import View
from jamie.data.checks.value_kinds import looks_like_counts
from jamie.preprocess.counts import depth_normalized, typical_total

MOST_LINKS = 1000  # linked pairs of features that are used, those of most variance


def linked_values(a: View, b: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values (n_a, l) and (n_b, l) of the l linked pairs of features, alike in cells that are the same.

    Each feature is standardised in its own modality; what looks like raw counts is divided by the cell's total and
    brought to a logarithmic scale before. A column of either is multiplied by the square root of the link's weight,
    in b with its sign, so that the product of two cells is ``sum_l w_l a_l b_l``. Pairs with a constant feature are
    left out. Of more than `MOST_LINKS` pairs those remain whose features vary most.

    Parameters
    ----------
    a, b
        Views, of which `a.links` holds the links with b.
    """
    links = sparse.coo_array(a.links[b.modality])
    values, deviation = zip(*(_levels(view, at) for view, at in ((a, links.row), (b, links.col))), strict=True)
    together = deviation[0] * deviation[1]
    kept = np.sort(np.argsort(-together, kind="stable")[:MOST_LINKS])
    kept = kept[together[kept] > 0]
    roots = np.sqrt(np.abs(links.data[kept])), np.sqrt(np.abs(links.data[kept])) * np.sign(links.data[kept])
    first, second = (
        np.nan_to_num(one[:, kept] / spread[kept] * root).astype(np.float32)
        for one, spread, root in zip(values, deviation, roots, strict=True)
    )
    return first, second


def _levels(view: View, features: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Centred values (n, l) of the given features, which may repeat, and their standard deviations (l,), or 0."""
    which, back = np.unique(features, return_inverse=True)
    X: Any = view.block.X
    counts = looks_like_counts(X)
    if counts:
        X = depth_normalized(X, typical_total(X))
    chosen = X[:, which]
    levels = np.asarray(chosen.toarray() if sparse.issparse(chosen) else chosen, np.float32)
    if counts:
        levels = np.log1p(levels)
    levels = levels - np.nanmean(levels, axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.nanstd(levels, axis=0, dtype=np.float64)
    largest = np.nanmax(np.abs(levels), axis=0, initial=0)
    return levels[:, back], np.where(deviation > 1e-6 * largest, deviation, 0)[back]
