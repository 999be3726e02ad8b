"""Whether the installed anndata can write a value, found by writing it into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse


def can_be_written(value: Any) -> bool:
    """Whether anndata writes a value, of whatever class, as an element of a file.

    Plain numbers are not tried; of categories without their cells it is told as well.
    """
    if is_numeric(value):
        return True
    if isinstance(value, pd.Categorical):
        value = pd.Categorical.from_codes([], dtype=value.dtype)
    import h5py
    from anndata.io import write_elem

    with h5py.File("trial", "w", driver="core", backing_store=False) as file:
        try:
            write_elem(file, "value", value)
        except Exception:  # anndata, h5py and numpy raise all sorts
            return False
    return True


def is_numeric(value: Any) -> bool:
    """Whether a value is a matrix of numbers of a class that anndata is known to write."""
    dtype = getattr(value, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
        return False
    if sparse.issparse(value):
        return value.format in ("csr", "csc")
    is_other = isinstance(value, np.ndarray | np.generic | pd.Series | pd.Index) and type(value) is not np.ndarray
    return not is_other
