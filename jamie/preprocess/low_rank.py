"""Values that were not measured in some cells, estimated by probabilistic principal components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.matrix import column_means, column_variances, row_chunks
from jamie.core.panels import fill_nan, has_nan

ROUNDS = 5  # estimates and components in turn; further rounds change scores by less than a hundredth
LEAST_NOISE = 1e-3  # of a feature's mean variance, so that no estimate follows what was measured without bound

Doubles = NDArray[np.float64]
Decompose = Callable[[Matrix], tuple[Doubles, Doubles, Doubles]]


@dataclass(frozen=True)
class LowRank:
    r"""Cells as few factors and noise: :math:`x = m + z W + \varepsilon`, with z standard normal.

    Parameters
    ----------
    mean : (p,)
        m.
    loadings : (q, p)
        W.
    noise
        Variance of each feature's noise.
    """

    mean: Doubles
    loadings: Doubles
    noise: float

    @classmethod
    def of(cls, mean: Doubles, components: Doubles, singular_values: Doubles, n: int, total: float) -> Self:
        """Return the maximum-likelihood fit, from principal components of n cells whose features vary by `total`."""
        variances = singular_values**2 / n
        q, p = components.shape
        rest = (total - variances.sum()) / (p - q) if p > q else 0.0
        noise = max(rest, LEAST_NOISE * total / p, np.finfo(np.float64).tiny)
        return cls(mean, np.sqrt(np.maximum(variances - noise, 0))[:, None] * components, noise)

    def complete(self, X: Matrix) -> Matrix:
        """Return X (n, p) with the expected value in place of NaN, given what was measured of the cell."""
        return _by_rows(X, self._complete_block) if has_nan(X) else X

    def _complete_block(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        missing = np.isnan(X)
        for rows, known in _patterns(missing):
            W = self.loadings[:, known]
            precision = W @ W.T + self.noise * np.eye(len(W))
            z = np.linalg.solve(precision, W @ (X[np.ix_(rows, np.flatnonzero(known))] - self.mean[known]).T)
            X[np.ix_(rows, np.flatnonzero(~known))] = self.mean[~known] + z.T @ self.loadings[:, ~known]
        return X

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays from which `from_state` restores it."""
        return {"loadings": self.loadings, "noise": np.array([self.noise]), "center": self.mean}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]]) -> Self | None:
        """Restore what `state` gave; None where there is none among the arrays."""
        if "loadings" not in arrays:
            return None
        return cls(arrays["center"], arrays["loadings"], arrays["noise"].item())


def estimate_missing(X: Matrix, decompose: Decompose) -> tuple[Matrix, LowRank | None]:
    """Estimate what is NaN in training cells (n, p); X itself and None where nothing is.

    Parameters
    ----------
    X
        Dense or CSR.
    decompose
        Mean (p,), components (q, p) and singular values (q,) of a matrix without NaN.
    """
    if not has_nan(X):
        return X, None
    total = float(np.nansum(column_variances(X)))
    complete, model = fill_nan(X, column_means(X)), None
    for _ in range(ROUNDS):
        mean, components, singular_values = decompose(complete)
        model = LowRank.of(mean, components, singular_values, X.shape[0], total)
        complete = model.complete(X)
    return complete, model


def _patterns(missing: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Rows that lack the same values, and which columns (p,) they have."""
    rows = np.flatnonzero(missing.any(axis=1))
    packed = np.packbits(missing[rows], axis=1)
    _, first, group = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    for number, row in enumerate(first):
        yield rows[group.ravel() == number], ~missing[rows[row]]


def _by_rows(X: Any, function: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Matrix:
    """Apply a function that replaces NaN to dense blocks of rows of X (n, p); sparse stays sparse."""
    if not sparse.issparse(X):
        out: NDArray[np.float32] = np.array(X, dtype=np.float32)
        for rows in row_chunks(*X.shape):
            out[rows] = function(out[rows])
        return out
    full: Any = X.copy()
    for rows in row_chunks(*X.shape):
        start, stop = full.indptr[rows.start], full.indptr[min(rows.stop, X.shape[0])]
        entries = start + np.flatnonzero(np.isnan(full.data[start:stop]))
        row = np.searchsorted(full.indptr, entries, side="right") - 1 - rows.start
        full.data[entries] = function(X[rows].toarray())[row, full.indices[entries]]
    return full
