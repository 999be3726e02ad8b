"""Background values, which replace the features that are removed."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.matrix import column_means, column_range

BackgroundValue: TypeAlias = Literal["mean", "median", "zero", "minimum"]

_VALUES = 2**22  # of a block of columns


def background_values(X: Matrix, value: BackgroundValue) -> NDArray[np.float32]:
    """(p,) background value of each feature over training cells (n, p), ignoring missing values."""
    if value == "zero":
        return np.zeros(X.shape[1], np.float32)
    if value == "mean":
        return column_means(X).astype(np.float32)
    values = column_range(X)[0] if value == "minimum" else _column_medians(X)
    return np.nan_to_num(values).astype(np.float32)


def _column_medians(X: Matrix) -> NDArray[np.float64]:
    n, p = X.shape
    columns: Any = sparse.csc_array(X) if sparse.issparse(X) else X
    medians = np.zeros(p)
    width = max(1, _VALUES // max(n, 1))
    for start in range(0, p, width):
        block = columns[:, start : start + width]
        values = np.asarray(block.toarray() if sparse.issparse(block) else block, np.float64)
        empty = np.isnan(values).all(axis=0)
        medians[start : start + width] = np.nanmedian(np.where(empty, 0, values), axis=0)
    return medians
