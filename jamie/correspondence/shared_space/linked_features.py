"""Linked features: features of two modalities that measure the same, and their values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import View
from jamie.data.checks.value_kinds import looks_like_counts
from jamie.preprocess.counts import depth_normalized, typical_total

MOST_LINKS = 1000  # linked pairs of features that are used, the most variable ones


def linked_values(a: View, b: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values (n_a, l) and (n_b, l) of the l linked pairs of features, similar in cells that match.

    Each feature is standardized in its own modality; raw counts are divided by the library size and log-transformed
    before. Both columns of a pair are multiplied by the square root of the link's weight, the one of b also by its
    sign, so that the product of two cells is ``sum_l w_l a_l b_l``. Pairs with a constant feature are left out. Of
    more than `MOST_LINKS` pairs, the most variable are used.

    Parameters
    ----------
    a, b
        Views; `a.links` holds the links with b.
    """
    links = sparse.coo_array(a.links[b.modality])
    sides = [_centered_features(view, features) for view, features in ((a, links.row), (b, links.col))]
    variance = sides[0][1] * sides[1][1]
    kept = np.sort(np.argsort(-variance, kind="stable")[:MOST_LINKS])
    kept = kept[variance[kept] > 0]
    roots = np.sqrt(np.abs(links.data[kept]))
    first, second = (
        np.nan_to_num(values[:, kept] / deviation[kept] * weights).astype(np.float32)
        for (values, deviation), weights in zip(sides, (roots, roots * np.sign(links.data[kept])), strict=True)
    )
    return first, second


def _centered_features(view: View, features: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Centered values (n, l) of features, which may repeat, and standard deviations (l,), 0 if constant."""
    which, back = np.unique(features, return_inverse=True)
    X: Any = view.block.X
    counts = looks_like_counts(X)
    if counts:
        X = depth_normalized(X, typical_total(X))
    chosen = X[:, which]
    values = np.asarray(chosen.toarray() if sparse.issparse(chosen) else chosen, np.float32)
    if counts:
        values = np.log1p(values)
    values = values - np.nanmean(values, axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.nanstd(values, axis=0, dtype=np.float64)
    largest = np.nanmax(np.abs(values), axis=0, initial=0)
    return values[:, back], np.where(deviation > 1e-6 * largest, deviation, 0)[back]
