"""Panels: sets of features that some cells were measured for, as antibodies or genes that one batch lacks.

What was not measured is NaN in the data. Beside them stand the panels (k, p), true for measured features; the first
holds all features, so that every cell has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.core.lazy_rows import LazyRows

Panels: TypeAlias = NDArray[np.bool_]
Part: TypeAlias = NDArray[np.float32]


def assign_panels(X: Any, panels: Panels) -> NDArray[np.int64]:
    """(n,) number of the panel of each cell of X (n, p): the smallest of those whose other features are all NaN."""
    of = np.zeros(X.shape[0], np.int64)
    for number in np.argsort(-panels.sum(axis=1), kind="stable"):
        absent = np.flatnonzero(~panels[number])
        if len(absent):
            of[_all_missing(X, absent)] = number
    return of


def _all_missing(X: Any, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether all of some columns are NaN."""
    if not sparse.issparse(X):
        missing: NDArray[np.bool_] = np.isnan(X[:, columns[0]])
        rows = np.flatnonzero(missing)
        missing[rows] = np.isnan(X[np.ix_(rows, columns)]).all(axis=1)
        return missing
    chosen = sparse.csr_array(X[:, columns])
    row = np.repeat(np.arange(X.shape[0]), np.diff(chosen.indptr))
    return np.bincount(row[np.isnan(chosen.data)], minlength=X.shape[0]) == len(columns)


def fill_nan(X: Any, values: NDArray[np.floating]) -> Any:
    """Return X (n, p) with `values` (p,) in place of NaN; dense or sparse as it is."""
    if sparse.issparse(X):
        full: Any = X.copy()
        full.data = np.where(np.isnan(full.data), values[full.indices], full.data).astype(np.float32)
        return full
    return np.where(np.isnan(X), values, X).astype(np.float32, copy=False)


def mask_unmeasured(X: Any, panels: Panels) -> Any:
    """Return X (n, p) with NaN for what cells lack of the largest panel in which all that it lacks is 0.

    A panel lacks features that hardly any cell of the others is without, so that zeros in all of them say enough.
    """
    marked = X
    for features in panels:
        columns = np.flatnonzero(~features)
        if not len(columns):
            continue
        chosen: Any = X[:, columns]
        rows = np.flatnonzero(np.asarray((chosen != 0).sum(axis=1)).ravel() == 0)
        if len(rows):
            marked = set_nan(marked, rows, columns)
    return marked


def set_nan(X: Any, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Any:
    """Return X (n, p) with NaN for some features of some cells, in which it is 0 where it is sparse."""
    if not sparse.issparse(X):
        marked = X.copy()
        marked[np.ix_(rows, columns)] = np.nan
        return marked
    places = (np.repeat(rows, len(columns)), np.tile(columns, len(rows)))
    holes = sparse.csr_array((np.full(len(places[0]), np.nan, np.float32), places), shape=X.shape)
    return sparse.csr_array(X + holes)


def set_rows(X: Any, rows: NDArray[np.bool_], values: NDArray[np.floating]) -> Any:
    """Return X (n, p) with `values` (p,) in some of its rows."""
    if not sparse.issparse(X):
        return np.where(rows[:, None], values, X).astype(np.float32)
    kept = sparse.csr_array(sparse.diags_array((~rows).astype(np.float32)))
    full = sparse.csr_array(rows.astype(np.float32)[:, None]) @ sparse.csr_array(values[None, :])
    clean: Any = X.copy()
    clean.data[np.repeat(rows, np.diff(clean.indptr))] = 0
    return sparse.csr_array(kept @ clean + full).astype(np.float32)


def has_nan(X: Any) -> bool:
    """Whether any value is NaN, which none is of cells that are read lazily."""
    if isinstance(X, LazyRows):
        return False
    stored = X.data if sparse.issparse(X) else X
    return bool(np.isnan(np.sum(stored, dtype=np.float64)) and np.isnan(stored).any())


def project_measured(residuals: NDArray[np.floating], part: Part) -> NDArray[np.floating]:
    """Return what of residuals (n, t) concerns measured features, by a part of `MeasuredTarget`."""
    return residuals * part if part.ndim == 1 else residuals @ part


@dataclass(frozen=True)
class MeasuredTarget:
    """Which part of each cell's target was measured.

    Parameters
    ----------
    panel : (n,)
        Number of the panel of each cell.
    parts
        Of each panel: (t,) ones and zeros where targets are features; (t, t) where they are scores, such as principal
        components, the map ``inverse, features measured, transform`` of a residual to what of it concerns measured
        features. The first is the identity.
    """

    panel: NDArray[np.int64]
    parts: tuple[Part, ...]

    def subset(self, cells: ArrayLike) -> Self:
        """Keep the given cells (indices), in the given order."""
        return replace(self, panel=self.panel[np.asarray(cells)])


@dataclass(frozen=True)
class SubstituteBatches:
    """Batches that lack features of a target, and the batches from which their decoding is borrowed.

    A decoder reads each cell's batch, but cannot learn the effect of a batch on features that are not measured
    there. These are decoded as if measured in the batches that have them.

    Parameters
    ----------
    mixtures : (C, C)
        For each batch, the covariates with which the features that it lacks are decoded.
    parts
        For each batch that lacks some, its part as of `MeasuredTarget`.
    """

    mixtures: NDArray[np.float32]
    parts: Mapping[int, Part]
